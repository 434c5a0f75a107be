package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Bounds on ending sessions.
const (
	// MaxSessionsAtOnce is how many sessions one deletion takes; one of more is refused with the count. The
	// revocation of a person is never refused.
	MaxSessionsAtOnce = 20_000

	maxReasonBytes = 256
	// collectedAtOnce is how many sessions each new one looks at, to take away what has ended.
	collectedAtOnce = 8
	// collectGrace is how long a session stays after its end: clocks of nodes differ.
	collectGrace = time.Hour
)

// The reasons for which this package revokes sessions.
const (
	ReasonDeactivated = "deactivated"
	ReasonBlocked     = "blocked"
	ReasonRemoved     = "removed"
	ReasonDeleted     = "deleted"
)

// endedAtOnce is MaxSessionsAtOnce; tests lower it.
var endedAtOnce = MaxSessionsAtOnce

// ends gathers sessions that end with a mutation, each with those that were made of it.
type ends struct {
	view     View
	store    string
	m        *ostiary.Mutation
	sessions []*storedSession
	known    map[string]bool
	unread   int    // that end with their person's tuples, and are read by nobody
	reason   string // for those who are told
	// left are the ids of those unread, of the person leftOf: they are read when they are told.
	left   []string
	leftOf string
}

func newEnds(v View, store string, m *ostiary.Mutation) *ends {
	return &ends{view: v, store: store, m: m, known: map[string]bool{}, reason: ReasonEnded}
}

// add adds a session that is there.
func (e *ends) add(id string) error {
	if e.known[id] {
		return nil
	}
	e.known[id] = true
	t, there, err := readSession(e.view, e.store, id)
	if err == nil && there {
		e.sessions = append(e.sessions, t)
	}
	return err
}

// descend adds what was made of the sessions from a place on.
func (e *ends) descend(ctx context.Context, from int) error {
	for i := from; i < len(e.sessions); i++ {
		of := ostiary.SubjectRef{Type: gate.Session, ID: e.sessions[i].ID}
		if err := e.addWhere(ctx, of, sessionParent); err != nil {
			return err
		}
	}
	return nil
}

// addWhere adds the sessions that name a subject.
func (e *ends) addWhere(ctx context.Context, s ostiary.SubjectRef, relation string) error {
	filter := ostiary.Filter{Store: e.store, Subject: s, ObjectType: gate.Session, Relation: relation}
	for t, err := range e.view.Tuples(ctx, filter, nil) {
		if err == nil {
			err = e.add(t.Object.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end makes the end of each session part of the mutation, without the tuples of those of whom gone reports
// that their owner's are deleted anyway, and tells those who listen. Every session that ends does so here.
func (e *ends) end(gone func(t *storedSession) bool) error {
	e.take(gone)
	return e.tell()
}

// take is end that tells nobody.
func (e *ends) take(gone func(t *storedSession) bool) {
	for _, t := range e.sessions {
		if !gone(t) {
			for _, c := range t.tuples(e.store) {
				c.Op = ostiary.TupleRelease
				e.m.Tuples = append(e.m.Tuples, c)
			}
		}
		e.m.Documents = append(e.m.Documents, remove(t.document.Key))
		if t.body.Link != "" {
			e.m.Documents = append(e.m.Documents, remove(ostiary.DocumentKey{Collection: sessionLinksOf(e.store), Key: t.body.Link}))
		}
	}
}

func noneGone(*storedSession) bool { return false }

// restOnLogins demands that nobody log in who could make more sessions of those that end.
func (e *ends) restOnLogins() error {
	users := map[string]bool{}
	for _, t := range e.sessions {
		if users[t.User] {
			continue
		}
		users[t.User] = true
		if err := restOnLogins(e.view, e.m, e.store, t.User); err != nil {
			return err
		}
	}
	return nil
}

// ended returns the sessions, without their SIDs.
func (e *ends) ended() []Session {
	all := make([]Session, len(e.sessions))
	for i, t := range e.sessions {
		all[i] = t.Session
	}
	return all
}

// DeleteSession ends a session and what was made of it, and returns all that ended. One that is not there is
// ErrNotFound.
func (s *Service) DeleteSession(ctx context.Context, store, id string) ([]Session, ostiary.Receipt, error) {
	var ended []Session
	organization, _, _ := strings.Cut(id, "/")
	row := &audit{store: store, organization: organization, resource: id, action: "session.delete"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		e := newEnds(v, store, m)
		if err := e.add(id); err != nil {
			return err
		}
		if len(e.sessions) == 0 {
			return notFound("session", id)
		}
		if err := e.descend(ctx, 0); err != nil {
			return err
		}
		if err := e.restOnLogins(); err != nil {
			return err
		}
		ended = e.ended()
		return e.end(noneGone)
	})
	return ended, receipt, err
}

// DeleteSessions ends the sessions that a filter selects and what was made of them, in one mutation, and
// returns how many. With dryRun it only counts. More than MaxSessionsAtOnce are refused with the count. No
// watermark is set: see RevokeSessions.
func (s *Service) DeleteSessions(ctx context.Context, store string, f SessionFilter, dryRun bool) (int, ostiary.Receipt, error) {
	if f == (SessionFilter{}) {
		return 0, ostiary.Receipt{}, invalid("a filter of sessions selects nothing by itself: name a user, client, device, …")
	}
	if err := f.judge(); err != nil {
		return 0, ostiary.Receipt{}, err
	}
	x, err := s.secret(ctx)
	if err != nil {
		return 0, ostiary.Receipt{}, err
	}
	count := 0
	row := &audit{store: store, organization: f.Organization, connection: f.Connection, resource: f.User, action: "session.delete"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		e := newEnds(v, store, m)
		for t, err := range f.sessions(ctx, v, x, store, "") {
			if err != nil {
				return err
			}
			if !e.known[t.ID] {
				e.known[t.ID] = true
				e.sessions = append(e.sessions, t)
			}
		}
		if err := e.descend(ctx, 0); err != nil {
			return err
		}
		if count = len(e.sessions); dryRun {
			return nil
		}
		if count > endedAtOnce {
			return fmt.Errorf("the filter selects %d sessions, and at most %d may end at once: narrow it: %w", count, endedAtOnce, ostiary.ErrTooBroad)
		}
		if err := e.restOnLogins(); err != nil {
			return err
		}
		return e.end(noneGone)
	})
	return count, receipt, err
}

// Revocation is what RevokeSessions did.
type Revocation struct {
	Receipt ostiary.Receipt
	// Ended are the sessions that ended, without their SIDs. Unread more of the person did, beyond
	// MaxSessionsAtOnce.
	Ended  []Session
	Unread int
}

// RevokeSessions ends, in one mutation, every session of a person in an organization, whoever reported it, and
// those in which the person acts for somebody else, in any organization; with what was made of them. Only who
// has authenticated after it may log in again. An empty organization stands for all of the person's. A
// person who is nobody of the organization and has no session in it is ErrNotFound.
func (s *Service) RevokeSessions(ctx context.Context, store, user, organization, reason string) (Revocation, error) {
	if err := judgeUser(user); err != nil {
		return Revocation{}, err
	}
	if len(reason) > maxReasonBytes {
		return Revocation{}, invalid("the reason has %d bytes, and may have %d", len(reason), maxReasonBytes)
	}
	defer s.turn("login", store, user)()
	var done Revocation
	row := &audit{store: store, organization: organization, resource: user, action: "session.revoke"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		e, err := revoke(ctx, v, m, store, user, organization, reason)
		if err != nil {
			return err
		}
		done.Ended, done.Unread = e.ended(), e.unread
		if len(e.sessions)+e.unread > 0 {
			return nil
		}
		return judgeKnown(ctx, v, store, user, organization)
	})
	done.Receipt = receipt
	return done, err
}

// judgeKnown refuses somebody who is nobody of the organization, or of any.
func judgeKnown(ctx context.Context, v View, store, user, organization string) error {
	if organization != "" {
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
	}
	g, err := readGate(v, store, user)
	if err != nil {
		return err
	}
	all, err := standings(ctx, v, store, user, g)
	if err != nil {
		return err
	}
	for _, standing := range all {
		if organization == "" || standing.Organization == organization {
			return nil
		}
	}
	return notFound("user", user)
}

// revoke makes the revocation of a person's sessions in an organization, or in all where none is named, part
// of a mutation.
func revoke(ctx context.Context, v View, m *ostiary.Mutation, store, user, organization, reason string) (*ends, error) {
	e := newEnds(v, store, m)
	e.reason, e.leftOf = reason, user
	own, acted := map[string][]string{}, []string(nil) // sessions, by organization
	own[organization] = nil
	filter := ostiary.Filter{Store: store, Subject: userSubject(user), ObjectType: gate.Session}
	for t, err := range v.Tuples(ctx, filter, nil) {
		if err != nil {
			return nil, err
		}
		of, _, _ := strings.Cut(t.Object.ID, "/")
		switch {
		case t.Relation == sessionActor:
			acted = append(acted, t.Object.ID)
		case t.Relation == sessionSubject && (organization == "" || of == organization):
			own[of] = append(own[of], t.Object.ID)
		}
	}
	l, err := readLogins(v, store, user)
	if err != nil {
		return nil, err
	}
	l.raise(organization, m.TimeNanos)
	l.body.RevokedNanos, l.body.Reason = m.TimeNanos, reason
	for of, ids := range own {
		m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: store, Owner: sessionOwner(of, user)}})
		for _, id := range ids {
			if len(e.sessions) == endedAtOnce {
				e.unread++
				e.left = append(e.left, id)
				continue
			}
			if err := e.add(id); err != nil {
				return nil, err
			}
		}
	}
	l.join(m)
	// What was made of the person's own sessions is the person's too, or has the person as its actor.
	from := len(e.sessions)
	for _, id := range acted {
		if err := e.add(id); err != nil {
			return nil, err
		}
	}
	if err := e.descend(ctx, from); err != nil {
		return nil, err
	}
	for _, t := range e.sessions[from:] {
		if t.User != user {
			if err := restOnLogins(v, m, store, t.User); err != nil {
				return nil, err
			}
		}
	}
	return e, e.end(func(t *storedSession) bool {
		_, gone := own[t.Organization]
		return gone && t.User == user
	})
}

// sessionCursor is where collectSessions goes on in a store.
type sessionCursor struct {
	mu    sync.Mutex
	after string
}

// collectSessions takes away a few of the sessions that have ended, as part of a mutation that makes one: so
// that those that are kept stay in proportion to those that live. What was made of a session has ended no later.
func (s *Service) collectSessions(ctx context.Context, v View, m *ostiary.Mutation, store string) error {
	c, _ := s.collected.LoadOrStore(store, &sessionCursor{})
	docs, err := c.(*sessionCursor).next(v, sessionsOf(store))
	if err != nil {
		return err
	}
	e := newEnds(v, store, m)
	for _, d := range docs {
		t, err := decodeSession(d)
		if err != nil {
			return err
		}
		over := m.TimeNanos > t.ExpiresNanos+int64(collectGrace)
		if !over {
			held, err := t.isHeld(ctx, v, store, 0)
			if err != nil {
				return err
			}
			over = !held
		}
		if over && !e.known[t.ID] {
			e.known[t.ID] = true
			e.sessions = append(e.sessions, t)
		}
	}
	if err := e.descend(ctx, 0); err != nil {
		return err
	}
	e.take(noneGone)
	// That a session has run out is told to nobody; of the others it was not told when they ended.
	e.reason = ReasonRevoked
	e.sessions = slices.DeleteFunc(e.sessions, func(t *storedSession) bool { return m.TimeNanos > t.ExpiresNanos })
	return e.tell()
}

// next returns the documents after those that it returned last, and begins again at the end.
func (c *sessionCursor) next(v View, collection string) ([]ostiary.Document, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	docs, err := v.Documents(collection, c.after, collectedAtOnce, false)
	if err != nil {
		return nil, err
	}
	c.after = ""
	if len(docs) == collectedAtOnce {
		c.after = docs[len(docs)-1].Key.Key
	}
	return docs, nil
}

// deleteSessionsOf takes away what is left of the sessions of an organization that has no members any more.
func deleteSessionsOf(ctx context.Context, v View, m *ostiary.Mutation, store, organization string) error {
	e := newEnds(v, store, m)
	for id, err := range (SessionFilter{Organization: organization}).ids(ctx, v, nil, store, "") {
		if err == nil {
			err = e.add(id)
		}
		if err != nil {
			return err
		}
	}
	e.reason = ReasonRemoved
	return e.end(noneGone)
}

// IsLoginRefused returns why a login was refused, where err says so.
func IsLoginRefused(err error) (*LoginRefused, bool) {
	var refused *LoginRefused
	ok := errors.As(err, &refused)
	return refused, ok
}
