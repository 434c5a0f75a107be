package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/api"
)

// openIDProvider is an OpenID provider over HTTP, which signs ID tokens for the application "portal".
type openIDProvider struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newOpenIDProvider(t *testing.T) *openIDProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &openIDProvider{t: t, key: key}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
		case "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "e", Use: "sig"}}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// token is an ID token for a subject, with changed claims.
func (p *openIDProvider) token(subject string, changes map[string]any) string {
	p.t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{"iss": p.URL, "sub": subject, "aud": "portal", "iat": now, "exp": now + 300, "auth_time": now}
	maps.Copy(claims, changes)
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", "e").WithType("JWT"))
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

// tokenIn returns the text of a token in what a command printed.
func tokenIn(printed string) string {
	return regexp.MustCompile(`ostiary_[\w-]{43}`).FindString(printed)
}

// A person logs in by an ID token, asks by the session, and is refused with a reason that the application can tell.
func TestSessionLogin(t *testing.T) {
	provider := newOpenIDProvider(t)
	grpcAddr, url := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) {
		o.egressAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return strings.TrimSpace(out + err)
	}
	wants := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	folder := filepath.Join(t.TempDir(), "model")
	run(exitDone, "org", "init", folder)
	store := run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	var made struct {
		Connection struct{ ID string }
	}
	answer, err := http.Post(url+"/ostiary/v1/stores/"+store+"/organizations/acme/connections", "application/json", strings.NewReader(`{"name":"IdP","kind":"generic"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || made.Connection.ID == "" {
		t.Fatalf("connection: %+v, %v", made, err)
	}
	connection := made.Connection.ID
	// login posts an ID token, and returns the status, the reason and the session.
	login := func(token string, more map[string]any) (int, string, map[string]any) {
		t.Helper()
		request := map[string]any{"id_token": token}
		maps.Copy(request, more)
		body, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(url+"/ostiary/v1/stores/"+store+"/connections/"+connection+"/sessions", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var said struct{ Session map[string]any }
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header.Get("ostiary-reason"), said.Session
	}
	refused := func(what, token string, more map[string]any, wantStatus int, wantReason string) {
		t.Helper()
		if status, reason, _ := login(token, more); status != wantStatus || reason != wantReason {
			t.Errorf("%s: status %d, reason %q; want %d, %q", what, status, reason, wantStatus, wantReason)
		}
	}
	refused("without a provider", provider.token("s-1", nil), nil, http.StatusNotFound, "")
	set := []string{"connection", "oidc", "set", connection, "--issuer", provider.URL, "--client-id", "portal", "--alg", "ES256"}
	wants(run(exitDone, set...), "nobody can log in for the first time")
	refused("a stranger", provider.token("s-1", nil), nil, http.StatusForbidden, "subject_unknown")
	run(exitDone, append(set, "--just-in-time")...)

	status, _, session := login(provider.token("s-1", map[string]any{"acr": "urn:mfa", "nonce": "n-1"}), map[string]any{"nonce": "n-1", "device_id": "d-1"})
	if status != http.StatusOK || session["client_id"] != "portal" || session["acr"] != "urn:mfa" || session["device_id"] != "d-1" {
		t.Fatalf("logged in: %d, %v", status, session)
	}
	ann := session["user_id"].(string)
	file := filepath.Join(t.TempDir(), "token.jwt")
	if err := os.WriteFile(file, []byte(provider.token("s-1", nil)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := run(exitDone, "session", "login", connection, "--id-token-file", file, "--client", "mobile", "--max-age", "5m")
	wants(run(exitDone, "session", "show", second, "--output", "json"), ann)
	run(exitDone, "tuple", "write", "document:1#viewer@user:"+ann)
	run(exitDone, "session", "subjects", "on")
	run(exitDone, "check", "document:1#viewer@session:"+second)
	asker := tokenIn(run(exitDone, "connection", "token", "create", connection, "--scopes", "introspect", "--output", "json"))
	introspect := func() (said map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/introspect/"+connection, strings.NewReader("token="+second))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+asker)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return said
	}
	if said := introspect(); said["active"] != true || said["sub"] != ann || said["client_id"] != "mobile" {
		t.Errorf("introspected: %v", said)
	}

	refused("another nonce", provider.token("s-1", map[string]any{"nonce": "n-1"}), map[string]any{"nonce": "n-2"}, http.StatusForbidden, "id_token_refused")
	refused("another application", provider.token("s-1", map[string]any{"aud": "shop"}), nil, http.StatusForbidden, "id_token_refused")
	refused("no JWT", "x", nil, http.StatusForbidden, "id_token_refused")
	refused("an age of nothing", provider.token("s-1", nil), map[string]any{"max_age": "0s"}, http.StatusBadRequest, "")
	before := provider.token("s-1", nil)
	run(exitDone, "session", "revoke", ann, "--org", "acme")
	run(exitDenied, "check", "document:1#viewer@session:"+second)
	if said := introspect(); said["active"] != false || len(said) != 1 {
		t.Errorf("introspected after a revocation: %v", said)
	}
	refused("an ID token of before", before, nil, http.StatusForbidden, "reauthenticate")
	wants(run(exitFailed, "session", "login", connection, "--id-token-file", file), "authenticate again")
	run(exitDone, "user", "block", ann, "--org", "acme")
	refused("who is blocked", provider.token("s-1", map[string]any{"auth_time": time.Now().Unix() + 30}), nil, http.StatusForbidden, "subject_disabled")
	wants(run(exitUsage, "session", "login", connection), "--id-token-file")
	provider.Close()
	run(exitDone, append(set, "--jwks-uri", provider.URL+"/others")...)
	refused("keys that cannot be had", provider.token("s-1", nil), nil, http.StatusServiceUnavailable, "")
	wants(run(exitDone, "org", "verify", "acme"), "everything agrees")
}
