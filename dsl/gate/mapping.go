package gate

import "github.com/ostiary/ostiary/dsl/model"

// The kinds of what identity providers may assign.
const (
	KindRole        = "role"
	KindEntitlement = "entitlement"
)

// Mapping says how identity is written to the model of a store: what the model calls the parts of the identity
// module, and which relations of the application's types identity providers may assign.
type Mapping struct {
	Names
	Assignable []Assignable `json:"assignable,omitempty"`
}

// Lint returns the ways around the gate of a model: those of its parts, and those of the relations that identity
// providers may assign. A relation that the model does not have is none: what was assigned of it means nothing there.
func (m *Mapping) Lint(of *model.Model) Faults {
	faults := Lint(of, &m.Names)
	for _, a := range m.Assignable {
		if of.Relation(a.Type, a.Relation) != nil {
			faults = append(faults, a.Judge(of, &m.Names)...)
		}
	}
	return faults
}

// Assignable is a relation of the application's that identity providers may assign, on the objects of an
// organization.
type Assignable struct {
	Kind      string `json:"kind"`     // KindRole or KindEntitlement
	Type      string `json:"type"`     // of the objects
	Relation  string `json:"relation"` // of that type
	TypeLabel string `json:"type_label"`
	Label     string `json:"label"` // both for people: "Workspace role", "Editor"
}
