package identity

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Member is a person of an organization whom no connection of it manages.
type Member struct {
	User       string
	AddedNanos int64
}

type memberBody struct {
	form
	AddedNanos int64 `json:"added"`
}

func memberOwner(organization, user string) string { return "org:" + organization + "/" + user }

// judgeUser refuses what cannot be the id of a person.
func judgeUser(user string) error {
	s := userSubject(user)
	if parsed, err := ostiary.ParseSubject(s.String()); err != nil || parsed != s || s.IsWildcard() {
		return invalid("user id %.100q cannot stand in a tuple: give the id without its type", user)
	}
	return nil
}

// AddMember makes a person a member of an organization, and enabled in it. The id is one that a connection
// of another organization or the application has issued. A person whom a connection of this organization
// manages is refused: it says who is a member.
func (s *Service) AddMember(ctx context.Context, store, organization, user string) (ostiary.Receipt, error) {
	if err := judgeUser(user); err != nil {
		return ostiary.Receipt{}, err
	}
	row := &audit{store: store, organization: organization, resource: user, action: "member.add"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		_, d, err := readOrganization(v, store, organization)
		if err != nil {
			return err
		}
		managed, err := s.manageable(v, m, store, organization, user)
		if err != nil {
			return err
		}
		key := memberKey(store, organization, user)
		if _, there, err := v.Document(key); err != nil || there {
			return err // a success without effect
		}
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		owner := memberOwner(organization, user)
		m.Preconditions = append(m.Preconditions, at(d), absent(key))
		m.Documents = append(m.Documents, put(key, memberBody{form{bodyForm}, m.TimeNanos}))
		if managed.Version != 0 { // so that the person is not deleted meanwhile, and the membership left
			m.Documents = append(m.Documents, ostiary.DocumentChange{Key: managed.Key, Body: managed.Body})
		}
		m.Tuples = append(m.Tuples,
			touch(store, organizationObject(organization), gate.DirectoryMember, userSubject(user), owner),
			touch(store, organizationObject(organization), gate.Enabled, userSubject(user), owner))
		return nil
	})
}

// manageable refuses a person who was deleted, or whom a connection of the organization manages. It returns
// the document that says which one does; its version is 0 where none does.
func (s *Service) manageable(v View, m *ostiary.Mutation, store, organization, user string) (ostiary.Document, error) {
	g, err := readGate(v, store, user)
	if err != nil {
		return ostiary.Document{}, err
	}
	if g.deleted() {
		return ostiary.Document{}, fmt.Errorf("user %s was deleted, and the id is not given again: %w", user, ostiary.ErrNotFound)
	}
	d, there, err := v.Document(managedKey(store, user))
	if err != nil {
		return d, err
	}
	d.Key = managedKey(store, user)
	if there {
		body, err := decode[managedBody](d)
		if err != nil {
			return d, err
		}
		if body.Organization == organization {
			return d, fmt.Errorf("user %s is managed by connection %s of the organization: %w", user, body.Connection, ostiary.ErrExists)
		}
	}
	m.Preconditions = append(m.Preconditions, at(d), at(g.document))
	return d, nil
}

// RemoveMember ends a membership that AddMember made. A block stays: leaving an organization lifts nothing.
func (s *Service) RemoveMember(ctx context.Context, store, organization, user string) (ostiary.Receipt, error) {
	if err := judgeUser(user); err != nil {
		return ostiary.Receipt{}, err
	}
	row := &audit{store: store, organization: organization, resource: user, action: "member.remove"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		d, there, err := v.Document(memberKey(store, organization, user))
		if err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("user %.100q is no member of organization %q whom an operator added: %w", user, organization, ostiary.ErrNotFound)
		}
		owner := memberOwner(organization, user)
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, remove(d.Key))
		m.Tuples = append(m.Tuples,
			release(store, organizationObject(organization), gate.DirectoryMember, userSubject(user), owner),
			release(store, organizationObject(organization), gate.Enabled, userSubject(user), owner))
		_, err = revoke(ctx, v, m, store, user, organization, ReasonRemoved)
		return err
	})
}

// Members returns up to limit members that AddMember made, by id, after one.
func (s *Service) Members(ctx context.Context, store, organization, after string, limit int) (all []Member, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		docs, err := v.Documents(membersOf(store, organization), after, limit, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			body, err := decode[memberBody](d)
			if err != nil {
				return err
			}
			all = append(all, Member{User: d.Key.Key, AddedNanos: body.AddedNanos})
		}
		return nil
	})
	return all, err
}

// BlockUser denies a person whatever belongs to the organization, or to none in particular, until
// UnblockUser. No connection lifts it. The person must be one of the organization's.
func (s *Service) BlockUser(ctx context.Context, store, organization, user string) (ostiary.Receipt, error) {
	if err := judgeUser(user); err != nil {
		return ostiary.Receipt{}, err
	}
	row := &audit{store: store, organization: organization, resource: user, action: "user.block"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		belongs, rest, err := belongsTo(v, store, organization, user)
		if err != nil {
			return err
		}
		g, err := readGate(v, store, user)
		if err != nil {
			return err
		}
		if !belongs || g.deleted() {
			return fmt.Errorf("user %.100q does not belong to organization %q: %w", user, organization, ostiary.ErrNotFound)
		}
		state := g.state(organization)
		if state.BlockedNanos != 0 {
			return nil
		}
		state.BlockedNanos = m.TimeNanos
		g.set(organization, state)
		m.Preconditions = append(m.Preconditions, rest)
		g.join(m)
		if err := tellUser(v, m, store, organization, user, EventUserDisabled, ReasonBlocked); err != nil {
			return err
		}
		_, err = revoke(ctx, v, m, store, user, organization, ReasonBlocked)
		return err
	})
}

// UnblockUser lifts what BlockUser set, and nothing else: a person whom a connection disabled stays so.
func (s *Service) UnblockUser(ctx context.Context, store, organization, user string) (ostiary.Receipt, error) {
	if err := judgeUser(user); err != nil {
		return ostiary.Receipt{}, err
	}
	row := &audit{store: store, organization: organization, resource: user, action: "user.unblock"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		g, err := readGate(v, store, user)
		if err != nil {
			return err
		}
		state := g.state(organization)
		if state.BlockedNanos == 0 { // of an organization that is gone a block may stay
			_, _, err := readOrganization(v, store, organization)
			return err
		}
		state.BlockedNanos = 0
		g.set(organization, state)
		g.join(m)
		if state.DisabledBy == "" {
			return tellUser(v, m, store, organization, user, EventUserEnabled, ReasonUnblocked)
		}
		return nil
	})
}

// belongsTo reports whether a person is of an organization, as a member or by a connection, and what must
// hold for that to stay so.
func belongsTo(v View, store, organization, user string) (bool, ostiary.Precondition, error) {
	d, there, err := v.Document(memberKey(store, organization, user))
	if err != nil || there {
		return there, at(d), err
	}
	d, there, err = v.Document(managedKey(store, user))
	if err != nil || !there {
		return false, ostiary.Precondition{}, err
	}
	body, err := decode[managedBody](d)
	return body.Organization == organization, at(d), err
}
