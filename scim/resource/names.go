package resource

import "slices"

// Names returns the attributes of the schema that a JSON object names, sorted.
func (k *Kind) Names(o *Object) []string {
	var names []string
	for _, f := range o.Fields {
		if a := k.root.sub(f.Name); a != nil && a.Name != "schemas" {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Name returns the attribute that a target names, without its filter.
func (t Target) Name() string {
	ref := t.ref
	if t.sub != nil {
		ref = append(slices.Clone(ref), t.sub)
	}
	return ref.String()
}
