package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportFaultyRows loads files with good and faulty rows: the good ones are loaded, the faulty ones
// named with their lines, and the rejects can be corrected and loaded.
func TestImportFaultyRows(t *testing.T) {
	const header = "user_type,user_id,user_relation,relation,object_type,object_id\n"
	for _, c := range []struct {
		name, text, rejects string
		lines               []string          // each part of stderr
		corrections         map[string]string // in the file of rejects
	}{
		{
			name: "tuples.csv", rejects: "rejects.csv",
			text: header + "user,ann,,viewer,doc,1\nuser,bob,,veiwer,doc,1\nuser,cy,,viewer\ngroup,eng,member,viewer,doc,1\ndoc,2,,viewer,doc,1\n",
			lines: []string{
				"tuples.csv:3: doc:1#veiwer@user:bob: ",
				"tuples.csv:4: 4 fields where the header has 6\n",
				"tuples.csv:6: doc:1#viewer@doc:2: ",
			},
			corrections: map[string]string{"veiwer,doc": "viewer,doc", "user,cy,,viewer\n": "user,cy,,viewer,doc,1\n", "doc,2,,": "user,dan,,"},
		},
		{
			name: "tuples.jsonl", rejects: "rejects.jsonl",
			text: `{"user":"user:ann","relation":"viewer","object":"doc:1"}
{"user":"user:bob","relation":"veiwer","object":"doc:1"}
# comment
{"user":"user cy","relation":"viewer","object":"doc:1"}
{"user":"group:eng#member","relation":"viewer","object":"doc:1"}
nonsense
`,
			lines: []string{
				"tuples.jsonl:2: doc:1#veiwer@user:bob: ",
				`tuples.jsonl:4: user "user cy" is not of the form`,
				"tuples.jsonl:6: not a tuple in JSON",
			},
			corrections: map[string]string{`:"veiwer"`: `:"viewer"`, `"user cy"`: `"user:cy"`, "\nnonsense": "\n" + `{"user":"user:dan","relation":"viewer","object":"doc:1"}`},
		},
		{
			name: "tuples.json", rejects: "rejects.jsonl",
			text: `[{"user":"user:ann","relation":"viewer","object":"doc:1"},
{"user":"user:bob","relation":"veiwer","object":"doc:1"},

{"user":"user cy","relation":"viewer",
 "object":"doc:1"},
{"user":"group:eng#member","relation":"viewer","object":"doc:1"}, {"name":"dan"}]`,
			lines: []string{
				"tuples.json:2: doc:1#veiwer@user:bob: ",
				`tuples.json:4: user "user cy" is not of the form`,
				"tuples.json:6: not a tuple in JSON: json: unknown field",
			},
			corrections: map[string]string{`:"veiwer"`: `:"viewer"`, `"user cy"`: `"user:cy"`, `{"name":"dan"}`: `{"user":"user:dan","relation":"viewer","object":"doc:1"}`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := newCLI(t, startNode(t, api.Anonymous()))
			run.newStore("acme")
			path := write(t, c.name, c.text)
			rejects := filepath.Join(filepath.Dir(path), c.rejects)
			code, out, err := run.run("tuple", "import", path, "--rejects", rejects)
			if code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			wantContains(t, "stdout", out, "loaded 2 tuples, rejected 3")
			wantContains(t, "stderr", err, append(c.lines, rejects)...)
			text, readErr := os.ReadFile(rejects)
			if readErr != nil {
				t.Fatal(readErr)
			}
			corrected := string(text)
			for from, to := range c.corrections {
				if strings.Count(corrected, from) < 1 {
					t.Errorf("the rejects lack %q:\n%s", from, corrected)
				}
				corrected = strings.Replace(corrected, from, to, -1)
			}
			if err := os.WriteFile(rejects, []byte(corrected), 0o644); err != nil {
				t.Fatal(err)
			}
			wantContains(t, "stdout of the second import", run.must("tuple", "import", rejects), "loaded 3 tuples, rejected 0")
			got := strings.Fields(run.must("tuple", "read", "--object", "doc:1"))
			want := "doc:1#viewer@group:eng#member doc:1#viewer@user:ann doc:1#viewer@user:bob doc:1#viewer@user:cy doc:1#viewer@user:dan"
			if strings.Join(got, " ") != want {
				t.Errorf("got tuples %v, want %v", got, want)
			}
		})
	}
}

// TestImportFindsTheFaultyRowOfABatch has one bad tuple among many in full batches.
func TestImportFindsTheFaultyRowOfABatch(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	var text strings.Builder
	text.WriteString("user_type,user_id,relation,object_type,object_id\n")
	for i := range 1000 {
		relation := "viewer"
		if i == 357 || i == 358 || i == 999 {
			relation = "nothing"
		}
		fmt.Fprintf(&text, "user,u%d,%s,doc,1\n", i, relation)
	}
	text.WriteString("user,u0,viewer,doc,1\nuser,u0,viewer,doc,1\n") // there already, and twice
	path := write(t, "tuples.csv", text.String())
	code, out, err := c.run("tuple", "import", path, "--output", "json")
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	var result imported
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	if result.Loaded != 999 || result.Rejected != 3 {
		t.Errorf("got %+v, want 999 loaded and 3 rejected", result)
	}
	wantContains(t, "stderr", err, "tuples.csv:359: ", "tuples.csv:360: ", "tuples.csv:1001: ")
	if got := len(strings.Fields(c.must("tuple", "read"))); got != 997 {
		t.Errorf("got %d tuples, want 997", got)
	}
	wantContains(t, "repeated import", func() string { _, out, _ := c.run("tuple", "import", path); return out }(), "loaded 999 tuples, rejected 3")
	code, out, _ = c.run("tuple", "import", path, "--on-duplicate", "error", "--max-tuples-per-write", "7", "--concurrency", "1")
	if code != exitFailed {
		t.Errorf("import of what exists, as an error: exit code %d", code)
	}
	wantContains(t, "stdout", out, "loaded 0 tuples, rejected 1,002")
}

func TestImportRefusals(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	good := write(t, "tuples.csv", "user_type,user_id,relation,object_type,object_id\nuser,ann,viewer,doc,1\n")
	for _, row := range []struct {
		name string
		args []string
		code int
		err  string
	}{
		{"form not told", []string{write(t, "tuples.txt", "")}, exitUsage, "--format"},
		{"unknown form", []string{good, "--format", "xml"}, exitUsage, "xml"},
		{"missing file", []string{good + ".none.csv"}, exitFailed, "none.csv"},
		{"folder", []string{t.TempDir(), "--format", "csv"}, exitFailed, "folder"},
		{"rejects over the input", []string{good, "--rejects", good}, exitUsage, "is the file that is imported"},
		{"rejects of another form", []string{good, "--rejects", good + ".jsonl"}, exitUsage, ".csv"},
		{"no tuples in a call", []string{good, "--max-tuples-per-write", "0"}, exitUsage, "--max-tuples-per-write 0"},
		{"no calls", []string{good, "--concurrency", "0"}, exitUsage, "--concurrency 0"},
		{"no such policy", []string{good, "--on-duplicate", "maybe"}, exitUsage, "maybe"},
		{"unknown store", []string{good, "--store", "nowhere"}, exitFailed, "nowhere"},
		{"empty file", []string{write(t, "empty.csv", "")}, exitFailed, "header"},
		{"broken array", []string{write(t, "broken.json", "[{")}, exitFailed, "line 1"},
		{"unknown model", []string{good, "--model", "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, exitFailed, "stopped after line 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, out, err := c.run(append([]string{"tuple", "import"}, row.args...)...)
			if code != row.code || out != "" {
				t.Errorf("exit code %d, stdout %q, want %d and nothing", code, out, row.code)
			}
			wantContains(t, "stderr", err, row.err)
		})
	}
	if out := c.must("tuple", "read"); out != "" {
		t.Errorf("a refused import loaded %s", out)
	}
	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	c.must("tuple", "import", good, "--rejects", rejects)
	if _, err := os.Stat(rejects); !os.IsNotExist(err) {
		t.Errorf("a file for rejects stays where nothing was rejected: %v", err)
	}
}

// TestExportIsImported moves all tuples to another store by way of every form.
func TestExportIsImported(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("from")
	var text strings.Builder
	for i := range 321 {
		fmt.Fprintf(&text, `{"user":"user:u%d","relation":"member","object":"group:g%d"}`+"\n", i, i%7)
	}
	text.WriteString(`{"user":"user:*","relation":"viewer","object":"doc:a,\"b\""}` + "\n" + `{"user":"group:g1#member","relation":"viewer","object":"doc:2"}`)
	if code, out, err := c.runWith(text.String(), "tuple", "import", "-", "--format", "jsonl"); code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, out, err)
	}
	want := c.must("tuple", "read")
	if got := strings.Count(want, "\n"); got != 323 {
		t.Fatalf("got %d tuples, want 323", got)
	}
	for _, format := range []string{formatCSV, formatJSON, formatJSONL} {
		t.Run(format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tuples."+format)
			c.must("use", "from")
			c.must("tuple", "export", path)
			if out := c.must("tuple", "export", "--format", format); out == "" {
				t.Error("nothing on stdout")
			} else if file, err := os.ReadFile(path); err != nil || string(file) != out {
				t.Errorf("the file differs from stdout (%v)", err)
			}
			c.newStore("to-" + format)
			wantContains(t, "import", c.must("tuple", "import", path), "loaded 323 tuples, rejected 0")
			if got := c.must("tuple", "read"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.newStore("acme")
	var text strings.Builder
	text.WriteString("user_type,user_id,relation,object_type,object_id\n")
	for i := range 500 {
		fmt.Fprintf(&text, "user,u%d,viewer,doc,1\n", i)
	}
	path := write(t, "tuples.csv", text.String())
	t.Run("plain lines", func(t *testing.T) {
		a, _, err := c.app("")
		a.progressEvery = 0
		if code := a.run(t.Context(), []string{"tuple", "import", path}); code != exitDone {
			t.Fatalf("exit code %d: %s", code, err)
		}
		lines := strings.Split(strings.TrimSpace(err.String()), "\n")
		if len(lines) != 500 {
			t.Errorf("got %d lines, want one for each row", len(lines))
		}
		form := regexp.MustCompile(`^\d+%  [\d,]+ imported  [\d,]+/s  \d+m?s left$`)
		for _, line := range lines {
			if !form.MatchString(line) {
				t.Fatalf("the line %q is not of the form %s", line, form)
			}
		}
		wantContains(t, "the last line", lines[len(lines)-1], "100%  500 imported")
	})
	t.Run("bar", func(t *testing.T) {
		a, _, err := c.app("")
		a.errTerminal = true
		p := a.newProgress("imported", 1000)
		p.started = p.started.Add(-10 * time.Second)
		p.at(50, 500)
		p.show()
		wantContains(t, "the bar", err.String(), "\r\x1b[K[###############...............]  50%  50 imported  5/s  10s left")
		p.interrupt(func() { a.talkf("a word") })
		if !strings.HasSuffix(err.String(), "\r\x1b[Ka word\n") {
			t.Errorf("a line is written into the bar: %q", err.String())
		}
	})
	t.Run("unknown size", func(t *testing.T) {
		a, _, _ := c.app("")
		p := a.newProgress("imported", 0)
		p.at(5, 100)
		if line := p.line(); !regexp.MustCompile(`^5 imported  [\d,]+/s$`).MatchString(line) {
			t.Errorf("got %q", line)
		}
	})
}

// TestImportOrganization loads a real organization with the command that a person would use.
func TestImportOrganization(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "kubernetes-org")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is absent", dir)
	}
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.must("store", "create", "organization", "--use")
	c.must("model", "write", filepath.Join(dir, "model.fga"))
	out := c.must("tuple", "import", filepath.Join(dir, "tuples.csv"))
	wantContains(t, "stdout", out, "loaded 7,624 tuples, rejected 0")
	t.Log(strings.TrimSpace(out))
	if got := strings.Count(c.must("tuple", "read"), "\n"); got != 7624 {
		t.Errorf("got %d tuples, want 7624", got)
	}
}
