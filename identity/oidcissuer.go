package identity

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
)

// OIDCIssuer says by what ID tokens the people of a connection log in, and who may say by a logout token that they
// have logged out: an OpenID provider. A connection has one at most.
type OIDCIssuer struct {
	Connection string
	// Issuer is who signs (iss), exactly.
	Issuer string
	// ClientIDs are the applications as the provider knows them: what is signed must be for one of these (aud).
	ClientIDs []string
	// Where the public keys are: a JWK set as text, or the URL of one. Without either the metadata of Issuer, which
	// must name it, lead to them. Whoever sets them has judged them.
	Keys    []byte
	KeysURL string
	// Algorithms are those of which signatures are taken. None: DefaultOIDCAlgorithm.
	Algorithms []string
	// SubjectClaim is the claim of an ID token that is the externalId of a person of the connection. Empty: nobody is
	// found so, but by a link alone.
	SubjectClaim string
	// JustInTime lets a login make a person whom nobody knows. Refused where SCIM manages the connection.
	JustInTime bool
	// MaxLife bounds how long after its ID token was made a session may last. 0: MaxSessionLife.
	MaxLife time.Duration
	// Layer is that of the sessions. Empty: LayerApp.
	Layer   string
	Version ostiary.Revision
}

// DefaultOIDCAlgorithm is the one that providers sign ID tokens by where nobody has asked for another (OpenID
// Connect Dynamic Client Registration, section 2).
const DefaultOIDCAlgorithm = "RS256"

// OIDCAlgorithms lists the algorithms of which signatures may be taken.
func OIDCAlgorithms() []string { return []string{"RS256", "PS256", "ES256", "EdDSA"} }

const (
	maxOIDCClients = 20
	minOIDCLife    = time.Minute
)

type oidcIssuerBody struct {
	form
	Issuer       string        `json:"iss"`
	ClientIDs    []string      `json:"clients"`
	Keys         []byte        `json:"keys,omitempty"`
	KeysURL      string        `json:"keys_url,omitempty"`
	Algorithms   []string      `json:"algs"`
	SubjectClaim string        `json:"subject_claim,omitempty"`
	JustInTime   bool          `json:"jit,omitempty"`
	MaxLife      time.Duration `json:"max_life,omitempty"`
	Layer        string        `json:"layer"`
}

func oidcIssuerKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "oidc-issuer", Key: connection}
}

// provisionedKey is of the document that says that SCIM has made people of a connection, for ever.
func provisionedKey(connection string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "provisioned", Key: connection}
}

// claimForm is the form of the names of claims.
var claimForm = regexp.MustCompile(`^[A-Za-z0-9_.:/-]{1,128}$`)

// movingClaims are claims that a person can choose or change, or that another person may have later: nobody is found
// by them.
var movingClaims = []string{"email", "emails", "preferred_username", "upn", "unique_name", "name", "nickname", "given_name",
	"family_name", "phone_number", "login", "username", "verified_primary_email", "verified_secondary_email"}

// normal returns the setting as it is stored, and refuses what cannot be.
func (o OIDCIssuer) normal() (OIDCIssuer, error) {
	o.ClientIDs, o.Algorithms = distinct(o.ClientIDs), distinct(o.Algorithms)
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{DefaultOIDCAlgorithm}
	}
	if o.Layer == "" {
		o.Layer = LayerApp
	}
	switch {
	case !isIssuer(o.Issuer) || strings.ContainsAny(o.Issuer, "?#"):
		return o, invalid("issuer %.100q is to be a URL without query and fragment", o.Issuer)
	case max(len(o.Issuer), len(o.KeysURL)) > maxClientURLBytes:
		return o, invalid("a URL of the OpenID provider has more than %d bytes", maxClientURLBytes)
	case len(o.ClientIDs) == 0 || len(o.ClientIDs) > maxOIDCClients:
		return o, invalid("%d client ids are given: name 1 to %d applications as the provider knows them", len(o.ClientIDs), maxOIDCClients)
	case len(o.Keys) > 0 && o.KeysURL != "":
		return o, invalid("the keys are to be a key set or at the URL of one: both are given")
	case len(o.Keys) > maxClientKeyBytes:
		return o, invalid("the key set has %d bytes, and may have %d", len(o.Keys), maxClientKeyBytes)
	case o.SubjectClaim != "" && !claimForm.MatchString(o.SubjectClaim):
		return o, invalid("subject claim %.100q is not of the form %s", o.SubjectClaim, claimForm)
	case slices.Contains(movingClaims, strings.ToLower(o.SubjectClaim)):
		return o, invalid("subject claim %q can come to another person: name one that stays, as sub of Okta and oid of Entra ID", o.SubjectClaim)
	case !slices.Contains(Layers(), o.Layer):
		return o, invalid("layer %.100q is none of %s", o.Layer, strings.Join(Layers(), ", "))
	case o.MaxLife != 0 && (o.MaxLife < minOIDCLife || o.MaxLife > MaxSessionLife):
		return o, invalid("sessions may last from %s to %s, and not %s", minOIDCLife, MaxSessionLife, o.MaxLife)
	}
	for _, id := range o.ClientIDs {
		if len(id) > maxSessionText {
			return o, invalid("client id %.100q has more than %d bytes", id, maxSessionText)
		}
	}
	for _, a := range o.Algorithms {
		if !slices.Contains(OIDCAlgorithms(), a) {
			return o, invalid("algorithm %.100q is none of %s", a, strings.Join(OIDCAlgorithms(), ", "))
		}
	}
	return o, nil
}

// SetOIDCIssuer sets the OpenID provider of a connection, in the place of what was set before. Version of o is set by
// it. Just-in-time creation is refused (ErrManagedBySCIM) where SCIM manages the connection.
func (s *Service) SetOIDCIssuer(ctx context.Context, store string, o OIDCIssuer) (OIDCIssuer, error) {
	o, err := o.normal()
	if err != nil {
		return o, err
	}
	row := &audit{store: store, connection: o.Connection, resource: o.Connection, action: "oidc.set"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, o.Connection)
		if err != nil {
			return err
		}
		c, err := decodeConnection(d)
		if err != nil || c.Paused == PausedByDeletion {
			return orElse(err, notFound("connection", o.Connection))
		}
		row.organization = c.Organization
		m.Preconditions = append(m.Preconditions, at(d))
		if o.JustInTime {
			if err := restOnUnmanaged(v, m, c); err != nil {
				return err
			}
		}
		m.Documents = append(m.Documents, put(oidcIssuerKey(o.Connection), oidcIssuerBody{
			form{bodyForm}, o.Issuer, o.ClientIDs, o.Keys, o.KeysURL, o.Algorithms, o.SubjectClaim, o.JustInTime, o.MaxLife, o.Layer}))
		return nil
	})
	o.Version = receipt.Revision
	return o, err
}

// ClearOIDCIssuer ends what SetOIDCIssuer has set: nobody logs in by an ID token of the connection any more. Sessions
// that live go on. Where nothing was set it is ErrNotFound.
func (s *Service) ClearOIDCIssuer(ctx context.Context, store, connection string) (ostiary.Receipt, error) {
	row := &audit{store: store, connection: connection, resource: connection, action: "oidc.clear"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if _, err := connectionOf(v, store, connection); err != nil {
			return err
		}
		o, d, err := readOIDCIssuer(v, connection)
		if err != nil || o.Version == 0 {
			return orElse(err, notFound("OpenID provider of connection", connection))
		}
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, remove(d.Key))
		return nil
	})
}

// OIDCIssuer returns the OpenID provider of a connection of a store as it is now, or ErrNotFound.
func (s *Service) OIDCIssuer(ctx context.Context, store, connection string) (OIDCIssuer, error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return OIDCIssuer{}, err
	}
	defer v.Close()
	if _, err := connectionOf(v, store, connection); err != nil {
		return OIDCIssuer{}, err
	}
	o, _, err := readOIDCIssuer(v, connection)
	if err == nil && o.Version == 0 {
		err = notFound("OpenID provider of connection", connection)
	}
	return o, err
}

// OIDCIssuerOf returns a connection of whatever store, and its OpenID provider, of version 0 where it has none. There
// being no such connection is ErrUnauthenticated: it is for requests that come from the provider.
func (s *Service) OIDCIssuerOf(ctx context.Context, connection string) (c Connection, o OIDCIssuer, err error) {
	err = s.read(ctx, func(v View) error {
		if c, err = openConnection(v, connection); err == nil {
			o, _, err = readOIDCIssuer(v, connection)
		}
		return err
	})
	return c, o, err
}

// readOIDCIssuer returns the OpenID provider of a connection, of version 0 where there is none, with its document.
func readOIDCIssuer(v View, connection string) (OIDCIssuer, ostiary.Document, error) {
	o := OIDCIssuer{Connection: connection}
	d, there, err := v.Document(oidcIssuerKey(connection))
	d.Key = oidcIssuerKey(connection)
	if err != nil || !there {
		return o, d, err
	}
	b, err := decode[oidcIssuerBody](d)
	return OIDCIssuer{
		Connection: connection, Issuer: b.Issuer, ClientIDs: b.ClientIDs, Keys: b.Keys, KeysURL: b.KeysURL, Algorithms: b.Algorithms,
		SubjectClaim: b.SubjectClaim, JustInTime: b.JustInTime, MaxLife: b.MaxLife, Layer: b.Layer, Version: d.Version,
	}, d, err
}
