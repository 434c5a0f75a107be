package identity

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
)

// The mass guard holds what a mistake at the identity provider would destroy: many deletions of people, and
// groups that lose most of their members. It never holds a deactivation. What it knows is in documents that
// the changes rest on, so that it counts alike on every node, and over restarts (IDENTITY g.0 rule 11).

// GuardLimit is what passes within GuardWindow: Minimum, or Percent of what there was at its beginning, where
// that is more.
type GuardLimit struct {
	Off     bool `json:"off,omitempty"` // everything passes
	Minimum int  `json:"minimum,omitempty"`
	Percent int  `json:"percent,omitempty"`
}

// Guard holds the limits of a connection. The zero value of a limit stands for its default.
type Guard struct {
	Users   GuardLimit `json:"users,omitzero"`   // that are deleted; the default is 20, or 20 %
	Members GuardLimit `json:"members,omitzero"` // that one group loses; the default is 100, or 50 %
}

// GuardWindow is how long changes are counted together, and how long what an operator has confirmed passes.
const (
	GuardWindow       = 10 * time.Minute
	confirmedLifetime = time.Hour
)

var (
	defaultUsersGuard   = GuardLimit{Minimum: 20, Percent: 20}
	defaultMembersGuard = GuardLimit{Minimum: 100, Percent: 50}
)

func (l GuardLimit) or(otherwise GuardLimit) GuardLimit {
	if l == (GuardLimit{}) {
		return otherwise
	}
	return l
}

// WithDefaults returns the limits that count.
func (g Guard) WithDefaults() Guard {
	return Guard{Users: g.Users.or(defaultUsersGuard), Members: g.Members.or(defaultMembersGuard)}
}

// maxGuardMinimum bounds the minimum of a limit, so that "off" is said as such.
const maxGuardMinimum = 10_000_000

func (g Guard) judge() error {
	for what, l := range map[string]GuardLimit{"deletions of users": g.Users, "members of groups": g.Members} {
		if l.Minimum < 0 || l.Minimum > maxGuardMinimum || l.Percent < 0 || l.Percent > 100 {
			return invalid("the guard of %s would let %d or %d %% pass: a count up to %d, and a percentage up to 100",
				what, l.Minimum, l.Percent, maxGuardMinimum)
		}
	}
	return nil
}

// passes reports whether n of a number pass.
func (l GuardLimit) passes(n, of int) bool {
	return n <= max(l.Minimum, of/100*l.Percent+of%100*l.Percent/100)
}

// ErrHeld: the mass guard holds a change until an operator confirms it. A person who was to be deleted is
// deactivated.
var ErrHeld = errors.New("held until an operator confirms it")

func guardsOf(connection string) string { return "guard/" + connection }

// guardKey is of the window of a group, or with usersWindow of that of users.
func guardKey(connection, of string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: guardsOf(connection), Key: of}
}

const usersWindow = "users"

func heldOf(connection string) string { return "held/" + connection }

// heldKey is of the document of a person whose deletion is held.
func heldKey(connection, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: heldOf(connection), Key: user}
}

type heldBody struct {
	form
	SinceNanos int64 `json:"since"`
}

// guardBody is one window.
type guardBody struct {
	form
	SinceNanos int64 `json:"since,omitempty"`
	Gone       int   `json:"gone,omitempty"` // that passed, in the window
	Of         int   `json:"of,omitempty"`   // at its beginning; 0: not counted yet
	HeldNanos  int64 `json:"held,omitempty"` // when something was held first, or for a group last
	// ConfirmedNanos, of users, is until when everything of the connection passes.
	ConfirmedNanos int64 `json:"confirmed,omitempty"`
}

// window is a guardBody with the document that it was read from.
type window struct {
	document ostiary.Document
	body     guardBody
}

func readWindow(v View, connection, of string) (*window, error) {
	key := guardKey(connection, of)
	d, there, err := v.Document(key)
	if err != nil {
		return nil, err
	}
	d.Key = key
	w := &window{document: d, body: guardBody{form: form{bodyForm}}}
	if there {
		w.body, err = decode[guardBody](d)
	}
	return w, err
}

// begin starts the window anew where it has passed.
func (w *window) begin(nowNanos int64) {
	if b := &w.body; b.SinceNanos == 0 || nowNanos-b.SinceNanos >= int64(GuardWindow) {
		b.SinceNanos, b.Gone, b.Of = nowNanos, 0, 0
	}
}

// join makes the window part of a mutation.
func (w *window) join(m *ostiary.Mutation) {
	m.Preconditions = append(m.Preconditions, at(w.document))
	m.Documents = append(m.Documents, put(w.document.Key, w.body))
}

// holdsDelete counts the deletion of a user as part of a mutation, and reports whether it is held. Once one is,
// those that follow are, however slowly they come, until an operator decides.
func (v *DirectoryView) holdsDelete(m *ostiary.Mutation) (bool, error) {
	limit := v.connection.Guard.Users.or(defaultUsersGuard)
	if limit.Off {
		return false, nil
	}
	w, err := readWindow(v.view, v.connection.ID, usersWindow)
	switch {
	case err != nil:
		return false, err
	case m.TimeNanos < w.body.ConfirmedNanos:
		return false, nil
	case w.body.HeldNanos != 0:
		m.Preconditions = append(m.Preconditions, at(w.document))
		return true, nil
	}
	w.begin(m.TimeNanos)
	if n := w.body.Gone + 1; n > limit.Minimum {
		if w.body.Of == 0 {
			there, err := v.view.CountDocuments(usersOf(v.connection.ID))
			if err != nil {
				return false, err
			}
			w.body.Of = there + w.body.Gone
		}
		if !limit.passes(n, w.body.Of) {
			w.body.HeldNanos = m.TimeNanos
			w.join(m)
			return true, nil
		}
	}
	w.body.Gone++
	w.join(m)
	return false, nil
}

// hold deactivates a person who was to be deleted, which destroys nothing, and notes that the deletion is
// held. Done again, it changes nothing.
func (v *DirectoryView) hold(ctx context.Context, m *ostiary.Mutation, old *storedUser) error {
	key := heldKey(v.connection.ID, old.ID)
	d, there, err := v.view.Document(key)
	if err != nil {
		return err
	}
	if !there {
		d.Key = key
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(key, heldBody{form{bodyForm}, m.TimeNanos}))
	}
	return v.setActive(ctx, m, old, false)
}

// heldDelete is the error of a deletion that is held.
func (v *DirectoryView) heldDelete() error {
	return fmt.Errorf("connection %s has deleted more people than pass within %v: this one is deactivated, and nothing is destroyed. "+
		"An operator lets it pass with 'ostiary connection confirm %s', and then it has to be sent again: %w",
		v.connection.ID, GuardWindow, v.connection.ID, ErrHeld)
}

// holdsShrinkage counts members that a group is to lose as part of a mutation, and reports whether they are
// held. The mutation then says so, and nothing else.
func (v *DirectoryView) holdsShrinkage(ctx context.Context, m *ostiary.Mutation, group string, leaving int) (bool, error) {
	limit := v.connection.Guard.Members.or(defaultMembersGuard)
	if limit.Off || leaving == 0 {
		return false, nil
	}
	confirmed, err := v.confirmed(m.TimeNanos)
	if err != nil || confirmed {
		return false, err
	}
	w, err := readWindow(v.view, v.connection.ID, group)
	if err != nil {
		return false, err
	}
	w.begin(m.TimeNanos)
	if n := w.body.Gone + leaving; n > limit.Minimum {
		if w.body.Of == 0 {
			if w.body.Of, err = v.countMembers(ctx, group); err != nil {
				return false, err
			}
			w.body.Of += w.body.Gone
		}
		if !limit.passes(n, w.body.Of) {
			w.noteHeld(m)
			return true, nil
		}
	}
	w.body.Gone += leaving
	w.join(m)
	return false, nil
}

// holdsDissolution reports whether the deletion of a group is held: it takes all members away.
func (v *DirectoryView) holdsDissolution(ctx context.Context, m *ostiary.Mutation, group string) (bool, error) {
	limit := v.connection.Guard.Members.or(defaultMembersGuard)
	if limit.Off {
		return false, nil
	}
	confirmed, err := v.confirmed(m.TimeNanos)
	if err != nil || confirmed {
		return false, err
	}
	w, err := readWindow(v.view, v.connection.ID, group)
	if err != nil {
		return false, err
	}
	w.begin(m.TimeNanos)
	n := w.body.Gone
	for _, err := range v.Members(ctx, group) {
		if err != nil {
			return false, err
		}
		if n++; n > limit.Minimum {
			break
		}
	}
	if n <= limit.Minimum || limit.Percent == 100 {
		m.Documents = append(m.Documents, remove(w.document.Key))
		return false, nil
	}
	w.noteHeld(m)
	return true, nil
}

// confirmed reports whether an operator lets everything pass now.
func (v *DirectoryView) confirmed(nowNanos int64) (bool, error) {
	w, err := readWindow(v.view, v.connection.ID, usersWindow)
	return err == nil && nowNanos < w.body.ConfirmedNanos, err
}

func (v *DirectoryView) countMembers(ctx context.Context, group string) (n int, err error) {
	for _, err := range v.Members(ctx, group) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// noteHeld makes a mutation one that says of a group that its shrinkage is held, and nothing else. The window
// goes on as long as somebody tries; that is noted once a minute.
func (w *window) noteHeld(m *ostiary.Mutation) {
	m.Filters, m.Tuples, m.Documents = nil, nil, nil
	if w.body.HeldNanos != 0 && m.TimeNanos-w.body.HeldNanos < int64(time.Minute) {
		return
	}
	w.body.SinceNanos, w.body.HeldNanos = m.TimeNanos, m.TimeNanos
	w.join(m)
}

func (v *DirectoryView) heldShrinkage(group string) error {
	return fmt.Errorf("group %s would lose more members than pass within %v: nothing is changed. An operator lets it pass with "+
		"'ostiary connection confirm %s', and then it has to be sent again: %w", group, GuardWindow, v.connection.ID, ErrHeld)
}

// guardTurns spare computing again the changes that one window counts. They are taken after a turn of a
// resource, and one at a time.
type guardTurns [16]sync.Mutex

func (s *Service) guardTurn(connection, of string) (end func()) {
	mu := &s.guards[maphash.String(s.seed, connection+"/"+of)%uint64(len(s.guards))]
	mu.Lock()
	return mu.Unlock
}

// GuardState is what the mass guard holds of a connection.
type GuardState struct {
	Limits         Guard // that count
	HeldNanos      int64 // since when deletions of people are held; 0: they are not
	HeldUsers      int   // whose deletion is held: they are deactivated
	HeldGroups     []string
	ConfirmedNanos int64 // until when everything passes; 0: an operator has confirmed nothing
}

// maxHeldGroups bounds the groups that a GuardState names.
const maxHeldGroups = 100

// Guarded returns what the mass guard holds of a connection.
func (s *Service) Guarded(ctx context.Context, c Connection) (state GuardState, err error) {
	state.Limits = c.Guard.WithDefaults()
	err = s.read(ctx, func(v View) error {
		w, err := readWindow(v, c.ID, usersWindow)
		if err != nil {
			return err
		}
		state.HeldNanos = w.body.HeldNanos
		if w.body.ConfirmedNanos > s.backend.Now() {
			state.ConfirmedNanos = w.body.ConfirmedNanos
		}
		if state.HeldUsers, err = v.CountDocuments(heldOf(c.ID)); err != nil {
			return err
		}
		for d, err := range ostiary.EachDocument(ctx, v, guardsOf(c.ID), "") {
			if err != nil {
				return err
			}
			body, err := decode[guardBody](d)
			if err != nil {
				return err
			}
			if d.Key.Key == usersWindow || body.HeldNanos == 0 || s.backend.Now()-body.HeldNanos > int64(GuardWindow) {
				continue
			}
			if state.HeldGroups = append(state.HeldGroups, d.Key.Key); len(state.HeldGroups) == maxHeldGroups {
				break
			}
		}
		return nil
	})
	return state, err
}

// ConfirmHeld lets what the mass guard holds of a connection pass for an hour, when its provider sends it
// again; or with dismiss lets nothing pass, and counts anew. People whose deletion was held stay deactivated
// until their provider activates or deletes them.
func (s *Service) ConfirmHeld(ctx context.Context, store, connection string, dismiss bool) (ostiary.Receipt, error) {
	row := &audit{store: store, connection: connection, resource: connection, action: "connection.confirm"}
	if dismiss {
		row.action = "connection.dismiss"
	}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, connection)
		if err != nil {
			return err
		}
		w, err := readWindow(v, connection, usersWindow)
		if err != nil {
			return err
		}
		w.body = guardBody{form: form{bodyForm}}
		if !dismiss {
			w.body.ConfirmedNanos = m.TimeNanos + int64(confirmedLifetime)
		}
		m.Preconditions = append(m.Preconditions, at(d))
		w.join(m)
		return nil
	})
}
