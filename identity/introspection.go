package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// ScopeIntrospect lets a token ask whether sessions of the connection's organization live (RFC 7662), and do nothing
// else: it goes with no other scope, and who asks for no scopes does not get it.
const ScopeIntrospect Scope = "introspect"

// loneScopes are those that go with no other.
var loneScopes = []Scope{ScopeRevoke, ScopeIntrospect}

// SessionToken is what somebody shows as a session.
type SessionToken struct {
	// Text is a session's id, or the id that an identity provider has for one (sid).
	Text string
	// Issuer is whose sid it may be. Empty: that of the OpenID provider of the connection.
	Issuer string
}

// Introspect returns the session that somebody shows who has a token of a connection with ScopeIntrospect, or an access
// token of a client of it, and false where no such session of the connection's organization lives: also where its
// person, or who acts as the person, is denied by the gate. It is as of now on every node. The error is
// ErrUnauthenticated, or ErrForbidden where the token lacks the scope. The connection is the one of the path.
func (s *Service) Introspect(ctx context.Context, connection, credential string, t SessionToken) (Connection, Session, bool, error) {
	if !hasKind(connection, kindConnection) {
		return Connection{}, Session{}, false, ErrUnauthenticated
	}
	x, err := s.secret(ctx)
	if err != nil {
		return Connection{}, Session{}, false, err
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return Connection{}, Session{}, false, err
	}
	defer v.Close()
	c, err := s.introspector(ctx, v, connection, credential)
	if err != nil {
		return c, Session{}, false, err
	}
	i := &introspection{view: v, connection: c, secrets: x, now: s.backend.Now()}
	found, err := i.find(ctx, t)
	if err != nil || found == nil {
		return c, Session{}, false, err
	}
	return c, found.Session, true, nil
}

// introspector returns the connection of who may ask.
func (s *Service) introspector(ctx context.Context, v View, connection, text string) (Connection, error) {
	shown, err := s.credentialOf(ctx, v, connection, text)
	if err != nil {
		return Connection{}, err
	}
	if _, err := shown.judge(v, s.backend.Now()); err != nil {
		return Connection{}, err
	}
	c, err := openConnection(v, connection)
	if err == nil && !slices.Contains(shown.scopes, ScopeIntrospect) {
		err = fmt.Errorf("%w %s", ErrForbidden, ScopeIntrospect)
	}
	return c, err
}

// maxIntrospected bounds how many sessions by one sid are looked at.
const maxIntrospected = 1_000

// introspection looks for sessions of the organization of a connection.
type introspection struct {
	view       View
	connection Connection
	secrets    *secrets
	now        int64
}

// find returns the session that is shown, or nil. Of several by one sid it is the one that lives longest.
func (i *introspection) find(ctx context.Context, t SessionToken) (best *storedSession, err error) {
	c := i.connection
	if isSessionID(t.Text) {
		return i.live(ctx, t.Text)
	}
	if t.Issuer == "" {
		o, _, err := readOIDCIssuer(i.view, c.ID)
		if err != nil {
			return nil, err
		}
		t.Issuer = o.Issuer
	}
	if t.Issuer == "" || t.Text == "" {
		return nil, nil
	}
	f := SessionFilter{Organization: c.Organization, Issuer: t.Issuer, SID: t.Text}
	looked := 0
	for found, err := range f.sessions(ctx, i.view, i.secrets, c.Store, "") {
		if err != nil {
			return nil, err
		}
		live, err := i.live(ctx, found.ID)
		if err != nil {
			return nil, err
		}
		if live != nil && (best == nil || live.ExpiresNanos > best.ExpiresNanos) {
			best = live
		}
		if looked++; looked >= maxIntrospected {
			break
		}
	}
	return best, nil
}

// live returns a session of the connection's organization that has not ended, and whose people the gate lets pass.
func (i *introspection) live(ctx context.Context, id string) (*storedSession, error) {
	t, live, err := liveSession(ctx, i.view, i.connection.Store, id, i.now)
	if err != nil || !live || t.Organization != i.connection.Organization {
		return nil, err
	}
	waiting, err := WaitingConnections(i.view, i.connection.Store)
	if err != nil {
		return nil, err
	}
	for _, user := range distinct([]string{t.User, t.Actor}) {
		g, err := GateOf(i.view, i.connection.Store, user)
		if err != nil {
			return nil, err
		}
		waits, err := Waits(i.view, i.connection.Store, user, waiting)
		if err != nil {
			return nil, err
		}
		if waits || g.Closed(t.Organization) || user == t.Actor && !g.IsOpen() {
			return nil, nil
		}
	}
	return t, nil
}
