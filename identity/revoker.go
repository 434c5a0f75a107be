package identity

import (
	"context"
	"slices"

	"github.com/ostiary/ostiary"
)

// ScopeRevoke lets a token end the sessions of people of its connection (Global Token Revocation), and do nothing
// else: it goes with no other scope, and who asks for no scopes does not get it.
const ScopeRevoke Scope = "gtr"

// Revoker says by what JWTs the identity provider of a connection may end the sessions of its people, and which
// people nobody may log out so. A connection has one at most.
type Revoker struct {
	Connection string
	// Off refuses every request, also those that show a token with ScopeRevoke.
	Off bool
	// Issuer is who makes the JWTs, and Subject what they are about: the application as the provider knows it (the
	// client id of OpenID Connect; the id of the application with SAML).
	Issuer, Subject string
	// SubjectIssuer is another issuer by whose subjects people may be named. Empty: Issuer alone.
	SubjectIssuer string
	// Where the public keys are: a JWK set as text, the URL of one, or certificates in PEM. Without any of these the
	// metadata of Issuer lead to them. Whoever sets them has judged them.
	Keys         []byte
	KeysURL      string
	Certificates []byte
	// Protected are people, by id, who are not logged out: requests that name one are refused.
	Protected []string

	UsedNanos int64 // when somebody last asked; zero: never
	Version   ostiary.Revision
}

type revokerBody struct {
	form
	Off           bool     `json:"off,omitempty"`
	Issuer        string   `json:"iss,omitempty"`
	Subject       string   `json:"sub,omitempty"`
	SubjectIssuer string   `json:"subject_iss,omitempty"`
	Keys          []byte   `json:"keys,omitempty"`
	KeysURL       string   `json:"keys_url,omitempty"`
	Certificates  []byte   `json:"certificates,omitempty"`
	Protected     []string `json:"protected,omitempty"`
}

const maxProtected = 20

func revokerKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "revoker", Key: connection}
}

// revokerUseKey is of a document that says when somebody last asked for a revocation. It is apart from the
// revoker, which each revocation rests on. It is a tokenUseBody.
func revokerUseKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "revoker-use", Key: connection}
}

// judge refuses what cannot be a revoker.
func (r Revoker) judge() error {
	ways := 0
	for _, given := range []bool{len(r.Keys) > 0, r.KeysURL != "", len(r.Certificates) > 0} {
		if given {
			ways++
		}
	}
	switch {
	case !isIssuer(r.Issuer) || r.SubjectIssuer != "" && !isIssuer(r.SubjectIssuer):
		return invalid("issuers %.100q and %.100q: the first is to be a URL, and the second one or empty", r.Issuer, r.SubjectIssuer)
	case max(len(r.Issuer), len(r.SubjectIssuer), len(r.KeysURL)) > maxClientURLBytes:
		return invalid("a URL of the revoker has more than %d bytes", maxClientURLBytes)
	case r.Subject == "" || len(r.Subject) > maxSessionText:
		return invalid("subject %.100q: say the client id of the application at its provider, or its application id with SAML", r.Subject)
	case ways > 1:
		return invalid("the keys are to be a key set, at the URL of one, or certificates: %d are given", ways)
	case max(len(r.Keys), len(r.Certificates)) > maxClientKeyBytes:
		return invalid("the keys of the revoker have more than %d bytes", maxClientKeyBytes)
	case len(r.Protected) > maxProtected:
		return invalid("%d people are protected, and %d may be", len(r.Protected), maxProtected)
	}
	for _, user := range r.Protected {
		if err := judgeUser(user); err != nil {
			return err
		}
	}
	return nil
}

// SetRevoker sets what JWTs may end sessions of a connection's people. Version and UsedNanos of r are set by it.
func (s *Service) SetRevoker(ctx context.Context, store string, r Revoker) (Revoker, error) {
	r.Protected = distinct(r.Protected)
	if err := r.judge(); err != nil {
		return r, err
	}
	row := &audit{store: store, connection: r.Connection, resource: r.Connection, action: "revoker.set"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, r.Connection)
		if err != nil {
			return err
		}
		c, err := decodeConnection(d)
		if err != nil || c.Paused == PausedByDeletion {
			return orElse(err, notFound("connection", r.Connection))
		}
		row.organization = c.Organization
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(revokerKey(r.Connection), revokerBody{
			form{bodyForm}, r.Off, r.Issuer, r.Subject, r.SubjectIssuer, r.Keys, r.KeysURL, r.Certificates, r.Protected}))
		return nil
	})
	r.Version = receipt.Revision
	return r, err
}

// Revoker returns what was set for a connection, or ErrNotFound.
func (s *Service) Revoker(ctx context.Context, store, connection string) (r Revoker, err error) {
	err = s.read(ctx, func(v View) error {
		if _, err := connectionOf(v, store, connection); err != nil {
			return err
		}
		if r, _, err = readRevoker(v, connection); err != nil {
			return err
		}
		if r.Version == 0 {
			return notFound("revoker of connection", connection)
		}
		used, there, err := v.Document(revokerUseKey(connection))
		if err != nil || !there {
			return err
		}
		body, err := decode[tokenUseBody](used)
		r.UsedNanos = body.UsedNanos
		return err
	})
	return r, err
}

// readRevoker returns the revoker of a connection, of version 0 where there is none, with its document.
func readRevoker(v View, connection string) (Revoker, ostiary.Document, error) {
	r := Revoker{Connection: connection}
	d, there, err := v.Document(revokerKey(connection))
	d.Key = revokerKey(connection)
	if err != nil || !there {
		return r, d, err
	}
	b, err := decode[revokerBody](d)
	return Revoker{
		Connection: connection, Off: b.Off, Issuer: b.Issuer, Subject: b.Subject, SubjectIssuer: b.SubjectIssuer,
		Keys: b.Keys, KeysURL: b.KeysURL, Certificates: b.Certificates, Protected: b.Protected, Version: d.Version,
	}, d, err
}

// isIssuer reports whether people may be named by the subjects of an issuer.
func (r Revoker) isIssuer(issuer string) bool {
	return issuer != "" && slices.Contains([]string{r.Issuer, r.SubjectIssuer}, issuer)
}
