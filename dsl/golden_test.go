package dsl

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/dsl/model"
)

// update rewrites the golden files: go test ./dsl -update. Read the difference before committing it.
var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./dsl -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s\ngo test ./dsl -run %q -update rewrites it", path, got, want, t.Name())
	}
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files match testdata/%s (%v)", pattern, err)
	}
	return found
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compilerFor returns what compiles a file of that name.
func compilerFor(path string) func(string, []byte) (*model.Model, error) {
	if strings.HasSuffix(path, ".json") {
		return CompileJSON
	}
	return Compile
}

// Every faulty model gives exactly the diagnostics of its golden file.
func TestErrors(t *testing.T) {
	texts := files(t, "errors/*.fga")
	if len(texts) < 60 {
		t.Errorf("%d faulty models, want 60", len(texts))
	}
	for _, path := range append(texts, files(t, "errors/*.json")...) {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			data := readFile(t, path)
			m, err := compilerFor(path)(name, data)
			var ds Diagnostics
			if !errors.As(err, &ds) || m != nil {
				t.Fatalf("compile gives model %v, error %v; want Diagnostics", m, err)
			}
			checkDiagnostics(t, data, ds)
			golden(t, strings.TrimSuffix(path, filepath.Ext(path))+".golden", []byte(err.Error()+"\n"))
		})
	}
}

// checkDiagnostics checks what holds of all diagnostics.
func checkDiagnostics(t rapid.TB, text []byte, ds Diagnostics) {
	t.Helper()
	if len(ds) == 0 || len(ds) > MaxDiagnostics+1 {
		t.Fatalf("%d diagnostics", len(ds))
	}
	lines := strings.Split(unixLines(string(text)), "\n")
	for i, d := range ds {
		if _, ok := Explain(d.Code); !ok {
			t.Errorf("%v: the code has no explanation", d)
		}
		if d.Message == "" || d.Line < 1 || d.Line > max(1, len(lines)) || d.Column < 1 || d.EndColumn <= d.Column {
			t.Errorf("%+v: empty message or impossible place", d)
		}
		if i > 0 && (d.Line < ds[i-1].Line || d.Line == ds[i-1].Line && d.Column < ds[i-1].Column) && d.Code != codeTooManyErrors {
			t.Errorf("%v stands behind %v", d, ds[i-1])
		}
	}
}

// Every valid model compiles to its JSON and formats to its golden text, and every way from one form
// to another and back gives the same model.
func TestValid(t *testing.T) {
	for _, path := range files(t, "valid/*.fga") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text := readFile(t, path)
			m := roundTrip(t, text)
			data, err := JSON(m)
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, data, "", "  "); err != nil {
				t.Fatal(err)
			}
			formatted, err := Format(path, text)
			if err != nil {
				t.Fatal(err)
			}
			base := strings.TrimSuffix(path, ".fga")
			golden(t, base+".json", append(indented.Bytes(), '\n'))
			golden(t, base+".formatted", formatted)
		})
	}
}
