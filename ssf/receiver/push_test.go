package receiver_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
	"github.com/ostiary/ostiary/ssf"
)

// IDENTITY d.2: a SET is accepted once what it does is committed, and again without doing it again.
func TestPush(t *testing.T) {
	for name, path := range map[string]func(*world) string{"short": (*world).path, "long": (*world).longPath} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			set := w.jwt(nil)
			w.push(path(w), set).want(http.StatusAccepted, "")
			if n := w.live(); n != 0 {
				t.Fatalf("%d sessions are left", n)
			}
			w.push(path(w), set).want(http.StatusAccepted, "")
			if w.observed.seen("push end-sessions") != 1 || w.observed.seen("push repeated") != 1 {
				t.Errorf("told of %v", w.observed.outcomes)
			}
		})
	}
}

// A transmitter may send what Okta sends: the subject within the event, milliseconds, and events that nobody knows.
func TestPushOfOkta(t *testing.T) {
	w := newWorld(t)
	user := map[string]any{"user": map[string]any{"format": "iss_sub", "iss": w.provider, "sub": subject}}
	event := map[string]any{"event_timestamp": w.backend.Now() / 1e6, "subject": user, "initiating_entity": "admin", "reason_admin": map[string]string{"en": "x"}}
	w.push(w.path(), w.jwt(map[string]any{"sub_id": nil, "events": map[string]any{ssf.EventSessionRevoked: event}})).want(http.StatusAccepted, "")
	if n := w.live(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	w.push(w.path(), w.jwt(map[string]any{"sub_id": nil, "events": map[string]any{ssf.EventCredentialChange: event}})).want(http.StatusAccepted, "")
	w.push(w.path(), w.jwt(map[string]any{"events": map[string]any{"https://other.test/event": map[string]any{}}})).want(http.StatusAccepted, "")
	w.push(w.path(), w.jwt(map[string]any{"sub_id": map[string]any{"format": "opaque", "id": "stream"},
		"events": map[string]any{ssf.EventVerification: map[string]any{"state": "abc"}}})).want(http.StatusAccepted, "")
	_, state, err := w.service.SignalSource(w.operator(), store, w.connection.ID)
	if err != nil || state.State != "abc" {
		t.Errorf("got %+v, %v", state, err)
	}
}

// IDENTITY d.1 and the attacks of issue 7: each is refused by its code, and nobody is logged out.
func TestPushAttacks(t *testing.T) {
	w := newWorld(t)
	other := w.connect()
	if _, err := w.service.SetSignalSource(w.operator(), store, identity.SignalSource{Connection: other.ID, Issuer: w.provider + "/other",
		Audience: []string{audience}}, identity.SignalSecrets{}); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(w.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	payload, err := json.Marshal(w.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	set := func(claims map[string]any) string { return w.jwt(claims) }
	typed := func(typ string, claims map[string]any) string {
		if typ == "" {
			return sign(t, jose.RS256, w.key, "k", w.claims(claims))
		}
		return sign(t, jose.RS256, w.key, "k", w.claims(claims), "typ", typ)
	}
	now := w.backend.Now() / 1e9
	logout := map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, "exp": now + 120}
	for name, c := range map[string]struct{ set, code string }{
		"alg none":               {encode([]byte(`{"alg":"none","typ":"secevent+jwt"}`)) + "." + encode(payload) + ".", "invalid_request"},
		"HS256 of a public key":  {sign(t, jose.HS256, secret, "k", w.claims(nil), "typ", ssf.Type), "invalid_request"},
		"another key":            {sign(t, jose.RS256, teststore.RSAKey(1), "k", w.claims(nil), "typ", ssf.Type), "invalid_key"},
		"a key that it brings":   {sign(t, jose.RS256, teststore.RSAKey(1), "", w.claims(nil), "typ", ssf.Type, "jwk", jose.JSONWebKey{Key: teststore.RSAKey(1).Public()}), "invalid_key"},
		"no type":                {typed("", nil), "invalid_request"},
		"an ID token":            {typed("JWT", map[string]any{"exp": now + 300, "sub": subject}), "invalid_request"},
		"a logout token":         {typed("logout+jwt", logout), "invalid_request"},
		"a logout token as SET":  {typed(ssf.Type, logout), "invalid_request"},
		"of GTR":                 {typed("global-token-revocation+jwt", map[string]any{"exp": now + 300, "sub": "app"}), "invalid_request"},
		"an expiry":              {set(map[string]any{"exp": now + 300}), "invalid_request"},
		"a sub":                  {set(map[string]any{"sub": subject}), "invalid_request"},
		"another issuer":         {set(map[string]any{"iss": "https://other.test"}), "invalid_issuer"},
		"the issuer and a slash": {set(map[string]any{"iss": w.provider + "/"}), "invalid_issuer"},
		"no issuer":              {set(map[string]any{"iss": nil}), "invalid_issuer"},
		"another audience":       {set(map[string]any{"aud": "https://other.test"}), "invalid_audience"},
		"audiences":              {set(map[string]any{"aud": []string{"https://other.test", audience + "/"}}), "invalid_audience"},
		"no audience":            {set(map[string]any{"aud": nil}), "invalid_request"},
		"no jti":                 {set(map[string]any{"jti": nil}), "invalid_request"},
		"no iat":                 {set(map[string]any{"iat": nil}), "invalid_request"},
		"iat ahead":              {set(map[string]any{"iat": now + 600}), "invalid_request"},
		"two events": {set(map[string]any{"events": map[string]any{ssf.EventSessionRevoked: map[string]any{}, ssf.EventCredentialChange: map[string]any{}}}),
			"invalid_request"},
		"a claim twice": {sign(t, jose.RS256, w.key, "k", append([]byte(`{"iss":"https://other.test",`), payload[1:]...), "typ", ssf.Type), "invalid_request"},
		"a claim twice, the last good": {sign(t, jose.RS256, w.key, "k", append([]byte(`{"aud":"https://other.test",`), payload[1:]...), "typ", ssf.Type),
			"invalid_request"},
		"no JWT":     {"x", "invalid_request"},
		"empty":      {"", "invalid_request"},
		"five parts": {"a.b.c.d.e", "invalid_request"},
		"huge":       {set(map[string]any{"x": strings.Repeat("x", 20<<10)}), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			w.push(w.path(), c.set).want(http.StatusBadRequest, c.code)
		})
	}
	good := w.jwt(nil)
	w.push("/signals/"+other.ID, good).want(http.StatusBadRequest, "invalid_issuer")
	w.push("/signals/c01m824qgqx05kcwex3kxbcecwz", good).want(http.StatusBadRequest, "invalid_issuer")
	w.push("/orgs/beta/connections/"+w.connection.ID+"/signals", good).want(http.StatusBadRequest, "invalid_issuer")
	w.send(http.MethodPost, w.path(), good, "Content-Type", "application/jwt").want(http.StatusBadRequest, "invalid_request")
	if r := w.send(http.MethodGet, w.path(), ""); r.status != http.StatusMethodNotAllowed {
		t.Errorf("got %d", r.status)
	}
	if r := w.push("/signals/", good); r.status != http.StatusNotFound {
		t.Errorf("got %d", r.status)
	}
	if w.live() != 1 {
		t.Fatal("ann was logged out")
	}
	w.push(w.path(), good).want(http.StatusAccepted, "")

	// A jti that was used, with another body.
	w.push(w.path(), w.jwt(map[string]any{"jti": "again"})).want(http.StatusAccepted, "")
	w.push(w.path(), w.jwt(map[string]any{"jti": "again", "txn": "x"})).want(http.StatusBadRequest, "invalid_request")
}

// A transmitter that says so of a part of a subject that is not understood here is believed.
func TestCriticalMembers(t *testing.T) {
	w := newWorld(t)
	w.set(func(g *identity.SignalSource) { g.Critical = []string{"user", "tenant", "application"} }, identity.SignalSecrets{})
	user, part := map[string]any{"format": "iss_sub", "iss": w.provider, "sub": subject}, map[string]any{"format": "opaque", "id": "x"}
	w.push(w.path(), w.jwt(map[string]any{"sub_id": map[string]any{"format": "complex", "user": user, "application": part}})).
		want(http.StatusBadRequest, "invalid_request")
	if w.live() != 1 {
		t.Fatal("ann was logged out")
	}
	w.push(w.path(), w.jwt(map[string]any{"sub_id": map[string]any{"format": "complex", "user": user, "tenant": part, "group": part}})).
		want(http.StatusAccepted, "")
	if w.live() != 0 {
		t.Error("ann was not logged out")
	}
}

// IDENTITY d.2: the header that was set is asked for, before anything else is said.
func TestAuthorization(t *testing.T) {
	w := newWorld(t)
	w.set(nil, identity.SignalSecrets{Authorization: "Bearer secret"})
	for _, shown := range [][]string{nil, {"Authorization", "Bearer other"}, {"Authorization", "Bearer secret2"}} {
		w.push(w.path(), "x", shown...).want(http.StatusUnauthorized, "authentication_failed")
	}
	w.push(w.path(), "x", "Authorization", "Bearer secret").want(http.StatusBadRequest, "invalid_request")
	w.push(w.path(), w.jwt(nil), "Authorization", "Bearer secret").want(http.StatusAccepted, "")
	w.set(func(g *identity.SignalSource) { g.Off = true }, identity.SignalSecrets{})
	w.push(w.path(), w.jwt(nil)).want(http.StatusForbidden, "access_denied")
}

// IDENTITY b.5: who sends key ids that nobody knows does not make the server ask the transmitter, nor does who cannot
// be of it; keys that cannot be fetched are no refusal.
func TestKeyFetches(t *testing.T) {
	w := newWorld(t)
	w.push(w.path(), w.jwt(map[string]any{"iss": "https://other.test"})).want(http.StatusBadRequest, "invalid_issuer")
	if n := w.asked.Load(); n != 0 {
		t.Errorf("asked %d times by a stranger", n)
	}
	w.push(w.path(), w.jwt(nil)).want(http.StatusAccepted, "")
	before := w.asked.Load()
	for i := range 20 {
		w.push(w.path(), sign(t, jose.RS256, teststore.RSAKey(1), fmt.Sprint("x", i), w.claims(nil), "typ", ssf.Type)).want(http.StatusServiceUnavailable, "invalid_request") // it may be new
	}
	if n := w.asked.Load() - before; n > 2 {
		t.Errorf("asked %d times for unknown keys", n)
	}
	w.set(func(g *identity.SignalSource) { g.KeysURL = w.provider + "/none" }, identity.SignalSecrets{})
	r := w.push(w.path(), w.jwt(nil))
	if r.want(http.StatusServiceUnavailable, "invalid_request"); r.header.Get("Retry-After") == "" {
		t.Error("it does not say when to send it again")
	}
	w.set(func(g *identity.SignalSource) { g.Keys = jwks(t, w.key, "k") }, identity.SignalSecrets{})
	w.push(w.path(), w.jwt(nil)).want(http.StatusAccepted, "")
	w.push(w.path(), sign(t, jose.RS256, teststore.RSAKey(1), "x", w.claims(nil), "typ", ssf.Type)).want(http.StatusBadRequest, "invalid_key")
}

// However a SET is bent, nobody is logged out by what the transmitter has not signed.
func FuzzPush(f *testing.F) {
	w := newWorld(f)
	f.Add(sign(f, jose.RS256, teststore.RSAKey(1), "k", w.claims(nil), "typ", ssf.Type))
	f.Add(sign(f, jose.RS256, w.key, "k", w.claims(nil)))
	f.Add(w.jwt(map[string]any{"aud": "https://other.test"}))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, set string) {
		defer w.in(t)()
		if r := w.push(w.path(), set); r.status != http.StatusBadRequest {
			t.Errorf("%q: got %d %s", set, r.status, r.body)
		}
	})
}

// until waits until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
