package resource

import (
	"slices"

	"github.com/ostiary/ostiary/scim/scimerr"
)

// The operations of PATCH, RFC 7644, section 3.5.2. They change the resource in place, and a resource that
// one of them refused is of no use: clone it before. Values come from Target.Value. Call Validate when all
// are done.

// Add adds values to a multi-valued attribute, or parts to a complex one, or replaces a single value.
// What is there already is not added again.
func (r *Resource) Add(t Target, value any) error {
	if isEmpty(value) {
		return nil
	}
	return r.edit(t, true, func(v *Values, a *Attribute) error {
		if !a.Multi {
			assign(v, a, value)
			return nil
		}
		list, _ := v.get(a).([]any)
		added, _ := value.([]any)
		list = union(a, list, added)
		if len(list) > maxItems {
			return scimerr.Bad(scimerr.InvalidValue, "%q would have %d values, more than %d", a.Name, len(list), maxItems)
		}
		v.set(a, list)
		return nil
	}, func(element *Values) { merge(element, value.(*Values)) }, value)
}

// Replace replaces all values of a multi-valued attribute, the parts of a complex one that the value has, or
// a single value. No value unassigns.
func (r *Resource) Replace(t Target, value any) error {
	if isEmpty(value) {
		return r.Remove(t)
	}
	return r.edit(t, true, func(v *Values, a *Attribute) error {
		assign(v, a, value)
		return nil
	}, func(element *Values) { element.entries = value.(*Values).clone().entries }, value)
}

// Remove unassigns the target. What has no value is removed already.
func (r *Resource) Remove(t Target) error {
	return r.edit(t, false, func(v *Values, a *Attribute) error {
		v.set(a, nil)
		return nil
	}, func(element *Values) { element.entries = nil }, nil)
}

// RemoveValues removes those values of a multi-valued attribute that one of the given values describes: all
// parts that it names are equal. Microsoft's clients send removals so.
func (r *Resource) RemoveValues(t Target, values any) error {
	gone, _ := values.([]any)
	return r.edit(t, false, func(v *Values, a *Attribute) error {
		list, _ := v.get(a).([]any)
		v.set(a, slices.DeleteFunc(slices.Clone(list), func(element any) bool {
			return slices.ContainsFunc(gone, func(g any) bool { return describes(g, element) })
		}))
		return nil
	}, nil, nil)
}

// describes reports whether every part of a value is in an element. The "value" alone decides where a value
// has one.
func describes(value, element any) bool {
	want, ok := value.(*Values)
	have, is := element.(*Values)
	if !ok || !is {
		return equalValues(value, element)
	}
	for _, e := range want.entries {
		if e.attr.Name == "value" {
			return equalValues(have.get(e.attr), e.value)
		}
	}
	for _, e := range want.entries {
		if !equalValues(have.get(e.attr), e.value) {
			return false
		}
	}
	return len(want.entries) > 0
}

// edit walks to the target and calls whole for an attribute, or, where the path has a filter, each for the
// chosen values. With create, parents that have no value get one, and so does a filter that chooses none.
func (r *Resource) edit(t Target, create bool, whole func(*Values, *Attribute) error, each func(*Values), value any) error {
	if t.choose == nil {
		return editAt(r.values, t.ref, create, t, whole)
	}
	return editAt(r.values, t.ref, create, t, func(v *Values, a *Attribute) error {
		return t.editChosen(v, a, create, each, value)
	})
}

func editAt(v *Values, path Ref, create bool, t Target, leaf func(*Values, *Attribute) error) error {
	a := path[0]
	if len(path) == 1 {
		return leaf(v, a)
	}
	switch value := v.get(a).(type) {
	case []any: // emails.type: of every e-mail
		for _, element := range value {
			if inner, ok := element.(*Values); ok {
				if err := editAt(inner, path[1:], create, t, leaf); err != nil {
					return err
				}
			}
		}
		v.set(a, slices.DeleteFunc(value, isEmpty))
		return nil
	case *Values:
		if err := editAt(value, path[1:], create, t, leaf); err != nil {
			return err
		}
		v.set(a, value)
		return nil
	}
	switch {
	case !create:
		return nil
	case a.Multi:
		return noTarget(t)
	}
	fresh := &Values{}
	if err := editAt(fresh, path[1:], create, t, leaf); err != nil {
		return err
	}
	v.set(a, fresh)
	return nil
}

func noTarget(t Target) error {
	return scimerr.Bad(scimerr.NoTarget, "nothing matches %q", clip(t.path))
}

// editChosen changes those values of an attribute that satisfy the filter, or a part of them.
func (t Target) editChosen(v *Values, a *Attribute, create bool, each func(*Values), value any) error {
	list, _ := v.get(a).([]any)
	var touched []*Values
	for _, element := range list {
		inner, ok := element.(*Values)
		if !ok {
			continue
		}
		holds, err := t.choose.holds(inner, nil)
		if err != nil {
			return err
		}
		if holds {
			touched = append(touched, inner)
		}
	}
	if len(touched) == 0 {
		// Entra replaces emails[type eq "work"].value of users that have none.
		if !create {
			return nil
		}
		if t.dialect == Strict || len(t.fixed) == 0 {
			return noTarget(t)
		}
		fresh := &Values{}
		list, touched = append(slices.Clone(list), fresh), append(touched, fresh)
	}
	for _, element := range touched {
		switch {
		case t.sub != nil && create:
			element.set(t.sub, cloneValue(value))
		case t.sub != nil:
			element.set(t.sub, nil)
		default:
			each(element)
		}
		if create {
			t.complete(element)
		}
	}
	v.set(a, slices.DeleteFunc(list, isEmpty))
	return keepOnePrimary(v, a, touched)
}

// complete gives a value the parts that its filter names and that it lacks.
func (t Target) complete(element *Values) {
	for _, e := range t.fixed {
		if element.get(e.attr) == nil {
			element.set(e.attr, e.value)
		}
	}
}

// keepOnePrimary makes a primary value among those that changed the only one (RFC 7644, section 3.5.2).
func keepOnePrimary(v *Values, a *Attribute, changed []*Values) error {
	sub := a.sub("primary")
	if sub == nil {
		return nil
	}
	list, _ := v.get(a).([]any)
	if primaryAmong(sub, changed) {
		demote(sub, list, changed)
	}
	return nil
}

func primaryAmong(sub *Attribute, values []*Values) bool {
	return slices.ContainsFunc(values, func(v *Values) bool { return v.get(sub) == true })
}

func demote(sub *Attribute, list []any, except []*Values) {
	for _, element := range list {
		if v, ok := element.(*Values); ok && !slices.Contains(except, v) && v.get(sub) == true {
			v.set(sub, false)
		}
	}
}

// assign sets a value. Of a complex attribute it changes the parts that the value has.
func assign(v *Values, a *Attribute, value any) {
	parts, ok := value.(*Values)
	old, exists := v.get(a).(*Values)
	if !ok || !exists {
		v.set(a, cloneValue(value))
		return
	}
	merge(old, parts)
	v.set(a, old)
}

// merge sets the parts that a value has. A reference does not outlive the value that it was to.
func merge(into, parts *Values) {
	for _, e := range parts.entries {
		if e.attr.Name == "value" && !equalValues(into.get(e.attr), e.value) {
			into.entries = slices.DeleteFunc(into.entries, func(x entry) bool { return x.attr.Name == "$ref" })
		}
	}
	for _, e := range parts.entries {
		assign(into, e.attr, e.value)
	}
}

// union appends the values that are not there. A value that has the "value" and the "type" of one that is
// there changes its other parts.
func union(a *Attribute, list, added []any) []any {
	list = slices.Clone(list)
	var changed []*Values
	for _, value := range added {
		if at := slices.IndexFunc(list, func(element any) bool { return same(a, element, value) }); at >= 0 {
			if element, ok := list[at].(*Values); ok {
				merge(element, value.(*Values))
				changed = append(changed, element)
			}
			continue
		}
		value = cloneValue(value)
		list = append(list, value)
		if v, ok := value.(*Values); ok {
			changed = append(changed, v)
		}
	}
	if sub := a.sub("primary"); sub != nil && primaryAmong(sub, changed) {
		demote(sub, list, changed)
	}
	return list
}

// same reports whether an added value is one that is there: equal, or with the same "value" and with the
// same "type" if it has one.
func same(a *Attribute, there, added any) bool {
	v, ok := there.(*Values)
	w, is := added.(*Values)
	value, kind := a.sub("value"), a.sub("type")
	if !ok || !is || value == nil || w.get(value) == nil {
		return equalValues(there, added)
	}
	return equalValues(v.get(value), w.get(value)) &&
		(kind == nil || w.get(kind) == nil || equalValues(v.get(kind), w.get(kind)))
}
