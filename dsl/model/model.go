// Package model is a compiled authorization model as plain Go data.
//
// Package dsl makes a Model out of text or JSON and has checked it: every name resolves, tuplesets are
// direct, every relation has an entry point. Package engine evaluates it. A Model and everything in it
// is immutable once New has returned, and may be shared by any number of goroutines; the slices are
// exported for reading.
//
// # Not here
//
// Parsing, checking and printing (package dsl), evaluation (package engine).
package model

// SchemaVersion is the version of the modelling language that a model is written in.
type SchemaVersion string

// The schema versions that OpenFGA knows and Ostiary accepts or will.
const (
	Schema11 SchemaVersion = "1.1"
	Schema12 SchemaVersion = "1.2"
)

// Model is one authorization model.
type Model struct {
	Schema     SchemaVersion
	Types      []*Type      // in the order of the text
	Conditions []*Condition // in the order of the text

	types      map[string]*Type
	conditions map[string]*Condition
}

// New returns a model of the given parts. Names must be unique; New keeps the first of two.
func New(schema SchemaVersion, types []*Type, conditions []*Condition) *Model {
	m := &Model{
		Schema: schema, Types: types, Conditions: conditions,
		types:      make(map[string]*Type, len(types)),
		conditions: make(map[string]*Condition, len(conditions)),
	}
	for _, t := range types {
		if _, taken := m.types[t.Name]; taken {
			continue
		}
		m.types[t.Name] = t
		t.relations = make(map[string]*Relation, len(t.Relations))
		for _, r := range t.Relations {
			if _, taken := t.relations[r.Name]; !taken {
				t.relations[r.Name] = r
			}
		}
	}
	for _, c := range conditions {
		if _, taken := m.conditions[c.Name]; !taken {
			m.conditions[c.Name] = c
		}
	}
	return m
}

// Type returns the type of that name, or nil.
func (m *Model) Type(name string) *Type { return m.types[name] }

// Relation returns the relation of a type, or nil when either does not exist.
func (m *Model) Relation(typeName, relation string) *Relation {
	t := m.types[typeName]
	if t == nil {
		return nil
	}
	return t.relations[relation]
}

// Condition returns the condition of that name, or nil.
func (m *Model) Condition(name string) *Condition { return m.conditions[name] }

// Origin says which module of a modular model declared something, and the module's file as fga.mod
// names it. It is zero in a model of one file. It has no meaning in evaluation.
type Origin struct{ Module, File string }

// Type is a type of objects.
type Type struct {
	Name      string
	Relations []*Relation // in the order of the text; those of extensions follow the type's own
	Origin    Origin

	relations map[string]*Relation
}

// Relation returns the relation of that name, or nil.
func (t *Type) Relation(name string) *Relation { return t.relations[name] }

// Relation is a named relation of a type.
type Relation struct {
	Name    string
	Rewrite Rewrite
	// Restrictions are the subject shapes that may be written directly. Empty exactly when no Direct
	// stands in Rewrite.
	Restrictions []Restriction
	// Origin is set where another module than the type's own added the relation, by `extend type`.
	Origin Origin
}

// Restriction is one subject shape that may be written directly to a relation: "user", "user:*",
// "group#member", each perhaps "with condition".
type Restriction struct {
	Type      string
	Relation  string // set for a userset such as group#member
	Wildcard  bool   // set for user:*
	Condition string // name of a condition, or empty
}

// String returns the restriction as it stands in the DSL.
func (r Restriction) String() string {
	s := r.Type
	switch {
	case r.Wildcard:
		s += ":*"
	case r.Relation != "":
		s += "#" + r.Relation
	}
	if r.Condition != "" {
		s += " with " + r.Condition
	}
	return s
}

// Rewrite is the set expression that defines a relation: Direct, ComputedUserset, TupleToUserset,
// Union, Intersection or Difference.
type Rewrite interface{ rewrite() }

// Direct is the set of subjects written directly: the "[user, group#member]" of the DSL.
type Direct struct{}

// ComputedUserset is another relation of the same object: "or editor".
type ComputedUserset struct{ Relation string }

// TupleToUserset follows Tupleset to other objects and takes Computed there: "viewer from parent".
type TupleToUserset struct {
	Tupleset string // relation of this type; direct only, to plain objects
	Computed string // relation of the objects found; at least one of their types has it
}

// Union holds subjects of any child: "a or b".
type Union struct{ Children []Rewrite }

// Intersection holds subjects of every child: "a and b".
type Intersection struct{ Children []Rewrite }

// Difference holds subjects of Base that are not in Subtract: "a but not b".
type Difference struct{ Base, Subtract Rewrite }

func (Direct) rewrite()          {}
func (ComputedUserset) rewrite() {}
func (TupleToUserset) rewrite()  {}
func (Union) rewrite()           {}
func (Intersection) rewrite()    {}
func (Difference) rewrite()      {}

// Condition is a named boolean expression in CEL over typed parameters.
type Condition struct {
	Name       string
	Parameters []Parameter // in the order of the text
	Expression string
	Origin     Origin
}

// Parameter is one typed parameter of a condition.
type Parameter struct {
	Name string
	Type ParameterType
}

// ParameterType is a type of a condition's parameter. Element is set for list and map, and only there.
type ParameterType struct {
	// Name is one of bool, string, int, uint, double, duration, timestamp, ipaddress, any, list, map.
	Name    string
	Element *ParameterType
}

// String returns the type as it stands in the DSL: "list<string>".
func (p ParameterType) String() string {
	if p.Element == nil {
		return p.Name
	}
	return p.Name + "<" + p.Element.String() + ">"
}
