package issuer_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/jws"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/raftstore"
)

const store = "S"

// world is a Handler over a real store in memory, behind a server that answers at its public URL.
type world struct {
	t       *testing.T
	service *identity.Service
	url     string // the public URL
}

func newWorld(t *testing.T) *world {
	t.Helper()
	opened := teststore.Open(t, raftstore.Options{Dir: "data", FS: vfs.NewMem()}, store, "T")
	w := &world{t: t, service: identity.New(opened, identity.Options{})}
	var h *issuer.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if issuer.Takes(r.URL.Path) {
			h.ServeHTTP(rw, r)
			return
		}
		http.Error(rw, "another handler's", http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	h = issuer.New(issuer.Options{Keys: w.service, PublicURL: w.url})
	return w
}

func (w *world) operator() context.Context {
	return teststore.Operator(w.t)
}

func (w *world) get(path string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

func (w *world) token(l issuer.Logout, a jws.Algorithm) string {
	w.t.Helper()
	text, err := l.Token(w.t.Context(), w.service, w.url, store, a, time.Now().UnixNano())
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// IDENTITY e.1: an application that trusts our issuer takes our logout tokens, through a change of keys, by a
// library that shares no code with us.
func TestLogoutTokens(t *testing.T) {
	w := newWorld(t)
	provider, err := oidc.NewProvider(t.Context(), issuer.Of(w.url, store))
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: "portal"})
	l := issuer.Logout{ID: "01M8", Audience: "portal", User: "u1", Session: "acme/s1"}
	for _, change := range []func() error{
		func() error { return nil },
		func() error { _, err := w.service.RotateSigningKey(w.operator(), store, jws.RS256, true); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		for _, a := range jws.Algorithms() {
			got, err := verifier.VerifyLogout(t.Context(), w.token(l, a))
			if err != nil {
				t.Fatalf("%s: %v", a, err)
			}
			if got.Issuer != w.url+"/stores/S" || got.TokenID != l.ID || got.Subject != l.User || got.SessionID != l.Session ||
				len(got.Audience) != 1 || got.Audience[0] != "portal" || got.Expiry.Sub(got.IssuedAt) != 2*time.Minute {
				t.Errorf("%s: got %+v", a, got)
			}
		}
	}
	l.Session = ""
	if got, err := verifier.VerifyLogout(t.Context(), w.token(l, jws.RS256)); err != nil || got.SessionID != "" || got.Subject != "u1" {
		t.Errorf("of all sessions: got %+v, %v", got, err)
	}
	// It is no ID token, and good for nobody else.
	text := w.token(l, jws.RS256)
	if jwt, err := keyset.ParseJWT(text); err != nil || jwt.Type() != "logout+jwt" {
		t.Errorf("got %v, %v", jwt, err)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "wiki"}).VerifyLogout(t.Context(), text); err == nil {
		t.Error("another application takes it")
	}
	other, err := l.Token(t.Context(), w.service, w.url, "T", jws.RS256, time.Now().UnixNano())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.VerifyLogout(t.Context(), other); err == nil {
		t.Error("a token of another store is taken")
	}
	if _, err := l.Token(t.Context(), w.service, "", store, jws.RS256, 1); !errors.Is(err, issuer.ErrNoURL) {
		t.Errorf("a server without a URL: %v", err)
	}
}

// getter asks as package egress does.
type getter struct{}

func (getter) Get(ctx context.Context, url, accept string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// Another Ostiary finds our keys by our issuer.
func TestKeysAreFoundByIssuer(t *testing.T) {
	w := newWorld(t)
	cache := keyset.NewCache(getter{}, keyset.Options{})
	defer cache.Close()
	text := w.token(issuer.Logout{ID: "1", Audience: "a", User: "u"}, jws.ES256)
	if _, err := cache.Issuer(issuer.Of(w.url, store)).VerifySignature(t.Context(), text); err != nil {
		t.Error(err)
	}
}

// What is published may be kept for an hour, and asked for again without being sent.
func TestPublished(t *testing.T) {
	w := newWorld(t)
	resp, body := w.get("/stores/S/jwks.json")
	if resp.StatusCode != http.StatusOK || body != `{"keys":[]}` {
		t.Errorf("a store that has never signed: %d %s", resp.StatusCode, body)
	}
	for _, a := range jws.Algorithms() {
		if _, err := w.service.Signer(t.Context(), store, a); err != nil {
			t.Fatal(err)
		}
	}
	resp, body = w.get("/stores/S/jwks.json")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("got %s, %v", body, err)
	}
	for _, k := range set.Keys {
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if k[secret] != "" {
				t.Errorf("%s is published of %s", secret, k["kid"])
			}
		}
	}
	tag := resp.Header.Get("ETag")
	if resp.Header.Get("Cache-Control") != "public, max-age=3600" || resp.Header.Get("Content-Type") != "application/jwk-set+json" || tag == "" {
		t.Errorf("got %v", resp.Header)
	}
	for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if again, body := w.get("/stores/S/jwks.json", "If-None-Match", header); again.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s: got %d %s", header, again.StatusCode, body)
		}
	}
	if _, err := w.service.RotateSigningKey(w.operator(), store, jws.ES256, false); err != nil {
		t.Fatal(err)
	}
	if again, _ := w.get("/stores/S/jwks.json", "If-None-Match", tag); again.StatusCode != http.StatusOK {
		t.Errorf("after a change of keys: got %d", again.StatusCode)
	}
	for path, want := range map[string]int{
		"/stores/nowhere/jwks.json": http.StatusNotFound, "/stores/nowhere/.well-known/openid-configuration": http.StatusNotFound,
		"/stores/S/.well-known/openid-configuration": http.StatusOK,
		"/stores/S": http.StatusTeapot, "/stores/S/jwks.json/x": http.StatusTeapot, "/stores//jwks.json": http.StatusTeapot, "/stores/S/check": http.StatusTeapot,
	} {
		if resp, _ := w.get(path); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
	post, err := http.Post(w.url+"/stores/S/jwks.json", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	post.Body.Close()
	if post.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %d", post.StatusCode)
	}
}

// A server that does not know its own URL is no issuer.
func TestServerWithoutURL(t *testing.T) {
	w := newWorld(t)
	h := issuer.New(issuer.Options{Keys: w.service})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/stores/S/.well-known/openid-configuration", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("got %d", rec.Code)
	}
}
