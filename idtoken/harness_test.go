package idtoken_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/idtoken"
	"github.com/ostiary/ostiary/keyset"
)

const (
	issuer  = "https://idp.test"
	keysURL = issuer + "/keys"
)

// provider is an OpenID provider in memory, with a verifier of its ID tokens.
type provider struct {
	t        testing.TB
	key      *rsa.PrivateKey
	elliptic *ecdsa.PrivateKey
	setting  identity.OIDCIssuer
	verifier *idtoken.Verifier
	now      time.Time

	mu    sync.Mutex
	asked map[string]int
	err   error // of every request
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key, elliptic: curve, now: time.Unix(1_800_000_000, 0), asked: map[string]int{},
		setting: identity.OIDCIssuer{Connection: "c", Version: 7, Issuer: issuer, ClientIDs: []string{"portal", "mobile"}, SubjectClaim: "oid",
			Algorithms: []string{"RS256"}}}
	cache := keyset.NewCache(p, keyset.Options{Now: func() time.Time { return p.now }})
	t.Cleanup(cache.Close)
	p.verifier = idtoken.New(cache, func() int64 { return p.now.UnixNano() })
	return p
}

// Get answers for the provider.
func (p *provider) Get(_ context.Context, url, _ string) (int, []byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[url]++
	if p.err != nil {
		return 0, nil, p.err
	}
	switch url {
	case issuer + "/.well-known/openid-configuration":
		return http.StatusOK, p.json(map[string]string{"issuer": issuer, "jwks_uri": keysURL}), nil
	case keysURL:
		return http.StatusOK, p.json(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: p.key.Public(), KeyID: "r", Use: "sig"}, {Key: p.elliptic.Public(), KeyID: "e", Use: "sig"}}}), nil
	}
	return http.StatusNotFound, nil, nil
}

func (p *provider) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *provider) count(url string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[url]
}

func (p *provider) json(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

var errDown = errors.New("no route")

// said are the claims of a good ID token, with changes: a nil takes one away.
func (p *provider) said(changes map[string]any) map[string]any {
	now := p.now.Unix()
	all := map[string]any{
		"iss": issuer, "sub": "s-1", "aud": "portal", "exp": now + 300, "iat": now, "auth_time": now - 60, "oid": "o-1",
		"sid": "sid-1", "acr": "urn:mfa", "amr": []string{"pwd", "otp"}, "session_expiry": now + 3600, "nonce": "n-1",
		"email": "ann@acme.test", "preferred_username": "ann",
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign makes a JWT. Headers are names and values in turn.
func (p *provider) sign(a jose.SignatureAlgorithm, key any, id string, payload []byte, headers ...any) string {
	p.t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("kid", id)
	for i := 0; i < len(headers); i += 2 {
		o = o.WithHeader(jose.HeaderKey(headers[i].(string)), headers[i+1])
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: key}, o)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// token is an ID token with changed claims.
func (p *provider) token(changes map[string]any) string {
	p.t.Helper()
	return p.sign(jose.RS256, p.key, "r", p.json(p.said(changes)), "typ", "JWT")
}
