package identity

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
)

// Assertion is what an ID token says whose signature and claims were judged: who has logged in at the OpenID
// provider of a connection, when and how.
type Assertion struct {
	Connection string
	// Setting is the version of the OIDCIssuer by which it was judged.
	Setting         ostiary.Revision
	Issuer, Subject string
	// Claimed is the value of the subject claim. Empty: the ID token has none, or nobody is found by one.
	Claimed string
	// Client is the application for which it was made, as the provider knows it.
	Client   string
	SID, ACR string
	AMR      []string
	// IssuedNanos is when it was made, AuthNanos when the person has authenticated (0: not known), and LimitNanos
	// its session_expiry (0: none).
	IssuedNanos, AuthNanos, LimitNanos int64
	// Name and Email are of a person who is made. Nobody is found by them.
	Name, Email string
}

// provedNanos is when the person is known to have authenticated, at the latest.
func (a Assertion) provedNanos() int64 {
	if a.AuthNanos != 0 {
		return a.AuthNanos
	}
	return a.IssuedNanos
}

// LoginRequest is what an application adds to an ID token.
type LoginRequest struct {
	// Client is the application, as it stands in tuples. Empty: Assertion.Client.
	Client string
	Device string
	// ExpiresNanos is when the session is to end. 0: DefaultSessionLife after the ID token was made.
	ExpiresNanos int64
	// MaxAge is how long ago the person may have authenticated. 0: however long.
	MaxAge time.Duration
}

// LogIn records the session of a person who shows an ID token: of the person to whom its issuer and subject are
// linked, or whose externalId its subject claim is, which links them; or of one whom it makes, where the connection
// lets logins do so. All is one mutation. The error is a *LoginRefused where the person may not log in.
//
// The same ID token may be shown again. It makes another session, which ends no later than the first could.
func (s *Service) LogIn(ctx context.Context, store string, a Assertion, q LoginRequest) (Session, error) {
	x, err := s.secret(ctx)
	if err != nil {
		return Session{}, err
	}
	end, err := s.idTurn(ctx, store, x, a)
	if err != nil {
		return Session{}, err
	}
	defer end()
	var made Session
	row := &audit{store: store, connection: a.Connection, action: "session.login"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		view, o, err := openProvider(v, m, x, store, a)
		if err != nil {
			return err
		}
		row.organization = view.connection.Organization
		in, err := a.input(view.connection, o, q, m.TimeNanos)
		if err != nil {
			return err
		}
		found, err := view.whoIs(o, a)
		if err != nil {
			return err
		}
		fresh := found.user == ""
		if fresh {
			found.user, err = view.makeByLogin(ctx, m, o, a, found)
		} else {
			err = found.rest(view, m, a)
		}
		if err == nil {
			err = view.judgeGone(m, a)
		}
		if err != nil {
			return err
		}
		in.User = found.user
		if in, err = in.normal(); err != nil {
			return err
		}
		made, err = s.record(ctx, v, m, x, store, in, fresh)
		row.resource = made.ID
		return err
	})
	made.Version = receipt.Revision
	return made, err
}

// input is the session that an ID token makes. Its bounds come of when the ID token was made, so that showing it again
// moves none.
func (a Assertion) input(c Connection, o OIDCIssuer, q LoginRequest, nowNanos int64) (SessionInput, error) {
	in := SessionInput{
		Organization: c.Organization, Client: a.Client, Connection: c.ID, Issuer: a.Issuer, SID: a.SID, Layer: o.Layer,
		ACR: a.ACR, AMR: a.AMR, AuthNanos: a.AuthNanos, Device: q.Device, ExpiresNanos: q.ExpiresNanos,
	}
	if q.Client != "" {
		in.Client = q.Client
	}
	life := o.MaxLife
	if life == 0 {
		life = MaxSessionLife
	}
	in.LimitNanos = a.IssuedNanos + int64(life)
	if a.LimitNanos != 0 {
		in.LimitNanos = min(in.LimitNanos, a.LimitNanos)
	}
	if in.ExpiresNanos == 0 {
		in.ExpiresNanos = a.IssuedNanos + int64(DefaultSessionLife)
	}
	switch {
	case min(in.LimitNanos, in.ExpiresNanos) <= nowNanos:
		return in, refuseLogin(RefusedReauthenticate, "what the ID token says lets no session live: it would have ended at %s", timeText(min(in.LimitNanos, in.ExpiresNanos)))
	case q.MaxAge != 0 && a.AuthNanos == 0:
		return in, refuseLogin(RefusedReauthenticate, "the ID token has no auth_time, and the person is to have authenticated within %s", q.MaxAge)
	case q.MaxAge != 0 && nowNanos-a.AuthNanos > int64(q.MaxAge+MaxAuthAhead):
		return in, refuseLogin(RefusedReauthenticate, "auth_time %s is more than %s ago: authenticate again", timeText(a.AuthNanos), q.MaxAge)
	}
	return in, nil
}

// openProvider opens the connection by whose OpenID provider an ID token was judged, and demands that both be as they
// were until the mutation is applied.
func openProvider(v View, m *ostiary.Mutation, x *secrets, store string, a Assertion) (*DirectoryView, OIDCIssuer, error) {
	c, d, err := readConnection(v, a.Connection)
	if err == nil && c.Store != store {
		err = notFound("connection", a.Connection)
	}
	if err != nil {
		return nil, OIDCIssuer{}, err
	}
	o, setting, err := readOIDCIssuer(v, c.ID)
	if err == nil && o.Version != a.Setting {
		err = refuseLogin(RefusedReauthenticate, "the OpenID provider of connection %s was set anew while the ID token was judged", c.ID)
	}
	m.Preconditions = append(m.Preconditions, at(d), at(setting))
	return &DirectoryView{view: v, connection: c, secrets: x}, o, err
}

// idTurn waits until nobody else logs in on this node, or is logged out, whom an ID token names. What it reads may be
// old: what stands against the login is judged later.
func (s *Service) idTurn(ctx context.Context, store string, x *secrets, a Assertion) (end func(), err error) {
	who := a.Issuer + "\x00" + a.Subject
	err = s.read(ctx, func(v View) error {
		view, o, err := openProvider(v, &ostiary.Mutation{}, x, store, a)
		var found foundPerson
		if err == nil {
			found, err = view.whoIs(o, a)
		}
		if found.user != "" {
			who = found.user
		}
		if _, refused := IsLoginRefused(err); refused || errors.Is(err, ostiary.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.turn("login", store, who), nil
}

// foundPerson is whom an ID token names, with what says so.
type foundPerson struct {
	user     string // empty: nobody
	linked   bool   // by the issuer and subject
	link     ostiary.Document
	external ostiary.Document // of the subject claim, where there is one
}

// whoIs finds the person whom an ID token names, by what the provider calls the person and by nothing that could be
// another's. It is nobody where neither finds one; where both do they must agree.
func (v *DirectoryView) whoIs(o OIDCIssuer, a Assertion) (foundPerson, error) {
	var f foundPerson
	var err error
	if f.user, f.link, err = v.subjectOf(a.Issuer, a.Subject); err != nil {
		return f, err
	}
	f.linked = f.user != ""
	if o.SubjectClaim == "" || a.Claimed == "" {
		return f, nil
	}
	key := v.secrets.linkTo(v.connection.ID, resourceUser, KeyExternalID, a.Claimed, "")
	f.external, _, err = v.view.Document(key)
	f.external.Key = key
	claimed := string(f.external.Body)
	switch {
	case err != nil:
		return f, err
	case !f.linked:
		f.user = claimed
	case claimed != "" && claimed != f.user:
		return f, refuseLogin(RefusedUnknown, "the issuer and subject of the ID token are of one person of connection %s, and its claim %s is the externalId of another", v.connection.ID, o.SubjectClaim)
	}
	return f, nil
}

// rest demands that the person be found so until the mutation is applied, and links whom a claim has found.
func (f foundPerson) rest(v *DirectoryView, m *ostiary.Mutation, a Assertion) error {
	managed, there, err := v.view.Document(managedKey(v.connection.Store, f.user))
	if err != nil || !there {
		return orElse(err, refuseLogin(RefusedUnknown, "the person of the ID token is nobody of connection %s any more", v.connection.ID))
	}
	m.Preconditions = append(m.Preconditions, at(managed))
	if f.external.Key.Key != "" {
		m.Preconditions = append(m.Preconditions, at(f.external))
	}
	if f.linked {
		m.Preconditions = append(m.Preconditions, at(f.link))
		return nil
	}
	return v.linkSubject(m, f.link, f.user, a.provedNanos(), false)
}

// makeByLogin makes the person whom an ID token names, where logins may, as SCIM would: the person is the
// connection's, and what it grants has the same owners, so that whoever disables or deletes the person takes it away.
func (v *DirectoryView) makeByLogin(ctx context.Context, m *ostiary.Mutation, o OIDCIssuer, a Assertion, f foundPerson) (string, error) {
	c := v.connection
	unknown := refuseLogin(RefusedUnknown, "the ID token names nobody of connection %s: let its provider make the person over SCIM, with the externalId that the subject claim has", c.ID)
	if !o.JustInTime {
		return "", unknown
	}
	if c.stopped() {
		return "", refuseLogin(RefusedUnknown, "connection %s is paused, and makes nobody: %s", c.ID, c.Paused)
	}
	if err := restOnUnmanaged(v.view, m, c); errors.Is(err, ErrManagedBySCIM) {
		return "", unknown
	} else if err != nil {
		return "", err
	}
	id, err := newID(kindUser, m.TimeNanos)
	if err != nil {
		return "", err
	}
	u := User{ID: id, UserInput: UserInput{ExternalID: a.Claimed, Active: true, Emails: []string{a.Email}}}
	if u.UserName, err = v.freeName(a.Name, a.Subject, id); err != nil {
		return "", err
	}
	if u.UserInput, err = u.normal(); err != nil {
		return "", err
	}
	if err := v.create(ctx, m, &u); err != nil {
		return "", err
	}
	if f.external.Key.Key != "" {
		m.Preconditions = append(m.Preconditions, at(f.external))
	}
	return id, v.linkSubject(m, f.link, id, a.provedNanos(), true)
}

// freeName returns the first of some names that nobody of the connection has.
func (v *DirectoryView) freeName(names ...string) (string, error) {
	for _, name := range names {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if taken, err := v.find(resourceUser, KeyUserName, name); err != nil || len(taken) == 0 {
			return name, err
		}
	}
	return names[len(names)-1], nil
}
