package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// TestAsOfAndAll: --as-of asks for the past, and --all for the whole of a list that the server cuts.
func TestAsOfAndAll(t *testing.T) {
	server, _ := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) {
		o.limits.ListObjectsMaxResults, o.limits.ListUsersMaxResults = 2, 2
	})
	c := newCLI(t, server)
	c.newStore("acme")
	var token string
	for i := range 5 {
		out := c.must("tuple", "write", fmt.Sprintf("doc:%d#viewer@user:ann", i), fmt.Sprintf("doc:1#viewer@user:u%d", i))
		_, token, _ = strings.Cut(strings.TrimSpace(out), "token ")
	}
	before := c.must("tuple", "export", "-")
	c.must("tuple", "delete", "doc:1#viewer@user:ann", "doc:3#viewer@user:ann")

	for _, row := range []struct {
		name, args string
		want       string
	}{
		{"check", "check doc:1#viewer@user:ann --as-of " + token, "allowed\n"},
		{"list-objects", "list-objects user:ann viewer doc --all --as-of " + token, "doc:0\ndoc:1\ndoc:2\ndoc:3\ndoc:4\n"},
		{"list-objects now", "list-objects user:ann viewer doc --all", "doc:0\ndoc:2\ndoc:4\n"},
		{"list-users", "list-users doc:1 viewer --all --as-of " + token, "user:ann\nuser:u0\nuser:u1\nuser:u2\nuser:u3\nuser:u4\n"},
		{"tuple read", "tuple read --object doc:3 --as-of " + token, "doc:3#viewer@user:ann\n"},
		{"tuple export", "tuple export - --as-of " + token, before},
	} {
		if got := c.must(strings.Fields(row.args)...); got != row.want {
			t.Errorf("%s: got\n%swant\n%s", row.name, got, row.want)
		}
	}
	if out := c.must("list-objects", "user:ann", "viewer", "doc", "--all", "--output", "json"); !strings.Contains(out, "doc:4") {
		t.Errorf("the whole list as JSON is\n%s", out)
	}
	code, out, err := c.run("list-objects", "user:ann", "viewer", "doc")
	if code != exitDone || out != "doc:0\ndoc:2\n" {
		t.Errorf("without --all: exit code %d\n%s", code, out)
	}
	wantContains(t, "stderr", err, "cut short", "--all")
	code, _, err = c.run("check", "doc:1#viewer@user:ann", "--as-of", "2001-01-01T00:00:00Z")
	if code != exitFailed {
		t.Errorf("before the store was made: exit code %d\n%s", code, err)
	}
}
