package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/keyset"
)

// OIDCOptions configures NewOIDC. Issuers, Audience, Keys and Now are required.
type OIDCOptions struct {
	// Issuers may sign tokens. Each is compared exactly.
	Issuers []string
	// Audience must be among those of a token: it names this server.
	Audience string
	// Subjects, where there are any, are the only ones whose tokens are taken.
	Subjects []string
	// Keys returns the keys of an issuer.
	Keys func(issuer string) keyset.Source
	// Now is the time in nanoseconds since 1970 UTC.
	Now func() int64
}

// OIDC is the Authenticator that knows callers by access tokens that are JWTs: of client credentials, for one. The
// principal of a token is "oidc:ISSUER#SUBJECT". Which client got the token (azp, client_id) counts for nothing,
// since people's tokens name the client too. Safe for concurrent use.
type OIDC struct {
	o       OIDCOptions
	sources map[string]keyset.Source

	mu    sync.Mutex
	known map[[sha256.Size]byte]knownToken // guarded by mu; at most maxKnownTokens
}

// knownToken is a token that was found good.
type knownToken struct {
	principal  ostiary.Principal
	untilNanos int64
}

const (
	// maxKnownTokens bounds the tokens that are not judged again, and tokenRest for how long they are not: the key that
	// signed one may be withdrawn.
	maxKnownTokens = 10_000
	tokenRest      = time.Minute
	maxTokenBytes  = 16 << 10
	maxTokenName   = 255 // bytes of a subject
)

// NewOIDC returns an OIDC. The error names the option at fault.
func NewOIDC(o OIDCOptions) (*OIDC, error) {
	if len(o.Issuers) == 0 || o.Audience == "" || o.Keys == nil || o.Now == nil {
		return nil, errors.New("tokens of OpenID Connect: issuers and an audience are needed")
	}
	a := &OIDC{o: o, sources: map[string]keyset.Source{}, known: map[[sha256.Size]byte]knownToken{}}
	for _, issuer := range o.Issuers {
		if err := egress.Judge(issuer); err != nil {
			return nil, fmt.Errorf("issuer %q: %w", issuer, err)
		}
		if strings.ContainsAny(issuer, "#?") {
			return nil, fmt.Errorf("issuer %q has a query or a fragment", issuer)
		}
		a.sources[issuer] = o.Keys(issuer)
	}
	return a, nil
}

// accessClaims are the claims of an access token.
type accessClaims struct {
	keyset.Times
	Issuer   string    `json:"iss"`
	Subject  string    `json:"sub"`
	Audience audiences `json:"aud"`
	// Events and Nonce are of security event tokens, of logout tokens and of ID tokens.
	Events any `json:"events"`
	Nonce  any `json:"nonce"`
}

// audiences are one audience, or a list of them.
type audiences []string

func (a *audiences) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// Authenticate is Authenticator.Authenticate.
func (a *OIDC) Authenticate(ctx context.Context, authorization string) (ostiary.Principal, error) {
	text, err := bearer(authorization)
	if err != nil {
		return ostiary.Principal{}, err
	}
	if len(text) > maxTokenBytes {
		return ostiary.Principal{}, errUnauthenticated
	}
	now := a.o.Now()
	place := sha256.Sum256([]byte(text))
	a.mu.Lock()
	known, ok := a.known[place]
	a.mu.Unlock()
	if ok && now < known.untilNanos {
		return known.principal, nil
	}
	claims, err := a.judge(ctx, text, now)
	switch {
	case errors.Is(err, keyset.ErrUnreachable):
		return ostiary.Principal{}, fmt.Errorf("%w: %w", err, ostiary.ErrUnavailable)
	case err != nil:
		return ostiary.Principal{}, &refusal{code: codeUnauthenticated, text: errUnauthenticated.Error(), cause: err}
	}
	p := ostiary.Principal{Kind: "oidc", Name: claims.Issuer + "#" + claims.Subject}
	a.remember(place, knownToken{p, min(now+int64(tokenRest), int64(*claims.Expiry*float64(time.Second)))})
	return p, nil
}

func (a *OIDC) remember(place [sha256.Size]byte, t knownToken) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnownTokens {
		clear(a.known)
	}
	a.known[place] = t
}

// judge says what is wrong with a token.
func (a *OIDC) judge(ctx context.Context, text string, nowNanos int64) (accessClaims, error) {
	token, err := keyset.ParseJWT(text)
	if err != nil {
		return accessClaims{}, err
	}
	if typ := token.Type(); typ != "" && typ != "jwt" && typ != "at+jwt" {
		return accessClaims{}, fmt.Errorf("a token of type %.40q is none of access", typ)
	}
	var said accessClaims
	if err := token.Unverified(&said); err != nil {
		return accessClaims{}, err
	}
	source, ok := a.sources[said.Issuer]
	if !ok {
		return accessClaims{}, errors.New("the issuer is not one of those that count")
	}
	var c accessClaims
	if err := token.Verify(ctx, source, &c); err != nil {
		return c, err
	}
	now := float64(nowNanos) / float64(time.Second)
	skew := keyset.ClockSkew.Seconds()
	switch {
	case c.Issuer != said.Issuer:
		return c, errors.New("the issuer is another one")
	case c.Events != nil || c.Nonce != nil:
		return c, errors.New("the token was made for another purpose")
	case !slices.Contains(c.Audience, a.o.Audience):
		return c, errors.New("the token is for somebody else")
	case c.Expiry == nil || !(*c.Expiry > now) || *c.Expiry > 1<<33:
		return c, errors.New("the token has expired, or never does")
	case c.NotYet != nil && !(*c.NotYet <= now+skew):
		return c, errors.New("the token does not count yet")
	case c.Issued != nil && !(*c.Issued <= now+skew):
		return c, errors.New("the token was made in the future")
	case c.Subject == "" || len(c.Subject) > maxTokenName:
		return c, fmt.Errorf("the subject has %d bytes, and may have 1 to %d", len(c.Subject), maxTokenName)
	case len(a.o.Subjects) > 0 && !slices.Contains(a.o.Subjects, c.Subject):
		return c, errors.New("the subject is not one of those that count")
	}
	return c, nil
}
