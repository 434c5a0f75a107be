package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// TestAudit: what callers do is listed, followed and verified, and what an attacker did to a backup is found.
func TestAudit(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.must("store", "create", "acme")
	c.must("store", "create", "globex")
	list := c.must("audit", "list", "--store", "acme")
	wantContains(t, "list", list, "CreateStore", "anonymous", "127.0.0.1:", "put store/")
	if one := c.must("audit", "list", "--method", "CreateStore", "--since", "1h", "--limit", "1"); strings.Count(one, "\n") != 2 {
		t.Errorf("a line is too many or missing:\n%s", one)
	}
	if none := c.must("audit", "list", "--until", "2020-01-01T00:00:00Z"); strings.Count(none, "\n") != 1 {
		t.Errorf("rows of before the server was made:\n%s", none)
	}
	head := strings.TrimSpace(c.must("audit", "head"))
	wantContains(t, "verify", c.must("audit", "verify"), "rows are in order; the head is "+head)
	c.must("store", "create", "initech")
	wantContains(t, "verify a head", c.must("audit", "verify", "--head", head), "rows are in order")
	wantContains(t, "verify from a head", c.must("audit", "verify", "--from", head), "1 rows are in order")
	wantContains(t, "tail", c.must("audit", "tail", "--after", head, "--once", "--output", "json"), "CreateStore", `"head":"`)
	flipped := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(head, "0")]
	for _, test := range []struct {
		code int
		args []string
		says string
	}{
		{exitFailed, []string{"--head", head[:len(head)-1] + flipped}, "the chain has no row"},
		{exitFailed, []string{"--from", head[:len(head)-1] + flipped}, "the audit has no row"},
		{exitUsage, []string{"--head", "1/2"}, "REVISION/KIND/HASH"},
		{exitUsage, []string{"--from", head, "--backup", "x"}, "--from goes with a server"},
	} {
		if code, out, err := c.run(append([]string{"audit", "verify"}, test.args...)...); code != test.code || !strings.Contains(out+err, test.says) {
			t.Errorf("%v: exit code %d\n%s%s", test.args, code, out, err)
		}
	}
	for _, wrong := range [][]string{{"--since", "yesterday"}, {"--limit", "0"}} {
		if code, _, _ := c.run(append([]string{"audit", "list"}, wrong...)...); code != exitUsage {
			t.Errorf("%v: exit code %d", wrong, code)
		}
	}
	file := filepath.Join(t.TempDir(), "full.backup")
	c.must("backup", "create", file)
	wantContains(t, "verify a backup", c.must("audit", "verify", "--backup", file, "--head", head), "rows are in order")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := c.run("audit", "verify", "--backup", file); code != exitFailed {
		t.Errorf("a damaged backup: exit code %d", code)
	}
}

// TestStreamsAreCalls: commands that open streams show the caller's key, and say what is wrong as others do.
func TestStreamsAreCalls(t *testing.T) {
	const key = "the-key-of-operators"
	keys, err := api.NewNamedKeys([]byte("ops " + key))
	if err != nil {
		t.Fatal(err)
	}
	address := startNode(t, keys)
	c := newCLI(t, address)
	c.want(exitDone, "", key, "store", "create", "acme")
	for _, args := range [][]string{
		{"audit", "verify"}, {"audit", "tail", "--once"}, {"backup", "create", filepath.Join(t.TempDir(), "full.backup")},
	} {
		c.want(exitDone, "", key, args...)
		c.want(exitFailed, "pass the key with --token-file or OSTIARY_TOKEN", "", args...)
		c.env["OSTIARY_SERVER"] = "127.0.0.1:1"
		c.want(exitUnavailable, "is a server running at 127.0.0.1:1?", key, args...)
		c.env["OSTIARY_SERVER"] = address
	}
}
