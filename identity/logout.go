package identity

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// Logout is what a logout token of OpenID Connect says whose signature and claims were judged: who has logged out at
// the OpenID provider of a connection.
type Logout struct {
	Connection string
	// Setting is the version of the OIDCIssuer by which it was judged.
	Setting     ostiary.Revision
	Issuer      string
	Subject     string // may be empty where there is a SID
	SID         string // which session of the provider; empty: all of the person's
	IssuedNanos int64
	// Once names the token, which is good for one Body: again with the same it changes nothing, and with another it
	// is ErrReplayed.
	Once string
	Body []byte
}

// logoutUseKey is of a document that says when a logout token was last taken. It is a tokenUseBody.
func logoutUseKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "oidc-logout-use", Key: connection}
}

// LogOut ends, in one mutation, what was made of a session of an OpenID provider, or of all of a person's sessions
// there; in the connection's organization. Nobody logs in by such a session again. Who or what is not known is no
// error: nobody learns who exists. The error is ErrUnauthenticated where the provider was set anew meanwhile.
func (s *Service) LogOut(ctx context.Context, q Logout) (Signalled, error) {
	x, err := s.secret(ctx)
	if err != nil {
		return Signalled{}, err
	}
	ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "oidc", Name: q.Connection})
	row := &audit{connection: q.Connection}
	var done Signalled
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		view, o, err := openIssuer(v, m, x, q)
		if err != nil {
			return err
		}
		row.store, row.organization = view.connection.Store, view.connection.Organization
		e := newEnds(v, row.store, m)
		e.reason = ReasonRequested
		people, err := view.loggedOut(ctx, e, o, q)
		if err != nil {
			return err
		}
		if err := e.descend(ctx, 0); err != nil {
			return err
		}
		if err := e.restOnLogins(); err != nil {
			return err
		}
		if err := e.end(noneGone); err != nil {
			return err
		}
		done = Signalled{Did: SignalEndSessions, People: people, Sessions: len(e.sessions)}
		if row.action = "oidc.logout"; len(people) == 0 {
			row.action, done.Did = "oidc.logout-miss", SignalMissed
		}
		if q.SID != "" && len(people) == 0 {
			key := endedSIDKey(x, row.store, row.organization, q.Issuer, q.SID)
			if err := s.noteEndedSIDs(v, m, row.store, key); err != nil {
				return err
			}
		}
		row.resource = strings.Join(people, ",")
		noteUse(m, logoutUseKey(q.Connection))
		shownOnce(m, "logout", q.Once, q.Body)
		return nil
	})
	if err != nil {
		return Signalled{}, orReplayed(err)
	}
	done.Receipt = receipt
	if q.SID != "" && len(done.People) == 0 {
		// A login may have been committed between the view and the note. Whoever comes after the note is refused.
		late, err := s.logOutLate(ctx, x, q)
		if err != nil {
			return Signalled{}, err
		}
		if late.Sessions > 0 {
			late.Receipt.Repeated = receipt.Repeated
			return late, nil
		}
	}
	return done, nil
}

// logOutLate ends what was made of a session of an OpenID provider before it was noted that it has ended. It is done
// again with each repetition of the logout, as who asked may have got no answer.
func (s *Service) logOutLate(ctx context.Context, x *secrets, q Logout) (done Signalled, err error) {
	row := &audit{connection: q.Connection, action: "oidc.logout"}
	done.Receipt, err = s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		done.People, done.Sessions = nil, 0
		view, o, err := openIssuer(v, m, x, q)
		if err != nil {
			return err
		}
		row.store, row.organization = view.connection.Store, view.connection.Organization
		e := newEnds(v, row.store, m)
		e.reason = ReasonRequested
		people, err := view.loggedOut(ctx, e, o, q)
		if err != nil || len(e.sessions) == 0 {
			return err
		}
		if err := e.descend(ctx, 0); err != nil {
			return err
		}
		if err := e.restOnLogins(); err != nil {
			return err
		}
		done.Did, done.People, done.Sessions = SignalEndSessions, people, len(e.sessions)
		row.resource = strings.Join(people, ",")
		return e.end(noneGone)
	})
	return done, err
}

// openIssuer opens the connection by whose OpenID provider a logout token was judged, and demands that both stay so
// until the mutation is applied.
func openIssuer(v View, m *ostiary.Mutation, x *secrets, q Logout) (*DirectoryView, OIDCIssuer, error) {
	c, d, err := readConnection(v, q.Connection)
	if errors.Is(err, ostiary.ErrNotFound) {
		err = ErrUnauthenticated
	}
	if err != nil {
		return nil, OIDCIssuer{}, err
	}
	o, setting, err := readOIDCIssuer(v, c.ID)
	if err == nil && (o.Version == 0 || o.Version != q.Setting) {
		err = ErrUnauthenticated
	}
	if err != nil {
		return nil, o, err
	}
	m.Preconditions = append(m.Preconditions, at(d), at(setting))
	return &DirectoryView{view: v, connection: c, secrets: x}, o, restOnStore(v, m, c.Store)
}

// loggedOut adds the sessions that end, notes that nobody logs in by them again, and returns whom that concerns.
func (v *DirectoryView) loggedOut(ctx context.Context, e *ends, o OIDCIssuer, q Logout) ([]string, error) {
	people, err := v.ofSubject(e.m, o, q)
	if err != nil {
		return nil, err
	}
	c := v.connection
	if q.SID != "" {
		f := SessionFilter{Organization: c.Organization, Issuer: q.Issuer, SID: q.SID}
		for t, err := range f.sessions(ctx, v.view, v.secrets, c.Store, "") {
			if err == nil && (len(people) == 0 || slices.Contains(people, t.User) || slices.Contains(people, t.Actor)) {
				err = e.add(t.ID)
			}
			if err != nil {
				return nil, err
			}
		}
		for _, t := range e.sessions {
			if !slices.Contains(people, t.User) {
				people = append(people, t.User)
			}
		}
		return people, e.noteLoggedOut(people, func(l *logins) { l.endSID(v.secrets.sidPrefix(c.Store, q.Issuer, q.SID)) })
	}
	for _, user := range people {
		for _, f := range []SessionFilter{{Organization: c.Organization, User: user}, {Organization: c.Organization, Actor: user}} {
			for t, err := range f.sessions(ctx, v.view, v.secrets, c.Store, "") {
				if err == nil && (t.Issuer == q.Issuer || t.Issuer == "" && t.Connection == c.ID) {
					err = e.add(t.ID)
				}
				if err != nil {
					return nil, err
				}
			}
		}
	}
	return people, e.noteLoggedOut(people, func(l *logins) { l.endIssuer(q.Issuer, min(q.IssuedNanos, e.m.TimeNanos)) })
}

// ofSubject returns the people whom a logout token names by its sub: one at most.
func (v *DirectoryView) ofSubject(m *ostiary.Mutation, o OIDCIssuer, q Logout) ([]string, error) {
	if q.Subject == "" {
		return nil, nil
	}
	a := Assertion{Issuer: q.Issuer, Subject: q.Subject}
	if o.SubjectClaim == "sub" {
		a.Claimed = q.Subject
	}
	found, err := v.whoIs(o, a)
	if _, refused := IsLoginRefused(err); refused {
		// The subject is one person's and the externalId another's: who is linked has logged in.
		err = nil
	}
	if err != nil || !hasKind(found.user, kindUser) {
		return nil, err
	}
	managed, there, err := v.view.Document(managedKey(v.connection.Store, found.user))
	if err != nil || !there {
		return nil, err
	}
	m.Preconditions = append(m.Preconditions, at(managed))
	return []string{found.user}, nil
}

// The bounds of what is noted of a person's logouts.
const (
	maxLoggedOut   = 32
	maxLoggedOutOf = 16
)

// endSID notes that nobody logs in by a session of an identity provider again.
func (l *logins) endSID(hash string) {
	if slices.Contains(l.body.LoggedOut, hash) {
		return
	}
	l.body.LoggedOut = append(l.body.LoggedOut, hash)
	l.body.LoggedOut = l.body.LoggedOut[max(len(l.body.LoggedOut)-maxLoggedOut, 0):]
}

// loggedOutOf returns up to which authentications a person was logged out of the issuer by which a session comes. One
// that says a connection and no issuer may come of any.
func (l *logins) loggedOutOf(in SessionInput) (mark int64) {
	if in.Issuer != "" || in.Connection == "" {
		return l.body.LoggedOutOf[in.Issuer]
	}
	for _, nanos := range l.body.LoggedOutOf {
		mark = max(mark, nanos)
	}
	return mark
}

// endIssuer notes that the person was logged out of an issuer. Where there are too many issuers, the one of the
// oldest logout is forgotten.
func (l *logins) endIssuer(issuer string, nanos int64) {
	of := l.body.LoggedOutOf
	if of == nil {
		of = map[string]int64{}
		l.body.LoggedOutOf = of
	}
	of[issuer] = max(of[issuer], nanos)
	for len(of) > maxLoggedOutOf {
		oldest := issuer
		for other, at := range of {
			if at < of[oldest] || at == of[oldest] && other < oldest {
				oldest = other
			}
		}
		delete(of, oldest)
	}
}

// noteLoggedOut makes a note in what the logins of people rest on, so that a login that races is judged again.
func (e *ends) noteLoggedOut(people []string, note func(l *logins)) error {
	for _, user := range people {
		l, err := readLogins(e.view, e.store, user)
		if err != nil {
			return err
		}
		note(l)
		l.join(e.m)
	}
	return nil
}

// endSIDs notes that nobody logs in again by the sessions of identity providers from which the sessions came.
func (e *ends) endSIDs() error {
	var people []string
	for _, t := range e.sessions {
		if t.body.Link != "" && !slices.Contains(people, t.User) {
			people = append(people, t.User)
		}
	}
	for _, user := range people {
		err := e.noteLoggedOut([]string{user}, func(l *logins) {
			for _, t := range e.sessions {
				if t.User == user && t.body.Link != "" {
					l.endSID(strings.TrimSuffix(t.body.Link, t.ID))
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
