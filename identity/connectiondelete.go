package identity

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
)

// PausedByDeletion is why a connection is paused that is being deleted with its people.
const PausedByDeletion = "being deleted"

// Deletion says how far the deletion of a connection has come.
type Deletion struct {
	Done          bool
	Users, Groups int // that are left
}

// goneConnectionBody is what stays of a connection: its id is never given again.
type goneConnectionBody struct {
	form
	DeletedNanos int64 `json:"deleted"`
}

func goneConnectionKey(id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "connection-gone", Key: id}
}

// usersPerDeletion and groupsPerDeletion are what one call of DeleteConnection deletes, each by a mutation of
// its own: a person or a group may have many tuples.
const (
	usersPerDeletion  = 100
	groupsPerDeletion = 20
)

// DeleteConnection deletes a connection that manages nobody. With withPeople it first ends everything by which
// its provider is let in, and then deletes its people and groups as the provider would, some at a time: it is
// called again until the Deletion is done, also after it has failed. The mass guard does not hold it.
func (s *Service) DeleteConnection(ctx context.Context, store, id string, withPeople bool) (Deletion, error) {
	if err := s.beginDeletion(ctx, store, id, withPeople); err != nil {
		return Deletion{}, err
	}
	if withPeople {
		if err := s.deleteSome(ctx, store, id); err != nil {
			return Deletion{}, err
		}
	}
	return s.endDeletion(ctx, store, id)
}

// deleteSome deletes people of a connection, and where no people are left groups.
func (s *Service) deleteSome(ctx context.Context, store, id string) error {
	x, err := s.secret(ctx)
	if err != nil {
		return err
	}
	for range usersPerDeletion {
		more, err := s.deleteNext(ctx, store, id, usersOf(id), "user.delete", func(v View, m *ostiary.Mutation, c Connection, d ostiary.Document) error {
			view := &DirectoryView{view: v, connection: c, secrets: x}
			u, err := view.openUser(d)
			if err != nil {
				return err
			}
			return view.bury(ctx, m, u)
		})
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	for range groupsPerDeletion {
		more, err := s.deleteNext(ctx, store, id, groupsOf(id), "group.delete", func(v View, m *ostiary.Mutation, c Connection, d ostiary.Document) error {
			view := &DirectoryView{view: v, connection: c, secrets: x}
			g, err := view.openGroup(d)
			if err != nil {
				return err
			}
			return view.dissolve(m, g)
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// beginDeletion refuses the deletion of a connection that manages people, or ends by what its provider is let
// in, so that nobody fills it meanwhile.
func (s *Service) beginDeletion(ctx context.Context, store, id string, withPeople bool) error {
	row := &audit{store: store, connection: id, resource: id, action: "connection.close"}
	_, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		var left Deletion
		c, d, err := s.countLeft(v, store, id, &left)
		if err != nil {
			return err
		}
		row.organization = c.Organization
		m.Preconditions = append(m.Preconditions, at(d))
		switch {
		case !withPeople && left.Users+left.Groups > 0:
			return fmt.Errorf("connection %s manages %d people and %d groups, which would be deleted with it; --with-people (with_people) says that they may: %w", id, left.Users, left.Groups, ostiary.ErrExists)
		case c.Paused == PausedByDeletion:
			return nil
		}
		if err := revokeAll(ctx, v, m, id); err != nil {
			return err
		}
		return changePaused(m, d, PausedByDeletion)
	})
	return err
}

// endDeletion deletes the connection where nothing is left of its people and groups.
func (s *Service) endDeletion(ctx context.Context, store, id string) (left Deletion, err error) {
	row := &audit{store: store, connection: id, resource: id, action: "connection.delete"}
	_, err = s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		c, d, err := s.countLeft(v, store, id, &left)
		if err != nil || left.Users+left.Groups > 0 {
			return err
		}
		row.organization, left.Done = c.Organization, true
		m.Preconditions = append(m.Preconditions, at(d))
		return removeConnection(ctx, v, m, c)
	})
	return left, err
}

func (s *Service) countLeft(v View, store, id string, left *Deletion) (Connection, ostiary.Document, error) {
	*left = Deletion{}
	d, err := connectionOf(v, store, id)
	if err != nil {
		return Connection{}, d, err
	}
	c, err := decodeConnection(d)
	if err != nil {
		return c, d, err
	}
	if left.Users, err = v.CountDocuments(usersOf(id)); err != nil {
		return c, d, err
	}
	left.Groups, err = v.CountDocuments(groupsOf(id))
	return c, d, err
}

// deleteNext deletes the first resource of a collection of a connection, and reports whether there was one.
func (s *Service) deleteNext(
	ctx context.Context, store, id, collection, action string,
	build func(v View, m *ostiary.Mutation, c Connection, d ostiary.Document) error,
) (more bool, err error) {
	row := &audit{store: store, connection: id, action: action}
	_, err = s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		more = false
		c, d, err := readConnection(v, id)
		if err != nil {
			return err
		}
		next, err := v.Documents(collection, "", 1, false)
		if err != nil || len(next) == 0 {
			return err
		}
		more, row.organization, row.resource = true, c.Organization, next[0].Key.Key
		m.Preconditions = append(m.Preconditions, at(d))
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		return build(v, m, c, next[0])
	})
	return more, err
}

// credentialsOf are the collections of what a provider is let in by.
func credentialsOf(connection string) []string {
	return []string{tokensOf(connection), clientsOf(connection)}
}

// revokeAll ends everything by which a provider is let in, as part of a mutation.
func revokeAll(ctx context.Context, v View, m *ostiary.Mutation, connection string) error {
	for _, collection := range credentialsOf(connection) {
		for d, err := range ostiary.EachDocument(ctx, v, collection, "") {
			if err != nil {
				return err
			}
			m.Documents = append(m.Documents, remove(d.Key))
		}
	}
	return nil
}

// removeConnection makes the deletion of a connection of which no people and groups are left part of a mutation.
func removeConnection(ctx context.Context, v View, m *ostiary.Mutation, c Connection) error {
	if err := revokeAll(ctx, v, m, c.ID); err != nil {
		return err
	}
	for _, collection := range []string{guardsOf(c.ID), heldOf(c.ID), tokenUsesOf(c.ID), clientUseKey(c.ID, "").Collection, signalUsersOf(c.ID), goneSubjectsOf(c.ID)} {
		for d, err := range ostiary.EachDocument(ctx, v, collection, "") {
			if err != nil {
				return err
			}
			m.Documents = append(m.Documents, remove(d.Key))
		}
	}
	if err := endWaiting(v, m, c.Store, c.ID); err != nil {
		return err
	}
	if err := removeSignals(ctx, v, m, c); err != nil {
		return err
	}
	m.Documents = append(m.Documents, remove(revokerKey(c.ID)), remove(revokerUseKey(c.ID)),
		remove(oidcIssuerKey(c.ID)), remove(provisionedKey(c.ID)))
	m.Documents = append(m.Documents, remove(connectionKey(c.ID)), remove(connectionOfKey(c.Store, c.Organization, c.ID)),
		put(goneConnectionKey(c.ID), goneConnectionBody{form{bodyForm}, m.TimeNanos}))
	return nil
}
