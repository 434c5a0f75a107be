package identity

import (
	"context"
	"slices"

	"github.com/ostiary/ostiary"
)

// resolve puts ids of the catalogue in the place of the names of roles and entitlements that an identity
// provider sends. What is not in the catalogue is refused, so that nothing of another organization can be
// named, with two exceptions. What the person was given and is in the catalogue no longer is taken away, by
// whatever change comes next: refusing it would refuse every change of the person. And nothing that a request
// says of roles keeps a person in whom it deactivates.
//
// The mutation rests on the objects of what is newly given being the organization's, and on the mapping that
// lets it be assigned.
func (v *DirectoryView) resolve(ctx context.Context, m *ostiary.Mutation, old UserInput, in *UserInput) error {
	if len(in.Roles)+len(in.Entitlements) == 0 {
		return nil
	}
	k, err := v.Catalogue()
	if err != nil {
		return err
	}
	r := &resolver{ctx: ctx, catalogue: k, mutation: m, deactivates: old.Active && !in.Active}
	if in.Roles, err = r.ids("role", false, old.Roles, in.Roles); err != nil {
		return err
	}
	in.Entitlements, err = r.ids("entitlement", true, old.Entitlements, in.Entitlements)
	return err
}

// resolver resolves the names of one person.
type resolver struct {
	ctx         context.Context
	catalogue   *Catalogue
	mutation    *ostiary.Mutation
	deactivates bool
	rests       []ostiary.ObjectRef // objects that the mutation rests on
}

func (r *resolver) ids(what string, entitlement bool, old, names []string) ([]string, error) {
	ids := make([]string, 0, len(names))
	for _, name := range names {
		role, found, err := r.catalogue.Find(r.ctx, entitlement, name)
		switch {
		case err != nil:
			return nil, err
		case found:
			ids = append(ids, role.ID)
			if !slices.Contains(old, role.ID) {
				r.restOn(role.ID)
			}
		case !r.deactivates && !wasGiven(old, name):
			return nil, invalid("the organization has no %s %.100q", what, name)
		}
	}
	return distinct(ids), nil
}

// wasGiven reports whether a name is the id, or the value, of something that a person has.
func wasGiven(old []string, name string) bool {
	return slices.ContainsFunc(old, func(id string) bool {
		a, ok := parseAssigned(id)
		return id == name || ok && a.value() == name
	})
}

// restOn makes the mutation rest on what it gives.
func (r *resolver) restOn(id string) {
	a, ok := parseAssigned(id)
	if !ok || slices.Contains(r.rests, a.object) {
		return
	}
	if len(r.rests) == 0 {
		r.mutation.Preconditions = append(r.mutation.Preconditions, at(r.catalogue.document))
	}
	r.rests = append(r.rests, a.object)
	r.mutation.RestOnAlone(r.catalogue.store, r.catalogue.belonging(a))
}
