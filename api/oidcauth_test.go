package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/keyset"
)

// TestOIDC: a token counts when an issuer that counts made it for this server, and it is its time.
func TestOIDC(t *testing.T) {
	const issuer, other = "https://idp.example", "https://other.example"
	key := newSigner(t)
	foreign := newSigner(t)
	now := time.Unix(1_800_000_000, 0)
	o := api.OIDCOptions{
		Issuers: []string{issuer, other}, Audience: "https://ostiary.example", Now: func() int64 { return now.UnixNano() },
		Keys: func(of string) keyset.Source {
			if of == issuer {
				return key.source(t)
			}
			return foreign.source(t)
		},
	}
	a, err := api.NewOIDC(o)
	if err != nil {
		t.Fatal(err)
	}
	good := func() map[string]any {
		return map[string]any{"iss": issuer, "sub": "client-42", "aud": "https://ostiary.example", "azp": "somebody",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	}
	with := func(name string, value any) map[string]any {
		c := good()
		c[name] = value
		if value == nil {
			delete(c, name)
		}
		return c
	}
	ask := func(a *api.OIDC, token string) (ostiary.Principal, error) {
		return a.Authenticate(t.Context(), "Bearer "+token)
	}
	for name, claims := range map[string]map[string]any{
		"plain": good(), "list of audiences": with("aud", []string{"x", "https://ostiary.example"}), "no iat": with("iat", nil),
	} {
		for _, typ := range []string{"", "JWT", "at+jwt", "application/at+jwt"} {
			p, err := ask(a, key.sign(t, typ, claims))
			if err != nil || p.String() != "oidc:https://idp.example#client-42" {
				t.Errorf("%s, type %q: %s, %v", name, typ, p, err)
			}
		}
	}
	der, err := x509.MarshalPKIXPublicKey(key.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	publicJWK, err := json.Marshal(jose.JSONWebKey{Key: key.key.Public(), KeyID: "k"})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"empty":             "",
		"no token":          "secret",
		"another type":      key.sign(t, "logout+jwt", good()),
		"of a revocation":   key.sign(t, "global-token-revocation+jwt", good()),
		"of an event":       key.sign(t, "secevent+jwt", good()),
		"of a client":       key.sign(t, "client-authentication+jwt", good()),
		"public key as PEM": signBy(t, jose.HS256, publicPEM, "", good()),
		"public key as JWK": signBy(t, jose.HS256, publicJWK, "", good()),
		"another issuer":    key.sign(t, "", with("iss", "https://nobody.example")),
		"issuer's case":     key.sign(t, "", with("iss", "https://IDP.example")),
		"another's key":     key.sign(t, "", with("iss", other)),
		"foreign key":       foreign.sign(t, "", good()),
		"another audience":  key.sign(t, "", with("aud", "https://other.example")),
		"no audience":       key.sign(t, "", with("aud", nil)),
		"no subject":        key.sign(t, "", with("sub", nil)),
		"empty subject":     key.sign(t, "", with("sub", "")),
		"expired":           key.sign(t, "", with("exp", now.Unix())),
		"for ever":          key.sign(t, "", with("exp", nil)),
		"not yet":           key.sign(t, "", with("nbf", now.Add(time.Hour).Unix())),
		"from the future":   key.sign(t, "", with("iat", now.Add(time.Hour).Unix())),
		"of a logout":       key.sign(t, "JWT", with("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})),
		"of a login":        key.sign(t, "JWT", with("nonce", "x")),
		"too large a claim": key.sign(t, "", with("exp", 1e300)),
		// {"alg":"none"}.{"iss":"https://idp.example","sub":"client-42","aud":"https://ostiary.example","exp":1800003600}.
		"unsigned": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoiY2xpZW50LTQyIiwiYXVkIjoiaHR0cHM6Ly9vc3RpYXJ5LmV4YW1wbGUiLCJleHAiOjE4MDAwMDM2MDB9.",
	} {
		if p, err := ask(a, token); err == nil || p != (ostiary.Principal{}) {
			t.Errorf("%s: taken as %s", name, p)
		}
	}
	token := key.sign(t, "", with("exp", now.Add(30*time.Second).Unix()))
	if _, err := ask(a, token); err != nil {
		t.Fatal(err)
	}
	now = now.Add(30 * time.Second)
	if _, err := ask(a, token); err == nil {
		t.Error("a token that was good is taken after it has expired")
	}
	now = now.Add(-time.Second)
	o.Subjects = []string{"client-1"}
	choosy, err := api.NewOIDC(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(choosy, key.sign(t, "", good())); err == nil {
		t.Error("a subject that is not listed is taken")
	}
	o.Subjects = nil
	cache := keyset.NewCache(down{}, keyset.Options{})
	defer cache.Close()
	o.Keys = func(string) keyset.Source { return cache.Issuer(issuer) }
	cut, err := api.NewOIDC(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(cut, key.sign(t, "", good())); !errors.Is(err, ostiary.ErrUnavailable) {
		t.Errorf("a token whose issuer cannot be asked: got %v, want that it may be tried again", err)
	}
	for name, bad := range map[string]func(*api.OIDCOptions){
		"no audience": func(o *api.OIDCOptions) { o.Audience = "" },
		"no issuer":   func(o *api.OIDCOptions) { o.Issuers = nil },
		"fragment":    func(o *api.OIDCOptions) { o.Issuers = []string{"https://idp.example/#a"} },
		"no URL":      func(o *api.OIDCOptions) { o.Issuers = []string{"idp"} },
	} {
		changed := o
		bad(&changed)
		if _, err := api.NewOIDC(changed); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// down answers nothing.
type down struct{}

func (down) Get(context.Context, string, string) (int, []byte, error) {
	return 0, nil, errors.New("nobody is there")
}

// signer signs tokens.
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

func (s signer) source(t *testing.T) keyset.Source {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: "k", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := keyset.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (s signer) sign(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	return signBy(t, jose.ES256, s.key, typ, claims)
}

func signBy(t *testing.T, algorithm jose.SignatureAlgorithm, key any, typ string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", "k")
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	with, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := with.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}
