package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
)

// Scope is what a token may do.
type Scope string

// The scopes of tokens. Who may write may read.
const (
	ScopeUsersRead   Scope = "users:r"
	ScopeUsersWrite  Scope = "users:w"
	ScopeGroupsRead  Scope = "groups:r"
	ScopeGroupsWrite Scope = "groups:w"
	ScopeRolesRead   Scope = "roles:r"
)

// Scopes returns every scope.
func Scopes() []Scope {
	return []Scope{ScopeUsersRead, ScopeUsersWrite, ScopeGroupsRead, ScopeGroupsWrite, ScopeRolesRead}
}

// covers reports whether a scope allows what another one names.
func (s Scope) covers(asked Scope) bool {
	return s == asked || strings.HasSuffix(string(s), ":w") && strings.TrimSuffix(string(s), "w") == strings.TrimSuffix(string(asked), "r")
}

// The errors of a request that a token does not allow.
var (
	// ErrUnauthenticated: there is no such connection, or the token is missing, not one of it, or expired.
	// Which of these it is, nobody is told.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrForbidden: the token does not have the scope.
	ErrForbidden = errors.New("the token does not have the scope")
)

// Token is what an identity provider shows. The text itself is known to its holder alone.
type Token struct {
	ID           string // the first digits of its hash
	Name         string // for people
	Scopes       []Scope
	CreatedNanos int64
	ExpiryNanos  int64 // zero: never
	UsedNanos    int64 // to about a minute; zero: never
}

type tokenBody struct {
	form
	Name         string  `json:"name"`
	Scopes       []Scope `json:"scopes"`
	CreatedNanos int64   `json:"created"`
	ExpiryNanos  int64   `json:"expires,omitempty"`
}

const (
	// maxTokens bounds the tokens of a connection, of which two are needed to change one without a gap.
	maxTokens     = 10
	tokenPrefix   = "ostiary_"
	tokenRandom   = 32 // bytes
	tokenIDDigits = 12
)

// tokenHash is the key of a token's document. The text holds 256 random bits, so that its hash can be
// neither guessed nor found by trying; a slow hash would add nothing.
func tokenHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// CreateToken makes a token of a connection and returns its text, which is shown this once. No scopes are
// all of them. ID and CreatedNanos of t are set by it. A connection that takes access tokens alone has no tokens.
func (s *Service) CreateToken(ctx context.Context, store, connection string, t Token) (Token, string, error) {
	if err := judgeName("token", t.Name); err != nil {
		return t, "", err
	}
	scopes, err := judgeScopes(t.Scopes)
	if err != nil {
		return t, "", err
	}
	t.Scopes = scopes
	random := make([]byte, tokenRandom)
	rand.Read(random) // never fails
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	hash := tokenHash(text)
	t.ID = hash[:tokenIDDigits]
	row := &audit{store: store, connection: connection, resource: t.ID, action: "token.create"}
	_, err = s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, connection)
		if err != nil {
			return err
		}
		c, err := decodeConnection(d)
		switch {
		case err != nil || c.Paused == PausedByDeletion:
			return orElse(err, notFound("connection", connection))
		case c.TakesAccessTokensAlone():
			return invalid("connection %s is of dialect %s, which takes OAuth access tokens alone: make a client of it instead "+
				"('ostiary connection client create %s --issuer https://…', or one with a secret without --issuer)", connection, c.Dialect, connection)
		}
		n, err := v.CountDocuments(tokensOf(connection))
		if err != nil {
			return err
		}
		if n >= maxTokens {
			return fmt.Errorf("connection %s has %d tokens, and may have %d: revoke one first: %w", connection, n, maxTokens, ostiary.ErrTooBroad)
		}
		if t.CreatedNanos = m.TimeNanos; t.ExpiryNanos != 0 && t.ExpiryNanos <= m.TimeNanos {
			return invalid("the token would expire before it is made")
		}
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: d.Key, Body: d.Body}) // so that tokens made at once are counted
		m.Documents = append(m.Documents, put(ostiary.DocumentKey{Collection: tokensOf(connection), Key: hash},
			tokenBody{form{bodyForm}, t.Name, t.Scopes, t.CreatedNanos, t.ExpiryNanos}))
		return nil
	})
	if err != nil {
		return t, "", err
	}
	return t, text, nil
}

// connectionOf returns the document of a connection of a store.
func connectionOf(v View, store, id string) (ostiary.Document, error) {
	c, d, err := readConnection(v, id)
	if err == nil && c.Store != store {
		err = notFound("connection", id)
	}
	return d, err
}

// Tokens returns the tokens of a connection, by id, expired ones among them.
func (s *Service) Tokens(ctx context.Context, store, connection string) (all []Token, err error) {
	err = s.read(ctx, func(v View) error {
		if _, err := connectionOf(v, store, connection); err != nil {
			return err
		}
		docs, err := v.Documents(tokensOf(connection), "", maxTokens, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			t, err := decodeToken(d)
			if err != nil {
				return err
			}
			used, there, err := v.Document(tokenUseKey(connection, d.Key.Key))
			if err != nil {
				return err
			}
			if there {
				body, err := decode[tokenUseBody](used)
				if err != nil {
					return err
				}
				t.UsedNanos = body.UsedNanos
			}
			all = append(all, t)
		}
		return nil
	})
	return all, err
}

func decodeToken(d ostiary.Document) (Token, error) {
	body, err := decode[tokenBody](d)
	id := d.Key.Key
	return Token{
		ID: id[:min(len(id), tokenIDDigits)], Name: body.Name, Scopes: body.Scopes,
		CreatedNanos: body.CreatedNanos, ExpiryNanos: body.ExpiryNanos,
	}, err
}

// RevokeToken ends a token of a connection.
func (s *Service) RevokeToken(ctx context.Context, store, connection, id string) (ostiary.Receipt, error) {
	row := &audit{store: store, connection: connection, resource: id, action: "token.revoke"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if _, err := connectionOf(v, store, connection); err != nil {
			return err
		}
		docs, err := v.Documents(tokensOf(connection), "", maxTokens, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if len(id) == tokenIDDigits && strings.HasPrefix(d.Key.Key, id) {
				m.Documents = append(m.Documents, remove(d.Key), remove(tokenUseKey(connection, d.Key.Key)))
				return nil
			}
		}
		return notFound("token", id)
	})
}

// Directory returns what a request of an identity provider may read and change: the connection that its
// path names, opened by the value of its header Authorization: an access token that IssueToken made, or, where
// the connection takes them, a token. The context that is returned carries the token, or the client, as principal.
func (s *Service) Directory(ctx context.Context, connection, authorization string) (context.Context, *Directory, error) {
	scheme, text, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || !hasKind(connection, kindConnection) {
		return ctx, nil, ErrUnauthenticated
	}
	var d *Directory
	err := s.read(ctx, func(v View) error {
		token, err := s.credentialOf(ctx, v, connection, text)
		if err != nil {
			return err
		}
		if _, err := token.judge(v, s.backend.Now()); err != nil {
			return err
		}
		c, err := openConnection(v, connection)
		if err != nil {
			return err
		}
		if c.TakesAccessTokensAlone() && !isAccess(text) {
			return ErrUnauthenticated
		}
		d = &Directory{service: s, connection: c, scopes: token.scopes, token: token}
		ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "scim", Name: c.ID + "/" + token.id})
		return nil
	})
	return ctx, d, err
}
