package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// The errors of requests to end somebody's sessions, beside ErrUnauthenticated, ErrForbidden and ErrReplayed.
var (
	// ErrRevocationOff: an operator has turned them off for the connection.
	ErrRevocationOff = errors.New("the connection takes no revocations")
	// ErrProtected: an operator lets nobody log that person out so.
	ErrProtected = errors.New("the person is protected from revocations")
)

// ReasonRequested is why sessions end that an identity provider has asked to end.
const ReasonRequested = "requested"

// The formats of subject identifiers (RFC 9493) that are taken.
const (
	FormatIssuerSubject = "iss_sub"
	FormatEmail         = "email"
	FormatOpaque        = "opaque"
	FormatAliases       = "aliases"
)

// SubjectID names people of a connection (RFC 9493).
type SubjectID struct {
	Format          string
	Issuer, Subject string // iss_sub
	Email           string // email
	ID              string // opaque
	Aliases         []SubjectID
}

// RevocationCaller is who has shown that it may end sessions of a connection's people. Service.RevokerOf and
// Service.RevocationToken return it.
type RevocationCaller struct {
	service    *Service
	connection Connection
	revoker    Revoker
	credential *credential // nil: it shows JWTs
	principal  string
}

// Connection returns the connection whose people it may log out.
func (c *RevocationCaller) Connection() Connection { return c.connection }

// Revoker says what JWTs it may show; of version 0 where there are none.
func (c *RevocationCaller) Revoker() Revoker { return c.revoker }

// Allow returns ErrRevocationOff where an operator has turned revocations off.
func (c *RevocationCaller) Allow() error {
	if c.revoker.Off {
		return ErrRevocationOff
	}
	return nil
}

// RevokerOf returns who signs for a connection. That a JWT is of it is for the caller to find out. There being no
// such connection is ErrUnauthenticated.
func (s *Service) RevokerOf(ctx context.Context, connection string) (*RevocationCaller, error) {
	c := &RevocationCaller{service: s, principal: connection}
	return c, s.read(ctx, func(v View) error { return c.open(v, connection) })
}

// RevocationToken returns who has a token of a connection, or an access token of a client of it. The error is
// ErrUnauthenticated, or ErrForbidden where the token lacks ScopeRevoke.
func (s *Service) RevocationToken(ctx context.Context, connection, text string) (*RevocationCaller, error) {
	c := &RevocationCaller{service: s}
	if !hasKind(connection, kindConnection) {
		return nil, ErrUnauthenticated
	}
	return c, s.read(ctx, func(v View) error {
		shown, err := s.credentialOf(ctx, v, connection, text)
		if err != nil {
			return err
		}
		if _, err := shown.judge(v, s.backend.Now()); err != nil {
			return err
		}
		if err := c.open(v, connection); err != nil {
			return err
		}
		if !slices.Contains(shown.scopes, ScopeRevoke) {
			return fmt.Errorf("%w %s", ErrForbidden, ScopeRevoke)
		}
		c.credential, c.principal = &shown, connection+"/"+shown.id
		return nil
	})
}

func (c *RevocationCaller) open(v View, connection string) (err error) {
	if c.connection, err = openConnection(v, connection); err == nil {
		c.revoker, _, err = readRevoker(v, connection)
	}
	return err
}

// RevocationRequest asks that people be logged out.
type RevocationRequest struct {
	Subject SubjectID
	// Once, where it is not empty, names what was shown, which is good for one Body: again with the same it changes
	// nothing, and with another it is ErrReplayed.
	Once string
	Body []byte
}

// Revoke ends, in one mutation, the sessions in the connection's organization of all of its people whom a subject
// identifier names, as Service.RevokeSessions does. Who names nobody of the connection gets ErrNotFound, and who
// names a protected person ErrProtected, while the others are logged out. Every call is audited.
func (c *RevocationCaller) Revoke(ctx context.Context, q RevocationRequest) (Revoked, error) {
	s := c.service
	x, err := s.secret(ctx)
	if err != nil {
		return Revoked{}, err
	}
	end, err := c.turn(ctx, x, q.Subject)
	if err != nil {
		return Revoked{}, err
	}
	defer end()
	ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "gtr", Name: c.principal})
	row := &audit{store: c.connection.Store, organization: c.connection.Organization, connection: c.connection.ID}
	var done Revoked
	var refused error
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		view, revoker, err := c.rest(v, m, x)
		if err != nil {
			return err
		}
		people, err := view.named(revoker, q.Subject)
		if err != nil {
			return err
		}
		done, refused = Revoked{}, nil
		for _, user := range people {
			if slices.Contains(revoker.Protected, user.id) {
				refused = ErrProtected
				continue
			}
			m.Preconditions = append(m.Preconditions, at(user.managed))
			e, err := revoke(ctx, v, m, c.connection.Store, user.id, c.connection.Organization, ReasonRequested)
			if err != nil {
				return err
			}
			done.People = append(done.People, user.id)
			done.Sessions += len(e.sessions) + e.unread
		}
		row.action, row.resource = "gtr.revoke", strings.Join(done.People, ",")
		switch {
		case len(people) == 0:
			row.action, refused = "gtr.miss", notFound("subject", q.Subject.Format)
		case len(done.People) == 0:
			row.action, row.resource = "gtr.refuse", people[0].id
		}
		noteUse(m, revokerUseKey(c.connection.ID))
		if q.Once != "" {
			// The outcome counts too: a request that named nobody must not stand for one that names somebody.
			shownOnce(m, "jti", q.Once, fmt.Appendf(q.Body[:len(q.Body):len(q.Body)], "\x00%s", row.action))
		}
		return nil
	})
	switch {
	case err != nil && q.Once != "":
		return Revoked{}, orReplayed(err)
	case err != nil:
		return Revoked{}, err
	}
	done.Receipt = receipt
	return done, refused
}

// Revoked is what RevocationCaller.Revoke did.
type Revoked struct {
	Receipt  ostiary.Receipt
	People   []string // who were logged out, by id
	Sessions int      // that ended
}

// rest demands that what the caller has shown goes on being good until a mutation is applied.
func (c *RevocationCaller) rest(v View, m *ostiary.Mutation, x *secrets) (*DirectoryView, Revoker, error) {
	connection, d, err := readConnection(v, c.connection.ID)
	if errors.Is(err, ostiary.ErrNotFound) {
		err = ErrUnauthenticated // it was deleted while the request was under way
	}
	if err != nil {
		return nil, Revoker{}, err
	}
	revoker, setting, err := readRevoker(v, connection.ID)
	if err != nil {
		return nil, revoker, err
	}
	m.Preconditions = append(m.Preconditions, at(d), at(setting))
	switch {
	case c.credential != nil:
		doc, err := c.credential.judge(v, m.TimeNanos)
		if err != nil {
			return nil, revoker, err
		}
		m.Preconditions = append(m.Preconditions, at(doc))
	case revoker.Version == 0 || revoker.Version != c.revoker.Version:
		return nil, revoker, ErrUnauthenticated // its keys were changed while the request was under way
	}
	if revoker.Off {
		return nil, revoker, ErrRevocationOff
	}
	return &DirectoryView{view: v, connection: connection, secrets: x}, revoker, restOnStore(v, m, connection.Store)
}

// turn waits until nobody else logs in or is logged out on this node whom a subject identifier names, where that
// is one person.
func (c *RevocationCaller) turn(ctx context.Context, x *secrets, id SubjectID) (end func(), err error) {
	end = func() {}
	err = c.service.read(ctx, func(v View) error {
		view := &DirectoryView{view: v, connection: c.connection, secrets: x}
		people, err := view.named(c.revoker, id)
		if err == nil && len(people) == 1 {
			end = c.service.turn("login", c.connection.Store, people[0].id)
		}
		return err
	})
	return end, err
}

// namedUser is a person of the connection, with the document by which the connection manages the person.
type namedUser struct {
	id      string
	managed ostiary.Document
}

// named returns the people of the connection whom a subject identifier names, each once.
func (v *DirectoryView) named(r Revoker, id SubjectID) ([]namedUser, error) {
	ids, err := v.idsNamed(r, id)
	if err != nil {
		return nil, err
	}
	var people []namedUser
	for _, user := range distinct(ids) {
		if !hasKind(user, kindUser) {
			continue
		}
		_, there, err := v.view.Document(userKey(v.connection.ID, user))
		if err != nil {
			return nil, err
		}
		managed, known, err := v.view.Document(managedKey(v.connection.Store, user))
		if err != nil {
			return nil, err
		}
		if there && known {
			people = append(people, namedUser{user, managed})
		}
	}
	return people, nil
}

// idsNamed returns ids that a subject identifier may mean. Whether they are of people is not judged.
func (v *DirectoryView) idsNamed(r Revoker, id SubjectID) ([]string, error) {
	var ids []string
	find := func(key Key, value string) error {
		if value == "" || judgeKey(value) != nil {
			return nil // nobody is found by it
		}
		found, err := v.find(resourceUser, key, value)
		ids = append(ids, found...)
		return err
	}
	switch id.Format {
	case FormatEmail:
		err := find(KeyEmail, id.Email)
		return ids, err
	case FormatIssuerSubject:
		// A provider that provisions people may name them by the ids that it got from us, as those of whatever issuer.
		ids = append(ids, id.Subject)
		linked, _, err := v.subjectOf(id.Issuer, id.Subject)
		if err != nil {
			return nil, err
		}
		ids = append(ids, linked)
		if !r.isIssuer(id.Issuer) {
			return ids, nil
		}
		err = find(KeyExternalID, id.Subject)
		return ids, err
	case FormatOpaque:
		ids = append(ids, id.ID)
		err := find(KeyExternalID, id.ID)
		return ids, err
	case FormatAliases:
		for _, alias := range id.Aliases {
			if alias.Format == FormatAliases {
				continue // RFC 9493, section 3.2.8: they are not nested
			}
			more, err := v.idsNamed(r, alias)
			if err != nil {
				return nil, err
			}
			ids = append(ids, more...)
		}
	}
	return ids, nil
}
