package main

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// From an empty server to a person whom Okta has provisioned: what connection create prints is all that the
// administrator needs, and a check flips as soon as the request is answered.
func TestConnectionCommands(t *testing.T) {
	grpcAddr, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = "https://authz.example.test" })
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return out
	}
	folder := filepath.Join(t.TempDir(), "model")
	run(exitDone, "org", "init", folder)
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	printed := run(exitDone, "connection", "create", "acme", "--kind", "okta")
	url := regexp.MustCompile(`https://authz\.example\.test(/scim/v2/(c[0-9a-z]{26}))`).FindStringSubmatch(printed)
	token := regexp.MustCompile(`ostiary_[\w-]{43}`).FindString(printed)
	if url == nil || token == "" || !strings.Contains(printed, "SCIM connector base URL") {
		t.Fatalf("printed:\n%s", printed)
	}
	if got := run(exitDone, "connection", "list", "--org", "acme"); !strings.Contains(got, url[0]) || !strings.Contains(got, "okta") {
		t.Errorf("listed:\n%s", got)
	}
	if got := run(exitDone, "connection", "show", url[2]); !strings.Contains(got, "compat") {
		t.Errorf("shown:\n%s", got)
	}
	entra := run(exitDone, "connection", "create", "acme", "--kind", "entra", "--guard-deletes", "7,1%", "--guard-members", "off")
	if !strings.Contains(entra, "Tenant URL") {
		t.Errorf("printed for Entra ID:\n%s", entra)
	}
	if got := run(exitDone, "connection", "show", regexp.MustCompile(`c[0-9a-z]{26}`).FindString(entra)); !strings.Contains(got,
		"pass: 7 (or 1 %) deletions of people, any number of members") {
		t.Errorf("shown of Entra ID:\n%s", got)
	}
	run(exitUsage, "connection", "create", "acme", "--guard-deletes", "many")

	scim := func(token, method, path, body string, want int) string {
		t.Helper()
		return scimTo(t, base, url[2], token, method, path, body, want)
	}
	role := strings.TrimSpace(run(exitDone, "org", "role", "add", "acme", "bookkeeper"))
	created := scim(token, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@acme.test","active":true,
		"roles":[{"value":"bookkeeper"}]}`, http.StatusCreated)
	id := regexp.MustCompile(`u[0-9a-z]{26}`).FindString(created)
	if id == "" {
		t.Fatalf("created %s", created)
	}
	run(exitDone, "check", "organization:acme#member@user:"+id)
	run(exitDone, "tuple", "write", "document:1#viewer@"+role+"#assignee", "document:2#viewer@user:"+id)
	run(exitDone, "check", "document:1#viewer@user:"+id)
	patch := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`
	scim(token, "PATCH", "/Users/"+id, patch, http.StatusOK)
	run(exitDenied, "check", "document:1#viewer@user:"+id)
	run(exitDenied, "check", "document:2#viewer@user:"+id)
	scim(token, "PATCH", "/Users/"+id, strings.Replace(patch, "false", "true", 1), http.StatusOK)
	run(exitDone, "check", "document:2#viewer@user:"+id)

	if got := run(exitDone, "org", "verify", "acme"); !strings.Contains(got, "everything agrees: 1 users") {
		t.Errorf("verified:\n%s", got)
	}
	run(exitDone, "tuple", "write", "document:3#viewer@group:acme/g00000000000000000000000000#member")
	if got := run(exitFailed, "org", "verify", "acme"); !strings.Contains(got, "is no group of the organization") || !strings.Contains(got, "1 findings") {
		t.Errorf("verified with a tuple of a group that is not there:\n%s", got)
	}

	second := strings.TrimSpace(run(exitDone, "connection", "token", "create", url[2], "--scopes", "users:r", "--expires-in", "1h"))
	scim(second, "GET", "/Users/"+id, "", http.StatusOK)
	scim(second, "DELETE", "/Users/"+id, "", http.StatusForbidden)
	first := regexp.MustCompile(`(?m)^([0-9a-f]{12}) +first`).FindStringSubmatch(run(exitDone, "connection", "token", "list", url[2]))
	if first == nil {
		t.Fatal("the first token is not listed")
	}
	if got := run(exitDone, "connection", "log", url[2]); !strings.Contains(got, "POST /Users (active, roles, userName) user.create "+id) ||
		!strings.Contains(got, "    - organization:acme#enabled@user:"+id+" scim:"+url[2]+"/"+id+"/active") || strings.Contains(got, "ann@") {
		t.Errorf("logged:\n%s", got)
	}
	run(exitDone, "connection", "update", url[2], "--guard-deletes", "1", "--guard-members", "off")
	other := regexp.MustCompile(`u[0-9a-z]{26}`).FindString(scim(token, "POST", "/Users",
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bob"}`, http.StatusCreated))
	run(exitDone, "connection", "pause", url[2])
	scim(token, "DELETE", "/Users/"+other, "", http.StatusServiceUnavailable)
	run(exitDone, "connection", "resume", url[2])
	scim(token, "DELETE", "/Users/"+other, "", http.StatusNoContent)
	scim(token, "DELETE", "/Users/"+id, "", http.StatusTooManyRequests)
	run(exitDenied, "check", "document:2#viewer@user:"+id)
	if got := run(exitDone, "connection", "show", url[2], "--output", "json"); !strings.Contains(got, `"guard"`) || !strings.Contains(got, `"held_users": 1`) && !strings.Contains(got, `"held_users": "1"`) {
		t.Errorf("the connection as JSON: %s", got)
	}
	if got := run(exitDone, "connection", "show", url[2]); !strings.Contains(got, "HELD") || !strings.Contains(got, "1 people are deactivated") {
		t.Errorf("shown:\n%s", got)
	}
	run(exitDone, "connection", "confirm", url[2])
	if got := run(exitDone, "connection", "show", url[2]); !strings.Contains(got, "everything passes until") {
		t.Errorf("shown:\n%s", got)
	}
	run(exitDone, "connection", "token", "revoke", url[2], first[1])
	scim(token, "GET", "/Users/"+id, "", http.StatusUnauthorized)
	scim(second, "GET", "/Users/"+id, "", http.StatusOK)
	run(exitFailed, "connection", "delete", url[2])
	run(exitDone, "connection", "delete", url[2], "--with-people")
	scim(second, "GET", "/Users/"+id, "", http.StatusUnauthorized)
	run(exitDenied, "check", "document:2#viewer@user:"+id)
}
