package receiver_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/ssf"
	"github.com/ostiary/ostiary/ssf/receiver"
)

const (
	store    = "S"
	audience = "https://authz.test"
	subject  = "00u1"
)

// world is a Handler over a real store in memory: organization acme with a connection, its transmitter, and ann, who
// is logged in.
type world struct {
	t          testing.TB
	backend    *teststore.Backend
	service    *identity.Service
	connection identity.Connection
	options    receiver.Options
	client     *egress.Client
	observed   observer
	url        string
	provider   string // URL of a transmitter, which answers with what pages hold
	pages      sync.Map
	asked      atomic.Int64 // requests to provider
	key        *rsa.PrivateKey
	ann        identity.User
	count      atomic.Int64
}

// observer counts what it is told.
type observer struct {
	mu       sync.Mutex
	outcomes map[string]int
	polls    map[bool]int
}

func (o *observer) Received(way, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes[way+" "+outcome]++
}

func (o *observer) Polled(ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.polls[ok]++
}

func (o *observer) polled(ok bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.polls[ok]
}

func (o *observer) seen(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.outcomes[what]
}

func newWorld(t testing.TB) *world {
	t.Helper()
	opened := teststore.Open(t, raftstore.Options{Dir: "data", FS: vfs.NewMem()}, store)
	w := &world{t: t, backend: opened, key: teststore.RSAKey(0), observed: observer{outcomes: map[string]int{}, polls: map[bool]int{}}}
	w.service = identity.New(w.backend, identity.Options{})
	if _, err := w.service.CreateOrganization(w.operator(), store, "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	w.connection = w.connect()

	provider := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		if page, there := w.pages.Load(r.URL.Path); there {
			page.(func(http.ResponseWriter, *http.Request))(rw, r)
			return
		}
		http.NotFound(rw, r)
	}))
	t.Cleanup(provider.Close)
	w.provider = provider.URL
	w.page("/.well-known/ssf-configuration", func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(map[string]string{"spec_version": "1_0", "issuer": w.provider, "jwks_uri": w.provider + "/keys"})
	})
	set := jwks(t, w.key, "k")
	w.page("/keys", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(set) })
	roots := x509.NewCertPool()
	roots.AddCert(provider.Certificate())
	w.client = egress.New(egress.Options{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(w.client.Close)
	w.options = receiver.Options{Service: w.service, Keys: keyset.NewCache(w.client, keyset.Options{}), Observer: &w.observed, Now: opened.Now}
	t.Cleanup(w.options.Keys.Close)
	mux := http.NewServeMux()
	mux.Handle("/", receiver.New(w.options))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.set(nil, identity.SignalSecrets{})
	w.ann = w.person("ann", subject)
	w.logIn()
	return w
}

func (w *world) page(path string, answer func(http.ResponseWriter, *http.Request)) {
	w.pages.Store(path, answer)
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

func (w *world) connect() identity.Connection {
	w.t.Helper()
	c, err := w.service.CreateConnection(w.operator(), identity.Connection{Store: store, Organization: "acme", Name: "Okta", Kind: identity.KindOkta})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// set sets whose SETs the connection takes.
func (w *world) set(change func(*identity.SignalSource), secrets identity.SignalSecrets) {
	w.t.Helper()
	g := identity.SignalSource{Connection: w.connection.ID, Issuer: w.provider, Audience: []string{audience}}
	if change != nil {
		change(&g)
	}
	if _, err := w.service.SetSignalSource(w.operator(), store, g, secrets); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) person(name, external string) identity.User {
	w.t.Helper()
	_, text, err := w.service.CreateToken(w.operator(), store, w.connection.ID, identity.Token{Name: "t"})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, d, err := w.service.Directory(w.t.Context(), w.connection.ID, "Bearer "+text)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := d.CreateUser(ctx, identity.UserInput{UserName: name, ExternalID: external, Emails: []string{name + "@acme.test"}, Active: true, Body: []byte("{}")})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) logIn() identity.Session {
	w.t.Helper()
	made, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{Organization: "acme", User: w.ann.ID, AuthNanos: w.backend.Now()})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// live counts ann's sessions.
func (w *world) live() int {
	w.t.Helper()
	all, err := w.service.Sessions(w.t.Context(), store, identity.SessionFilter{User: w.ann.ID}, "", 1_000)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(all)
}

func jwks(t testing.TB, key crypto.Signer, id string) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: id, Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claims are those of a SET that revokes ann's sessions, with others in their place; nil leaves one out.
func (w *world) claims(others map[string]any) map[string]any {
	all := map[string]any{"iss": w.provider, "aud": audience, "iat": w.backend.Now() / 1e9, "jti": fmt.Sprint("jti-", w.count.Add(1)),
		"events": map[string]any{ssf.EventSessionRevoked: map[string]any{"event_timestamp": w.backend.Now() / 1e9}},
		"sub_id": map[string]any{"format": "iss_sub", "iss": w.provider, "sub": subject}}
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign makes a JWT. Headers are names and values in turn.
func sign(t testing.TB, a jose.SignatureAlgorithm, key any, kid string, claims any, headers ...any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	for i := 0; i < len(headers); i += 2 {
		o = o.WithHeader(jose.HeaderKey(headers[i].(string)), headers[i+1])
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, isText := claims.([]byte)
	if !isText {
		if payload, err = json.Marshal(claims); err != nil {
			t.Fatal(err)
		}
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

// jwt makes a good SET, but for others among its claims.
func (w *world) jwt(others map[string]any) string {
	w.t.Helper()
	return sign(w.t, jose.RS256, w.key, "k", w.claims(others), "typ", ssf.Type)
}

func (w *world) path() string { return receiver.Prefix + w.connection.ID }

func (w *world) longPath() string { return "/orgs/acme/connections/" + w.connection.ID + "/signals" }

// reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// push sends a SET. Headers are names and values in turn.
func (w *world) push(path, set string, headers ...string) reply {
	w.t.Helper()
	return w.send(http.MethodPost, path, set, append([]string{"Content-Type", ssf.ContentType, "Accept", "application/json"}, headers...)...)
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

// want checks the status of an answer, and the code that goes with a refusal.
func (r reply) want(status int, code string) {
	r.t.Helper()
	var said struct {
		Code        string `json:"err"`
		Description string `json:"description"`
	}
	if code != "" {
		if err := json.Unmarshal(r.body, &said); err != nil || said.Description == "" || r.header.Get("Content-Type") != "application/json" {
			r.t.Errorf("body %q, headers %v, %v", r.body, r.header, err)
		}
	} else if status == http.StatusAccepted && len(r.body) > 0 {
		r.t.Errorf("body %q", r.body)
	}
	if r.status != status || said.Code != code || r.header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("got %d %q, %s, want %d %q", r.status, said.Code, r.body, status, code)
	}
	if bytes.Contains(r.body, []byte(subject)) {
		r.t.Errorf("it repeats what was sent: %s", r.body)
	}
}
