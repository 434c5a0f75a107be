package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// LoginRefused says why somebody may not log in.
type LoginRefused struct {
	// Reason is RefusedReauthenticate, RefusedDisabled or RefusedUnknown.
	Reason string
	text   string
}

func (e *LoginRefused) Error() string { return e.text }

// The reasons of LoginRefused.
const (
	// RefusedReauthenticate: the person was logged out since that authentication, or nobody knows when it was.
	RefusedReauthenticate = "reauthenticate"
	// RefusedDisabled: the person is disabled, blocked or deleted.
	RefusedDisabled = "subject_disabled"
	// RefusedUnknown: the person is none of the organization's.
	RefusedUnknown = "subject_unknown"
)

func refuseLogin(reason, format string, args ...any) error {
	return &LoginRefused{Reason: reason, text: fmt.Sprintf(format, args...)}
}

// loginsBody is what the sessions of a person rest on: it changes with each login and each revocation, so that
// of two that race one is judged again.
type loginsBody struct {
	form
	// RevokedBefore is, for each organization, when the person was logged out of it last, and for the empty
	// one of all: only who has authenticated later may log in. It never goes back.
	RevokedBefore map[string]int64 `json:"revoked_before,omitempty"`
	// NewestAuthNanos is the latest time of an authentication that a session came of. Clocks of identity
	// providers may be ahead of ours; what was seen already must not outlive a revocation for that.
	NewestAuthNanos int64 `json:"newest_auth,omitempty"`
	// LoggedOut are sessions of identity providers that have ended, by keyed hashes, the oldest first: nobody logs in by
	// one again. LoggedOutOf is when the person was last logged out of an issuer: only who has authenticated there
	// later may log in by it.
	LoggedOut   []string         `json:"logged_out,omitempty"`
	LoggedOutOf map[string]int64 `json:"logged_out_of,omitempty"`
	// RevokedNanos and Reason are of the last revocation.
	RevokedNanos int64  `json:"revoked,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

func loginsOf(store string) string { return "logins/" + store }

func loginsKey(store, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: loginsOf(store), Key: user}
}

// logins is the document of a person's logins, as part of a change.
type logins struct {
	document ostiary.Document
	there    bool
	body     loginsBody
}

func readLogins(v Documents, store, user string) (*logins, error) {
	d, there, err := v.Document(loginsKey(store, user))
	if err != nil {
		return nil, err
	}
	l := &logins{document: d, there: there, body: loginsBody{form: form{bodyForm}}}
	l.document.Key = loginsKey(store, user)
	if there {
		l.body, err = decode[loginsBody](d)
	}
	return l, err
}

// watermark returns up to which authentications a person was logged out of an organization; 0: of none.
func (l *logins) watermark(organization string) int64 {
	return max(l.body.RevokedBefore[organization], l.body.RevokedBefore[""])
}

// highest returns the latest watermark of any organization.
func (l *logins) highest() (mark int64) {
	for _, nanos := range l.body.RevokedBefore {
		mark = max(mark, nanos)
	}
	return mark
}

// raise raises the watermark of an organization, or of all where it is empty.
func (l *logins) raise(organization string, nanos int64) {
	if l.body.RevokedBefore == nil {
		l.body.RevokedBefore = map[string]int64{}
	}
	l.body.RevokedBefore[organization] = max(l.body.RevokedBefore[organization], nanos, l.body.NewestAuthNanos)
}

// join makes the document part of a mutation, changed or not: whatever else rests on it is judged again.
func (l *logins) join(m *ostiary.Mutation) {
	m.Preconditions = append(m.Preconditions, at(l.document))
	m.Documents = append(m.Documents, put(l.document.Key, l.body))
}

// restOnLogins demands that nobody of these has logged in, or was logged out, until a mutation is applied.
func restOnLogins(v View, m *ostiary.Mutation, store string, users ...string) error {
	for i, user := range users {
		if user == "" || slices.Contains(users[:i], user) {
			continue
		}
		l, err := readLogins(v, store, user)
		if err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(l.document))
	}
	return nil
}

// floorOf returns the watermark of everybody in a store, with the document that says it.
func floorOf(v Documents, store string) (int64, ostiary.Document, error) {
	d, there, err := v.Document(settingsKey(store))
	d.Key = settingsKey(store)
	if err != nil || !there {
		return 0, d, err
	}
	body, err := decode[settingsBody](d)
	return body.RevokedBeforeNanos, d, err
}

// RevokedBefore returns when a person was last logged out of an organization, in nanoseconds: only who has
// authenticated later may log in. Zero: never. An empty organization stands for the latest of any.
func (s *Service) RevokedBefore(ctx context.Context, store, user, organization string) (mark int64, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		floor, _, err := floorOf(v, store)
		if err != nil {
			return err
		}
		l, err := readLogins(v, store, user)
		if err != nil {
			return err
		}
		mark = max(floor, l.watermark(organization))
		if organization == "" {
			mark = max(floor, l.highest())
		}
		return nil
	})
	return mark, err
}

// LoggedOutBetween reports whether a person was logged out of any organization after what one view shows and by what
// another, newer one does.
func LoggedOutBetween(then, now Documents, store, user string) (bool, error) {
	before, err := readLogins(then, store, user)
	if err != nil {
		return false, err
	}
	after, err := readLogins(now, store, user)
	if err != nil {
		return false, err
	}
	return after.highest() != before.highest() || after.body.RevokedNanos != before.body.RevokedNanos, nil
}

// login judges a session that is to be created, and makes what it rests on part of the mutation.
type login struct {
	SessionInput
	view  View
	m     *ostiary.Mutation
	store string
	fresh bool   // the mutation makes the person, whom the view does not show
	mark  int64  // the latest watermark that stands against it
	sid   string // a keyed hash of the identity provider's session; empty: none is named
}

func (l *login) judge() error {
	_, d, err := readOrganization(l.view, l.store, l.Organization)
	if err != nil {
		return err
	}
	if err := restOnStore(l.view, l.m, l.store); err != nil {
		return err
	}
	floor, settings, err := floorOf(l.view, l.store)
	if err != nil {
		return err
	}
	l.mark = floor
	l.m.Preconditions = append(l.m.Preconditions, at(d), at(settings))
	if err := l.judgeMembership(); err != nil {
		return err
	}
	for _, judge := range []func() error{l.judgeConnection, l.judgePeople, l.judgeEndedSID, l.judgeAuthentication, l.judgeEnd} {
		if err := judge(); err != nil {
			return err
		}
	}
	return nil
}

// judgeMembership demands that the person be somebody of the organization.
func (l *login) judgeMembership() error {
	if l.fresh {
		return nil
	}
	belongs, rest, err := belongsTo(l.view, l.store, l.Organization, l.User)
	if err != nil {
		return err
	}
	if !belongs {
		return refuseLogin(RefusedUnknown, "%.100q is nobody of organization %s: let its identity provider make the user, or 'ostiary org member add'", l.User, l.Organization)
	}
	l.m.Preconditions = append(l.m.Preconditions, rest)
	return nil
}

// judgeConnection demands that the connection be the organization's.
func (l *login) judgeConnection() error {
	if l.Connection == "" {
		return nil
	}
	c, d, err := readConnection(l.view, l.Connection)
	if err != nil {
		return err
	}
	if c.Store != l.store || c.Organization != l.Organization {
		return notFound("connection", l.Connection)
	}
	l.m.Preconditions = append(l.m.Preconditions, at(d))
	return nil
}

// judgePeople refuses people who are disabled, and an actor who waits since a restore, and notes the login of each.
// That the person waits the gate sees at each question; of an actor it does not know.
func (l *login) judgePeople() error {
	for _, user := range []string{l.User, l.Actor} {
		if user == "" {
			continue
		}
		g, err := readGate(l.view, l.store, user)
		if err != nil {
			return err
		}
		if g.deleted() || g.state(l.Organization) != (gateState{}) || user == l.Actor && len(g.body.Organizations) > 0 {
			return refuseLogin(RefusedDisabled, "user %.100q is disabled, blocked or deleted in organization %s", user, l.Organization)
		}
		logins, err := readLogins(l.view, l.store, user)
		if err != nil {
			return err
		}
		if slices.Contains(logins.body.LoggedOut, l.sid) {
			return refuseLogin(RefusedReauthenticate, "that session of the identity provider has ended: authenticate again")
		}
		l.mark = max(l.mark, logins.loggedOutOf(l.SessionInput))
		if user == l.User {
			l.mark = max(l.mark, logins.watermark(l.Organization))
		} else {
			l.mark = max(l.mark, logins.highest())
			if err := l.judgeWaiting(user); err != nil {
				return err
			}
		}
		logins.body.NewestAuthNanos = max(logins.body.NewestAuthNanos, l.AuthNanos)
		logins.join(l.m)
		l.m.Preconditions = append(l.m.Preconditions, at(g.document))
	}
	return nil
}

// judgeWaiting refuses an actor whose connection has not synchronized since a restore. The mutation rests on the
// settings, which say which connections those are.
func (l *login) judgeWaiting(actor string) error {
	waiting, err := WaitingConnections(l.view, l.store)
	if err != nil {
		return err
	}
	waits, err := Waits(l.view, l.store, actor, waiting)
	if err == nil && waits {
		err = refuseLogin(RefusedDisabled, "actor %.100q waits until the identity provider has synchronized since a restore", actor)
	}
	return err
}

// judgeAuthentication compares when the person has authenticated with when the person was logged out last.
func (l *login) judgeAuthentication() error {
	switch {
	case l.AuthNanos > l.m.TimeNanos+int64(MaxAuthAhead):
		return refuseLogin(RefusedReauthenticate, "auth_time %s lies ahead of the server's clock by more than %s", timeText(l.AuthNanos), MaxAuthAhead)
	case l.mark != 0 && l.AuthNanos == 0:
		return refuseLogin(RefusedReauthenticate, "the person was logged out at %s: a session needs an auth_time after it", timeText(l.mark))
	case l.mark != 0 && l.AuthNanos <= l.mark:
		return refuseLogin(RefusedReauthenticate, "auth_time %s is not after %s, when the person was logged out: authenticate again", timeText(l.AuthNanos), timeText(l.mark))
	}
	return nil
}

// judgeEnd sets when the session ends: as asked for, but not after the identity provider's session_expiry, nor
// after its parent.
func (l *login) judgeEnd() error {
	now := l.m.TimeNanos
	if l.ExpiresNanos == 0 {
		l.ExpiresNanos = now + int64(DefaultSessionLife)
	}
	l.ExpiresNanos = min(l.ExpiresNanos, now+int64(MaxSessionLife))
	if l.LimitNanos != 0 {
		l.ExpiresNanos = min(l.ExpiresNanos, l.LimitNanos)
	}
	if l.Parent != "" {
		parent, live, err := liveSession(context.Background(), l.view, l.store, l.Parent, now)
		if err != nil {
			return err
		}
		if !live || parent.Organization != l.Organization {
			return notFound("parent session", l.Parent)
		}
		if parent.User != l.User && parent.User != l.Actor {
			return invalid("parent session %s is neither the user's nor the actor's", l.Parent)
		}
		l.ExpiresNanos = min(l.ExpiresNanos, parent.ExpiresNanos)
		l.m.Preconditions = append(l.m.Preconditions, at(parent.document))
	}
	if l.ExpiresNanos <= now {
		return invalid("the session would end at %s, which has passed", timeText(l.ExpiresNanos))
	}
	return nil
}

func timeText(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }

// maxStampLag is how much later the log may stamp a revocation than its proposer's clock said, before its
// watermarks are raised to the stamp.
const maxStampLag = time.Second

// catchUpTimeout bounds what catchUp does after whoever asked has gone.
const catchUpTimeout = 30 * time.Second

// catchUp raises the watermarks that a mutation has set to the time at which it was applied, where the clock
// of this node is behind the leader's. A call that revokes returns after it. What has been committed cannot be
// called back, so that it goes on where whoever asked has gone.
func (s *Service) catchUp(ctx context.Context, done *ostiary.Mutation, receipt ostiary.Receipt) error {
	if receipt.TimeNanos-done.TimeNanos <= int64(maxStampLag) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), catchUpTimeout)
	defer cancel()
	for _, d := range done.Documents {
		store, ours := strings.CutPrefix(d.Key.Collection, loginsOf(""))
		if !ours || d.Delete {
			continue
		}
		set, err := decode[loginsBody](ostiary.Document{Key: d.Key, Body: d.Body})
		if err != nil {
			return err
		}
		if set.RevokedNanos != done.TimeNanos || !revokes(done, store, d.Key.Key) {
			continue
		}
		_, err = s.change(ctx, func(v View, m *ostiary.Mutation) error {
			return set.reach(ctx, v, m, store, d.Key.Key, receipt.TimeNanos)
		})
		if err != nil {
			return fmt.Errorf("raise the time until which a person was logged out: %w", err)
		}
	}
	return nil
}

// revokes reports whether a mutation is a revocation of a person (revoke), and no login after one: a node whose clock
// is behind tells the time of what it applied last, and that may be the revocation.
func revokes(m *ostiary.Mutation, store, user string) bool {
	return slices.ContainsFunc(m.Filters, func(f ostiary.FilterDelete) bool {
		owner, ours := strings.CutPrefix(f.Filter.Owner, sessionOwnerPrefix)
		_, of, _ := strings.Cut(owner, "/")
		return ours && of == user && f.Filter.Store == store
	})
}

// reach makes a revocation that was computed at RevokedNanos count up to a later time, as part of a mutation: it
// raises the watermarks, and ends the sessions that an earlier authentication has begun meanwhile.
func (b loginsBody) reach(ctx context.Context, v View, m *ostiary.Mutation, store, user string, nanos int64) error {
	l, err := readLogins(v, store, user)
	if err != nil || !l.there {
		return err
	}
	raised := map[string]bool{}
	for organization, mark := range b.RevokedBefore {
		if mark >= b.RevokedNanos {
			raised[organization] = true
			l.body.RevokedBefore[organization] = max(l.body.RevokedBefore[organization], nanos)
		}
	}
	l.body.RevokedNanos = max(l.body.RevokedNanos, nanos)
	l.join(m)
	e := newEnds(v, store, m)
	e.reason = b.Reason
	filter := ostiary.Filter{Store: store, Subject: userSubject(user), ObjectType: gate.Session}
	for t, err := range v.Tuples(ctx, filter, nil) {
		if err != nil {
			return err
		}
		of, _, _ := strings.Cut(t.Object.ID, "/")
		if t.Relation != sessionActor && !raised[""] && !raised[of] {
			continue
		}
		if err := e.addBegunBy(t.Object.ID, nanos); err != nil {
			return err
		}
	}
	if err := e.descend(ctx, 0); err != nil {
		return err
	}
	for _, t := range e.sessions {
		if t.User != user {
			if err := restOnLogins(v, m, store, t.User); err != nil {
				return err
			}
		}
	}
	return e.end(noneGone)
}

// addBegunBy adds a session that is there and came of an authentication at a time or before.
func (e *ends) addBegunBy(id string, nanos int64) error {
	t, there, err := readSession(e.view, e.store, id)
	if err != nil || !there || t.AuthNanos > nanos {
		return err
	}
	return e.add(id)
}
