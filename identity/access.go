package identity

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
)

// ErrReplayed: what may be shown once to get an access token was shown before.
var ErrReplayed = errors.New("shown before")

// AccessTokenLife is how long an access token is good for.
const AccessTokenLife = time.Hour

// accessPrefix begins access tokens. The random text of another token may begin so too, but is shorter.
const accessPrefix = tokenPrefix + "at_"

const (
	minAccessBytes = len(accessPrefix) + 2*tokenRandom
	maxAccessBytes = 1024
)

func isAccess(text string) bool {
	return strings.HasPrefix(text, accessPrefix) && len(text) >= minAccessBytes
}

// accessBody is what an access token says, under a MAC that every node of the cluster can judge. Nothing is
// stored of it: it is good as long as the client is there, unchanged.
type accessBody struct {
	form
	Connection  string           `json:"c"`
	Client      string           `json:"k"` // key of the client's document
	Version     ostiary.Revision `json:"v"` // of the client's document
	Scopes      []Scope          `json:"s"`
	IssuedNanos int64            `json:"i"`
	ExpiryNanos int64            `json:"e"`
}

// accessMAC returns the MAC of an access token. Its key is derived from the secret that keys the hashes of
// links, which says nothing of it.
func (x *secrets) accessMAC(body []byte) []byte {
	key, err := hkdf.Key(sha256.New, x.hash, nil, "ostiary access token", keyBytes)
	if err != nil {
		panic(err) // more bytes are asked for than there can be
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return mac.Sum(nil)
}

// IssueToken makes an access token of a client that has shown who it is. Scopes must be among the client's.
// Once, where it is not empty, names what the client has shown, which is good for one token: when it is named
// again, the error is ErrReplayed.
func (s *Service) IssueToken(ctx context.Context, c Client, scopes []Scope, once string) (string, error) {
	connection, key, ok := cutClientID(c.ID)
	if !ok {
		return "", ErrUnauthenticated
	}
	for _, scope := range scopes {
		if !slices.Contains(c.Scopes, scope) {
			return "", fmt.Errorf("%w %s", ErrForbidden, scope)
		}
	}
	x, err := s.secret(ctx)
	if err != nil {
		return "", err
	}
	ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: principalKind(connection), Name: connection + "/" + key})
	row := &audit{connection: connection, resource: key, action: "client.token"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, there, err := v.Document(clientKey(connection, key))
		if err != nil || !there || d.Version != c.Version {
			return orElse(err, ErrUnauthenticated)
		}
		opened, holder, err := openHolder(v, connection)
		if err != nil {
			return err
		}
		row.store, row.organization = opened.Store, opened.Organization
		if err := restOnStore(v, m, opened.Store); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(d),
			ostiary.Precondition{Kind: ostiary.DocumentAtVersion, Document: holder, Version: opened.Version})
		m.Documents = append(m.Documents, put(clientUseKey(connection, key), clientUseBody{form{bodyForm}, m.TimeNanos}))
		if once != "" {
			m.Once(once, nil)
		}
		return nil
	})
	switch {
	case errors.Is(err, ostiary.ErrConflict) && once != "", err == nil && receipt.Repeated:
		return "", ErrReplayed
	case err != nil:
		return "", err
	}
	body := encode(accessBody{form{bodyForm}, connection, key, c.Version, scopes, receipt.TimeNanos, receipt.TimeNanos + int64(AccessTokenLife)})
	return accessPrefix + base64.RawURLEncoding.EncodeToString(append(body, x.accessMAC(body)...)), nil
}

// openAccess returns what an access token of this cluster says, or ErrUnauthenticated.
func (x *secrets) openAccess(text string) (accessBody, error) {
	var body accessBody
	if len(text) > maxAccessBytes {
		return body, ErrUnauthenticated
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(text, accessPrefix))
	if err != nil || len(data) < sha256.Size {
		return body, ErrUnauthenticated
	}
	said, mac := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if !hmac.Equal(mac, x.accessMAC(said)) {
		return body, ErrUnauthenticated
	}
	if json.Unmarshal(said, &body) != nil || body.Form != bodyForm {
		return body, ErrUnauthenticated // of another release
	}
	return body, nil
}

// credential is by what a request is let in: a token of the connection, or an access token of a client of it.
type credential struct {
	key     ostiary.DocumentKey // of the token or the client, which must go on existing
	version ostiary.Revision    // at which it must stay; zero: it never changes
	id      string              // of the token, or the key of the client
	scopes  []Scope
	expiry  int64 // in nanoseconds; zero: never
}

// credentialOf returns what a text lets in to a connection, as far as the text says; whether it still does is
// for credential.judge.
func (s *Service) credentialOf(ctx context.Context, v View, connection, text string) (credential, error) {
	if isAccess(text) {
		x, err := s.secret(ctx)
		if err != nil {
			return credential{}, err
		}
		said, err := x.openAccess(text)
		if err != nil || said.Connection != connection {
			return credential{}, ErrUnauthenticated
		}
		return credential{clientKey(connection, said.Client), said.Version, said.Client, said.Scopes, said.ExpiryNanos}, nil
	}
	key := ostiary.DocumentKey{Collection: tokensOf(connection), Key: tokenHash(text)}
	d, there, err := v.Document(key)
	if err != nil || !there {
		return credential{}, orElse(err, ErrUnauthenticated)
	}
	t, err := decodeToken(d)
	return credential{key, 0, t.ID, t.Scopes, t.ExpiryNanos}, err
}

// judge returns the document that the credential rests on, or ErrUnauthenticated where it lets nobody in any
// more.
func (c credential) judge(v View, nowNanos int64) (ostiary.Document, error) {
	d, there, err := v.Document(c.key)
	if err != nil || !there || c.version != 0 && d.Version != c.version || c.expiry != 0 && c.expiry <= nowNanos {
		return d, orElse(err, ErrUnauthenticated)
	}
	return d, nil
}
