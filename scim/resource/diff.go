package resource

// Change says how the values of an attribute differ between two states of a resource.
type Change struct {
	Path           string // canonical; of an extension's attribute with its URN
	Added, Removed []Item // of a multi-valued attribute with values; none for other attributes
}

// Diff lists the attributes in which two states of a resource differ, in the order of the schema.
func Diff(before, after *Resource) []Change {
	return diff(before.values, after.values, before.Kind.root, nil, nil)
}

func diff(before, after *Values, parent *Attribute, path Ref, changes []Change) []Change {
	for _, a := range parent.Sub {
		old, now := before.get(a), after.get(a)
		at := append(path[:len(path):len(path)], a)
		switch {
		case equalValues(old, now):
		case a.extension:
			o, _ := old.(*Values)
			n, _ := now.(*Values)
			changes = diff(o, n, a, at, changes)
		case a.Multi:
			changes = append(changes, Change{Path: at.String(), Added: missing(now, old), Removed: missing(old, now)})
		default:
			changes = append(changes, Change{Path: at.String()})
		}
	}
	return changes
}

// missing returns the values of a list that another list does not have.
func missing(list, from any) []Item {
	have, _ := from.([]any)
	var items []Item
	elements, _ := list.([]any)
	for _, element := range elements {
		if v, ok := element.(*Values); ok && indexOf(have, element) < 0 {
			items = append(items, v.item())
		}
	}
	return items
}
