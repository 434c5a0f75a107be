package modeltest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/engine"
)

// update rewrites the golden files: go test ./modeltest -update. Read the difference before committing it.
var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./modeltest -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s\ngo test ./modeltest -run %q -update rewrites it", path, got, want, t.Name())
	}
}

func run(t *testing.T, file string, o Options) *Result {
	t.Helper()
	s, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// text is a result as people read it, without times.
func text(r *Result) string {
	var b strings.Builder
	for _, test := range r.Tests {
		fmt.Fprintf(&b, "%s: passed %v\n", test.Name, test.Passed)
		for _, a := range test.Failures() {
			fmt.Fprintf(&b, "%d: %s", a.Line, a)
		}
	}
	fmt.Fprintf(&b, "%d passed, %d failed\n%s", r.Passed, r.Failed, r.Coverage)
	return b.String()
}

// Everything that a store file may hold is read and asked, and the right answers pass.
func TestEverything(t *testing.T) {
	r := run(t, "testdata/store.fga.yaml", Options{})
	golden(t, "testdata/store.golden", text(r))
	if r.Failed != 0 || r.Passed != 16 {
		t.Errorf("%d passed, %d failed; want 16 and 0", r.Passed, r.Failed)
	}
}

// Wrong answers fail, say what was expected, what came, and why.
func TestFailing(t *testing.T) {
	r := run(t, "testdata/failing.fga.yaml", Options{})
	golden(t, "testdata/failing.golden", text(r))
	if r.Failed != 5 || r.Passed != 2 {
		t.Errorf("%d passed, %d failed; want 2 and 5", r.Passed, r.Failed)
	}
}

// Conditions are evaluated with the context of the tuple and that of the question. A question that
// lacks a parameter has no answer, and fails whatever was expected.
func TestConditions(t *testing.T) {
	r := run(t, "testdata/conditions.fga.yaml", Options{})
	golden(t, "testdata/conditions.golden", text(r))
	if r.Passed != 5 || r.Failed != 2 || r.Tests[1].Assertions[0].Error == "" {
		t.Errorf("%d passed, %d failed; want 5 and 2, one of them for want of an answer", r.Passed, r.Failed)
	}
}

func TestOnly(t *testing.T) {
	r := run(t, "testdata/failing.fga.yaml", Options{Only: func(name string) bool { return name == "passes" }})
	if r.Failed != 0 || len(r.Tests) != 1 || r.Skipped != 2 {
		t.Errorf("got %+v", r)
	}
}

// An engine that cannot answer fails the assertion: an error is not a denial.
func TestNoAnswer(t *testing.T) {
	s, err := Load("testdata/store.fga.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(t.Context(), Options{Engine: engine.New(engine.Options{MaxReads: 1})})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, test := range r.Tests {
		for _, a := range test.Failures() {
			if a.Error != "" && len(a.Got) == 0 {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("no assertion failed for want of an answer")
	}
}

// Every fault of a file is told with its file and line.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.fga.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := Load(file)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want Faults", err)
			}
			if s.Model != nil || !slices.Contains(s.Files, file) {
				t.Errorf("beside faults: got %+v, want the files alone", s)
			}
			golden(t, strings.TrimSuffix(file, ".fga.yaml")+".golden", err.Error()+"\n")
		})
	}
}

func TestAbsentFile(t *testing.T) {
	if _, err := Load("testdata/absent.fga.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// A file that repeats itself by aliases is bounded by what it would say.
func TestAliasBomb(t *testing.T) {
	text := "model_file: small.fga\ntests:\n  - check:\n      - user: user:ann\n        object: doc:1\n        assertions: {viewer: true}\n        context:\n          a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		text += fmt.Sprintf("          a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "bomb.fga.yaml")
	model, err := os.ReadFile("testdata/files/small.fga")
	if err = errors.Join(err, os.WriteFile(file, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "small.fga"), model, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "maxYAMLValues") {
		t.Errorf("got %v, want a fault that names maxYAMLValues", err)
	}
}

func TestContextValues(t *testing.T) {
	var f faults
	y := &yamlReader{file: "x", faults: &f}
	root := y.parse([]byte("c:\n  at: 2026-01-02T03:04:05Z\n  n: 12345678901234567890\n  f: 1.50\n  h: 0x10\n  t: true\n  z: null\n  s: \"1\"\n  list: [1, a]\n  m: {b: 1, a: 2}\n  inf: .inf\n"))
	o, _ := y.object(root, "x", "c")
	if data := o.json("c"); len(f.list) != 1 || !strings.Contains(f.list[0].Message, "no number that JSON has") {
		t.Errorf("got %s and faults %v, want one for .inf", data, f.list)
	}
	f.list = nil
	delete(o.fields, "c")
	root.Content[1].Content = root.Content[1].Content[:18]
	o, _ = y.object(root, "x", "c")
	const want = `{"at":"2026-01-02T03:04:05Z","f":1.50,"h":16,"list":[1,"a"],"m":{"a":2,"b":1},"n":12345678901234567890,"s":"1","t":true,"z":null}`
	if data := o.json("c"); string(data) != want || len(f.list) > 0 {
		t.Errorf("got %s, faults %v, want %s", data, f.list, want)
	}
}

func TestJUnit(t *testing.T) {
	_, fault := Load("testdata/faults/keys.fga.yaml")
	data, err := JUnit([]Outcome{
		{File: "failing", Result: run(t, "testdata/failing.fga.yaml", Options{})},
		{File: "faulty", Err: fault},
	})
	if err != nil {
		t.Fatal(err)
	}
	var report junitReport
	if err := xml.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	if report.Tests != 4 || report.Failures != 2 || report.Errors != 1 || len(report.Suites) != 2 {
		t.Errorf("got %+v", report)
	}
	if !bytes.Contains(data, []byte("expected    denied")) || !bytes.Contains(data, []byte(`line="7"`)) {
		t.Errorf("the report does not say what failed:\n%s", data)
	}
	if report.Suites[0].Cases[2].Failure != nil {
		t.Error("a test that passed has a failure")
	}
}

func TestResultJSON(t *testing.T) {
	data, err := json.Marshal(run(t, "testdata/failing.fga.yaml", Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"kind":"check"`, `"expected":["denied"]`, `"got":["allowed"]`, `"missing":["doc:2","doc:3"]`, `"untouched":[`} {
		if !bytes.Contains(data, []byte(part)) {
			t.Errorf("%s lacks %s", data, part)
		}
	}
}

// FuzzLoad: no store file makes Load panic or run without end.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*.fga.yaml", "testdata/faults/*.fga.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &loader{suite: &Suite{File: "fuzz"}, dir: t.TempDir()}
		l.store(data)
		if err := l.faults.err(); err != nil {
			_ = err.Error()
			return
		}
		if _, err := l.suite.Run(t.Context(), Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
