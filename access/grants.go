package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// Grant is a role that a principal was given.
type Grant struct {
	Principal ostiary.Principal
	Role      Role
	Target    Target
	// SinceNanos is when it was granted.
	SinceNanos int64
}

// owner owns the tuples of the system store.
const owner = "access"

func (g Grant) tuple() ostiary.Tuple {
	return ostiary.Tuple{Object: g.Target.object(), Relation: string(g.Role), Subject: subjectOf(g.Principal)}
}

// ErrDenied: the caller is not an administrator of the target.
var ErrDenied = errors.New("only an administrator of the target may do that")

// ErrLast: it would leave the cluster without an administrator.
var ErrLast = errors.New("the principal is the last administrator of the cluster: grant that to another one first")

// errMoved: the rights are not those by which the caller was judged.
var errMoved = errors.New("rights have moved")

// maxRounds bounds how often a change is judged again because rights changed meanwhile.
const maxRounds = 20

// Grant gives a principal a role. The caller, who is the principal of the context, must administer the target,
// unless everybody may (open). A role that is there is a success without effect.
func (s *Service) Grant(ctx context.Context, g Grant, open bool) (ostiary.Receipt, error) {
	if _, err := ParsePrincipal(g.Principal.String()); err != nil {
		return ostiary.Receipt{}, err
	}
	return s.change(ctx, "access.grant", g, open, func(v identity.View, m *ostiary.Mutation) error {
		if err := exists(v, g.Target); err != nil {
			return err
		}
		there, err := has(ctx, v, g.tuple())
		if err != nil || there {
			return err
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: identity.SystemStore,
			Tuple: g.tuple(), Grant: ostiary.Grant{Owner: owner}})
		return nil
	})
}

// Revoke takes a role from a principal, and leaves greater and lesser ones. A role that is not there is a
// success without effect. The last administrator of the cluster stays.
func (s *Service) Revoke(ctx context.Context, g Grant, open bool) (ostiary.Receipt, error) {
	return s.change(ctx, "access.revoke", g, open, func(v identity.View, m *ostiary.Mutation) error {
		there, err := has(ctx, v, g.tuple())
		if err != nil || !there {
			return err
		}
		if g.Target == (Target{}) && g.Role == Administrator {
			n, err := administrators(ctx, v)
			if err != nil {
				return err
			}
			if n < 2 {
				return ErrLast
			}
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleRelease, Store: identity.SystemStore,
			Tuple: g.tuple(), Grant: ostiary.Grant{Owner: owner}})
		return nil
	})
}

// change judges the caller in a linearizable view and commits what build makes, which rests on the rights by
// which the caller was judged.
func (s *Service) change(
	ctx context.Context, action string, g Grant, open bool, build func(v identity.View, m *ostiary.Mutation) error,
) (ostiary.Receipt, error) {
	if err := g.Target.Judge(); err != nil {
		return ostiary.Receipt{}, err
	}
	if _, err := ParseRole(string(g.Role)); err != nil {
		return ostiary.Receipt{}, err
	}
	for range maxRounds {
		judgedAt, err := s.judgeCaller(ctx, g.Target, open)
		if err != nil {
			return ostiary.Receipt{}, err
		}
		receipt, err := s.changer.ChangeSystem(ctx, action, g.tuple().String(), func(v identity.View, m *ostiary.Mutation) error {
			d, _, err := v.Document(rightsKey)
			if err != nil {
				return err
			}
			if d.Version != judgedAt {
				return errMoved
			}
			if err := build(v, m); err != nil || len(m.Tuples) == 0 {
				return err
			}
			note(m, d.Version)
			return nil
		})
		if !errors.Is(err, errMoved) {
			return receipt, err
		}
	}
	return ostiary.Receipt{}, fmt.Errorf("rights have moved %d times while they were to be changed: %w", maxRounds, ostiary.ErrUnavailable)
}

// note makes a mutation one that changes the rights, which are of a version.
func note(m *ostiary.Mutation, version ostiary.Revision) {
	m.Preconditions = append(m.Preconditions, ostiary.Precondition{
		Kind: ostiary.DocumentAtVersion, Document: rightsKey, Version: version})
	m.Documents = append(m.Documents, ostiary.DocumentChange{Key: rightsKey, Body: encode(rightsBody{documentForm, m.TimeNanos})})
}

// judgeCaller returns the version of the rights by which the caller administers a target.
func (s *Service) judgeCaller(ctx context.Context, t Target, open bool) (ostiary.Revision, error) {
	caller, ok := ostiary.PrincipalOf(ctx)
	if !ok {
		return 0, ErrDenied
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return 0, err
	}
	defer v.Close()
	if !open {
		allowed, err := s.decide(ctx, v, question{caller, Administrator, t})
		if err != nil {
			return 0, err
		}
		if !allowed {
			return 0, ErrDenied
		}
	}
	d, _, err := v.Document(rightsKey)
	return d.Version, err
}

// exists refuses targets that do not exist.
func exists(v identity.View, t Target) error {
	keys := []ostiary.DocumentKey{}
	if t.Store != "" {
		keys = append(keys, ostiary.DocumentKey{Collection: "store", Key: t.Store})
	}
	if t.Organization != "" {
		keys = append(keys, ostiary.DocumentKey{Collection: "organization/" + t.Store, Key: t.Organization})
	}
	for _, key := range keys {
		_, there, err := v.Document(key)
		if err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("%s: %w", t, ostiary.ErrNotFound)
		}
	}
	return nil
}

func has(ctx context.Context, v identity.View, t ostiary.Tuple) (there bool, err error) {
	err = v.LookUp(ctx, identity.SystemStore, []ostiary.Tuple{t}, func(int, ostiary.StoredTuple) bool {
		there = true
		return false
	})
	return there, err
}

// administrators counts those of the cluster, to two.
func administrators(ctx context.Context, v identity.View) (n int, err error) {
	f := ostiary.Filter{Store: identity.SystemStore, Object: cluster, Relation: string(Administrator)}
	for _, err := range v.Tuples(ctx, f, nil) {
		if err != nil {
			return 0, err
		}
		if n++; n == 2 {
			break
		}
	}
	return n, nil
}

// Query selects grants: those of a principal, or those of a target, or all.
type Query struct {
	Principal *ostiary.Principal
	Target    *Target
}

// MaxGrants bounds a list of grants.
const MaxGrants = 1_000

// List returns grants in the order of target, role and principal, and whether there are more than MaxGrants.
func (s *Service) List(ctx context.Context, q Query) (all []Grant, more bool, err error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	f := ostiary.Filter{Store: identity.SystemStore}
	switch {
	case q.Principal != nil:
		f.Subject = subjectOf(*q.Principal)
	case q.Target != nil:
		f.Object = q.Target.object()
	}
	for t, err := range v.Tuples(ctx, f, nil) {
		if err != nil {
			return nil, false, err
		}
		g := Grant{principalOf(t.Subject), Role(t.Relation), targetOf(t.Object), t.CreatedNanos}
		if q.Target != nil && g.Target != *q.Target {
			continue
		}
		if len(all) == MaxGrants {
			return all, true, nil
		}
		all = append(all, g)
	}
	return all, false, nil
}

// Explain says whether a principal has a role in a target, and why.
func (s *Service) Explain(ctx context.Context, p ostiary.Principal, role Role, t Target) (*engine.Explanation, error) {
	if err := t.Judge(); err != nil {
		return nil, err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return nil, err
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return s.engine.Explain(ctx, s.plan, s.reader(v, t), question{p, role, t}.check())
}
