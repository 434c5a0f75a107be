package resource

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/scim/filter"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Projection says which attributes an answer holds (RFC 7644, section 3.9). The zero value: all that are
// returned by default.
type Projection struct {
	only   [][]*Attribute // nil: not restricted
	except [][]*Attribute
	listed bool
}

// Project reads attributes= and excludedAttributes=: names separated by commas. Names that the kind does
// not have are passed over. The error is 400 invalidValue.
func (k *Kind) Project(attributes, excluded string) (Projection, error) {
	if strings.TrimSpace(attributes) != "" && strings.TrimSpace(excluded) != "" {
		return Projection{}, scimerr.Bad(scimerr.InvalidValue, "attributes and excludedAttributes exclude each other: send one")
	}
	only, err := k.refs(attributes)
	if err != nil {
		return Projection{}, err
	}
	except, err := k.refs(excluded)
	return Projection{only: only, except: except, listed: strings.TrimSpace(attributes) != ""}, err
}

func (k *Kind) refs(names string) ([][]*Attribute, error) {
	const maxNames = 100
	var refs [][]*Attribute
	count := 0
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		p, err := filter.ParseAttr(name)
		if err != nil {
			return nil, scimerr.Bad(scimerr.InvalidValue, "%q is not the name of an attribute: %v", clip(name), err)
		}
		if count++; count > maxNames {
			return nil, scimerr.Bad(scimerr.InvalidValue, "more than %d attributes are named", maxNames)
		}
		if ref, ok := k.Resolve(p); ok {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// Wants reports whether an answer holds an attribute of the root, so that it need not be read otherwise:
// "members".
func (p Projection) Wants(k *Kind, name string) bool {
	return p.wants(k.attribute(name))
}

func (p Projection) wants(path []*Attribute) bool {
	if path[len(path)-1].Returned == Always {
		return true
	}
	if p.listed {
		return slices.ContainsFunc(p.only, func(ref []*Attribute) bool { return within(ref, path) || within(path, ref) })
	}
	return !slices.ContainsFunc(p.except, func(ref []*Attribute) bool { return within(path, ref) })
}

// within reports whether a path is another one or leads through it.
func within(path, prefix []*Attribute) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}
