package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// A backup tells of an older time: people who were deactivated or deleted since are not in it, and whoever
// has logged out has a session again. So what was restored is settled before anything can ask about it
// (IDENTITY g.0 rule 12).

// AfterRestoreOptions says how AfterRestore settles what was restored.
type AfterRestoreOptions struct {
	// TrustConnections leaves people as they are in the backup, instead of denying those of each connection
	// until it has synchronized.
	TrustConnections bool
}

// Settled counts what AfterRestore did.
type Settled struct {
	SessionTuples int // that are gone
	Tokens        int // that were revoked
	Connections   []WaitingConnection
}

// WaitingConnection is one whose people are denied until it has synchronized.
type WaitingConnection struct{ ID, Store, Organization string }

// emptiedByRestore names the collections of a store that a restore empties: what is in force for a while.
var emptiedByRestore = []func(store string) string{sessionsOf, sessionLinksOf}

// revokedByRestore names the collections of a connection that a restore empties: by what its provider is let in.
var revokedByRestore = []func(connection string) string{tokensOf, clientsOf}

// AfterRestore ends the sessions of every store, refuses logins from before the restore, revokes the tokens of
// connections, and lets the people of each connection wait until it has synchronized. It takes many
// mutations; whoever restores lets nobody ask anything before it has returned nil.
func (s *Service) AfterRestore(ctx context.Context, o AfterRestoreOptions) (done Settled, err error) {
	ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "internal", Name: "restore"})
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return done, err
	}
	defer v.Close()
	// A key that was taken away since must not sign again: new ones are made when they are needed.
	if _, err := s.empty(ctx, v, signingRings); err != nil {
		return done, err
	}
	waiting := map[string][]string{} // connections by store
	for d, err := range ostiary.EachDocument(ctx, v, connections, "") {
		if err != nil {
			return done, err
		}
		c, err := decodeConnection(d)
		if err != nil {
			return done, err
		}
		about := about(ctx, &audit{store: c.Store, organization: c.Organization, connection: c.ID, resource: c.ID, action: "restore"})
		for _, collection := range revokedByRestore {
			n, err := s.empty(about, v, collection(c.ID))
			if err != nil {
				return done, err
			}
			done.Tokens += n
		}
		if _, err := s.empty(about, v, clientUsesOf(c.ID)); err != nil {
			return done, err
		}
		if !o.TrustConnections {
			if err := s.pauseRestored(ctx, c.ID); err != nil {
				return done, err
			}
			waiting[c.Store] = append(waiting[c.Store], c.ID)
			done.Connections = append(done.Connections, WaitingConnection{c.ID, c.Store, c.Organization})
		}
	}
	for d, err := range ostiary.EachDocument(ctx, v, receivers, "") {
		if err != nil {
			return done, err
		}
		n, err := s.empty(ctx, v, clientsOf(d.Key.Key))
		if err != nil {
			return done, err
		}
		done.Tokens += n
	}
	for d, err := range ostiary.EachDocument(ctx, v, settings, "") {
		if err != nil {
			return done, err
		}
		store := d.Key.Key
		about := about(ctx, &audit{store: store, action: "restore"})
		n, err := s.endSessionsOf(about, v, store)
		if err != nil {
			return done, err
		}
		done.SessionTuples += n
		for _, collection := range emptiedByRestore {
			if _, err := s.empty(about, v, collection(store)); err != nil {
				return done, err
			}
		}
		if err := s.settle(ctx, store, waiting[store]); err != nil {
			return done, err
		}
	}
	return done, nil
}

// pauseRestored says of a connection that its people wait. One that is paused for another reason stays so.
func (s *Service) pauseRestored(ctx context.Context, id string) error {
	row := &audit{connection: id, resource: id, action: "connection.pause"}
	_, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		c, d, err := readConnection(v, id)
		if err != nil {
			return err
		}
		if c.Paused != "" {
			return nil
		}
		row.store, row.organization = c.Store, c.Organization
		m.Preconditions = append(m.Preconditions, at(d))
		return changePaused(m, d, PausedByRestore)
	})
	return err
}

// settle raises the watermark of a store and lets connections of it wait.
func (s *Service) settle(ctx context.Context, store string, waiting []string) error {
	row := &audit{store: store, action: "restore"}
	_, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		return changeSettings(v, m, store, func(body *settingsBody) {
			body.RevokedBeforeNanos = max(body.RevokedBeforeNanos, m.TimeNanos)
			body.Waiting = slices.Compact(slices.Sorted(slices.Values(slices.Concat(body.Waiting, waiting))))
		})
	})
	return err
}

// changeSettings changes the settings of a store that has some, as part of a mutation.
func changeSettings(v View, m *ostiary.Mutation, store string, change func(*settingsBody)) error {
	d, there, err := v.Document(settingsKey(store))
	if err != nil {
		return err
	}
	if !there {
		return notFound("organizations of store", store)
	}
	body, err := decode[settingsBody](d)
	if err != nil {
		return err
	}
	change(&body)
	m.Preconditions = append(m.Preconditions, at(d))
	m.Documents = append(m.Documents, put(d.Key, body))
	return nil
}

// AfterUndelete settles a store that was deleted and is about to come back: its sessions end, logins from before count
// no more, and unless connections are trusted, the people of each wait until it has synchronized. What providers said
// meanwhile was refused, so nobody knows who left. It takes many mutations, and the store is out of reach until
// whoever calls it makes it come back.
func (s *Service) AfterUndelete(ctx context.Context, store string, o AfterRestoreOptions) (done Settled, err error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return done, err
	}
	defer v.Close()
	_, there, err := v.Document(settingsKey(store))
	if err != nil || !there {
		return done, err // it never had an organization
	}
	var waiting []string
	for d, err := range ostiary.EachDocument(ctx, v, connections, "") {
		if err != nil {
			return done, err
		}
		c, err := decodeConnection(d)
		if err != nil {
			return done, err
		}
		if c.Store != store || o.TrustConnections {
			continue
		}
		if err := s.pauseRestored(ctx, c.ID); err != nil {
			return done, err
		}
		waiting = append(waiting, c.ID)
		done.Connections = append(done.Connections, WaitingConnection{c.ID, c.Store, c.Organization})
	}
	about := about(ctx, &audit{store: store, action: "undelete"})
	if done.SessionTuples, err = s.endSessionsOf(about, v, store); err != nil {
		return done, err
	}
	for _, collection := range emptiedByRestore {
		if _, err := s.empty(about, v, collection(store)); err != nil {
			return done, err
		}
	}
	return done, s.settle(ctx, store, waiting)
}

// changesPerMutation is how many tuples or documents one of several mutations takes away.
const changesPerMutation = 5_000

// endSessionsOf deletes the sessions of a store, and what its organizations grant to whoever has one.
func (s *Service) endSessionsOf(ctx context.Context, v View, store string) (n int, err error) {
	for _, f := range []ostiary.Filter{
		{Store: store, Object: ostiary.ObjectRef{Type: gate.Session}},
		{Store: store, Object: ostiary.ObjectRef{Type: gate.Organization}, Relation: gate.Live},
	} {
		var gone []ostiary.TupleChange
		for t, err := range v.Tuples(ctx, f, nil) {
			if err != nil {
				return n, err
			}
			for _, g := range t.Grants {
				gone = append(gone, ostiary.TupleChange{Op: ostiary.TupleRelease, Store: store, Tuple: t.Tuple, Grant: ostiary.Grant{Owner: g.Owner}})
			}
			n++
			if len(gone) >= changesPerMutation {
				if err := s.takeAway(ctx, gone, nil); err != nil {
					return n, err
				}
				gone = nil
			}
		}
		if err := s.takeAway(ctx, gone, nil); err != nil {
			return n, err
		}
	}
	return n, nil
}

// empty deletes the documents of a collection, and returns how many.
func (s *Service) empty(ctx context.Context, v View, collection string) (n int, err error) {
	var gone []ostiary.DocumentChange
	for d, err := range ostiary.EachDocument(ctx, v, collection, "") {
		if err != nil {
			return n, err
		}
		n++
		if gone = append(gone, remove(d.Key)); len(gone) >= changesPerMutation {
			if err := s.takeAway(ctx, nil, gone); err != nil {
				return n, err
			}
			gone = nil
		}
	}
	return n, s.takeAway(ctx, nil, gone)
}

func (s *Service) takeAway(ctx context.Context, tuples []ostiary.TupleChange, documents []ostiary.DocumentChange) error {
	_, err := s.change(ctx, func(_ View, m *ostiary.Mutation) error {
		m.Tuples, m.Documents = tuples, documents
		return nil
	})
	return err
}

// PausedByRestore is why a connection is paused whose people a restore made wait. Its provider's requests are
// answered.
const PausedByRestore = "restored"

// ResumeConnection lets a connection that is paused go on. After a restore an operator says by it that the
// provider has sent everybody since, and its people are let in. Of one that an operator has paused it is the first
// word that only ends this: it is paused by the restore then. One that is not paused stays as it is.
func (s *Service) ResumeConnection(ctx context.Context, store, id string) (c Connection, err error) {
	row := &audit{store: store, connection: id, resource: id, action: "connection.resume"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, id)
		if err != nil {
			return err
		}
		if c, err = decodeConnection(d); err != nil || c.Paused == "" {
			return err
		}
		if c.Paused == PausedByDeletion {
			return fmt.Errorf("connection %s is being deleted: %w", id, ostiary.ErrExists)
		}
		waiting, err := WaitingConnections(v, store)
		if err != nil {
			return err
		}
		next := ""
		if slices.Contains(waiting, id) && c.Paused != PausedByRestore {
			next = PausedByRestore // its provider had no chance to send anybody
		}
		c.Paused, c.Version = next, 0
		m.Preconditions = append(m.Preconditions, at(d))
		if err := changePaused(m, d, next); err != nil || next != "" {
			return err
		}
		return endWaiting(v, m, store, id)
	})
	if c.Version == 0 {
		c.Version = receipt.Revision
	}
	return c, err
}

// changePaused makes the change of why a connection is paused part of a mutation.
func changePaused(m *ostiary.Mutation, d ostiary.Document, reason string) error {
	body, err := decode[connectionBody](d)
	if err != nil {
		return err
	}
	body.Paused = reason
	m.Documents = append(m.Documents, put(d.Key, body))
	return nil
}

// endWaiting takes a connection off the list of those that wait, as part of a mutation.
func endWaiting(v View, m *ostiary.Mutation, store, connection string) error {
	waiting, err := WaitingConnections(v, store)
	if err != nil || !slices.Contains(waiting, connection) {
		return err
	}
	return changeSettings(v, m, store, func(body *settingsBody) {
		body.Waiting = slices.DeleteFunc(body.Waiting, func(id string) bool { return id == connection })
	})
}

// Documents is the part of a View by which the gate is read.
type Documents interface {
	Document(key ostiary.DocumentKey) (ostiary.Document, bool, error)
}

// WaitingConnections returns the connections of a store whose people are denied until they have synchronized,
// sorted. There are none but after a restore.
func WaitingConnections(v Documents, store string) ([]string, error) {
	d, there, err := v.Document(settingsKey(store))
	if err != nil || !there {
		return nil, err
	}
	body, err := decode[settingsBody](d)
	return body.Waiting, err
}

// Waits reports whether a person is managed by one of the connections that WaitingConnections returned.
func Waits(v Documents, store, user string, waiting []string) (bool, error) {
	if len(waiting) == 0 {
		return false, nil
	}
	d, there, err := v.Document(managedKey(store, user))
	if err != nil || !there {
		return false, err
	}
	body, err := decode[managedBody](d)
	if err != nil {
		return false, err
	}
	_, waits := slices.BinarySearch(waiting, body.Connection)
	return waits, nil
}
