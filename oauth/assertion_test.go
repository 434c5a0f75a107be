package oauth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/oauth"
)

// IDENTITY d.6, AL-AUTH-1: a JWT that the client signs opens its connection.
func TestAssertion(t *testing.T) {
	w := newWorld(t, nil)
	c, key := w.signer(w.connection.ID)
	for name, jwt := range map[string]string{
		"the token endpoint":    sign(t, jose.EdDSA, key, "k", w.claims(c.ID, nil)),
		"the issuer":            sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"aud": public})),
		"the connection":        sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"aud": public + prefix + w.connection.ID})),
		"type JWT":              sign(t, jose.EdDSA, key, "k", w.claims(c.ID, nil), "typ", "JWT"),
		"its own type":          sign(t, jose.EdDSA, key, "k", w.claims(c.ID, nil), "typ", "client-authentication+jwt"),
		"no key id":             sign(t, jose.EdDSA, key, "", w.claims(c.ID, nil)),
		"no iat":                sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"iat": nil})),
		"a clock a little fast": sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"iat": w.backend.Now()/1e9 + 50, "nbf": w.backend.Now()/1e9 + 50})),
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			text, scope := w.asserted(jwt).token()
			if scope != "scim" {
				t.Errorf("scope %q", scope)
			}
			w.opens(w.connection.ID, text, true)
			w.opens(w.strict.ID, text, false)
		})
	}
}

// What is not a JWT of the client, about itself, for this server, now and for the first time, gets nothing.
func TestAssertionAttacks(t *testing.T) {
	w := newWorld(t, nil)
	c, key := w.signer(w.connection.ID)
	other, otherKey := w.signer(w.connection.ID)
	withSecret, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	deleted, deletedKey := w.signer(w.connection.ID)
	if _, err := w.service.DeleteClient(w.operator(), store, w.connection.ID, deleted.ID); err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaClient, _ := w.client(w.connection.ID, identity.Client{Method: identity.ClientKey, Keys: jwks(t, rsaKey, "k")})
	publicText, err := json.Marshal(jose.JSONWebKey{Key: rsaKey.Public(), KeyID: "k"})
	if err != nil {
		t.Fatal(err)
	}
	now := w.backend.Now() / 1e9
	with := func(pairs ...any) string {
		others := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			others[pairs[i].(string)] = pairs[i+1]
		}
		return sign(t, jose.EdDSA, key, "k", w.claims(c.ID, others))
	}
	typed := func(typ string) string { return sign(t, jose.EdDSA, key, "k", w.claims(c.ID, nil), "typ", typ) }
	claims, err := json.Marshal(w.claims(c.ID, nil))
	if err != nil {
		t.Fatal(err)
	}
	used := with()
	w.asserted(used).token()
	sameID := sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"jti": "one", "exp": now + 100}))
	w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"jti": "one"}))).token()

	for name, jwt := range map[string]string{
		"alg none":                            base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + ".",
		"HS256 with the public key as secret": sign(t, jose.HS256, publicText, "k", w.claims(rsaClient.ID, nil)),
		"HS256 with another client's secret":  sign(t, jose.HS256, []byte(secret), "k", w.claims(withSecret.ID, nil)),
		"RS512":                               sign(t, jose.RS512, rsaKey, "k", w.claims(rsaClient.ID, nil)),
		"the key of another client":           sign(t, jose.EdDSA, otherKey, "k", w.claims(c.ID, nil)),
		"a key of nobody":                     sign(t, jose.EdDSA, newKey(t), "k", w.claims(c.ID, nil)),
		"a key in the header":                 sign(t, jose.EdDSA, otherKey, "k", w.claims(c.ID, nil), "jwk", jose.JSONWebKey{Key: otherKey.Public()}),
		"an unknown key id":                   sign(t, jose.EdDSA, key, "x", w.claims(c.ID, nil)),
		"a client that has a secret":          sign(t, jose.EdDSA, key, "k", w.claims(withSecret.ID, nil)),
		"a client that was deleted":           sign(t, jose.EdDSA, deletedKey, "k", w.claims(deleted.ID, nil)),
		"type of an access token":             typed("at+jwt"),
		"type of a GTR token":                 typed("global-token-revocation+jwt"),
		"type of a logout token":              typed("logout+jwt"),
		"type of a security event":            typed("application/secevent+jwt"),
		"type of a proof":                     typed("dpop+jwt"),
		"a security event":                    with("events", map[string]any{"x": map[string]any{}}),
		"an ID token":                         with("iss", "https://idp.test"),
		"an ID token about the client":        with("nonce", "n"),
		"no iss":                              with("iss", nil),
		"no sub":                              with("sub", nil),
		"sub of another client":               with("sub", other.ID),
		"iss and sub of another client":       with("sub", other.ID, "iss", other.ID),
		"sub that is no client":               with("sub", "ann", "iss", "ann"),
		"no aud":                              with("aud", nil),
		"aud of another server":               with("aud", "https://other.test/oauth/token"),
		"aud of another connection":           with("aud", public+prefix+w.strict.ID),
		"aud with a slash more":               with("aud", public+"/"),
		"aud with another case":               with("aud", strings.ToUpper(public)),
		"aud as a list":                       with("aud", []string{public, "https://other.test"}),
		"aud as a list of one":                with("aud", []string{public}),
		"no exp":                              with("exp", nil),
		"exp as a text":                       with("exp", "tomorrow"),
		"exp long ago":                        with("exp", now-120),
		"exp far ahead":                       with("exp", now+3600),
		"exp beyond all numbers":              with("exp", json.Number("1e308")),
		"exp below zero":                      with("exp", -1),
		"iat far ahead":                       with("iat", now+600),
		"iat long ago":                        with("iat", now-3600),
		"nbf far ahead":                       with("nbf", now+600),
		"no jti":                              with("jti", nil),
		"an empty jti":                        with("jti", ""),
		"jti as a number":                     with("jti", 7),
		"a long jti":                          with("jti", strings.Repeat("x", 300)),
		"shown before":                        used,
		"another JWT with the same jti":       sameID,
		"no JWT":                              "x",
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			w.asserted(jwt).refused(http.StatusUnauthorized, "invalid_client")
		})
	}
	w.asserted(with(), "client_id", other.ID).refused(http.StatusBadRequest, "invalid_request")
	w.asserted("").refused(http.StatusUnauthorized, "invalid_client")
	w.post("client_assertion", with()).refused(http.StatusBadRequest, "invalid_request")
	w.asserted(with(), "client_id", c.ID).token()
	// A JWT that was shown in time is not good later, though its jti may be forgotten.
	late := with()
	w.backend.Ahead.Add(int64(7 * time.Minute))
	w.asserted(late).refused(http.StatusUnauthorized, "invalid_client")
}

// Refusals that depend on the client are all the same.
func TestRefusalsDoNotTell(t *testing.T) {
	w := newWorld(t, nil)
	c, key := w.signer(w.connection.ID)
	unknown := w.connection.ID + ".k" + strings.Repeat("0", 26)
	first := w.asserted(sign(t, jose.EdDSA, newKey(t), "k", w.claims(c.ID, nil))).refused(http.StatusUnauthorized, "invalid_client")
	for name, r := range map[string]reply{
		"no such client":            w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(unknown, nil))),
		"no such connection":        w.asserted(sign(t, jose.EdDSA, key, "k", w.claims("c"+unknown[1:], nil))),
		"a key id":                  w.asserted(sign(t, jose.EdDSA, key, "x", w.claims(c.ID, nil))),
		"a secret":                  w.post("client_id", c.ID, "client_secret", "x"),
		"a secret of no client":     w.post("client_id", unknown, "client_secret", "x"),
		"a secret without a client": w.post("client_secret", "x"),
	} {
		if got := r.refused(http.StatusUnauthorized, "invalid_client"); got != first {
			t.Errorf("%s: got %q and %q", name, got, first)
		}
	}
}

// IDENTITY d.6, AL-AUTH-3: the identity provider's metadata name the keys that its JWTs are judged by.
func TestKeysOfProvider(t *testing.T) {
	w := newWorld(t, nil)
	key := newKey(t)
	w.pages["/keys"] = func(rw http.ResponseWriter, _ *http.Request) { rw.Write(jwks(t, key, "k")) }
	w.pages["/.well-known/oauth-authorization-server"] = func(rw http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(rw).Encode(map[string]string{"issuer": w.provider, "jwks_uri": w.provider + "/keys"})
	}
	byURL, _ := w.client(w.connection.ID, identity.Client{Method: identity.ClientKey, KeysURL: w.provider + "/keys"})
	byIssuer, _ := w.client(w.connection.ID, identity.Client{Method: identity.ClientKey, Issuer: w.provider})
	for range 2 {
		w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(byURL.ID, nil))).token()
		w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(byIssuer.ID, nil))).token()
	}
	if n := w.asked.Load(); n != 3 {
		t.Errorf("the provider was asked %d times", n)
	}
	// Key ids that nobody knows are looked for once, whoever sends them.
	for _, kid := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		w.asserted(sign(t, jose.EdDSA, newKey(t), kid, w.claims(byURL.ID, nil))).refused(http.StatusUnauthorized, "invalid_client")
	}
	if n := w.asked.Load(); n != 3 {
		t.Errorf("the provider was asked %d times", n)
	}
	// What is wrong without looking at a signature asks nobody.
	fresh, _ := w.client(w.connection.ID, identity.Client{Method: identity.ClientKey, KeysURL: w.provider + "/fresh"})
	w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(fresh.ID, map[string]any{"exp": 1}))).refused(http.StatusUnauthorized, "invalid_client")
	if n := w.asked.Load(); n != 3 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// IDENTITY g.0, rule 17: keys are not fetched from where they should not be, nor at any cost.
func TestKeysThatCannotBeFetched(t *testing.T) {
	stuck := make(chan struct{})
	w := newWorld(t, func(_ *oauth.Options, e *egress.Options) { e.Timeout = 100 * time.Millisecond })
	t.Cleanup(func() { close(stuck) }) // before the server is closed
	w.pages["/slow"] = func(http.ResponseWriter, *http.Request) { <-stuck }
	w.pages["/huge"] = func(rw http.ResponseWriter, _ *http.Request) { rw.Write(make([]byte, 1<<20)) }
	w.pages["/elsewhere"] = func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/keys", http.StatusFound) }
	key := newKey(t)
	var followed atomic.Int64
	w.pages["/keys"] = func(rw http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		rw.Write(jwks(t, key, "k"))
	}
	for _, path := range []string{"/slow", "/huge", "/elsewhere", "/missing"} {
		c, _ := w.client(w.connection.ID, identity.Client{Method: identity.ClientKey, KeysURL: w.provider + path})
		r := w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(c.ID, nil)))
		r.refused(http.StatusServiceUnavailable, "temporarily_unavailable")
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: it is not said when to come back", path)
		}
	}
	if followed.Load() != 0 {
		t.Error("a redirect was followed")
	}

	private := newWorld(t, func(_ *oauth.Options, e *egress.Options) { e.Allow = nil })
	private.pages["/keys"] = w.pages["/keys"]
	for _, at := range []string{private.provider, strings.Replace(private.provider, "127.0.0.1", "localhost", 1)} {
		c, _ := private.client(private.connection.ID, identity.Client{Method: identity.ClientKey, KeysURL: at + "/keys"})
		private.asserted(sign(t, jose.EdDSA, key, "k", private.claims(c.ID, nil))).refused(http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	if n := private.asked.Load(); n != 0 {
		t.Errorf("a private address was asked %d times", n)
	}
}

// A server that does not know its own URL cannot tell whether a JWT was meant for it.
func TestServerWithoutURL(t *testing.T) {
	w := newWorld(t, func(o *oauth.Options, _ *egress.Options) { o.PublicURL = "" })
	c, key := w.signer(w.connection.ID)
	jwt := sign(t, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"aud": w.url + oauth.TokenPath}))
	w.asserted(jwt).refused(http.StatusInternalServerError, "server_error")
	if got := w.send(http.MethodGet, oauth.MetadataPath, ""); got.status != http.StatusNotFound {
		t.Errorf("metadata of a server without a URL: %d", got.status)
	}
	c, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	w.post("client_id", c.ID, "client_secret", secret).token()
}
