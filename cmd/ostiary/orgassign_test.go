package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

const workspaceModule = `module app

type workspace
  relations
    define organization: [organization]
    # @scim entitlement type="Workspace role" label="Editor"
    define assigned_editor: [user] and enabled from organization
    define editor: [user] or assigned_editor
    define owner: [user]
`

// What a comment in a model's text calls assignable is found by an identity provider and assigned, and checks
// answer by it in the revision of the request.
func TestAssignFromModel(t *testing.T) {
	grpcAddr, base := startNodeHTTP(t, api.Anonymous())
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return out + err
	}
	has := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%q is missing in:\n%s", part, text)
			}
		}
	}
	folder := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mod := filepath.Join(folder, "fga.mod")
	run(exitDone, "org", "init", folder)
	write("app.fga", strings.Replace(workspaceModule, "[user] and enabled from organization", "[user]", 1))
	has(run(exitInvalid, "org", "lint", mod), "app.fga:6:7: error E051", "workspace#assigned_editor <- [user]", "and enabled from organization")
	write("app.fga", strings.Replace(workspaceModule, "entitlement type", "entitlment type", 1))
	has(run(exitInvalid, "org", "lint", mod), "app.fga:6:13: error E050", "did you mean `entitlement`?")
	write("app.fga", workspaceModule)
	has(run(exitDone, "org", "lint", mod), "nobody passes", "entitlement workspace#assigned_editor (Workspace role: Editor)")

	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", mod)
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	run(exitDone, "org", "create", "Other", "--id", "other")
	has(run(exitUsage, "org", "mapping", "set"), "--from-model")
	json := write("model.json", run(exitDone, "model", "transform", mod, "--to", "json"))
	has(run(exitUsage, "org", "mapping", "set", "--from-model", json), "comments")
	has(run(exitDone, "org", "mapping", "set", "--from-model", mod), "workspace#assigned_editor")
	shown := run(exitDone, "org", "mapping", "show")
	has(shown, "assignable:", "relation: workspace#assigned_editor", "label: Editor")
	both := write("both.yaml", shown)
	has(run(exitUsage, "org", "mapping", "set", both, "--from-model", mod), "assignable")
	run(exitDone, "org", "mapping", "set", both)
	// A model that lets a person keep what was assigned is refused from now on.
	write("app.fga", strings.Replace(workspaceModule, "[user] and enabled from organization", "[user]", 1))
	has(run(exitInvalid, "model", "write", mod), "workspace#assigned_editor")

	run(exitDone, "tuple", "write", "workspace:w1#organization@organization:acme", "workspace:w2#organization@organization:other")
	printed := run(exitDone, "connection", "create", "acme", "--kind", "okta")
	path, token := regexp.MustCompile(`/scim/v2/c[0-9a-z]{26}`).FindString(printed), regexp.MustCompile(`ostiary_[\w-]{43}`).FindString(printed)
	scim := func(method, resource, body string, want int) (answer, consistency string) {
		t.Helper()
		resp, text := sendHTTP(t, http.DefaultClient, method, base+path+resource, body, "Authorization", "Bearer "+token, "Content-Type", "application/scim+json")
		if resp.StatusCode != want {
			t.Fatalf("%s %s: %d, not %d: %s", method, resource, resp.StatusCode, want, text)
		}
		return text, resp.Header.Get("Ostiary-Token")
	}
	run(exitDone, "org", "role", "add", "acme", "bookkeeper")
	shownRoles := run(exitDone, "org", "role", "list", "acme")
	has(shownRoles, "workspace:w1 ", "workspace:w1#assigned_editor", "Editor (w1)", "entitlement  model", "bookkeeper", "role         operator")
	if strings.Contains(shownRoles, "w2") {
		t.Errorf("an object of another organization is listed:\n%s", shownRoles)
	}
	run(exitDone, "tuple", "write", "workspace:w3#organization@organization:acme")
	has(run(exitDone, "org", "role", "list", "acme", "--limit", "1"), "more relations of objects than the 1")
	run(exitDone, "tuple", "delete", "workspace:w3#organization@organization:acme")
	listed, _ := scim("GET", "/WorkspaceRole?count=1&startIndex=1", "", http.StatusOK)
	has(listed, `"totalResults":1`, `"value":"workspace:w1#assigned_editor"`, `"type":"Workspace role"`)
	const userSchema = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`
	made, before := scim("POST", "/Users", `{`+userSchema+`,"userName":"ann","active":true}`, http.StatusCreated)
	ann := regexp.MustCompile(`u[0-9a-z]{26}`).FindString(made)
	give := func(value string, want int) string {
		t.Helper()
		_, consistency := scim("PATCH", "/Users/"+ann, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+
			`{"op":"replace","path":"entitlements","value":[{"value":"`+value+`"}]}]}`, want)
		return consistency
	}
	for _, value := range []string{"workspace:w2#assigned_editor", "workspace:w1#owner", "workspace:w1#editor", "organization:acme#admin"} {
		give(value, http.StatusBadRequest)
	}
	check := []string{"check", "workspace:w1#editor@user:" + ann}
	run(exitDenied, check...)
	given := give("workspace:w1#assigned_editor", http.StatusOK)
	run(exitDone, check...)
	run(exitDone, append(check, "--as-of", given)...)
	run(exitDenied, append(check, "--as-of", before)...)
	active := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`
	scim("PATCH", "/Users/"+ann, active, http.StatusOK)
	run(exitDenied, check...)
	run(exitDone, "org", "gate", "off", "--reason", "a test")
	run(exitDenied, check...) // by the relation itself
	run(exitDone, "org", "gate", "on")
	scim("PATCH", "/Users/"+ann, strings.Replace(active, "false", "true", 1), http.StatusOK)
	run(exitDone, check...)

	// The workspace is moved: nobody of acme passes there, verify says so, and the next change takes it away.
	run(exitDone, "tuple", "delete", "workspace:w1#organization@organization:acme")
	run(exitDone, "tuple", "write", "workspace:w1#organization@organization:other")
	run(exitDenied, check...)
	has(run(exitFailed, "org", "verify", "acme"), "was given workspace:w1#assigned_editor", "the next change of the user takes it away")
	scim("PATCH", "/Users/"+ann, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+
		`{"op":"replace","path":"displayName","value":"Ann"}]}`, http.StatusOK)
	has(run(exitDone, "org", "verify", "acme"), "everything agrees")
}
