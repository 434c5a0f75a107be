package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/backchannel"
	"github.com/ostiary/ostiary/ssf"
)

// IDENTITY d and e.1: what a provider was set to signal at the command line ends sessions over HTTP, and so does its
// logout token; what was set is shown, but for the secrets.
func TestSignalsOfAProvider(t *testing.T) {
	const public, idp = "https://authz.test", "https://acme.okta.test"
	grpcAddr, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = public })
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return strings.TrimSpace(out + err)
	}
	wants := func(got string, want ...string) {
		t.Helper()
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%q is missing in:\n%s", part, got)
			}
		}
	}
	post := func(path, kind, body string, want int, headers ...string) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want {
			t.Fatalf("%s: got %d %s, %v, want %d", path, answer.StatusCode, data, err, want)
		}
		said := map[string]any{}
		if len(data) > 0 {
			if err := json.Unmarshal(data, &said); err != nil {
				t.Fatal(err)
			}
		}
		return said
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(typ string, claims map[string]any) string {
		t.Helper()
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithHeader("typ", typ).WithHeader("kid", "k"))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	file := func(name string, text []byte) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	jwks := file("jwks.json", set)

	folder := filepath.Join(t.TempDir(), "model")
	run(exitDone, "org", "init", folder)
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	var made struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(run(exitDone, "connection", "create", "acme", "--kind", "okta", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	connection := made.ID
	user := post("/scim/v2/"+connection+"/Users", "application/json",
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@acme.test","externalId":"00u1","active":true}`,
		http.StatusCreated, "Authorization", "Bearer "+made.Secret)
	ann, _ := user["id"].(string)
	run(exitDone, "tuple", "write", "document:1#viewer@user:"+ann)
	run(exitDone, "session", "subjects", "on")
	logIn := func(sid string) string {
		t.Helper()
		return run(exitDone, "session", "create", ann, "--org", "acme", "--issuer", idp, "--sid", sid)
	}
	check := func(want int, session string) {
		t.Helper()
		run(want, "check", "document:1#viewer@session:"+session, "--consistency", "higher-consistency")
	}

	run(exitFailed, "connection", "signals", "show", connection)
	run(exitUsage, "connection", "signals", "set", connection, "--issuer", idp)
	run(exitUsage, "connection", "signals", "set", connection, "--issuer", idp, "--audience", "rp", "--policy", "account-disabled")
	run(exitFailed, "connection", "signals", "set", connection, "--issuer", idp, "--audience", "rp", "--policy", "account-disabled=fire")
	run(exitFailed, "connection", "signals", "policy", connection, "account-disabled=disable")
	wants(run(exitDone, "connection", "signals", "set", connection, "--issuer", idp, "--audience", public, "--jwks", jwks,
		"--authorization-file", file("header", []byte("Bearer stream-secret\n"))), public+"/signals/"+connection, "as it was set")
	first := logIn("s1")
	check(exitDone, first)
	set1 := sign("secevent+jwt", map[string]any{"iss": idp, "aud": public, "jti": "1", "iat": time.Now().Unix(),
		"sub_id": map[string]any{"format": "opaque", "id": "s1"}, "events": map[string]any{ssf.EventSessionRevoked: map[string]any{}}})
	post("/signals/"+connection, ssf.ContentType, set1, http.StatusUnauthorized)
	check(exitDone, first)
	post("/orgs/acme/connections/"+connection+"/signals", ssf.ContentType, set1, http.StatusAccepted, "Authorization", "Bearer stream-secret")
	check(exitDenied, first)
	wants(run(exitFailed, "session", "create", ann, "--org", "acme", "--issuer", idp, "--sid", "s1"), "has ended")

	policy := file("policy.yaml", []byte("# of the directory\naccount-disabled: disable # as SCIM\n\naccount-enabled: enable\n"))
	run(exitDone, "connection", "signals", "policy", connection, "--file", policy)
	run(exitUsage, "connection", "signals", "policy", connection, "--file", file("bad.yaml", []byte("account-disabled\n")))
	shown := run(exitDone, "connection", "signals", "show", connection)
	wants(shown, "Last used", "account-disabled                    disable", "session-revoked                     end-sessions", "Authorization   as it was set")
	if strings.Contains(shown+run(exitDone, "connection", "signals", "show", connection, "--output", "json"), "stream-secret") {
		t.Error("the secret of the stream is shown")
	}

	// The provider's logout token, by the setting of ID tokens.
	run(exitDone, "connection", "oidc", "set", connection, "--issuer", idp, "--client-id", "0oa1", "--jwks", jwks, "--subject-claim", "sub")
	second := logIn("s2")
	check(exitDone, second)
	now := time.Now().Unix()
	token := sign("logout+jwt", map[string]any{"iss": idp, "aud": "0oa1", "jti": "1", "iat": now, "exp": now + 120, "sid": "s2",
		"events": map[string]any{backchannel.Event: map[string]any{}}})
	post("/backchannel-logout/"+connection, "application/x-www-form-urlencoded", url.Values{"logout_token": {token}}.Encode(), http.StatusOK)
	check(exitDenied, second)
	wants(run(exitDone, "org", "verify", "acme"), "everything agrees")
	run(exitDone, "connection", "signals", "clear", connection)
	run(exitFailed, "connection", "signals", "show", connection)
	post("/signals/"+connection, ssf.ContentType, set1, http.StatusBadRequest, "Authorization", "Bearer stream-secret")
}
