package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/api"
)

func TestConditionContext(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	model := filepath.Join(t.TempDir(), "model.fga")
	text := "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user with below]\n" +
		"condition below(x: int, limit: int) {\n  x < limit\n}\n"
	if err := os.WriteFile(model, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.must("model", "write", model)
	c.must("tuple", "write", "doc:1#viewer@user:ann", "--condition", "below", "--condition-context", `{"limit": 3}`)
	for _, row := range []struct {
		args []string
		code int
		text string // part of stdout or of stderr
	}{
		{[]string{"check", "doc:1#viewer@user:ann", "--context", `{"x": 1}`}, exitDone, "allowed"},
		{[]string{"check", "doc:1#viewer@user:ann", "--context", `{"x": 5}`}, exitDenied, "denied"},
		{[]string{"check", "doc:1#viewer@user:ann"}, exitFailed, "missing context parameters '[x]'"},
		{[]string{"check", "doc:1#viewer@user:ann", "--context", `[1]`}, exitUsage, "is not a JSON object"},
		{[]string{"check", "doc:1#viewer@user:ann", "--context", `{"x": 5}`, "--explain"}, exitDenied, `condition below with {"limit":3,"x":5} does not hold`},
		{[]string{"check", "doc:1#viewer@user:ann", "--explain"}, exitFailed, "cannot be evaluated"},
		{[]string{"list-objects", "user:ann", "viewer", "doc", "--context", `{"x": 1}`}, exitDone, "doc:1"},
		{[]string{"list-users", "doc:1", "viewer", "--context", `{"x": 1}`}, exitDone, "user:ann"},
		{[]string{"tuple", "write", "doc:2#viewer@user:ann", "--condition", "below", "--condition-context", `{"limit": "x"}`}, exitFailed, "expected an int"},
	} {
		code, out, err := c.run(row.args...)
		if code != row.code {
			t.Errorf("%q: got exit code %d, want %d (%s%s)", row.args, code, row.code, out, err)
		}
		wantContains(t, "output of "+row.args[0], out+err, row.text)
	}
}
