package main

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// orgWorld is a command line with a store that has the organization acme.
func orgWorld(t *testing.T, server string) (run func(want int, args ...string) string) {
	t.Helper()
	c := newCLI(t, server)
	run = func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return out + err
	}
	folder := filepath.Join(t.TempDir(), "model")
	run(exitDone, "org", "init", folder)
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme Corporation", "--id", "acme")
	return run
}

func TestDomainCommands(t *testing.T) {
	run := orgWorld(t, startNode(t, api.Anonymous()))
	has := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			wantContains(t, "output", text, part)
		}
	}
	has(run(exitDone, "org", "domain", "add", "acme", "Example.com"),
		"_ostiary-challenge.example.com. TXT \"ostiary-domain-verification=", "ostiary org domain verify acme example.com")
	has(run(exitDone, "org", "domain", "list", "acme"), "example.com", "no")
	has(run(exitFailed, "org", "domain", "add", "acme", "com"), "one label")
	has(run(exitFailed, "org", "domain", "add", "other", "example.com"), "not found")
	has(run(exitFailed, "org", "discover", "ann@example.com"), "not found")
	has(run(exitFailed, "org", "domain", "verify", "acme", "example.org", "--confirm"), "not found")
	has(run(exitDone, "org", "domain", "verify", "acme", "example.com", "--confirm"), "verified example.com")
	has(run(exitDone, "org", "domain", "list", "acme"), "word of anonymous")
	has(run(exitDone, "org", "domain", "add", "acme", "example.com"), "is verified since")
	has(run(exitDone, "org", "discover", "ann@example.com"), "acme", "-")
	run(exitDone, "connection", "create", "acme", "--kind", "okta", "--name", "Okta of Acme")
	has(run(exitDone, "org", "discover", "nobody@EXAMPLE.com"), "acme", "okta", "Okta of Acme")
	has(run(exitDone, "org", "discover", "ann@example.com", "--output", "json"), `"organization_name": "Acme Corporation"`)
	has(run(exitFailed, "org", "discover", "example.com"), "name@domain")
	has(run(exitDone, "org", "domain", "remove", "acme", "example.com"), "removed example.com")
	has(run(exitFailed, "org", "discover", "ann@example.com"), "not found")
}

// The gate of a store is turned off with a reason, which shows in lists, the log and the metrics, also after a
// restart, and on again.
func TestGateCommands(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	node := func(t *testing.T) (server string, metrics func() string) {
		log.Reset()
		server, _, admin := startNodeAdmin(t, api.Anonymous(), func(o *nodeOptions) {
			o.dataDir, o.logger = dir, slog.New(slog.NewTextHandler(&log, nil))
		})
		return server, func() string {
			t.Helper()
			defer http.DefaultClient.CloseIdleConnections()
			_, text := get(t, admin+"/metrics")
			return text
		}
	}
	t.Run("off", func(t *testing.T) {
		server, metrics := node(t)
		run := orgWorld(t, server)
		wantContains(t, "gate", run(exitDone, "org", "gate", "show"), "the gate is on")
		wantContains(t, "metrics", metrics(), "ostiary_identity_gate_off 0")
		wantContains(t, "refusal", run(exitUsage, "org", "gate", "off"), "--reason")
		wantContains(t, "gate", run(exitDone, "org", "gate", "off", "--reason", "Moving to Okta"), "the gate is off")
		wantContains(t, "gate", run(exitDone, "org", "gate", "show"), "by anonymous: Moving to Okta")
		wantContains(t, "list", run(exitDone, "org", "list"), "the gate is OFF")
		wantContains(t, "list", run(exitDone, "org", "list", "--output", "json"), `"reason": "Moving to Okta"`)
		wantContains(t, "metrics", metrics(), "ostiary_identity_gate_off 1")
	})
	wantContains(t, "log", log.String(), `reason="Moving to Okta"`)
	t.Run("on", func(t *testing.T) {
		server, metrics := node(t)
		wantContains(t, "metrics", metrics(), "ostiary_identity_gate_off 1")
		c := newCLI(t, server)
		if code, out, err := c.run("org", "gate", "on", "--store", "acme"); code != exitDone {
			t.Errorf("exit code %d: %s%s", code, out, err)
		}
		if _, out, _ := c.run("org", "list", "--store", "acme"); strings.Contains(out, "OFF") {
			t.Errorf("listed as off: %s", out)
		}
		wantContains(t, "metrics", metrics(), "ostiary_identity_gate_off 0")
	})
	wantContains(t, "log", log.String(), `reason="Moving to Okta"`) // at the start
	wantContains(t, "log", log.String(), "is on again")
}
