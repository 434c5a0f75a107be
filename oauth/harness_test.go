package oauth_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
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

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/oauth"
	"github.com/ostiary/ostiary/raftstore"
)

const (
	store  = "S"
	public = "https://authz.test"
	prefix = "/scim/v2/"
)

// world is a token endpoint over a real store in memory, with two connections.
type world struct {
	t          testing.TB
	backend    *teststore.Backend
	service    *identity.Service
	connection identity.Connection
	strict     identity.Connection
	url        string
	roots      *x509.CertPool // of provider
	provider   string         // URL of an identity provider, which answers with what pages hold
	pages      map[string]http.HandlerFunc
	asked      atomic.Int64 // requests to provider
	assertions atomic.Int64
}

func newWorld(t testing.TB, configure func(*oauth.Options, *egress.Options)) *world {
	t.Helper()
	opened := teststore.Open(t, raftstore.Options{Dir: "data", FS: vfs.NewMem()}, store)
	w := &world{t: t, backend: opened, pages: map[string]http.HandlerFunc{}}
	w.service = identity.New(w.backend, identity.Options{})
	if _, err := w.service.CreateOrganization(w.operator(), store, "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	w.connection, w.strict = w.connect(identity.DialectCompat), w.connect(identity.DialectStrict)

	provider := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		if page := w.pages[r.URL.Path]; page != nil {
			page(rw, r)
			return
		}
		http.NotFound(rw, r)
	}))
	t.Cleanup(provider.Close)
	w.provider = provider.URL
	w.roots = x509.NewCertPool()
	w.roots.AddCert(provider.Certificate())
	e := egress.Options{Roots: w.roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	o := oauth.Options{Service: w.service, SCIMPrefix: prefix, PublicURL: public, Now: w.backend.Now}
	if configure != nil {
		configure(&o, &e)
	}
	client := egress.New(e)
	t.Cleanup(client.Close)
	o.Keys = keyset.NewCache(client, keyset.Options{})
	t.Cleanup(o.Keys.Close)
	server := httptest.NewServer(oauth.New(o))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// in makes t the test that fails, until what it returns is called.
func (w *world) in(t testing.TB) (end func()) {
	outer := w.t
	w.t = t
	return func() { w.t = outer }
}

func (w *world) operator() context.Context {
	return teststore.Operator(w.t)
}

func (w *world) connect(dialect string) identity.Connection {
	w.t.Helper()
	c, err := w.service.CreateConnection(w.operator(), identity.Connection{
		Store: store, Organization: "acme", Name: "IdP", Kind: identity.KindGeneric, Dialect: dialect})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) client(connection string, c identity.Client) (identity.Client, string) {
	w.t.Helper()
	c.Name = "IdP"
	c, secret, err := w.service.CreateClient(w.operator(), store, connection, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return c, secret
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwks(t testing.TB, key crypto.Signer, id string) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// signer makes a client that signs, and returns its key.
func (w *world) signer(connection string) (identity.Client, ed25519.PrivateKey) {
	w.t.Helper()
	key := newKey(w.t)
	c, _ := w.client(connection, identity.Client{Method: identity.ClientKey, Keys: jwks(w.t, key, "k")})
	return c, key
}

// claims are those of a good JWT of a client, with others in their place; nil leaves one out.
func (w *world) claims(client string, others map[string]any) map[string]any {
	now := w.backend.Now() / 1e9
	all := map[string]any{"iss": client, "sub": client, "aud": public + oauth.TokenPath, "exp": now + 300, "iat": now,
		"jti": fmt.Sprint("jti-", w.assertions.Add(1))}
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign makes a JWT. Headers are names and values in turn.
func sign(t testing.TB, a jose.SignatureAlgorithm, key any, kid string, claims any, headers ...any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("kid", kid)
	for i := 0; i < len(headers); i += 2 {
		o = o.WithHeader(jose.HeaderKey(headers[i].(string)), headers[i+1])
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reply is an answer of the endpoint.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// post sends a form: names and values in turn.
func (w *world) post(pairs ...string) reply {
	w.t.Helper()
	return w.send(http.MethodPost, oauth.TokenPath, form(pairs...), "Content-Type", "application/x-www-form-urlencoded")
}

func form(pairs ...string) string {
	values := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// asserted sends a JWT.
func (w *world) asserted(jwt string, pairs ...string) reply {
	w.t.Helper()
	return w.post(append(pairs, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", jwt)...)
}

func (w *world) send(method, path, body string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{w.t, answer.StatusCode, answer.Header, data}
}

// token checks that the answer is a token and returns it.
func (r reply) token() (text, scope string) {
	r.t.Helper()
	var body struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
		Scope       string `json:"scope"`
	}
	if err := json.Unmarshal(r.body, &body); r.status != http.StatusOK || err != nil || body.TokenType != "Bearer" || body.ExpiresIn != 3600 {
		r.t.Fatalf("got %d: %s, %v", r.status, r.body, err)
	}
	if r.header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("the token may be kept: %v", r.header)
	}
	return body.AccessToken, body.Scope
}

// refused checks that the answer is an error, and that nothing else is said in it.
func (r reply) refused(status int, code string) string {
	r.t.Helper()
	var body map[string]string
	if err := json.Unmarshal(r.body, &body); r.status != status || err != nil || body["error"] != code || len(body) != 2 {
		r.t.Errorf("got %d: %s, want %d %s", r.status, r.body, status, code)
	}
	if (status == http.StatusUnauthorized) != (r.header.Get("WWW-Authenticate") != "") || r.header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("headers: %v", r.header)
	}
	for _, c := range body["error_description"] { // RFC 6749, section 5.2
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			r.t.Errorf("the description holds %q: %s", c, r.body)
		}
	}
	return body["error_description"]
}

// opens checks whether a token opens a connection.
func (w *world) opens(connection, text string, want bool) {
	w.t.Helper()
	if _, _, err := w.service.Directory(w.t.Context(), connection, "Bearer "+text); (err == nil) != want {
		w.t.Errorf("got %v", err)
	}
}
