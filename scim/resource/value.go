package resource

import (
	"slices"
)

// Values holds the assigned sub-attributes of a complex attribute, or, at the root, the attributes of a
// resource. An attribute without a value is not there: null, an empty list and an empty complex value
// are the same thing (RFC 7643, section 2.5).
//
// A value is a string (String, Reference, Binary, and DateTime as it was written), a bool, an int64, a
// *Values of a complex attribute, or, of a multi-valued attribute, a []any of those with one or more.
type Values struct{ entries []entry }

type entry struct {
	attr  *Attribute
	value any
}

// get returns the value of an attribute, nil when it has none.
func (v *Values) get(a *Attribute) any {
	if v == nil {
		return nil
	}
	for i := range v.entries {
		if v.entries[i].attr == a {
			return v.entries[i].value
		}
	}
	return nil
}

// set assigns a value; nothing and what is empty unassign.
func (v *Values) set(a *Attribute, value any) {
	if isEmpty(value) {
		v.entries = slices.DeleteFunc(v.entries, func(e entry) bool { return e.attr == a })
		return
	}
	at, found := slices.BinarySearchFunc(v.entries, a, func(e entry, a *Attribute) int { return e.attr.order - a.order })
	if found {
		v.entries[at].value = value
		return
	}
	v.entries = slices.Insert(v.entries, at, entry{a, value})
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case *Values:
		return value == nil || len(value.entries) == 0
	case []any:
		return len(value) == 0
	default:
		return false
	}
}

func (v *Values) clone() *Values {
	c := &Values{entries: slices.Clone(v.entries)}
	for i := range c.entries {
		c.entries[i].value = cloneValue(c.entries[i].value)
	}
	return c
}

func cloneValue(value any) any {
	switch value := value.(type) {
	case *Values:
		return value.clone()
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = cloneValue(value[i])
		}
		return list
	default:
		return value
	}
}

func equalValues(a, b any) bool {
	switch a := a.(type) {
	case *Values:
		b, ok := b.(*Values)
		return ok && slices.EqualFunc(a.entries, b.entries, func(x, y entry) bool {
			return x.attr == y.attr && equalValues(x.value, y.value)
		})
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalValues)
	default:
		return a == b
	}
}
