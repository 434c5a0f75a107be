package gate

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

// Assignable is a relation of the application's that identity providers may assign, on the objects of an
// organization.
type Assignable struct {
	Kind      string `json:"kind"`     // KindRole or KindEntitlement
	Type      string `json:"type"`     // of the objects
	Relation  string `json:"relation"` // of that type
	TypeLabel string `json:"type_label"`
	Label     string `json:"label"` // both for people: "Workspace role", "Editor"
}
