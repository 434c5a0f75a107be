package backchannel_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/backchannel"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/raftstore"
)

const (
	store  = "S"
	client = "0oa1client"
)

// world is a Handler over a real store in memory: organization acme with a connection, its OpenID provider, and ann,
// who is logged in by its session s1.
type world struct {
	t          testing.TB
	backend    *teststore.Backend
	service    *identity.Service
	connection identity.Connection
	url        string
	provider   string
	keys       *keyset.Cache
	asked      atomic.Int64 // requests to provider
	key        *rsa.PrivateKey
	ann        identity.User
	count      atomic.Int64
	published  atomic.Pointer[[]byte] // the key set of provider
	late       atomic.Int64           // how far the clock of keys is ahead of where it stands
}

func newWorld(t testing.TB) *world {
	t.Helper()
	opened := teststore.Open(t, raftstore.Options{Dir: "data", FS: vfs.NewMem()}, store)
	w := &world{t: t, backend: opened, key: teststore.RSAKey(0)}
	w.service = identity.New(w.backend, identity.Options{})
	_, err := w.service.CreateOrganization(w.operator(), store, "acme", "Acme")
	must(t, err)
	w.connection, err = w.service.CreateConnection(w.operator(), identity.Connection{Store: store, Organization: "acme", Name: "Okta", Kind: identity.KindOkta})
	must(t, err)
	w.publish(jose.JSONWebKey{Key: w.key.Public(), KeyID: "k", Use: "sig"})
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(map[string]any{"issuer": w.provider, "jwks_uri": w.provider + "/keys", "authorization_endpoint": w.provider,
			"token_endpoint": w.provider, "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(*w.published.Load()) })
	provider := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(provider.Close)
	w.provider = provider.URL
	roots := x509.NewCertPool()
	roots.AddCert(provider.Certificate())
	outgoing := egress.New(egress.Options{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(outgoing.Close)
	began := time.Now()
	w.keys = keyset.NewCache(outgoing, keyset.Options{Now: func() time.Time { return began.Add(time.Duration(w.late.Load())) }})
	t.Cleanup(w.keys.Close)
	server := httptest.NewServer(backchannel.New(backchannel.Options{Service: w.service, Keys: w.keys, Now: opened.Now}))
	t.Cleanup(server.Close)
	w.url = server.URL
	w.set(nil)
	_, text, err := w.service.CreateToken(w.operator(), store, w.connection.ID, identity.Token{Name: "t"})
	must(t, err)
	ctx, d, err := w.service.Directory(t.Context(), w.connection.ID, "Bearer "+text)
	must(t, err)
	w.ann, err = d.CreateUser(ctx, identity.UserInput{UserName: "ann", ExternalID: "00u1", Active: true, Body: []byte("{}")})
	must(t, err)
	_, err = w.service.CreateSession(w.operator(), store, identity.SessionInput{Organization: "acme", User: w.ann.ID, AuthNanos: opened.Now(), Issuer: w.provider, SID: "s1"})
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// publish makes these the keys of the provider.
func (w *world) publish(keys ...jose.JSONWebKey) {
	w.t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	must(w.t, err)
	w.published.Store(&set)
}

func (w *world) operator() context.Context {
	return teststore.Operator(w.t)
}

func (w *world) set(change func(*identity.OIDCIssuer)) {
	w.t.Helper()
	o := identity.OIDCIssuer{Connection: w.connection.ID, Issuer: w.provider, ClientIDs: []string{"other", client}, SubjectClaim: "sub"}
	if change != nil {
		change(&o)
	}
	_, err := w.service.SetOIDCIssuer(w.operator(), store, o)
	must(w.t, err)
}

// live counts ann's sessions.
func (w *world) live() int {
	w.t.Helper()
	all, err := w.service.Sessions(w.t.Context(), store, identity.SessionFilter{User: w.ann.ID}, "", 1_000)
	must(w.t, err)
	return len(all)
}

// claims are those of a good logout token, with others in their place; nil leaves one out.
func (w *world) claims(others map[string]any) map[string]any {
	now := w.backend.Now() / 1e9
	all := map[string]any{"iss": w.provider, "aud": client, "iat": now, "exp": now + 120, "jti": fmt.Sprint("jti-", w.count.Add(1)), "sub": "00u1", "sid": "s1",
		"events": map[string]any{backchannel.Event: map[string]any{}}}
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign makes a JWT. Headers are names and values in turn.
func sign(t testing.TB, a jose.SignatureAlgorithm, key any, kid string, claims any, headers ...string) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("kid", kid)
	for i := 0; i < len(headers); i += 2 {
		o = o.WithHeader(jose.HeaderKey(headers[i]), headers[i+1])
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: key}, o)
	must(t, err)
	payload, err := json.Marshal(claims)
	must(t, err)
	signed, err := s.Sign(payload)
	must(t, err)
	text, err := signed.CompactSerialize()
	must(t, err)
	return text
}

// token makes a good logout token, but for others among its claims.
func (w *world) token(others map[string]any) string {
	w.t.Helper()
	return sign(w.t, jose.RS256, w.key, "k", w.claims(others), "typ", "logout+jwt")
}

func (w *world) path() string { return backchannel.Prefix + w.connection.ID }

// post sends a form, and checks the status and what goes with it.
func (w *world) post(t testing.TB, path, form string, status int) string {
	t.Helper()
	return w.send(t, path, "application/x-www-form-urlencoded", form, status)
}

func (w *world) send(t testing.TB, path, kind, body string, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	must(t, err)
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if answer.StatusCode != status || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %s, headers %v, want %d", answer.StatusCode, data, answer.Header, status)
	}
	if status != http.StatusOK && (json.Unmarshal(data, &said) != nil || said.Error == "" || said.Description == "") || status == http.StatusOK && len(data) > 0 {
		t.Errorf("body %q", data)
	}
	if strings.Contains(string(data), "00u1") {
		t.Errorf("it repeats what was sent: %s", data)
	}
	return string(data)
}

func form(token string) string { return url.Values{"logout_token": {token}}.Encode() }

// IDENTITY e.1: by the session, and by the person; again it changes nothing.
func TestLogout(t *testing.T) {
	for name, others := range map[string]map[string]any{"by the session": {"sub": nil}, "by the person": {"sid": nil}, "by both": nil,
		"of several audiences": {"aud": []string{"x", client}}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.token(others)
			for range 2 {
				w.post(t, w.path(), form(token), http.StatusOK)
				if n := w.live(); n != 0 {
					t.Fatalf("%d sessions are left", n)
				}
			}
		})
	}
	w := newWorld(t)
	w.post(t, "/orgs/acme/connections/"+w.connection.ID+"/backchannel-logout", form(w.token(nil)), http.StatusOK)
	if n := w.live(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	// Nobody learns who exists.
	w.post(t, w.path(), form(w.token(map[string]any{"sub": "nobody", "sid": nil})), http.StatusOK)
	w.post(t, w.path(), form(w.token(map[string]any{"sub": nil, "sid": "nothing"})), http.StatusOK)
	// A jti that was used, with another body.
	w.post(t, w.path(), form(w.token(map[string]any{"jti": "again"})), http.StatusOK)
	w.post(t, w.path(), form(w.token(map[string]any{"jti": "again", "sid": "s2"})), http.StatusBadRequest)
}

// Providers that do not say logout+jwt are taken: Auth0 and Keycloak say JWT.
func TestTypes(t *testing.T) {
	for _, headers := range [][]string{nil, {"typ", "JWT"}, {"typ", "application/logout+jwt"}} {
		w := newWorld(t)
		w.post(t, w.path(), form(sign(t, jose.RS256, w.key, "k", w.claims(nil), headers...)), http.StatusOK)
		if n := w.live(); n != 0 {
			t.Errorf("%v: %d sessions are left", headers, n)
		}
	}
}

// Each attack is refused, and ann stays logged in. What go-oidc refuses is refused here too, and more.
func TestAttacks(t *testing.T) {
	w := newWorld(t)
	public, err := x509.MarshalPKIXPublicKey(w.key.Public())
	must(t, err)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	payload, err := json.Marshal(w.claims(nil))
	must(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	now := w.backend.Now() / 1e9
	typed := func(typ string, others map[string]any) string {
		return sign(t, jose.RS256, w.key, "k", w.claims(others), "typ", typ)
	}
	reference := oidc.NewVerifier(w.provider, sources{w.keys.Issuer(w.provider)}, &oidc.Config{ClientID: client})
	for name, c := range map[string]struct {
		token  string
		theirs bool // go-oidc takes it
	}{
		"alg none":               {encode([]byte(`{"alg":"none","typ":"logout+jwt"}`)) + "." + encode(payload) + ".", false},
		"HS256 of a public key":  {sign(t, jose.HS256, secret, "k", w.claims(nil), "typ", "logout+jwt"), false},
		"another algorithm":      {sign(t, jose.PS256, w.key, "k", w.claims(nil), "typ", "logout+jwt"), false},
		"another key":            {sign(t, jose.RS256, teststore.RSAKey(1), "k", w.claims(nil), "typ", "logout+jwt"), false},
		"a SET":                  {typed("secevent+jwt", nil), true},
		"of GTR":                 {typed("global-token-revocation+jwt", nil), true},
		"an access token":        {typed("at+jwt", nil), true},
		"an ID token":            {typed("JWT", map[string]any{"events": nil}), false},
		"a nonce":                {w.token(map[string]any{"nonce": "x"}), false},
		"an empty nonce":         {w.token(map[string]any{"nonce": ""}), false},
		"another issuer":         {w.token(map[string]any{"iss": "https://other.test"}), false},
		"the issuer and a slash": {w.token(map[string]any{"iss": w.provider + "/"}), false},
		"no issuer":              {w.token(map[string]any{"iss": nil}), false},
		"another audience":       {w.token(map[string]any{"aud": "x"}), false},
		"no audience":            {w.token(map[string]any{"aud": nil}), false},
		"no iat":                 {w.token(map[string]any{"iat": nil}), true},
		"iat ahead":              {w.token(map[string]any{"iat": now + 300}), true},
		"old iat":                {w.token(map[string]any{"iat": now - 3600}), true},
		"no exp":                 {w.token(map[string]any{"exp": nil}), false},
		"expired":                {w.token(map[string]any{"exp": now - 300}), false},
		"exp far ahead":          {w.token(map[string]any{"exp": now + 86400}), true},
		"no jti":                 {w.token(map[string]any{"jti": nil}), false},
		"neither sub nor sid":    {w.token(map[string]any{"sub": nil, "sid": nil}), false},
		"no events":              {w.token(map[string]any{"events": nil}), false},
		"another event":          {w.token(map[string]any{"events": map[string]any{"x": map[string]any{}}}), false},
		"an event that is none":  {w.token(map[string]any{"events": map[string]any{backchannel.Event: 1}}), true},
		"a sub that is no text":  {w.token(map[string]any{"sub": 1}), false},
		"a jti of 2 KiB":         {w.token(map[string]any{"jti": strings.Repeat("x", 2<<10)}), true},
		"no JWT":                 {"x", false},
		"empty":                  {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			w.post(t, w.path(), form(c.token), http.StatusBadRequest)
			if _, err := reference.VerifyLogout(t.Context(), c.token); (err == nil) != c.theirs {
				t.Errorf("go-oidc: %v", err)
			}
		})
	}
	good := w.token(nil)
	if _, err := reference.VerifyLogout(t.Context(), good); err != nil {
		t.Error(err)
	}
	unknown := w.post(t, backchannel.Prefix+"c01m824qgqx05kcwex3kxbcecwz", form(good), http.StatusBadRequest)
	if known := w.post(t, w.path(), form(w.token(map[string]any{"iss": "https://other.test"})), http.StatusBadRequest); known != unknown {
		t.Errorf("a connection that is not there is told from another: %s, %s", known, unknown)
	}
	w.post(t, "/orgs/beta/connections/"+w.connection.ID+"/backchannel-logout", form(good), http.StatusBadRequest)
	w.post(t, w.path(), form(good)+"&"+form(good), http.StatusBadRequest)
	w.post(t, w.path(), "logout_token="+strings.Repeat("x", 30<<10), http.StatusBadRequest)
	w.send(t, w.path(), "application/json", `{"logout_token":"x"}`, http.StatusBadRequest)
	if w.live() != 1 {
		t.Fatal("ann was logged out")
	}
	w.post(t, w.path(), form(good), http.StatusOK)
}

// sources lets go-oidc judge signatures by the keys of package keyset.
type sources struct{ keyset.Source }

func (s sources) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return s.Source.VerifySignature(ctx, jwt)
}

// IDENTITY b.5: who sends key ids that nobody knows does not make the server ask the provider.
func TestKeyFetches(t *testing.T) {
	w := newWorld(t)
	w.post(t, w.path(), form(w.token(map[string]any{"iss": "https://other.test"})), http.StatusBadRequest)
	if n := w.asked.Load(); n != 0 {
		t.Errorf("asked %d times by a stranger", n)
	}
	w.post(t, w.path(), form(w.token(nil)), http.StatusOK)
	before := w.asked.Load()
	for i := range 20 {
		w.post(t, w.path(), form(sign(t, jose.RS256, teststore.RSAKey(1), fmt.Sprint("x", i), w.claims(nil))), http.StatusServiceUnavailable)
	}
	if n := w.asked.Load() - before; n > 3 {
		t.Errorf("asked %d times for unknown keys", n)
	}
	w.set(func(o *identity.OIDCIssuer) { o.KeysURL = w.provider + "/none" })
	w.post(t, w.path(), form(w.token(nil)), http.StatusServiceUnavailable)
}

// A provider that signs by a new key right after its keys were fetched is told to send the logout token again, since
// it would take a refusal for the last word. A key that the next set lacks too is refused.
func TestKeyOfARotation(t *testing.T) {
	w := newWorld(t)
	w.post(t, w.path(), form(w.token(map[string]any{"sub": "nobody", "sid": nil})), http.StatusOK)
	by := func(key *rsa.PrivateKey, id string) string {
		return form(sign(t, jose.RS256, key, id, w.claims(nil), "typ", "logout+jwt"))
	}
	rotated, forged := by(teststore.RSAKey(1), "k2"), by(teststore.RSAKey(0), "k3")
	w.publish(jose.JSONWebKey{Key: w.key.Public(), KeyID: "k", Use: "sig"}, jose.JSONWebKey{Key: teststore.RSAKey(1).Public(), KeyID: "k2", Use: "sig"})
	w.post(t, w.path(), rotated, http.StatusServiceUnavailable)
	w.post(t, w.path(), forged, http.StatusServiceUnavailable)
	if w.live() != 1 {
		t.Fatal("ann was logged out by a key that nobody has published yet")
	}
	w.late.Store(int64(time.Minute))
	w.post(t, w.path(), forged, http.StatusBadRequest)
	w.post(t, w.path(), rotated, http.StatusOK)
	if w.live() != 0 {
		t.Error("ann is logged in after a logout token by the new key")
	}
}

// However a logout token is bent, nobody is logged out by what the provider has not signed.
func FuzzLogout(f *testing.F) {
	w := newWorld(f)
	f.Add(form(sign(f, jose.RS256, teststore.RSAKey(1), "k", w.claims(nil), "typ", "logout+jwt")))
	f.Add(form(w.token(map[string]any{"aud": "x"})))
	f.Add("logout_token=e30.e30.")
	f.Add("logout_token=a&logout_token=b")
	f.Fuzz(func(t *testing.T, body string) {
		answer, err := http.Post(w.url+w.path(), "application/x-www-form-urlencoded", strings.NewReader(body))
		must(t, err)
		defer answer.Body.Close()
		if s := answer.StatusCode; s != http.StatusBadRequest && s != http.StatusServiceUnavailable { // the latter for keys to come
			t.Errorf("got %d", s)
		}
	})
}
