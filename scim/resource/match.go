package resource

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Filter is a filter that was checked against the schema of a kind. It is immutable.
//
// A multi-valued attribute satisfies a comparison when one of its values does. An attribute without a
// value is null: it is "eq null", "ne" everything else, and satisfies nothing more.
type Filter struct {
	test test
	keys []Key
}

// Key is a comparison by which an index may find the resources: no resource matches the filter that does
// not have this value.
type Key struct {
	Attr  string // the canonical path: "userName", "id", "emails.value", "members.value"
	Value string
}

// Keys returns comparisons that every match satisfies, in the order of the filter. There may be none.
func (f *Filter) Keys() []Key { return f.keys }

// Apart answers whether a value of an attribute that is kept apart is there: whether a group has a member,
// by "members" and its id.
type Apart func(attr, value string) (bool, error)

// Filter checks a filter against the schema. The error is 400 invalidFilter.
func (k *Kind) Filter(e filter.Expr, d Dialect) (*Filter, error) {
	c := compiler{kind: k, dialect: d, parent: k.root}
	t, err := c.compile(e)
	if err != nil {
		return nil, err
	}
	return &Filter{test: t, keys: keysOf(t, nil)}, nil
}

// Match reports whether a resource satisfies the filter. Apart is asked about what the resource does not
// hold, and may be nil where the filter of a kind without such attributes is matched.
func (f *Filter) Match(r *Resource, apart Apart) (bool, error) {
	return f.test.holds(r.values, apart)
}

// A test is a checked filter of a complex value.
type test interface {
	holds(v *Values, apart Apart) (bool, error)
}

type (
	allOf  []test
	oneOf  []test
	negate struct{ test }
	never  struct{} // an attribute that the kind does not have
	// some holds when one value of a multi-valued attribute satisfies the test.
	some struct {
		path Ref
		test test
	}
	// has asks about a value that is kept apart.
	has struct {
		attr  *Attribute
		value string
	}
	compare struct {
		path Ref
		op   filter.Op
		want operand
	}
)

func (t allOf) holds(v *Values, apart Apart) (bool, error) {
	for _, term := range t {
		if ok, err := term.holds(v, apart); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (t oneOf) holds(v *Values, apart Apart) (bool, error) {
	for _, term := range t {
		if ok, err := term.holds(v, apart); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func (t negate) holds(v *Values, apart Apart) (bool, error) {
	ok, err := t.test.holds(v, apart)
	return !ok && err == nil, err
}

func (never) holds(*Values, Apart) (bool, error) { return false, nil }

func (t has) holds(_ *Values, apart Apart) (bool, error) { return apart(t.attr.Name, t.value) }

func (t some) holds(v *Values, apart Apart) (bool, error) {
	for value := range valuesAt(v, t.path) {
		if element, ok := value.(*Values); ok {
			if ok, err := t.test.holds(element, apart); err != nil || ok {
				return ok, err
			}
		}
	}
	return false, nil
}

func (t compare) holds(v *Values, _ Apart) (bool, error) {
	found := false
	for value := range valuesAt(v, t.path) {
		found = true
		if t.want.satisfies(t.op, value) {
			return true, nil
		}
	}
	return !found && t.want.satisfies(t.op, nil), nil
}

// valuesAt yields the values at a path: each value of the multi-valued attributes that it passes.
func valuesAt(v *Values, path Ref) func(func(any) bool) {
	return func(yield func(any) bool) { yieldAt(v, path, yield) }
}

func yieldAt(v *Values, path Ref, yield func(any) bool) bool {
	value := v.get(path[0])
	if value == nil {
		return true
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, element := range list {
		if len(path) == 1 {
			if !yield(element) {
				return false
			}
			continue
		}
		if inner, ok := element.(*Values); ok && !yieldAt(inner, path[1:], yield) {
			return false
		}
	}
	return true
}

// operand is the value of a comparison, in the type of the attribute.
type operand struct {
	attr *Attribute
	null bool
	text string // folded unless the attribute is caseExact
	flag bool
	num  int64
	time time.Time
	raw  any // the value as an attribute would have it
}

// satisfies compares a value of the resource, nil when there is none, with the operand.
func (o operand) satisfies(op filter.Op, value any) bool {
	switch {
	case op == filter.Present:
		return value != nil && value != ""
	case o.null || value == nil:
		return (op == filter.Equal) == (o.null && value == nil) && (op == filter.Equal || op == filter.NotEqual)
	}
	switch value := value.(type) {
	case bool:
		return (op == filter.Equal) == (value == o.flag)
	case int64:
		return ordered(op, cmp.Compare(value, o.num))
	case string:
		if o.attr.Type == DateTime {
			at, err := time.Parse(time.RFC3339Nano, value)
			return err == nil && ordered(op, at.Compare(o.time))
		}
		if !o.attr.CaseExact {
			value = Fold(value)
		}
		return textual(op, value, o.text)
	default:
		return false
	}
}

func textual(op filter.Op, value, want string) bool {
	switch op {
	case filter.Contains:
		return strings.Contains(value, want)
	case filter.StartsWith:
		return strings.HasPrefix(value, want)
	case filter.EndsWith:
		return strings.HasSuffix(value, want)
	default:
		return ordered(op, strings.Compare(value, want))
	}
}

func ordered(op filter.Op, sign int) bool {
	switch op {
	case filter.Equal:
		return sign == 0
	case filter.NotEqual:
		return sign != 0
	case filter.Greater:
		return sign > 0
	case filter.GreaterOrEqual:
		return sign >= 0
	case filter.Less:
		return sign < 0
	case filter.LessOrEqual:
		return sign <= 0
	default:
		return false
	}
}

// compiler checks a filter against the attributes of a parent: the root, or a multi-valued attribute
// whose values are chosen from.
type compiler struct {
	kind    *Kind
	dialect Dialect
	parent  *Attribute
}

func (c compiler) compile(e filter.Expr) (test, error) {
	switch e := e.(type) {
	case filter.And:
		terms, err := c.all(e.Terms)
		return allOf(terms), err
	case filter.Or:
		terms, err := c.all(e.Terms)
		return oneOf(terms), err
	case filter.Not:
		t, err := c.compile(e.Term)
		return negate{t}, err
	case filter.Within:
		return c.within(e)
	case filter.Compare:
		return c.compare(e)
	default:
		return nil, scimerr.Bad(scimerr.InvalidFilter, "the filter is empty")
	}
}

func (c compiler) all(exprs []filter.Expr) ([]test, error) {
	tests := make([]test, len(exprs))
	for i, e := range exprs {
		var err error
		if tests[i], err = c.compile(e); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// resolve finds an attribute. Within brackets, names are those of the sub-attributes.
func (c compiler) resolve(p filter.AttrPath) (Ref, bool) {
	if c.parent == c.kind.root {
		return c.kind.Resolve(p)
	}
	s := c.parent.sub(p.Name)
	return Ref{s}, s != nil && p.Sub == "" && p.URI == ""
}

// unknown is the test of an attribute that is not there: false, or an error where the dialect asks for one.
func (c compiler) unknown(p filter.AttrPath) (test, error) {
	if c.dialect == Strict {
		return nil, scimerr.Bad(scimerr.InvalidFilter, "%s has no attribute %q", c.parent.Name, clip(p.String()))
	}
	return never{}, nil
}

func (c compiler) within(e filter.Within) (test, error) {
	ref, ok := c.resolve(e.Path)
	if !ok {
		return c.unknown(e.Path)
	}
	a := ref.last()
	if a.Type != Complex || a.extension {
		return nil, scimerr.Bad(scimerr.InvalidFilter, "%q has no values with parts to choose from", a.Name)
	}
	if a.Apart {
		return c.withinApart(a, e.Filter)
	}
	t, err := compiler{kind: c.kind, dialect: c.dialect, parent: a}.compile(e.Filter)
	return some{ref, t}, err
}

// withinApart takes members[value eq "…"] alone: other filters would read every member of every group.
func (c compiler) withinApart(a *Attribute, e filter.Expr) (test, error) {
	if cmp, ok := e.(filter.Compare); ok && strings.EqualFold(cmp.Path.Name, "value") && cmp.Path.Sub == "" && cmp.Path.URI == "" {
		return c.has(a, cmp)
	}
	return nil, apartFilter(a)
}

func apartFilter(a *Attribute) error {
	return scimerr.Bad(scimerr.InvalidFilter, "%q can be filtered by value alone: %s[value eq \"…\"]", a.Name, a.Name)
}

func (c compiler) has(a *Attribute, e filter.Compare) (test, error) {
	if e.Op != filter.Equal || e.Value.Kind != filter.String && e.Value.Kind != filter.Number {
		return nil, apartFilter(a)
	}
	return has{a, e.Value.Text}, nil
}

func (c compiler) compare(e filter.Compare) (test, error) {
	ref, ok := c.resolve(e.Path)
	if !ok {
		return c.unknown(e.Path)
	}
	if ref[0].Name == "schemas" {
		return c.schema(e)
	}
	if ref[0].Apart {
		if len(ref) == 1 || strings.EqualFold(ref[1].Name, "value") {
			return c.has(ref[0], e)
		}
		return nil, apartFilter(ref[0])
	}
	a := ref.last()
	if a.Type == Complex && e.Op != filter.Present && e.Value.Kind != filter.Null {
		value := a.sub("value")
		if value == nil {
			return nil, scimerr.Bad(scimerr.InvalidFilter, "%q has parts: compare one of them", a.Name)
		}
		ref, a = append(ref[:len(ref):len(ref)], value), value
	}
	want, err := c.operand(a, e)
	return compare{ref, e.Op, want}, err
}

// schema answers "schemas eq" from the kind and from the extensions that have attributes.
func (c compiler) schema(e filter.Compare) (test, error) {
	if e.Op != filter.Equal {
		return nil, scimerr.Bad(scimerr.InvalidFilter, "\"schemas\" can be filtered by eq alone")
	}
	if c.kind.Is(e.Value.Text) {
		return allOf{}, nil
	}
	if x := c.kind.root.sub(e.Value.Text); x != nil && x.extension {
		return compare{path: Ref{x}, op: filter.Present, want: operand{attr: x}}, nil
	}
	return never{}, nil
}

// operand turns the value of a comparison into the type of the attribute.
func (c compiler) operand(a *Attribute, e filter.Compare) (operand, error) {
	o := operand{attr: a}
	if e.Op == filter.Present {
		return o, nil
	}
	text := a.Type != Boolean && a.Type != Integer && a.Type != DateTime
	isOrder := e.Op == filter.Greater || e.Op == filter.GreaterOrEqual || e.Op == filter.Less || e.Op == filter.LessOrEqual
	isPart := e.Op == filter.Contains || e.Op == filter.StartsWith || e.Op == filter.EndsWith
	if isPart && !text || isOrder && (a.Type == Boolean || a.Type == Binary) || (isOrder || isPart) && e.Value.Kind == filter.Null {
		return o, scimerr.Bad(scimerr.InvalidFilter, "%q is of type %s and knows no %q", a.Name, a.Type, e.Op)
	}
	if e.Value.Kind == filter.Null {
		o.null = true
		return o, nil
	}
	if text && e.Value.Kind == filter.String || text && c.dialect == Compat && e.Value.Kind == filter.Number {
		if o.text, o.raw = e.Value.Text, e.Value.Text; !a.CaseExact {
			o.text = Fold(o.text)
		}
		return o, nil
	}
	var err error
	switch isText := e.Value.Kind == filter.String; {
	case a.Type == Boolean && (e.Value.Kind == filter.Bool || isText && c.dialect == Compat):
		if lower := strings.ToLower(e.Value.Text); lower == "true" || lower == "false" {
			o.flag = lower == "true"
			o.raw = o.flag
			return o, nil
		}
	case a.Type == Integer && e.Value.Kind == filter.Number:
		if o.num, err = strconv.ParseInt(e.Value.Text, 10, 64); err == nil {
			o.raw = o.num
			return o, nil
		}
	case a.Type == DateTime && isText:
		if o.time, err = time.Parse(time.RFC3339Nano, e.Value.Text); err == nil {
			o.raw = e.Value.Text
			return o, nil
		}
	}
	return o, scimerr.Bad(scimerr.InvalidFilter, "%q is of type %s and cannot be compared with %s", a.Name, a.Type, clip(e.Value.String()))
}

// keysOf collects the equalities that a conjunction rests on.
func keysOf(t test, keys []Key) []Key {
	switch t := t.(type) {
	case allOf:
		for _, term := range t {
			keys = keysOf(term, keys)
		}
	case some:
		for _, k := range keysOf(t.test, nil) {
			keys = append(keys, Key{t.path.String() + "." + k.Attr, k.Value})
		}
	case has:
		keys = append(keys, Key{t.attr.Name + ".value", t.value})
	case compare:
		if t.op == filter.Equal && !t.want.null && (t.want.attr.Type == String || t.want.attr.Type == Reference) {
			keys = append(keys, Key{t.path.String(), t.want.text})
		}
	}
	return keys
}
