package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// An operator reports a session, asks by it, ends it and revokes what is left.
func TestSessionCommands(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
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
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	run(exitDone, "org", "member", "add", "acme", "ann")
	run(exitDone, "tuple", "write", "document:1#viewer@user:ann")

	wants(run(exitUsage, "session", "create", "ann"), "--org")
	wants(run(exitFailed, "session", "create", "bob", "--org", "acme"), "nobody of organization acme")
	first := run(exitDone, "session", "create", "ann", "--org", "acme", "--client", "portal", "--acr", "urn:mfa", "--expires-in", "8h")
	second := run(exitDone, "session", "create", "ann", "--org", "acme", "--parent", first)
	wants(run(exitDone, "session", "list", "--user", "ann"), second)
	wants(run(exitDone, "session", "show", first, "--output", "json"), `"acr": "urn:mfa"`)
	wants(run(exitDone, "session", "touch", first, "--expires-in", "9h"), "ends at")

	run(exitDenied, "check", "document:1#viewer@session:"+first)
	wants(run(exitDone, "session", "subjects", "show"), "off")
	run(exitDone, "session", "subjects", "on")
	wants(run(exitDone, "session", "subjects", "show"), "on")
	run(exitDone, "check", "document:1#viewer@session:"+first)
	wants(run(exitDone, "session", "delete", "--client", "portal", "--dry-run"), "2 would end")
	wants(run(exitUsage, "session", "delete"), "which sessions")
	wants(run(exitDone, "session", "delete", second), "1 ended")
	wants(run(exitDone, "session", "revoke", "ann", "--org", "acme", "--reason", "test"), "1 ended")
	run(exitDenied, "check", "document:1#viewer@session:"+first)
	wants(run(exitFailed, "session", "create", "ann", "--org", "acme"), "auth_time")
	wants(run(exitFailed, "session", "show", first), "not found")
	wants(run(exitDone, "org", "verify", "acme"), "everything agrees")
}
