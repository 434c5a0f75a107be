package main

import (
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// An operator looks at what a filter selects, and deletes it.
func TestTupleDeleteWhere(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	folder := filepath.Join(t.TempDir(), "model")
	c.must("org", "init", folder)
	c.must("store", "create", "acme", "--use")
	c.must("model", "write", filepath.Join(folder, "fga.mod"))
	c.must("org", "create", "Acme", "--id", "acme")
	c.must("org", "member", "add", "acme", "ann")
	c.must("tuple", "write", "document:1#viewer@user:ann", "document:2#viewer@user:ann", "document:2#viewer@user:bob")

	wantContains(t, "a dry run", c.must("tuple", "delete-where", "--object", "document:", "--dry-run"),
		"would delete 3 tuples\n", "  document:2#viewer@user:bob")
	for _, tt := range []struct {
		want int
		args []string
		text string
	}{
		{exitUsage, []string{"--relation", "viewer"}, "which tuples"},
		{exitFailed, []string{"--object", "document:", "--max", "2"}, "selects 3 tuples"},
		{exitFailed, []string{"--user", "user:ann"}, "also granted by others"},
		{exitDone, []string{"--user", "user:ann", "--object-type", "document"}, "deleted 2 tuples; token "},
		{exitDone, []string{"--user", "user:ann", "--keep-others"}, "deleted 0 tuples; 2 tuples of others stay"},
		{exitDone, []string{"--object", "document:2", "--include-dependants", "--output", "json"}, `"count": "1"`},
	} {
		code, out, err := c.run(append([]string{"tuple", "delete-where"}, tt.args...)...)
		if code != tt.want {
			t.Errorf("%q: exit code %d, not %d: %s%s", tt.args, code, tt.want, out, err)
		}
		wantContains(t, "the answer", out+err, tt.text)
	}
	wantContains(t, "the verification", c.must("org", "verify", "acme"), "everything agrees")
}
