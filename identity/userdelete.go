package identity

import (
	"context"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// DeleteUser deletes a user with the key of the resource, every link and every tuple of the person, whoever
// wrote it. The id is denied for ever. The receipt names the revision in which that happened. Where the mass
// guard holds it, or the connection is paused, the person is deactivated, and the error is ErrHeld or ErrPaused.
func (d *Directory) DeleteUser(ctx context.Context, id string, version ostiary.Revision) (ostiary.Receipt, error) {
	defer d.turn(id)()
	if !d.connection.Guard.Users.Off {
		defer d.service.guardTurn(d.connection.ID, usersWindow)()
	}
	row := d.audit("", id)
	var instead error
	receipt, err := d.change(about(ctx, row), func(v *DirectoryView, m *ostiary.Mutation) error {
		row.action, instead = "user.delete", nil
		old, err := v.user(id)
		if err != nil {
			return err
		}
		if err := judgeVersion(version, old.Version); err != nil {
			return err
		}
		if v.connection.stopped() {
			row.action, instead = "user.hold", v.connection.errPaused()
			return v.hold(ctx, m, old)
		}
		held, err := v.holdsDelete(m)
		if err != nil {
			return err
		}
		if held {
			row.action, instead = "user.hold", v.heldDelete()
			return v.hold(ctx, m, old)
		}
		return v.bury(ctx, m, old)
	})
	return receipt, orElse(err, instead)
}

// bury makes the deletion of a user part of a mutation.
func (v *DirectoryView) bury(ctx context.Context, m *ostiary.Mutation, old *storedUser) error {
	g, err := readGate(v.view, v.connection.Store, old.ID)
	if err != nil {
		return err
	}
	g.bury(m.TimeNanos)
	g.join(m)
	store := v.connection.Store
	m.Preconditions = append(m.Preconditions, at(old.document), at(old.managed))
	m.Filters = append(m.Filters,
		ostiary.FilterDelete{Filter: ostiary.Filter{Store: store, Subject: userSubject(old.ID)}},
		ostiary.FilterDelete{Filter: ostiary.Filter{Store: store, Object: userSubject(old.ID).Object()}})
	m.Documents = append(m.Documents, remove(old.document.Key), remove(old.managed.Key), remove(heldKey(v.connection.ID, old.ID)))
	m.Documents = append(m.Documents, remove(signalUserKey(v.connection.ID, old.ID)))
	if err := v.endMemberships(ctx, m, old.ID); err != nil {
		return err
	}
	if _, err := revoke(ctx, v.view, m, store, old.ID, "", ReasonDeleted); err != nil {
		return err
	}
	if err := tellUser(v.view, m, store, v.connection.Organization, old.ID, EventUserDeleted, ReasonDeleted); err != nil {
		return err
	}
	m.Documents = append(m.Documents, remove(loginsKey(store, old.ID))) // the gate denies for ever
	l, err := readLogins(v.view, store, old.ID)
	if err != nil {
		return err
	}
	if err := v.burySubjects(m, old.ID, max(m.TimeNanos, l.body.NewestAuthNanos)); err != nil {
		return err
	}
	return v.relink(m, resourceUser, old.ID, old.links(), nil)
}

// endMemberships deletes the documents that say of which organizations an operator made a person a member.
func (v *DirectoryView) endMemberships(ctx context.Context, m *ostiary.Mutation, id string) error {
	filter := ostiary.Filter{Store: v.connection.Store, Subject: userSubject(id),
		ObjectType: gate.Organization, Relation: gate.DirectoryMember}
	for t, err := range v.view.Tuples(ctx, filter, nil) {
		if err != nil {
			return err
		}
		for _, g := range t.Grants {
			if g.Owner == memberOwner(t.Object.ID, id) {
				m.Documents = append(m.Documents, remove(memberKey(v.connection.Store, t.Object.ID, id)))
			}
		}
	}
	return nil
}
