package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// mappingKey is of the document that holds the mapping of a store. Without one it is the module's own.
func mappingKey(store string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "mapping", Key: store}
}

type mappingBody struct {
	form
	gate.Mapping
}

// MappingOf returns the mapping of a store, and the document that holds it: one of version 0 where there is
// none, and the names are those of the identity module.
func MappingOf(v interface {
	Document(key ostiary.DocumentKey) (ostiary.Document, bool, error)
}, store string) (*gate.Mapping, ostiary.Document, error) {
	d, there, err := v.Document(mappingKey(store))
	d.Key = mappingKey(store)
	if err != nil || !there {
		return &gate.Mapping{Names: *gate.Default()}, d, err
	}
	body, err := decode[mappingBody](d)
	return &body.Mapping, d, err
}

// RestOnMapping returns what must hold for the mapping of a store to be as a document of MappingOf says.
func RestOnMapping(d ostiary.Document) ostiary.Precondition { return at(d) }

// Mapping returns the mapping of a store.
func (s *Service) Mapping(ctx context.Context, store string) (mapping *gate.Mapping, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		mapping, _, err = MappingOf(v, store)
		return err
	})
	return mapping, err
}

// SetMapping changes how identity is written to the model of a store. Once the store has organizations,
// nothing that is stored may come to mean something else: a part is renamed, left out or taken in only while
// no tuple of its relations is there, under the old names or the new. The error names one that is.
func (s *Service) SetMapping(ctx context.Context, store string, mapping *gate.Mapping) (ostiary.Receipt, error) {
	row := &audit{store: store, action: "mapping.set"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		// Every write to the store rests on its document, and is judged again by the new names.
		document, there, err := v.Document(storeKey(store))
		if err != nil || !there {
			return orElse(err, notFound("store", store))
		}
		old, d, err := MappingOf(v, store)
		if err != nil {
			return err
		}
		if old.Names == mapping.Names && slices.Equal(old.Assignable, mapping.Assignable) {
			return nil
		}
		settings, on, err := v.Document(settingsKey(store))
		if err != nil {
			return err
		}
		settings.Key = settingsKey(store)
		m.Preconditions = append(m.Preconditions, at(document), at(d), at(settings))
		if s.options.JudgeMapping != nil {
			rest, err := s.options.JudgeMapping(ctx, v, store, mapping)
			if err != nil {
				return err
			}
			m.Preconditions = append(m.Preconditions, rest...)
		}
		if on {
			if err := restOnNoChangeOfMeaning(ctx, v, m, store, &old.Names, &mapping.Names); err != nil {
				return err
			}
		}
		m.Documents = append(m.Documents, put(d.Key, mappingBody{form{bodyForm}, *mapping}),
			ostiary.DocumentChange{Key: document.Key, Body: document.Body})
		return nil
	})
}

// restOnNoChangeOfMeaning demands that no tuple be there whose meaning the change of names would change.
func restOnNoChangeOfMeaning(ctx context.Context, v View, m *ostiary.Mutation, store string, old, to *gate.Names) error {
	for _, fixed := range []struct{ what, old, to string }{
		{"user", old.User, to.User}, {"organization.type", old.Organization.Type, to.Organization.Type},
		{"in_organization", old.InOrganization, to.InOrganization},
	} {
		if fixed.old != fixed.to {
			return fmt.Errorf("the mapping's %s is %s, and cannot become %s once the store has organizations: %w",
				fixed.what, fixed.old, fixed.to, ostiary.ErrExists)
		}
	}
	w := newWords(old)
	for _, r := range changed(old, to) {
		f := ostiary.Filter{Store: store, Object: ostiary.ObjectRef{Type: r.Type}, Relation: r.Name}
		if w != nil { // the view and the mutation are in the module's names
			f.Object.Type = w.types.module(r.Type)
			if r.Name != "" {
				f.Relation = w.relationsOf(f.Object.Type).module(r.Name)
			}
		}
		for t, err := range v.Tuples(ctx, f, nil) {
			return orElse(err, fmt.Errorf("the tuple %s would come to mean something else: %w", spelled(v, store, t.Tuple), ostiary.ErrExists))
		}
		m.Preconditions = append(m.Preconditions, ostiary.Precondition{Kind: ostiary.FilterMatchesNothing, Filter: f})
	}
	return nil
}

// changed lists the relations of the parts in which two names differ; without a name it is of a type as a
// whole, whose objects would belong to an organization by their ids, or no longer.
func changed(old, to *gate.Names) []gate.Relation {
	var all []gate.Relation
	part := func(before, after string, moved bool) {
		managed := func(n *gate.Names, typ string) []gate.Relation {
			return slices.DeleteFunc(n.Managed(), func(r gate.Relation) bool { return r.Type != typ })
		}
		switch was, is := managed(old, before), managed(to, after); {
		case before != after:
			all = append(all, gate.Relation{Type: before}, gate.Relation{Type: after})
		case moved:
			all = append(all, slices.Concat(was, is)...)
		default:
			for _, r := range slices.Concat(was, is) {
				if !slices.Contains(was, r) || !slices.Contains(is, r) {
					all = append(all, r)
				}
			}
		}
	}
	part(old.Organization.Type, to.Organization.Type, false)
	part(old.Group.Type, to.Group.Type, old.Group != to.Group) // the member relation stands in subjects
	part(old.Role.Type, to.Role.Type, false)
	part(old.Entitlement.Type, to.Entitlement.Type, false)
	part(old.Session.Type, to.Session.Type, false)
	return slices.DeleteFunc(all, func(r gate.Relation) bool { return r.Type == "" })
}
