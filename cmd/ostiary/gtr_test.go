package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/api"
)

// IDENTITY b, GTR-5 and GTR-7: a provider that was set at the command line logs a person out who was provisioned
// over SCIM; afterwards a check by the session is denied at higher consistency, and no login of before is let in.
func TestGlobalTokenRevocation(t *testing.T) {
	const public = "https://authz.test"
	grpcAddr, url := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = public })
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
	post := func(path, shown, body string) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+shown)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		said := map[string]any{}
		if answer.StatusCode != http.StatusNoContent {
			if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
				t.Fatal(err)
			}
		}
		return answer.StatusCode, said
	}
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
	status, user := post("/scim/v2/"+connection+"/Users", made.Secret,
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@acme.test","externalId":"00u1","active":true}`)
	ann, _ := user["id"].(string)
	if status != http.StatusCreated || ann == "" {
		t.Fatalf("got %d %v", status, user)
	}
	run(exitDone, "tuple", "write", "document:1#viewer@user:"+ann)
	run(exitDone, "session", "subjects", "on")
	session := run(exitDone, "session", "create", ann, "--org", "acme")
	run(exitDone, "check", "document:1#viewer@session:"+session, "--consistency", "higher-consistency")

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "okta.cert")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	run(exitFailed, "connection", "gtr", "show", connection)
	run(exitUsage, "connection", "gtr", "set", connection, "--issuer", "https://acme.okta.test")
	wants(run(exitDone, "connection", "gtr", "set", connection, "--issuer", "https://acme.okta.test", "--subject", "0oa1", "--certificate", file),
		public+"/gtr/"+connection)
	wants(run(exitDone, "connection", "gtr", "show", connection), "0oa1", "given, as certificates", "on")

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithHeader("typ", "global-token-revocation+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{"iss": "https://acme.okta.test", "sub": "0oa1", "aud": public + "/gtr/" + connection,
		"jti": "1", "iat": now, "nbf": now - 300, "exp": now + 300})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	body := `{"sub_id":{"format":"iss_sub","iss":"https://acme.okta.test","sub":"00u1"}}`
	if status, said := post("/gtr/"+connection, "x", body); status != http.StatusUnauthorized {
		t.Errorf("got %d %v", status, said)
	}
	run(exitDone, "check", "document:1#viewer@session:"+session, "--consistency", "higher-consistency")
	if status, said := post("/gtr/"+connection, jwt, body); status != http.StatusNoContent {
		t.Fatalf("got %d %v", status, said)
	}
	run(exitDenied, "check", "document:1#viewer@session:"+session, "--consistency", "higher-consistency")
	wants(run(exitFailed, "session", "create", ann, "--org", "acme"), "auth_time")
	wants(run(exitDone, "connection", "gtr", "show", connection), "Last used")
	wants(run(exitDone, "org", "verify", "acme"), "everything agrees")
}
