package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// TestExitCodes is the table of what a script may rely on.
func TestExitCodes(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	c.must("tuple", "write", "doc:1#viewer@user:ann")
	dir := t.TempDir()
	invalid := filepath.Join(dir, "invalid.fga")
	if err := os.WriteFile(invalid, []byte("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [usr] or ownr\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args string
		code int
		out  string // part of stdout
		err  string // part of stderr; empty is that stderr is empty
	}{
		{"allowed", "check doc:1#viewer@user:ann", exitDone, "allowed\n", ""},
		{"allowed, three arguments", "check user:ann viewer doc:1", exitDone, "allowed\n", ""},
		{"denied, three arguments with signs in the ids", "check user:eve@example.com viewer doc:a@b", exitDenied, "denied\n", ""},
		{"denied, one argument with signs in the ids", "check doc:a@b#viewer@user:eve@example.com", exitDenied, "denied\n", ""},
		{"denied", "check doc:1#viewer@user:eve", exitDenied, "denied\n", ""},
		{"denied as json", "check doc:1#viewer@user:eve --output json", exitDenied, `"allowed": false`, ""},
		{"explained", "check doc:1#viewer@user:ann --explain", exitDone, "doc:1#viewer@user:ann", ""},
		{"explained and denied", "check doc:1#viewer@user:eve --explain", exitDenied, "denied", ""},
		{"contextual tuple", "check doc:1#viewer@user:eve --contextual-tuple doc:1#viewer@user:eve", exitDone, "allowed\n", ""},
		{"contextual tuple that bans", "check doc:1#viewer@user:ann --contextual-tuple doc:1#banned@user:ann", exitDenied, "denied\n", ""},
		{"malformed question", "check doc:1", exitUsage, "", "is not of the form"},
		{"two questions", "check doc:1#viewer@user:ann doc:2#viewer@user:ann", exitUsage, "", "one question"},
		{"unknown type", "check repo:1#viewer@user:ann", exitFailed, "", "'ostiary model get' shows"},
		{"unknown relation", "check doc:1#vewer@user:ann", exitFailed, "", "check doc:1#vewer@user:ann"},
		{"forged token", "check doc:1#viewer@user:ann --at-least forged", exitFailed, "", "token"},
		{"no such consistency", "check doc:1#viewer@user:ann --consistency strong", exitUsage, "", "strong"},
		{"list of objects", "list-objects user:ann viewer doc", exitDone, "doc:1\n", ""},
		{"empty list of objects", "list-objects user:eve viewer doc", exitDone, "", ""},
		{"list of users", "list-users doc:1 viewer", exitDone, "user:ann\n", ""},
		{"list of usersets", "list-users doc:1 viewer --user-filter group#member", exitDone, "", ""},
		{"expand", "expand doc:1 viewer", exitDone, "user:ann", ""},
		{"tuple that exists", "tuple write doc:1#viewer@user:ann", exitFailed, "", "write doc:1#viewer@user:ann"},
		{"tuple that exists, ignored", "tuple write doc:1#viewer@user:ann --on-duplicate ignore", exitDone, "wrote", ""},
		{"tuple that does not exist", "tuple delete doc:1#viewer@user:eve", exitFailed, "", "delete doc:1#viewer@user:eve"},
		{"tuple against the model", "tuple write doc:1#viewer@doc:2", exitFailed, "", "doc:2"},
		{"tuples read", "tuple read --object doc:1", exitDone, "doc:1#viewer@user:ann\n", ""},
		{"stores", "store list", exitDone, "acme", ""},
		{"unknown store", "store get nowhere", exitFailed, "", "ostiary store list"},
		{"unknown store id", "store get 01ARZ3NDEKTSV4RRFFQ69G5FAV", exitFailed, "", "ostiary store list"},
		{"delete without --yes", "store delete acme", exitUsage, "", "--yes"},
		{"model", "model get", exitDone, "define viewer: [user, user:*, group#member] but not banned", ""},
		{"models", "model list", exitDone, "3 types", ""},
		{"invalid model", "model validate " + invalid, exitInvalid, "", "usr"},
		{"invalid model written", "model write " + invalid, exitInvalid, "", "ownr"},
		{"invalid model formatted", "model transform " + invalid + " --to json", exitInvalid, "", "usr"},
		{"missing model file", "model validate " + filepath.Join(dir, "none.fga"), exitFailed, "", "none.fga"},
		{"unknown code", "explain no-such-code", exitUsage, "", `no code "no-such-code"; 'ostiary explain' lists them`},
		{"codes", "explain", exitDone, "E061  mapping-undefined", ""},
		{"argument too many", "connection list acme", exitUsage, "", `ostiary connection list takes no arguments, and got "acme"`},
		{"argument missing", "connection show", exitUsage, "", "ostiary connection show wants CONNECTION, and got nothing"},
		{"unknown command", "tupel", exitUsage, "", "did you mean tuple?"},
		{"unknown verb", "tuple wrte", exitUsage, "", "did you mean write?"},
		{"unknown flag", "check doc:1#viewer@user:ann --explian", exitUsage, "", "--explian"},
		{"too few arguments", "list-objects user:ann", exitUsage, "", "list-objects USER RELATION TYPE"},
		{"unknown output", "store list --output yaml", exitUsage, "", "yaml"},
		{"no server", "check doc:1#viewer@user:ann --server 127.0.0.1:1 --store 01ARZ3NDEKTSV4RRFFQ69G5FAV", exitUnavailable, "", "127.0.0.1:1"},
		{"import without a server", "tuple import testdata/one.csv --server 127.0.0.1:1 --store 01ARZ3NDEKTSV4RRFFQ69G5FAV", exitUnavailable, "", "127.0.0.1:1"},
		{"no store chosen", "check doc:1#viewer@user:ann --server 127.0.0.1:1", exitUsage, "", "ostiary use"},
		{"help", "--help", exitDone, "Exit codes", ""},
		{"help of a noun", "tuple", exitDone, "import", ""},
		{"version", "version", exitDone, "ostiary ", ""},
		{"completion", "completion bash", exitDone, "__ostiary", ""},
		{"no such shell", "completion csh", exitUsage, "", "csh"},
		{"serve without authentication", "serve", exitUsage, "", "--authn-method preshared"},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, out, err := c.run(strings.Fields(row.args)...)
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			wantContains(t, "stdout", out, row.out)
			if row.err == "" && err != "" {
				t.Errorf("stderr is %q, want nothing", err)
			}
			wantContains(t, "stderr", err, row.err)
			if row.code != exitDone && row.code != exitDenied && out != "" {
				t.Errorf("stdout is %q, want nothing", out)
			}
			if row.code == exitFailed || row.code == exitUsage || row.code == exitUnavailable {
				if strings.Count(err, "\n") != 1 {
					t.Errorf("the error is not one line:\n%s", err)
				}
			}
		})
	}
}

func TestUse(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	first := c.newStore("first")
	second := strings.TrimSpace(c.must("store", "create", "second"))
	if out := c.must("tuple", "write", "doc:1#viewer@user:ann"); !strings.HasPrefix(out, "wrote doc:1#viewer@user:ann; token ") {
		t.Errorf("got %q", out)
	}
	c.must("check", "doc:1#viewer@user:ann", "--store", "first")
	c.must("check", "doc:1#viewer@user:ann", "--store", first)
	c.must("use", "second")
	code, _, err := c.run("check", "doc:1#viewer@user:ann")
	if code != exitFailed {
		t.Errorf("the second store has no model: got exit code %d, %s", code, err)
	}
	wantContains(t, "stderr", err, "ostiary model write")
	c.env["OSTIARY_STORE"] = "first"
	c.must("check", "doc:1#viewer@user:ann")
	delete(c.env, "OSTIARY_STORE")

	twin := strings.TrimSpace(c.must("store", "create", "second"))
	code, _, err = c.run("use", "second")
	if code != exitUsage {
		t.Errorf("two stores of one name: got exit code %d", code)
	}
	wantContains(t, "stderr", err, second, twin)
	c.must("store", "delete", twin, "--yes")
	c.must("use", "second")

	if err := os.WriteFile(c.env["OSTIARY_CONFIG"], []byte(`{"store":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, err = c.run("tuple", "read")
	if code != exitFailed {
		t.Errorf("unknown key in the configuration: got exit code %d", code)
	}
	wantContains(t, "stderr", err, c.env["OSTIARY_CONFIG"])
}

func TestConsistencyToken(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	var written struct {
		Revision string `json:"ostiary-revision"`
		Token    string `json:"ostiary-token"`
	}
	if err := json.Unmarshal([]byte(c.must("tuple", "write", "doc:1#viewer@user:ann", "--output", "json")), &written); err != nil {
		t.Fatal(err)
	}
	if written.Revision == "" || written.Token == "" {
		t.Fatalf("the answer to a write names no revision: %+v", written)
	}
	var answer struct {
		Allowed  bool   `json:"allowed"`
		Revision string `json:"ostiary-revision"`
	}
	out := c.must("check", "doc:1#viewer@user:ann", "--at-least", written.Token, "--output", "json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	if !answer.Allowed || answer.Revision == "" {
		t.Errorf("got %+v", answer)
	}
	c.must("check", "doc:1#viewer@user:ann", "--consistency", "higher-consistency")
}

func TestAuthentication(t *testing.T) {
	authenticator, err := api.PresharedKeys("first-key", "second-key")
	if err != nil {
		t.Fatal(err)
	}
	c := newCLI(t, startNode(t, authenticator))
	for _, key := range []string{"", "wrong"} {
		c.env["OSTIARY_TOKEN"] = key
		code, out, err := c.run("store", "list")
		if code != exitFailed || out != "" {
			t.Errorf("key %q: exit code %d, stdout %q", key, code, out)
		}
		wantContains(t, "stderr", err, "OSTIARY_TOKEN")
	}
	c.env["OSTIARY_TOKEN"] = "second-key"
	c.must("store", "list")
	c.must("store", "list", "--token", "first-key")
}

func TestModelFiles(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1") // no server is asked
	dir := t.TempDir()
	path := filepath.Join(dir, "model.fga")
	untidy := strings.ReplaceAll(testModel, "    define", "      define")
	if err := os.WriteFile(path, []byte(untidy), 0o640); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "validate", c.must("model", "validate", path), "valid (3 types, 3 relations)")
	if code, out, _ := c.run("model", "format", "--check", path); code != exitFailed || strings.TrimSpace(out) != path {
		t.Errorf("format --check: exit code %d, stdout %q", code, out)
	}
	formatted := c.must("model", "format", path)
	c.must("model", "format", "--write", path)
	if got, err := os.ReadFile(path); err != nil || string(got) != formatted {
		t.Errorf("format --write left %q (%v), want %q", got, err, formatted)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("format --write changed the mode to %v (%v)", info.Mode(), err)
	}
	c.must("model", "format", "--check", path)

	asJSON := filepath.Join(dir, "model.json")
	if err := os.WriteFile(asJSON, []byte(c.must("model", "transform", path, "--to", "json")), 0o644); err != nil {
		t.Fatal(err)
	}
	if back := c.must("model", "transform", asJSON, "--to", "dsl"); back != formatted {
		t.Errorf("to JSON and back: got\n%s\nwant\n%s", back, formatted)
	}
	code, out, _ := c.runWith("model\n  schema 1.1\ntype doc\n  relations\n    define viewer: [usr]\n", "model", "validate", "-", "--output", "json")
	var results []validated
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatal(err)
	}
	if code != exitInvalid || len(results) != 1 || results[0].Valid || len(results[0].Diagnostics) == 0 || results[0].Diagnostics[0].Line != 5 {
		t.Fatalf("exit code %d, %+v", code, results)
	}
	wantContains(t, "explain", c.must("explain", results[0].Diagnostics[0].Code), "type")
}

func TestCompletion(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"use", ""}, "acme"},
		{[]string{"check", "--store", ""}, "acme"},
		{[]string{"check", ""}, "doc:"},
		{[]string{"check", "doc:1#"}, "doc:1#banned@\ndoc:1#viewer@"},
		{[]string{"check", "group:1#"}, "group:1#member@"},
		{[]string{"list-objects", "user:ann", ""}, "banned\nmember\nviewer"},
		{[]string{"list-objects", "user:ann", "viewer", ""}, "user\ngroup\ndoc"},
		{[]string{"list-users", "group:eng", ""}, "member"},
		{[]string{"store", "list", "--output", ""}, "text\njson"},
		{[]string{"tup"}, "tuple"},
	} {
		out := c.must(append([]string{"__complete"}, row.args...)...)
		wantContains(t, strings.Join(row.args, " "), out, row.want)
	}
}
