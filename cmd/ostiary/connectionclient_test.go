package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// What client create prints gets a token that opens the connection, until client delete.
func TestConnectionClientCommands(t *testing.T) {
	grpcAddr, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = "https://authz.example.test/" })
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return out
	}
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	connection := regexp.MustCompile(`c[0-9a-z]{26}`).FindString(run(exitDone, "connection", "create", "acme"))
	printed := run(exitDone, "connection", "client", "create", connection, "--name", "autumn")
	id := regexp.MustCompile(`Client id +(` + connection + `\.k[0-9a-z]{26})\n`).FindStringSubmatch(printed)
	secret := regexp.MustCompile(`Client secret +(ostiary_cs_[\w-]{43})\n`).FindStringSubmatch(printed)
	if id == nil || secret == nil || !strings.Contains(printed, "https://authz.example.test/oauth/token\n") {
		t.Fatalf("printed:\n%s", printed)
	}

	var metadata, answer map[string]any
	fetch(t, http.MethodGet, base+"/.well-known/oauth-authorization-server/scim/v2/"+connection, "", "", &metadata)
	if metadata["issuer"] != "https://authz.example.test/scim/v2/"+connection || metadata["token_endpoint"] != "https://authz.example.test/oauth/token" {
		t.Errorf("metadata: %v", metadata)
	}
	fetch(t, http.MethodGet, base+"/.well-known/oauth-authorization-server", "", "", &metadata)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id[1]}, "client_secret": {secret[1]}, "scope": {"scim"}}
	if status := fetch(t, http.MethodPost, base+"/oauth/token", "", form.Encode(), &answer); status != http.StatusOK || answer["scope"] != "scim" {
		t.Fatalf("got %d: %v", status, answer)
	}
	token, _ := answer["access_token"].(string)
	users := base + "/scim/v2/" + connection + "/Users"
	if status := fetch(t, http.MethodGet, users, token, "", &answer); status != http.StatusOK {
		t.Fatalf("got %d: %v", status, answer)
	}
	if got := run(exitDone, "connection", "client", "list", connection); !strings.Contains(got, "autumn") || strings.Contains(got, "never") || strings.Contains(got, secret[1]) {
		t.Errorf("listed:\n%s", got)
	}
	run(exitDone, "connection", "client", "delete", connection, id[1])
	if status := fetch(t, http.MethodGet, users, token, "", &answer); status != http.StatusUnauthorized {
		t.Errorf("the token of a client that is deleted: %d", status)
	}

	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(exitDone, "connection", "client", "create", connection, "--jwks", keys); strings.Contains(got, "secret") {
		t.Errorf("printed:\n%s", got)
	}
	run(exitDone, "connection", "client", "create", connection, "--issuer", "https://idp.example.test")
	run(exitUsage, "connection", "client", "create", connection, "--issuer", "https://idp.example.test", "--jwks", keys)
	run(exitFailed, "connection", "client", "create", connection, "--jwks-uri", "ftp://idp.example.test")
	if got := run(exitDone, "connection", "client", "list", connection); !strings.Contains(got, "private_key_jwt") || !strings.Contains(got, "https://idp.example.test") {
		t.Errorf("listed:\n%s", got)
	}
}

// fetch sends a request, with a form where it is not empty, and decodes the answer.
func fetch(t *testing.T, method, url, bearer, form string, into any) int {
	t.Helper()
	var headers []string
	if form != "" {
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
	}
	if bearer != "" {
		headers = append(headers, "Authorization", "Bearer "+bearer)
	}
	resp, text := sendHTTP(t, http.DefaultClient, method, url, form, headers...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s %s: %d %s: %v", method, url, resp.StatusCode, text, err)
	}
	return resp.StatusCode
}

func TestEgressAllow(t *testing.T) {
	for text, want := range map[string]bool{"10.1.0.0/16": true, "10.1.2.3/16": false, "example.com": false} {
		e := egressFlags{allow: []string{text}}
		if got, err := e.networks(); (err == nil) != want || want && len(got) != 1 {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

// A connection of IPSIE's dialect has no tokens, and its commands say what there is instead.
func TestStrictConnectionCommands(t *testing.T) {
	grpcAddr, _ := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = "https://authz.example.test" })
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) (out, said string) {
		t.Helper()
		code, out, said := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, said)
		}
		return out, said
	}
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	out, said := run(exitDone, "connection", "create", "acme", "--dialect", "ipsie-strict")
	id := regexp.MustCompile(`https://authz\.example\.test/scim/v2/(c[0-9a-z]{26})\n`).FindStringSubmatch(out)
	if id == nil || strings.Contains(out, "ostiary_") || !strings.Contains(said, "ostiary connection client create "+id[1]) {
		t.Fatalf("printed:\n%s%s", out, said)
	}
	if _, said := run(exitFailed, "connection", "token", "create", id[1]); !strings.Contains(said, "ostiary connection client create "+id[1]) {
		t.Errorf("said: %s", said)
	}
	if out, _ := run(exitDone, "connection", "client", "create", id[1]); !strings.Contains(out, "Client secret") {
		t.Errorf("printed:\n%s", out)
	}
	var answer map[string]string
	out, _ = run(exitDone, "connection", "create", "acme", "--dialect", "ipsie-strict", "--output", "json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer) != 2 || answer["scim_url"] == "" {
		t.Errorf("got %s: %v", out, err)
	}
}
