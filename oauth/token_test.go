package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/oauth"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func TestSecret(t *testing.T) {
	w := newWorld(t, nil)
	c, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	text, _ := w.post("client_id", c.ID, "client_secret", secret).token()
	w.opens(w.connection.ID, text, true)
	byHeader := func(authorization string, pairs ...string) reply {
		return w.send(http.MethodPost, oauth.TokenPath, form(pairs...), "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8",
			"Authorization", authorization)
	}
	text, _ = byHeader(basic(c.ID, secret)).token()
	w.opens(w.connection.ID, text, true)
	byHeader(basic(c.ID, secret), "client_id", c.ID).token()
	for _, wrong := range []string{basic(c.ID, "x"), basic("x", secret), basic(c.ID, ""), "Bearer " + secret, "Basic ?", basic(c.ID, secret+" ")} {
		byHeader(wrong).refused(http.StatusUnauthorized, "invalid_client")
	}
	byHeader(basic(c.ID, secret), "client_id", "x").refused(http.StatusBadRequest, "invalid_request")
	byHeader(basic(c.ID, secret), "client_secret", secret).refused(http.StatusBadRequest, "invalid_request")
	w.post("client_id", c.ID).refused(http.StatusUnauthorized, "invalid_client")
	// The secret is no token.
	w.opens(w.connection.ID, secret, false)
}

// Secrets are rotated without a gap: another client is made while the first one lives.
func TestRotatedSecret(t *testing.T) {
	w := newWorld(t, nil)
	first, old := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	byOld, _ := w.post("client_id", first.ID, "client_secret", old).token()
	second, next := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	byNext, _ := w.post("client_id", second.ID, "client_secret", next).token()
	w.opens(w.connection.ID, byOld, true)
	w.post("client_id", first.ID, "client_secret", next).refused(http.StatusUnauthorized, "invalid_client")
	if _, err := w.service.DeleteClient(w.operator(), store, w.connection.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	w.opens(w.connection.ID, byOld, false)
	w.opens(w.connection.ID, byNext, true)
	w.post("client_id", first.ID, "client_secret", old).refused(http.StatusUnauthorized, "invalid_client")
	w.post("client_id", second.ID, "client_secret", next).token()
}

// IDENTITY d.6: the draft demands a JWT of RFC 7523, which stands in the body, and HTTP Basic without
// credentials in the body. In the strict dialect either way is taken, and a secret in the body is not.
func TestStrictDialect(t *testing.T) {
	w := newWorld(t, nil)
	c, secret := w.client(w.strict.ID, identity.Client{Method: identity.ClientSecret})
	w.post("client_id", c.ID, "client_secret", secret).refused(http.StatusUnauthorized, "invalid_client")
	text, _ := w.send(http.MethodPost, oauth.TokenPath, form(), "Content-Type", "application/x-www-form-urlencoded",
		"Authorization", basic(c.ID, secret)).token()
	w.opens(w.strict.ID, text, true)
	signer, key := w.signer(w.strict.ID)
	text, _ = w.asserted(sign(t, jose.EdDSA, key, "k", w.claims(signer.ID, nil))).token()
	w.opens(w.strict.ID, text, true)
}

func TestScopes(t *testing.T) {
	w := newWorld(t, nil)
	all, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	for asked, want := range map[string]string{
		"":                            "scim",
		"scim":                        "scim",
		"users:r":                     "users:r",
		"groups:w users:w":            "groups:w users:w",
		"users:r users:r":             "users:r",
		"scim users:r":                "scim",
		"admin":                       "invalid_scope",
		"scim admin":                  "invalid_scope",
		"https://graph.test/.default": "invalid_scope",
	} {
		r := w.post("client_id", all.ID, "client_secret", secret, "scope", asked)
		w.backend.Ahead.Add(1e9)
		if want == "invalid_scope" {
			r.refused(http.StatusBadRequest, want)
			continue
		}
		if _, got := r.token(); got != want {
			t.Errorf("%q: got %q, want %q", asked, got, want)
		}
	}
	some, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret, Scopes: []identity.Scope{identity.ScopeUsersRead}})
	w.post("client_id", some.ID, "client_secret", secret, "scope", "users:w").refused(http.StatusBadRequest, "invalid_scope")
	text, scope := w.post("client_id", some.ID, "client_secret", secret, "scope", "scim").token()
	if scope != "users:r" {
		t.Errorf("got %q", scope)
	}
	_, d, err := w.service.Directory(t.Context(), w.connection.ID, "Bearer "+text)
	if err != nil || d.Allow(identity.ScopeUsersRead) != nil || d.Allow(identity.ScopeUsersWrite) == nil {
		t.Errorf("the token does not have the scope of its client: %v", err)
	}
	w.post("client_id", some.ID, "client_secret", secret, "resource", public+prefix+w.connection.ID).token()
	w.post("client_id", some.ID, "client_secret", secret, "resource", public+prefix+w.strict.ID).refused(http.StatusBadRequest, "invalid_target")
}

func TestRequests(t *testing.T) {
	w := newWorld(t, nil)
	c, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	good := form("client_id", c.ID, "client_secret", secret)
	const kind = "application/x-www-form-urlencoded"
	for _, test := range []struct {
		name, path, body, kind string
		status                 int
		code                   string
	}{
		{"no grant", oauth.TokenPath, "client_id=x", kind, 400, "invalid_request"},
		{"another grant", oauth.TokenPath, "grant_type=password", kind, 400, "unsupported_grant_type"},
		{"a parameter twice", oauth.TokenPath, good + "&client_id=x", kind, 400, "invalid_request"},
		{"in the URL", oauth.TokenPath + "?" + good, "grant_type=client_credentials", kind, 400, "invalid_request"},
		{"JSON", oauth.TokenPath, "{}", "application/json", 400, "invalid_request"},
		{"no type", oauth.TokenPath, good, "", 400, "invalid_request"},
		{"no form", oauth.TokenPath, "%zz", kind, 400, "invalid_request"},
		{"too large", oauth.TokenPath, "grant_type=" + strings.Repeat("x", 40<<10), kind, 413, "invalid_request"},
		{"no client", oauth.TokenPath, "grant_type=client_credentials", kind, 401, "invalid_client"},
		{"two ways", oauth.TokenPath, good + "&client_assertion=x&client_assertion_type=y", kind, 400, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer w.in(t)()
			w.send(http.MethodPost, test.path, test.body, "Content-Type", test.kind).refused(test.status, test.code)
		})
	}
	if got := w.send(http.MethodGet, oauth.TokenPath, ""); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", got.status)
	}
	for _, path := range []string{oauth.TokenPath + "/", oauth.TokenPath + "x", oauth.MetadataPath + "/", oauth.MetadataPath + "x",
		oauth.MetadataPath + prefix, oauth.MetadataPath + prefix + "a/b", oauth.MetadataPath + prefix + "a%2fb"} {
		if got := w.send(http.MethodGet, path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// IDENTITY d.6, AL-AUTH-3: the metadata of RFC 8414, for the server and for each connection as issuer.
func TestMetadata(t *testing.T) {
	w := newWorld(t, nil)
	for path, issuer := range map[string]string{
		oauth.MetadataPath: public,
		oauth.MetadataPath + prefix + w.connection.ID:         public + prefix + w.connection.ID,
		oauth.MetadataPath + prefix + "c" + w.strict.ID[1:27]: public + prefix + w.strict.ID,
	} {
		r := w.send(http.MethodGet, path, "", "Host", "evil.test")
		var got struct {
			Issuer     string   `json:"issuer"`
			Token      string   `json:"token_endpoint"`
			Methods    []string `json:"token_endpoint_auth_methods_supported"`
			Algorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`
			Grants     []string `json:"grant_types_supported"`
			Responses  []string `json:"response_types_supported"`
			Scopes     []string `json:"scopes_supported"`
		}
		if err := json.Unmarshal(r.body, &got); err != nil || r.status != http.StatusOK || r.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s, %v", path, r.status, r.body, err)
		}
		if got.Issuer != issuer || got.Token != public+"/oauth/token" || !slices.Equal(got.Methods, []string{"private_key_jwt", "client_secret_basic", "client_secret_post"}) ||
			!slices.Equal(got.Algorithms, []string{"RS256", "PS256", "ES256", "EdDSA"}) || !slices.Equal(got.Grants, []string{"client_credentials"}) ||
			got.Responses == nil || !slices.Contains(got.Scopes, "scim") || !slices.Contains(got.Scopes, "users:w") {
			t.Errorf("%s: got %s", path, r.body)
		}
	}
	if r := w.send(http.MethodHead, oauth.MetadataPath, ""); r.status != http.StatusOK || len(r.body) != 0 {
		t.Errorf("HEAD: %d, %q", r.status, r.body)
	}
	if r := w.send(http.MethodPost, oauth.MetadataPath, ""); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.status)
	}
}

// A client that asks for token after token is slowed down, and its neighbour is not.
func TestRate(t *testing.T) {
	stopped := time.Now().UnixNano()
	w := newWorld(t, func(o *oauth.Options, _ *egress.Options) { o.Now = func() int64 { return stopped } })
	c, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	other, otherSecret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret})
	limited := false
	for range 20 {
		r := w.post("client_id", c.ID, "client_secret", secret)
		if r.status == http.StatusTooManyRequests {
			r.refused(http.StatusTooManyRequests, "temporarily_unavailable")
			if r.header.Get("Retry-After") == "" {
				t.Error("it is not said when to come back")
			}
			limited = true
			break
		}
		r.token()
	}
	if !limited {
		t.Error("a client got 20 tokens at once")
	}
	w.post("client_id", other.ID, "client_secret", otherSecret).token()
	// Whoever guesses a client's secret does not use up what the client may ask for.
	for range 30 {
		w.post("client_id", other.ID, "client_secret", "x").refused(http.StatusUnauthorized, "invalid_client")
	}
	w.post("client_id", other.ID, "client_secret", otherSecret).token()
}
