package filter

import (
	"encoding/json"
	"strings"
)

// An Expr is a filter: And, Or, Not, Compare or Within.
type Expr interface {
	// append writes the filter as text. An operator that binds tighter than the filter's own asks for
	// parentheses by level.
	append(b *strings.Builder, level int)
}

// The levels of binding, loosest first.
const (
	levelOr = iota
	levelAnd
	levelTerm
)

// And holds when all of its terms hold. It has two or more, none of them an And.
type And struct{ Terms []Expr }

// Or holds when one of its terms holds. It has two or more, none of them an Or.
type Or struct{ Terms []Expr }

// Not holds when its term does not.
type Not struct{ Term Expr }

// Compare compares the values of an attribute with one value.
type Compare struct {
	Path  AttrPath
	Op    Op
	Value Value // the zero Value when Op is Present
}

// Within holds when one value of a multi-valued attribute satisfies a whole filter by itself. Paths in
// the filter start at that value. Filters do not nest: there is no Within inside a Within.
type Within struct {
	Path   AttrPath // without sub-attribute
	Filter Expr
}

// Op is a comparison.
type Op uint8

// The comparisons of RFC 7644, table 3.
const (
	Present Op = iota
	Equal
	NotEqual
	Contains
	StartsWith
	EndsWith
	Greater
	GreaterOrEqual
	Less
	LessOrEqual
)

var opNames = [...]string{"pr", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"}

func (o Op) String() string { return opNames[o] }

// opOf returns the comparison with a name in any case.
func opOf(name string) (Op, bool) {
	for op, known := range opNames {
		if strings.EqualFold(known, name) {
			return Op(op), true
		}
	}
	return 0, false
}

// Kind tells what sort of JSON value a Value is.
type Kind uint8

// The kinds of a Value.
const (
	Null Kind = iota
	Bool
	Number
	String
)

// Value is what an attribute is compared with.
type Value struct {
	Kind Kind
	Text string // the text of a string; else the literal: "true", "-1.5"; empty for null
}

func (v Value) String() string {
	switch v.Kind {
	case Null:
		return "null"
	case String:
		return quote(v.Text)
	default:
		return v.Text
	}
}

// AttrPath names an attribute, or one part of a complex attribute. Names are as they were written;
// they are compared without regard to case.
type AttrPath struct {
	URI  string // of the schema; empty where the text names none
	Name string
	Sub  string // of the sub-attribute, or empty
}

func (p AttrPath) String() string {
	text := p.Name
	if p.URI != "" {
		text = p.URI + ":" + text
	}
	if p.Sub != "" {
		text += "." + p.Sub
	}
	return text
}

// Path is the target of a PATCH operation: an attribute, a sub-attribute, or, with a filter, some of the
// values of a multi-valued attribute or a sub-attribute of theirs.
type Path struct {
	Attr   AttrPath // its Sub follows the filter when there is one
	Filter Expr     // nil: all values
}

func (p Path) String() string {
	if p.Filter == nil {
		return p.Attr.String()
	}
	text := AttrPath{URI: p.Attr.URI, Name: p.Attr.Name}.String() + "[" + Print(p.Filter) + "]"
	if p.Attr.Sub != "" {
		text += "." + p.Attr.Sub
	}
	return text
}

// Print returns the canonical text of a filter: operators in lower case, single spaces, strings in
// quotes, parentheses only where they matter.
func Print(e Expr) string {
	var b strings.Builder
	e.append(&b, levelOr)
	return b.String()
}

func (e And) append(b *strings.Builder, level int) {
	appendTerms(b, e.Terms, " and ", levelTerm, level > levelAnd)
}

func (e Or) append(b *strings.Builder, level int) {
	appendTerms(b, e.Terms, " or ", levelAnd, level > levelOr)
}

func appendTerms(b *strings.Builder, terms []Expr, word string, level int, parentheses bool) {
	if parentheses {
		b.WriteByte('(')
	}
	for i, t := range terms {
		if i > 0 {
			b.WriteString(word)
		}
		t.append(b, level)
	}
	if parentheses {
		b.WriteByte(')')
	}
}

func (e Not) append(b *strings.Builder, _ int) {
	b.WriteString("not (")
	e.Term.append(b, levelOr)
	b.WriteByte(')')
}

func (e Compare) append(b *strings.Builder, _ int) {
	b.WriteString(e.Path.String())
	b.WriteByte(' ')
	b.WriteString(e.Op.String())
	if e.Op != Present {
		b.WriteByte(' ')
		b.WriteString(e.Value.String())
	}
}

func (e Within) append(b *strings.Builder, _ int) {
	b.WriteString(e.Path.String())
	b.WriteByte('[')
	e.Filter.append(b, levelOr)
	b.WriteByte(']')
}

// quote returns a JSON string, with the characters that HTML minds left as they are.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string and a strings.Builder: neither can fail
	return strings.TrimSuffix(b.String(), "\n")
}
