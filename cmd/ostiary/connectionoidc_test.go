package main

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// An OpenID provider is set, shown and cleared at the command line, with a word on what its kind needs.
func TestConnectionOIDC(t *testing.T) {
	grpcAddr, _ := startNodeHTTP(t, api.Anonymous())
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return out + err
	}
	wants := func(got string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("%q is missing in:\n%s", part, got)
			}
		}
	}
	store := strings.TrimSpace(run(0, "store", "create", "oidc"))
	run(0, "org", "create", "Acme", "--id", "acme", "--store", store)
	made := run(0, "connection", "create", "acme", "--kind", "entra", "--store", store)
	connection := made[strings.Index(made, "/c01")+1:][:27]
	on := func(args ...string) []string { return append(args, "--store", store) }
	run(2, on("connection", "oidc", "set", connection, "--issuer", "https://idp.test")...)
	run(1, on("connection", "oidc", "show", connection)...)
	wants(run(0, on("connection", "oidc", "set", connection, "--issuer", "https://idp.test", "--client-id", "portal", "--subject-claim", "sub")...),
		"https://idp.test", "portal", "RS256", "--subject-claim oid")
	wants(run(1, on("connection", "oidc", "set", connection, "--issuer", "https://idp.test", "--client-id", "portal", "--just-in-time")...), "SCIM")
	run(0, on("connection", "oidc", "set", connection, "--issuer", "https://idp.test", "--client-id", "portal", "--subject-claim", "oid",
		"--max-session-life", "8h", "--alg", "ES256")...)
	wants(run(0, on("connection", "oidc", "show", connection)...), "oid is the externalId", "8h0m0s", "ES256")
	wants(run(0, on("connection", "oidc", "clear", connection)...), "cleared")
	run(1, on("connection", "oidc", "clear", connection)...)
}
