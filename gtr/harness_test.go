package gtr_test

import (
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
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/gtr"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/raftstore"
)

const (
	store   = "S"
	public  = "https://authz.test"
	appID   = "0oa1client"
	subject = "00u1"
	typ     = "global-token-revocation+jwt"
)

// world is a Handler over a real store in memory: organization acme with a connection, its provider, and ann, who
// is logged in.
type world struct {
	t          testing.TB
	backend    *teststore.Backend
	service    *identity.Service
	connection identity.Connection
	url        string
	provider   string // URL of an identity provider, which answers with what pages hold
	pages      map[string]http.HandlerFunc
	asked      atomic.Int64 // requests to provider
	key        *rsa.PrivateKey
	ann        identity.User
	count      atomic.Int64
}

func newWorld(t testing.TB, configure func(*gtr.Options)) *world {
	t.Helper()
	return newWorldIn(t, raftstore.Options{Dir: "data", FS: vfs.NewMem()}, configure)
}

// newWorldIn is newWorld with its data in a folder.
func newWorldIn(t testing.TB, o raftstore.Options, configure func(*gtr.Options)) *world {
	t.Helper()
	opened := teststore.Open(t, o, store)
	w := &world{t: t, backend: opened, pages: map[string]http.HandlerFunc{}, key: teststore.RSAKey(0)}
	w.service = identity.New(w.backend, identity.Options{})
	for _, organization := range []string{"acme", "beta"} {
		if _, err := w.service.CreateOrganization(w.operator(), store, organization, organization); err != nil {
			t.Fatal(err)
		}
	}
	w.connection = w.connect("acme")

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
	w.pages["/.well-known/openid-configuration"] = func(rw http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(rw).Encode(map[string]string{"issuer": w.provider, "jwks_uri": w.provider + "/oauth2/v1/keys"})
	}
	set := jwks(t, w.key, "k")
	w.pages["/oauth2/v1/keys"] = func(rw http.ResponseWriter, _ *http.Request) { rw.Write(set) }
	roots := x509.NewCertPool()
	roots.AddCert(provider.Certificate())
	client := egress.New(egress.Options{Roots: roots, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(client.Close)
	options := gtr.Options{Service: w.service, PublicURL: public, Now: w.backend.Now, Keys: keyset.NewCache(client, keyset.Options{})}
	t.Cleanup(options.Keys.Close)
	if configure != nil {
		configure(&options)
	}
	server := httptest.NewServer(gtr.New(options))
	t.Cleanup(server.Close)
	w.url = server.URL

	w.set(nil)
	w.ann = w.person(w.connection, "ann", subject)
	w.logIn(w.ann)
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

func (w *world) connect(organization string) identity.Connection {
	w.t.Helper()
	c, err := w.service.CreateConnection(w.operator(), identity.Connection{
		Store: store, Organization: organization, Name: "Okta", Kind: identity.KindOkta})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// set sets who signs for the connection.
func (w *world) set(change func(*identity.Revoker)) {
	w.t.Helper()
	r := identity.Revoker{Connection: w.connection.ID, Issuer: w.provider, Subject: appID}
	if change != nil {
		change(&r)
	}
	if _, err := w.service.SetRevoker(w.operator(), store, r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) token(c identity.Connection, scopes ...identity.Scope) string {
	w.t.Helper()
	_, text, err := w.service.CreateToken(w.operator(), store, c.ID, identity.Token{Name: "t", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) person(c identity.Connection, name, external string) identity.User {
	w.t.Helper()
	ctx, d, err := w.service.Directory(w.t.Context(), c.ID, "Bearer "+w.token(c))
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := d.CreateUser(ctx, identity.UserInput{
		UserName: name, ExternalID: external, Emails: []string{name + "@acme.test"}, Active: true, Body: []byte("{}")})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) logIn(u identity.User) identity.Session {
	w.t.Helper()
	made, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{
		Organization: "acme", User: u.ID, AuthNanos: w.backend.Now()})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// live counts the sessions of a person.
func (w *world) live(u identity.User) int {
	w.t.Helper()
	all, err := w.service.Sessions(w.t.Context(), store, identity.SessionFilter{User: u.ID}, "", 1_000)
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

func (w *world) path() string { return gtr.Prefix + w.connection.ID }

func (w *world) longPath() string {
	return "/orgs/acme/connections/" + w.connection.ID + "/global-token-revocation"
}

// claims are those of a JWT as Okta makes it, with others in their place; nil leaves one out.
func (w *world) claims(others map[string]any) map[string]any {
	now := w.backend.Now() / 1e9
	all := map[string]any{"iss": w.provider, "sub": appID, "aud": public + w.path(), "exp": now + 300, "nbf": now - 300, "iat": now,
		"jti": fmt.Sprint("jti-", w.count.Add(1))}
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

// jwt makes a good one, but for others among its claims.
func (w *world) jwt(others map[string]any) string {
	w.t.Helper()
	return sign(w.t, jose.RS256, w.key, "k", w.claims(others), "typ", typ)
}

// reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// post sends a body with what is shown. Headers are names and values in turn.
func (w *world) post(path, shown, body string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if shown != "" {
		r.Header.Set("Authorization", "Bearer "+shown)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) reply {
	w.t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{w.t, answer.StatusCode, answer.Header, string(data)}
}

func (w *world) named(sub string) string {
	return fmt.Sprintf(`{"sub_id":{"format":"iss_sub","iss":%q,"sub":%q}}`, w.provider, sub)
}

// want checks the status of an answer, and what goes with it.
func (r reply) want(status int) {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("got %d: %s, want %d", r.status, r.body, status)
		return
	}
	challenge := r.header.Get("WWW-Authenticate")
	if (status == http.StatusUnauthorized || status == http.StatusForbidden) != (challenge != "") ||
		status == http.StatusUnauthorized && challenge != `Bearer error="invalid_token"` {
		r.t.Errorf("challenge %q", challenge)
	}
	if (status == http.StatusNoContent) != (r.header.Get("Ostiary-Revision") != "" && r.header.Get("Ostiary-Token") != "" && r.body == "") {
		r.t.Errorf("body %q, headers %v", r.body, r.header)
	}
}
