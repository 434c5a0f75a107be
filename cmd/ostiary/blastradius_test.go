package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// Who would change something asks first, and nothing is changed by that.
func TestBlastRadius(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	dir := t.TempDir()
	folder, other := filepath.Join(dir, "model"), filepath.Join(dir, "other.fga")
	c.must("org", "init", folder)
	c.must("store", "create", "acme", "--use")
	c.must("model", "write", filepath.Join(folder, "fga.mod"))
	c.must("org", "create", "Acme", "--id", "acme")
	c.must("org", "member", "add", "acme", "ann")
	c.must("tuple", "write", "document:1#viewer@user:ann", "document:2#viewer@user:ann", "document:2#viewer@user:bob")
	const lost1, lost2, bob = "lost      document:1#viewer@user:ann\n", "lost      document:2#viewer@user:ann\n", "lost      document:2#viewer@user:bob\n"
	revision := func() string { return c.must("audit", "head") }
	before := revision()
	if err := os.WriteFile(other, []byte("model\n  schema 1.1\ntype user\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		want int
		args string
		text []string
	}{
		{exitDone, "tuples --delete document:1#viewer@user:ann --write document:3#viewer@user:bob", []string{lost1, "gained    document:3#viewer@user:bob\n", "1 gained, 1 lost of document#viewer; revision "}},
		{exitDone, "delete-where --object document:2", []string{lost2 + bob, "0 gained, 2 lost of"}},
		{exitDone, "delete-where --object document:2 --max 1", []string{lost2, "at least 0 gained, 1 lost of", "there may be more: as many are shown as were asked for"}},
		{exitDone, "user ann --org acme --change block", []string{lost1 + lost2, "0 gained, 2 lost of"}},
		{exitDone, "user ann --org acme --change deactivate --output json", []string{`"lost": 2`, `"truncated": ""`, `"BLAST_RADIUS_EFFECT_LOST"`}},
		{exitDone, "model " + filepath.Join(folder, "fga.mod"), []string{"0 gained, 0 lost of"}},
		{exitFailed, "model " + other, []string{"the identity module"}},
		{exitFailed, "user nobody --org acme --change block", []string{"nobody"}},
		{exitUsage, "user ann --org acme --change banish", []string{"banish"}},
		{exitUsage, "tuples", []string{"which tuples"}},
		{exitUsage, "tuples --delete document:1", []string{"--delete"}},
		{exitUsage, "delete-where --of-relation viewer", []string{"which tuples"}},
		{exitUsage, "delete-where --object document:2 --consistency strong", []string{"strong"}},
		{exitFailed, "delete-where --object document:2 --relation viewer", []string{"type#relation"}},
	} {
		args := append([]string{"blast-radius"}, strings.Fields(tt.args)...)
		if !strings.Contains(tt.args, "--relation") && tt.want == exitDone {
			args = append(args, "--relation", "document#viewer")
		}
		code, out, err := c.run(args...)
		if code != tt.want {
			t.Errorf("%q: exit code %d, not %d: %s%s", tt.args, code, tt.want, out, err)
		}
		for _, text := range tt.text {
			wantContains(t, "the answer to "+tt.args, out+err, text)
		}
	}
	if after := revision(); after != before {
		t.Errorf("a question wrote something: the head of the audit was %s and is %s", before, after)
	}
}
