package resource

import (
	"slices"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Target is the place that the path of a PATCH operation names, checked against the schema.
type Target struct {
	dialect Dialect
	ref     Ref
	choose  test       // nil: all values
	fixed   []entry    // what the filter says that a chosen value has, when that is all it says
	sub     *Attribute // of the chosen values
	path    string
}

func (t Target) String() string { return t.path }

// Target checks the path of a PATCH operation. The errors are 400 invalidPath, invalidFilter and, where the
// server alone may change what the path names, mutability.
func (k *Kind) Target(p filter.Path, d Dialect) (Target, error) {
	t := Target{dialect: d, path: p.String()}
	attr := p.Attr
	if p.Filter != nil {
		attr.Sub = ""
	}
	var ok bool
	if t.ref, ok = k.Resolve(attr); !ok {
		return t, scimerr.Bad(scimerr.InvalidPath, "%s has no attribute %q", k.Name, clip(attr.String()))
	}
	if p.Filter != nil {
		if err := t.filter(k, p); err != nil {
			return t, err
		}
	}
	for _, a := range append(slices.Clone(t.ref), t.sub) {
		if a != nil && a.Mutability == ReadOnly {
			return t, scimerr.Bad(scimerr.Mutability, "%q is read-only", clip(t.path))
		}
	}
	return t, nil
}

func (t *Target) filter(k *Kind, p filter.Path) error {
	a := t.ref.last()
	if !a.Multi || a.Type != Complex {
		return scimerr.Bad(scimerr.InvalidPath, "%q has one value at most: leave the filter out", a.Name)
	}
	if p.Attr.Sub != "" {
		if t.sub = a.sub(p.Attr.Sub); t.sub == nil {
			return scimerr.Bad(scimerr.InvalidPath, "%q has no part %q", a.Name, clip(p.Attr.Sub))
		}
	}
	if a.Apart {
		return nil // its filter is read by Chosen
	}
	if t.dialect == Strict && t.sub == nil {
		return scimerr.Bad(scimerr.InvalidPath, "a path with a filter must end in a part of the value: %s.value", clip(t.path))
	}
	var err error
	t.choose, err = compiler{kind: k, dialect: t.dialect, parent: a}.compile(p.Filter)
	if err == nil {
		t.fixed, _ = fixedBy(t.choose, nil)
	}
	return err
}

// Apart returns the attribute whose values are kept apart, when the target is one.
func (t Target) Apart() (name string, ok bool) {
	return t.ref[0].Name, t.ref[0].Apart
}

// List reports whether the target is all values of a multi-valued attribute.
func (t Target) List() bool { return t.choose == nil && t.sub == nil && t.ref.last().Multi }

// Required reports whether the target is what the resource cannot be without.
func (t Target) Required() bool {
	if t.sub != nil {
		return t.sub.Required
	}
	return t.choose == nil && t.ref.last().Required
}

// Chosen returns the values that the filter of a path to values kept apart names: `value eq "1"`, or
// several of these joined by "or". Other filters are refused: they would read all values.
func Chosen(e filter.Expr) ([]string, error) {
	switch e := e.(type) {
	case filter.Compare:
		if Fold(e.Path.String()) == "value" && e.Op == filter.Equal && e.Value.Kind != filter.Null {
			return []string{e.Value.Text}, nil
		}
	case filter.Or:
		var ids []string
		for _, term := range e.Terms {
			id, err := Chosen(term)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id...)
		}
		return ids, nil
	}
	return nil, scimerr.Bad(scimerr.InvalidFilter, "members are chosen by value alone: members[value eq \"…\"]")
}

// fixedBy returns the parts that a value must have to satisfy a test that is a conjunction of equalities.
// It reports false for other tests.
func fixedBy(t test, parts []entry) ([]entry, bool) {
	switch t := t.(type) {
	case compare:
		if t.op == filter.Equal && t.want.raw != nil && len(t.path) == 1 {
			return append(parts, entry{t.path[0], t.want.raw}), true
		}
	case allOf:
		for _, term := range t {
			var ok bool
			if parts, ok = fixedBy(term, parts); !ok {
				return nil, false
			}
		}
		return parts, len(t) > 0
	}
	return nil, false
}

// Value reads what an operation sends for its target. Nil is no value: null, "" for a manager, an empty
// list. The error is 400 invalidValue, or invalidSyntax for an unknown part in the strict dialect.
func (t Target) Value(json any) (any, error) {
	switch a := t.ref.last(); {
	case t.sub != nil:
		return t.dialect.read(t.sub, json)
	case t.choose != nil:
		if list, ok := json.([]any); ok && len(list) == 1 && t.dialect == Compat {
			json = list[0]
		}
		return t.dialect.readOne(a, json)
	default:
		return t.dialect.read(a, json)
	}
}
