package identity

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Standing is what is known of a person in one organization.
type Standing struct {
	Organization string
	Member       bool   // by a connection or an operator
	Enabled      bool   // the tuple is there
	Connection   string // that manages the person; empty where none does
	DisabledBy   string // the connection that deactivated the person
	BlockedNanos int64  // when an operator blocked the person; 0: nobody did
}

// Standings returns the organizations of a person, by id, with what stands against the person in each, and
// whether the id is that of a person who was deleted. Of an id that nobody knows there are none.
func (s *Service) Standings(ctx context.Context, store, user string) (all []Standing, deleted bool, err error) {
	if err := judgeUser(user); err != nil {
		return nil, false, err
	}
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		g, err := readGate(v, store, user)
		if err != nil {
			return err
		}
		deleted = g.deleted()
		all, err = standings(ctx, v, store, user, g)
		return err
	})
	return all, deleted, err
}

func standings(ctx context.Context, v View, store, user string, g *gateChange) ([]Standing, error) {
	found := map[string]*Standing{}
	in := func(organization string) *Standing {
		if found[organization] == nil {
			found[organization] = &Standing{Organization: organization}
		}
		return found[organization]
	}
	for organization, state := range g.body.Organizations {
		standing := in(organization)
		standing.DisabledBy, standing.BlockedNanos = state.DisabledBy, state.BlockedNanos
	}
	filter := ostiary.Filter{Store: store, Subject: userSubject(user), ObjectType: gate.Organization}
	for t, err := range v.Tuples(ctx, filter, nil) {
		switch {
		case err != nil:
			return nil, err
		case t.Relation == gate.DirectoryMember:
			in(t.Object.ID).Member = true
		case t.Relation == gate.Enabled:
			in(t.Object.ID).Enabled = true
		}
	}
	d, there, err := v.Document(managedKey(store, user))
	if err != nil {
		return nil, err
	}
	if there {
		body, err := decode[managedBody](d)
		if err != nil {
			return nil, err
		}
		in(body.Organization).Connection = body.Connection
	}
	return slices.SortedFunc(func(yield func(Standing) bool) {
		for standing := range maps.Values(found) {
			if !yield(*standing) {
				return
			}
		}
	}, func(a, b Standing) int { return cmp.Compare(a.Organization, b.Organization) }), nil
}
