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

const tenantModel = `model
  schema 1.1

type person

type tenant
  relations
    define active: [person]
    define listed: [person]
    define member: listed and active

type team
  relations
    define tenant: [tenant]
    define listed: [person, team#member]
    define member: listed and active from tenant

type job
  relations
    define tenant: [tenant]
    define given: [person]
    define holder: given and active from tenant

type document
  relations
    define tenant: [tenant]
    define viewer: [person, team#member, job#holder]
`

const tenantMapping = `user: person
in_organization: tenant
organization:
  type: tenant
  enabled: active
  directory_member: listed
group:
  type: team
  assigned: listed
without: [role, entitlement, session, invited]
`

// Into a model with names of its own an identity provider provisions people and groups over SCIM; who is
// deactivated is denied. A part that the model leaves out is refused.
func TestMappingCommands(t *testing.T) {
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
	model, mapping := write("model.fga", tenantModel), write("identity.yaml", tenantMapping)
	has(run(exitInvalid, "org", "lint", model), "organization#enabled does not exist", "org mapping")
	has(run(exitDone, "org", "lint", model, "--mapping", mapping), "nobody passes")
	leak := write("leak.fga", strings.Replace(tenantModel, "listed and active from tenant", "listed", 1))
	has(run(exitInvalid, "org", "lint", leak, "--mapping", mapping), "team#member <- team#listed <- [person]", "and active from tenant")
	fault := write("fault.yaml", strings.Replace(tenantMapping, "enabled: active", "enabled: aktive", 1))
	has(run(exitInvalid, "org", "lint", model, "--mapping", fault), "fault.yaml:5:12: error E061", "^^^^^^")

	run(exitDone, "store", "create", "acme", "--use")
	has(run(exitFailed, "org", "mapping", "set", mapping), "no model yet")
	run(exitDone, "model", "write", model)
	has(run(exitInvalid, "org", "mapping", "set", fault), "fault.yaml:5:12: error E061", "did you mean `active`?")
	has(run(exitDone, "org", "mapping", "show"), "{}")
	run(exitDone, "org", "mapping", "set", mapping)
	has(run(exitDone, "org", "mapping", "show"), tenantMapping)
	run(exitDone, "org", "create", "Acme", "--id", "acme")

	printed := run(exitDone, "connection", "create", "acme", "--kind", "okta")
	connection, token := connectionIDs.FindString(printed), scimTokens.FindString(printed)
	scim := func(method, resource, body string, want int) string {
		t.Helper()
		return scimTo(t, base, connection, token, method, resource, body, want)
	}
	const userSchema = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`
	ann := regexp.MustCompile(`u[0-9a-z]{26}`).FindString(scim("POST", "/Users", `{`+userSchema+`,"userName":"ann","active":true}`, http.StatusCreated))
	team := regexp.MustCompile(`g[0-9a-z]{26}`).FindString(scim("POST", "/Groups",
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"All","members":[{"value":"`+ann+`"}]}`, http.StatusCreated))
	has(scim("GET", "/Groups/"+team, "", http.StatusOK), ann)
	scim("POST", "/Users", `{`+userSchema+`,"userName":"bob","active":true,"roles":[{"value":"bookkeeper"}]}`, http.StatusBadRequest)
	has(run(exitFailed, "org", "role", "add", "acme", "bookkeeper"), "leaves out role")

	run(exitDone, "tuple", "write", "document:1#viewer@team:acme/"+team+"#member", "document:2#viewer@person:"+ann)
	checks := func(want int) {
		t.Helper()
		for _, check := range []string{"tenant:acme#member", "team:acme/" + team + "#member", "document:1#viewer", "document:2#viewer"} {
			run(want, "check", check+"@person:"+ann)
		}
	}
	checks(exitDone)
	has(run(exitFailed, "tuple", "write", "tenant:acme#active@person:bob"), "written by identity providers")
	patch := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`
	scim("PATCH", "/Users/"+ann, patch, http.StatusOK)
	checks(exitDenied)
	scim("PATCH", "/Users/"+ann, strings.Replace(patch, "false", "true", 1), http.StatusOK)
	checks(exitDone)
	has(run(exitDone, "org", "verify", "acme"), "everything agrees: 1 users")
	without := strings.NewReplacer("group:\n  type: team\n  assigned: listed\n", "", "without: [", "without: [group, ").Replace(tenantMapping)
	has(run(exitFailed, "org", "mapping", "set", write("without.yaml", without)), "team:acme/"+team, "would come to mean something else")

	// Roles are taken in later, since nothing of them is stored.
	run(exitDone, "org", "mapping", "set", write("roles.yaml", strings.Replace(tenantMapping, "without: [role, ",
		"role: {type: job, direct: given, assignee: holder}\nwithout: [", 1)))
	role := strings.TrimSpace(run(exitDone, "org", "role", "add", "acme", "bookkeeper"))
	has(run(exitDone, "org", "role", "list", "acme"), role)
	run(exitDone, "tuple", "write", "document:3#viewer@"+role+"#holder")
	scim("PATCH", "/Users/"+ann, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"roles","value":[{"value":"bookkeeper"}]}]}`, http.StatusOK)
	run(exitDone, "check", "document:3#viewer@person:"+ann)
	if !strings.HasPrefix(role, "job:acme/r") {
		t.Errorf("the role is %s", role)
	}
}
