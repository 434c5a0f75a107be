package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// devRun is 'ostiary dev' under way.
type devRun struct {
	t        *testing.T
	out, err *buffer
	stop     context.CancelFunc
	code     chan int
}

// startDev runs 'ostiary dev' on free ports until the test ends.
func startDev(t *testing.T, args ...string) *devRun {
	t.Helper()
	c := offline(t)
	a, out, errText := c.app("")
	ctx, stop := context.WithCancel(context.Background())
	d := &devRun{t: t, out: out, err: errText, stop: stop, code: make(chan int, 1)}
	args = append([]string{"dev", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--poll", "5ms"}, args...)
	go func() { d.code <- a.run(ctx, args) }()
	t.Cleanup(func() {
		stop()
		if code := <-d.code; code != exitDone {
			t.Errorf("exit code %d\n%s%s", code, out, errText)
		}
	})
	return d
}

// wait waits until what was printed since mark has all parts, and returns how much was printed.
func (d *devRun) wait(mark int, parts ...string) int {
	d.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		all := d.out.String()
		missing := ""
		for _, part := range parts {
			if !strings.Contains(all[mark:], part) {
				missing = part
			}
		}
		if missing == "" {
			return len(all)
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("nothing says %q:\n%s%s", missing, all[mark:], d.err)
		}
		time.Sleep(time.Millisecond)
	}
}

// waitErr waits until stderr holds a text.
func (d *devRun) waitErr(part string) {
	d.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(d.err.String(), part); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("stderr does not say %q:\n%s%s", part, d.out, d.err)
		}
	}
}

// found returns the first group of a pattern in the output.
func (d *devRun) found(pattern string) string {
	d.t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(d.out.String())
	if match == nil {
		d.t.Fatalf("no %s in\n%s", pattern, d.out)
	}
	return match[1]
}

// allowed asks the server over HTTP.
func (d *devRun) allowed(user, relation, object string) bool {
	d.t.Helper()
	url := d.found(`HTTP on (http://[^,]+),`) + "/stores/" + d.found(`/stores/(\w+)/check`) + "/check"
	body := `{"tuple_key":{"user":"` + user + `","relation":"` + relation + `","object":"` + object + `"}}`
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	var parsed struct{ Allowed bool }
	if err := json.Unmarshal(data, &parsed); err != nil || answer.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %s %v", answer.Status, data, err)
	}
	return parsed.Allowed
}

const devModel = "model\n  schema 1.1\n\ntype user\n\ntype doc\n  relations\n    define owner: [user]\n    define viewer: [user] or owner\n"

const devTuples = "user_type,user_id,relation,object_type,object_id\nuser,ann,owner,doc,plan\n"

// Saving a model or its tuples changes what is answered; a faulty save changes nothing.
func TestDev(t *testing.T) {
	dir := t.TempDir()
	modelFile, tuples := filepath.Join(dir, "model.fga"), filepath.Join(dir, "tuples.csv")
	writeFile(t, modelFile, devModel)
	writeFile(t, tuples, devTuples)
	d := startDev(t, modelFile, tuples)
	mark := d.wait(0, "NO AUTHENTICATION", "1 tuple (1 added, 0 removed)", "curl -s http://127.0.0.1:", "new OpenFgaClient(", "client.NewSdkClient(", "Watching ")
	if !d.allowed("user:ann", "viewer", "doc:plan") {
		t.Error("ann is denied, want allowed")
	}

	writeFile(t, modelFile, strings.Replace(devModel, "or owner", "or ownr", 1))
	d.waitErr("error E102")
	d.waitErr("go on being served")
	if !d.allowed("user:ann", "viewer", "doc:plan") {
		t.Error("after a faulty save ann is denied, want allowed by the model of before")
	}

	writeFile(t, modelFile, devModel+"    define editor: owner\n")
	mark = d.wait(mark, "model 01", "3 relations")
	if !d.allowed("user:ann", "editor", "doc:plan") {
		t.Error("the new relation denies ann, want allowed")
	}

	writeFile(t, tuples, strings.Replace(devTuples, "ann,owner", "bob,viewer", 1))
	d.wait(mark, "model unchanged; 1 tuple (1 added, 1 removed)")
	if d.allowed("user:ann", "editor", "doc:plan") || !d.allowed("user:bob", "viewer", "doc:plan") {
		t.Error("the tuples are not those of the file")
	}
}

// A store file's tests run at the start and on every save, of any file that it names.
func TestDevStoreFile(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store.fga.yaml")
	writeFile(t, filepath.Join(dir, "fga.mod"), "schema: '1.2'\ncontents: [core.fga]\n")
	module := strings.Replace(devModel, "model\n  schema 1.1\n", "module core\n", 1)
	writeFile(t, filepath.Join(dir, "core.fga"), module)
	writeFile(t, filepath.Join(dir, "tuples.csv"), devTuples)
	writeFile(t, store, "model_file: fga.mod\ntuple_file: tuples.csv\ntests:\n  - name: owners\n    check:\n      - {user: user:ann, object: doc:plan, assertions: {viewer: true}}\n")
	d := startDev(t, store)
	mark := d.wait(0, "pass  owners", "Watching ", "core.fga", "tuples.csv")
	writeFile(t, filepath.Join(dir, "core.fga"), strings.Replace(module, " or owner", "", 1))
	mark = d.wait(mark, "core.fga changed", "FAIL  owners", "expected    allowed")
	writeFile(t, filepath.Join(dir, "tuples.csv"), devTuples+"user,ann,viewer,doc,plan\n")
	d.wait(mark, "tuples.csv changed", "pass  owners")
}

// Files that are faulty at the start are served once they are corrected.
func TestDevFaultyStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.fga")
	writeFile(t, file, "model\n")
	d := startDev(t, file)
	d.waitErr("Nothing is served yet")
	mark := d.wait(0, "Watching ")
	writeFile(t, file, devModel)
	d.wait(mark, "2 types, 2 relations", "There are no tuples yet")
}

func TestDevExit(t *testing.T) {
	dir := t.TempDir()
	c := offline(t)
	common := []string{"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--exit"}
	out := c.must(append([]string{"dev", examplesDir + "/organization/store.fga.yaml"}, common...)...)
	wantContains(t, "stdout", out, "pass  owners", "Ask with curl")

	faulty := filepath.Join(dir, "faulty.fga")
	writeFile(t, faulty, "model\n")
	for _, file := range []string{faulty, "../../modeltest/testdata/failing.fga.yaml"} {
		if code, out, errText := c.run(append([]string{"dev", file}, common...)...); code != exitInvalid {
			t.Errorf("%s: exit code %d, want %d\n%s%s", file, code, exitInvalid, out, errText)
		}
	}
	if code, _, _ := c.run("dev", filepath.Join(dir, "absent.fga")); code != exitFailed {
		t.Errorf("an absent file: exit code %d, want %d", code, exitFailed)
	}
	if code, _, _ := c.run("dev", faulty, "--http-addr", "0.0.0.0:0"); code != exitUsage {
		t.Errorf("an address for everybody: exit code %d, want %d", code, exitUsage)
	}
}

// With a data folder of its own the store is found again, with what others wrote.
func TestDevDataDir(t *testing.T) {
	dir := t.TempDir()
	file, data := filepath.Join(dir, "model.fga"), filepath.Join(dir, "data")
	writeFile(t, file, devModel)
	writeFile(t, filepath.Join(dir, "t.csv"), devTuples)
	c := offline(t)
	args := []string{"dev", file, filepath.Join(dir, "t.csv"), "--data-dir", data, "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--exit"}
	store := regexp.MustCompile(`/stores/(\w+)/`)
	first := store.FindString(c.must(args...))
	// The second run gives the tuple a condition, which a plain write over the old one would not.
	writeFile(t, file, devModel[:strings.Index(devModel, "    define owner")]+
		"    define owner: [user, user with early]\n    define viewer: owner\n\ncondition early(hour: int) {\n  hour < 9\n}\n")
	writeFile(t, filepath.Join(dir, "t.csv"), "user_type,user_id,relation,object_type,object_id,condition_name\nuser,ann,owner,doc,plan,early\n"+
		"user,bob,owner,doc,plan,\n")
	if second := store.FindString(c.must(args...)); first == "" || second != first {
		t.Errorf("got store %q, then %q; want the same", first, second)
	}
	for range 2 {
		c.must(args...)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) == 0 {
		t.Errorf("the data folder holds %v, %v", entries, err)
	}
}

// The requests can be copied whatever the ids hold.
func TestQuotes(t *testing.T) {
	const text = `user:o'neil"$(x)`
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shellQuote(text)).Output()
	if err != nil || string(out) != text {
		t.Errorf("a shell reads %q, %v, want %q", out, err, text)
	}
	var back string
	if err := json.Unmarshal([]byte(quoted(text)), &back); err != nil || back != text {
		t.Errorf("JSON reads %q, %v, want %q", back, err, text)
	}
}

// The README's first minutes work as they are written: its store file is served, passes and answers.
func TestReadmeFirstMinutes(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\ncat > store.fga.yaml <<'EOF'\n")
	file, rest, closed := strings.Cut(rest, "\nEOF\n")
	if !found || !closed || !strings.HasPrefix(rest, "ostiary dev store.fga.yaml\n") {
		t.Fatal("the README has no store file to serve")
	}
	store := filepath.Join(t.TempDir(), "store.fga.yaml")
	writeFile(t, store, file+"\n")
	d := startDev(t, store)
	d.wait(0, "pass  an owner views", "curl -s", "Watching ")
	if !d.allowed("user:ann", "viewer", "doc:plan") {
		t.Error("ann is denied, want allowed")
	}
}
