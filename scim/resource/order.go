package resource

import (
	"cmp"
	"strings"
	"time"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Order sorts resources by an attribute (RFC 7644, section 3.4.2.3), and by id where that leaves a choice.
// Resources without the attribute come last when ascending and first when descending. Of a multi-valued
// attribute the primary value counts, else the first one.
type Order struct {
	path       Ref
	descending bool
}

// Order reads sortBy and sortOrder. The errors are 400 invalidPath and 400 invalidValue.
func (k *Kind) Order(sortBy, sortOrder string) (*Order, error) {
	p, err := filter.ParseAttr(sortBy)
	if err != nil {
		return nil, scimerr.Bad(scimerr.InvalidPath, "sortBy: %v", err)
	}
	ref, ok := k.Resolve(p)
	if !ok || ref[0].Apart || ref[0].Name == "schemas" {
		return nil, scimerr.Bad(scimerr.InvalidPath, "%s cannot be sorted by %q", k.Name, clip(sortBy))
	}
	if a := ref.last(); a.Type == Complex {
		value := a.sub("value")
		if value == nil {
			return nil, scimerr.Bad(scimerr.InvalidPath, "%q has parts: sort by one of them", a.Name)
		}
		ref = append(ref, value)
	}
	o := &Order{path: ref}
	switch {
	case sortOrder == "" || strings.EqualFold(sortOrder, "ascending"):
	case strings.EqualFold(sortOrder, "descending"):
		o.descending = true
	default:
		return nil, scimerr.Bad(scimerr.InvalidValue, "sortOrder is ascending or descending, not %q", clip(sortOrder))
	}
	return o, nil
}

// Compare is negative when a comes before b, and zero only for resources with the same id.
func (o *Order) Compare(a, b *Resource) int {
	x, y := first(a.values, o.path), first(b.values, o.path)
	sign := 0
	switch {
	case x == nil && y == nil:
	case x == nil:
		sign = 1
	case y == nil:
		sign = -1
	default:
		sign = compareValues(o.path.last(), x, y)
	}
	if o.descending {
		sign = -sign
	}
	return cmp.Or(sign, strings.Compare(a.Text("id"), b.Text("id")))
}

// first returns the value at a path, the primary one of several.
func first(v *Values, path Ref) any {
	value := v.get(path[0])
	if list, ok := value.([]any); ok {
		value = list[0]
		for _, element := range list {
			if e, ok := element.(*Values); ok && e.get(path[0].sub("primary")) == true {
				value = element
			}
		}
	}
	if len(path) == 1 {
		return value
	}
	inner, _ := value.(*Values)
	return first(inner, path[1:])
}

func compareValues(a *Attribute, x, y any) int {
	switch x := x.(type) {
	case bool:
		y, _ := y.(bool)
		return compareBools(x, y)
	case int64:
		y, _ := y.(int64)
		return cmp.Compare(x, y)
	case string:
		y, _ := y.(string)
		if a.Type == DateTime {
			at, _ := time.Parse(time.RFC3339Nano, x) // Read let nothing else in
			bt, _ := time.Parse(time.RFC3339Nano, y)
			return at.Compare(bt)
		}
		if !a.CaseExact {
			x, y = Fold(x), Fold(y)
		}
		return strings.Compare(x, y)
	default:
		return 0
	}
}

func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	default:
		return 1
	}
}
