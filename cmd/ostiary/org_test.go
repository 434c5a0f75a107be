package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// An operator writes the module, makes an organization with it, adds and blocks people, and takes it down.
func TestOrganizationCommands(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	folder := filepath.Join(t.TempDir(), "model")
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
	mod := filepath.Join(folder, "fga.mod")
	has(run(exitDone, "org", "init", folder), "identity.fga", "app.fga", "fga.mod")
	has(run(exitDone, "org", "init", folder), "fga.mod was there")
	has(run(exitDone, "org", "lint", mod), "nobody passes")
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", mod)
	if got := run(exitDone, "org", "create", "Acme Corporation", "--id", "acme"); strings.TrimSpace(got) != "acme" {
		t.Errorf("got %q", got)
	}
	has(run(exitFailed, "org", "create", "Acme", "--id", "acme"), "already exists")
	has(run(exitDone, "org", "list"), "acme", "Acme Corporation")
	has(run(exitDone, "org", "show", "acme", "--output", "json"), `"name": "Acme Corporation"`)
	has(run(exitFailed, "org", "show", "other"), "not found")

	run(exitDone, "org", "member", "add", "acme", "ann")
	has(run(exitDone, "org", "member", "list", "acme"), "ann")
	run(exitDone, "check", "organization:acme#member@user:ann")
	run(exitDone, "tuple", "write", "document:1#viewer@user:ann")
	run(exitDone, "check", "document:1#viewer@user:ann")
	run(exitDone, "user", "block", "ann", "--org", "acme")
	run(exitDenied, "check", "document:1#viewer@user:ann")
	has(run(exitDenied, "check", "document:1#viewer@user:ann", "--explain"), "blocked")
	has(run(exitDone, "user", "show", "ann"), "acme", "blocked since")
	run(exitDone, "user", "unblock", "ann", "--org", "acme")
	has(run(exitDone, "user", "show", "ann"), "enabled")
	run(exitDone, "check", "document:1#viewer@user:ann")
	has(run(exitFailed, "tuple", "write", "organization:acme#enabled@user:bob"), "written by identity providers")

	// A model that leaks is found without a server, and refused by one.
	text, err := os.ReadFile(filepath.Join(folder, "identity.fga"))
	if err != nil {
		t.Fatal(err)
	}
	leak := strings.Replace(string(text), "define member: assigned and enabled from organization", "define member: assigned", 1)
	if err := os.WriteFile(filepath.Join(folder, "identity.fga"), []byte(leak), 0o600); err != nil {
		t.Fatal(err)
	}
	has(run(exitInvalid, "org", "lint", mod), "group#member <- group#assigned <- [user]", "help: ")
	has(run(exitInvalid, "org", "lint", mod, "--output", "json"), `"relation": "member"`)
	has(run(exitInvalid, "model", "write", mod), "group#member")

	has(run(exitUsage, "org", "delete", "acme"), "--yes")
	has(run(exitFailed, "org", "delete", "acme", "--yes"), "ann")
	run(exitDone, "org", "member", "remove", "acme", "ann")
	run(exitDone, "org", "delete", "acme", "--yes")
	has(run(exitUsage, "user", "block", "ann"), "org")
}
