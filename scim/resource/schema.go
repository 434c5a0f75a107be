package resource

import (
	"strings"

	"github.com/ostiary/ostiary/scim/filter"
)

// Type is the data type of an attribute (RFC 7643, section 2.3).
type Type string

// The types that the schemas of this package use.
const (
	String    Type = "string"
	Boolean   Type = "boolean"
	Integer   Type = "integer"
	DateTime  Type = "dateTime"
	Reference Type = "reference"
	Binary    Type = "binary"
	Complex   Type = "complex"
)

// Mutability says who may change an attribute, and when.
type Mutability string

// The mutabilities that the schemas of this package use.
const (
	ReadWrite Mutability = "readWrite"
	ReadOnly  Mutability = "readOnly"
	Immutable Mutability = "immutable"
)

// Returned says when an attribute is in an answer.
type Returned string

// The kinds of Returned that the schemas of this package use.
const (
	ByDefault Returned = "default"
	Always    Returned = "always"
)

// Attribute is the definition of an attribute or of a sub-attribute. It is immutable.
type Attribute struct {
	Name        string
	Description string
	Type        Type
	Multi       bool
	Required    bool
	CaseExact   bool
	Mutability  Mutability
	Returned    Returned
	Unique      string   // "none", "server" or "global"
	Canonical   []string // values that are usual, or, when Closed, the only ones
	Closed      bool
	References  []string
	Sub         []*Attribute
	// MaxBytes bounds a string. Zero means maxStringBytes.
	MaxBytes int
	// Apart marks values that are kept outside the resource, because there may be very many of them
	// (members), or because they are another resource's (groups). Filters may ask whether one is there.
	Apart bool

	order     int  // among its siblings
	extension bool // Name is the URN of an extension, the sub-attributes are its attributes
}

// sub returns the sub-attribute with a name in any case.
func (a *Attribute) sub(name string) *Attribute {
	for _, s := range a.Sub {
		if strings.EqualFold(s.Name, name) {
			return s
		}
	}
	return nil
}

// Schema is a set of attributes with a URN (RFC 7643, section 7).
type Schema struct {
	ID, Name, Description string
	Attributes            []*Attribute
}

// Kind is a type of resource: its endpoint, its schema, and the extensions that it may have.
type Kind struct {
	Name, Endpoint, Description string
	Schema                      *Schema
	Extensions                  []*Schema
	// Aliases are other URNs under which identity providers know the schema.
	Aliases []string
	// Dropped names attributes that clients send and that are never kept, in lower case.
	Dropped []string

	root *Attribute // a complex attribute that holds the common attributes, the schema's and the extensions
}

// newKind numbers the attributes of a kind and joins them under one root.
func newKind(k Kind) *Kind {
	sub := []*Attribute{schemasAttr(), idAttr(), externalIDAttr()}
	sub = append(sub, k.Schema.Attributes...)
	for _, x := range k.Extensions {
		sub = append(sub, &Attribute{Name: x.ID, Type: Complex, Mutability: ReadWrite, Returned: ByDefault,
			Sub: x.Attributes, extension: true})
	}
	k.root = &Attribute{Name: k.Name, Type: Complex, Sub: append(sub, metaAttr())}
	number(k.root)
	return &k
}

func number(a *Attribute) {
	for i, s := range a.Sub {
		s.order = i
		number(s)
	}
}

// Ref is an attribute as a path found it: the attributes from the root of a kind down to it.
type Ref []*Attribute

func (r Ref) last() *Attribute { return r[len(r)-1] }

// String returns the canonical path: names in the schema's case, the URN of an extension before them.
func (r Ref) String() string {
	var b strings.Builder
	for i, a := range r {
		switch {
		case i > 0 && r[i-1].extension:
			b.WriteByte(':')
		case i > 0:
			b.WriteByte('.')
		}
		b.WriteString(a.Name)
	}
	return b.String()
}

// Resolve finds the attribute that a path names, or reports that the kind has none. A path may begin
// with the URN of the kind's schema or of an extension, and may be the URN of an extension alone.
func (k *Kind) Resolve(p filter.AttrPath) (Ref, bool) {
	base := Ref{}
	parent := k.root
	if p.URI != "" {
		if x := k.root.sub(p.URI + ":" + p.Name); x != nil && x.extension && p.Sub == "" {
			return Ref{x}, true
		}
		switch x := k.root.sub(p.URI); {
		case x != nil && x.extension:
			base, parent = Ref{x}, x
		case !k.Is(p.URI):
			return nil, false
		}
	}
	a := parent.sub(p.Name)
	if a == nil || a.extension {
		return nil, false
	}
	ref := append(base, a)
	if p.Sub == "" {
		return ref, true
	}
	s := a.sub(p.Sub)
	if s == nil {
		return nil, false
	}
	return append(ref, s), true
}

// Is reports whether a URN names the schema of the kind, by its own name or by another.
func (k *Kind) Is(urn string) bool {
	if strings.EqualFold(urn, k.Schema.ID) {
		return true
	}
	for _, alias := range k.Aliases {
		if strings.EqualFold(urn, alias) {
			return true
		}
	}
	return false
}

// Drops reports whether values of an attribute are thrown away on arrival.
func (k *Kind) Drops(name string) bool {
	for _, d := range k.Dropped {
		if strings.EqualFold(d, name) {
			return true
		}
	}
	return false
}

// Knows reports whether a URN names the schema of the kind or one of its extensions.
func (k *Kind) Knows(urn string) bool {
	x := k.root.sub(urn)
	return k.Is(urn) || x != nil && x.extension
}
