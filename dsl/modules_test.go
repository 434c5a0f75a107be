package dsl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ostiary/ostiary/dsl/model"
)

// withoutOrigins returns the model as one that was written in one file.
func withoutOrigins(m *model.Model) *model.Model {
	var types []*model.Type
	for _, t := range m.Types {
		c := &model.Type{Name: t.Name, Relations: []*model.Relation{}}
		for _, r := range t.Relations {
			c.Relations = append(c.Relations, &model.Relation{Name: r.Name, Rewrite: r.Rewrite, Restrictions: r.Restrictions})
		}
		types = append(types, c)
	}
	conditions := []*model.Condition{}
	for _, c := range m.Conditions {
		conditions = append(conditions, &model.Condition{Name: c.Name, Parameters: c.Parameters, Expression: c.Expression})
	}
	return model.New(m.Schema, types, conditions)
}

// compileFolder compiles the modular model of a folder.
func compileFolder(t *testing.T, dir string) (*model.Model, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return CompileModules("shop/fga.mod", readFile(t, filepath.Join(dir, "fga.mod")), root.FS())
}

// A modular model is the one that OpenFGA's own transformer makes of the same files (openfga.json, from
// @openfga/syntax-transformer 0.2.2), and its JSON form gives the same model again.
func TestModulesAsOpenFGA(t *testing.T) {
	m, err := compileFolder(t, "testdata/modules/shop")
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, m)
	data, err := JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := errors.Join(json.Unmarshal(data, &got), json.Unmarshal(readFile(t, "testdata/modules/shop/openfga.json"), &want)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s", data)
	}
	for _, place := range []struct {
		typ, relation string
		want          model.Origin
	}{
		{"order", "owner", model.Origin{}},
		{"order", "can_store", model.Origin{Module: "warehouse", File: "warehouse.fga"}},
		{"order", "can_return", model.Origin{Module: "orders", File: "orders/returns.fga"}},
	} {
		if got := m.Relation(place.typ, place.relation).Origin; got != place.want {
			t.Errorf("origin of %s#%s: got %v, want %v", place.typ, place.relation, got, place.want)
		}
	}
	if printed, err := Compile("printed", Print(m)); err != nil || len(printed.Types) != len(m.Types) {
		t.Errorf("the printed model does not compile: %v", err)
	}
}

// Every faulty modular model gives exactly the diagnostics of its golden file, over all its files.
func TestModuleErrors(t *testing.T) {
	for _, mod := range files(t, "modules/*/fga.mod") {
		dir := filepath.Dir(mod)
		if filepath.Base(dir) == "shop" {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			m, err := compileFolder(t, dir)
			var ds Diagnostics
			if !errors.As(err, &ds) || m != nil {
				t.Fatalf("got model %v, error %v; want Diagnostics", m, err)
			}
			checkModuleDiagnostics(t, ds)
			golden(t, filepath.Join(dir, "golden"), []byte(err.Error()+"\n"))
		})
	}
}

func checkModuleDiagnostics(t *testing.T, ds Diagnostics) {
	t.Helper()
	if len(ds) == 0 || len(ds) > MaxDiagnostics+1 {
		t.Fatalf("%d diagnostics", len(ds))
	}
	for _, d := range ds {
		if _, ok := Explain(d.Code); !ok || d.Message == "" || d.Line < 1 || d.Column < 1 || d.EndColumn <= d.Column || d.File == "" {
			t.Errorf("%+v", d)
		}
	}
}

// A fault is told with the line of its own file, whatever stands in the files before it.
func TestModuleLines(t *testing.T) {
	const fault = "module m%d\n\ntype t%d\n  relations\n    define a: [nobody]"
	for _, ending := range []string{"", "\n", "\n\n\n", "\r\n", " # é"} {
		mod, dir := "schema: '1.2'\ncontents:\n", fstest.MapFS{}
		for i := range 3 {
			mod += fmt.Sprintf("  - m%d.fga\n", i)
			dir[fmt.Sprintf("m%d.fga", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf(fault, i, i) + ending)}
		}
		_, err := CompileModules("fga.mod", []byte(mod), dir)
		var ds Diagnostics
		if !errors.As(err, &ds) || len(ds) != 3 {
			t.Fatalf("%q: got %v, want three diagnostics", ending, err)
		}
		for i, d := range ds {
			if d.File != fmt.Sprintf("m%d.fga", i) || d.Line != 5 || d.Column != 16 || d.SourceLine[4:10] != "define" {
				t.Errorf("%q: got %s:%d:%d %q", ending, d.File, d.Line, d.Column, d.SourceLine)
			}
		}
	}
}

func TestModuleLimits(t *testing.T) {
	big := "module big\n" + strings.Repeat("# nothing\n", MaxModelBytes/20)
	many := "schema: '1.2'\ncontents:\n"
	for i := range MaxModuleFiles + 1 {
		many += fmt.Sprintf("  - m%d.fga\n", i)
	}
	for _, c := range []struct {
		name, mod string
		dir       fstest.MapFS
		want      string
	}{
		{"bytes of all files", "schema: '1.2'\ncontents: [a.fga, b.fga, c.fga]\n",
			fstest.MapFS{"a.fga": {Data: []byte(big)}, "b.fga": {Data: []byte(big)}, "c.fga": {Data: []byte(big)}}, "MaxModelBytes"},
		{"files", many, nil, "MaxModuleFiles"},
		{"bytes that are no text", "schema: '1.2'\ncontents: [a.fga]\n", fstest.MapFS{"a.fga": {Data: []byte("module a\n\xff")}}, "0xFF"},
		{"a link out of the folder", "schema: '1.2'\ncontents: [a.fga]\n", nil, "cannot read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := CompileModules("fga.mod", []byte(c.mod), c.dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// A symbolic link in the folder cannot bring in a file from outside.
func TestModuleLinks(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret.fga")
	err := errors.Join(
		os.WriteFile(secret, []byte("module secret\ntype user\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "fga.mod"), []byte("schema: '1.2'\ncontents: [link.fga]\n"), 0o600),
		os.Symlink(secret, filepath.Join(dir, "link.fga")))
	if err != nil {
		t.Skip(err)
	}
	if m, err := compileFolder(t, dir); err == nil || !strings.Contains(err.Error(), codeModuleFile) {
		t.Errorf("got model %v, error %v; want %s", m, err, codeModuleFile)
	}
}

func TestModuleFormat(t *testing.T) {
	got, err := Format("m.fga", []byte("# a module\nmodule   orders\nextend   type org\n  relations\n   define a:[user]\ntype x\n"))
	want := "# a module\nmodule orders\n\nextend type org\n  relations\n    define a: [user]\n\ntype x\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// CompileModules never panics, whatever the fga.mod and its files hold, and what it accepts is written
// as JSON and read again unchanged.
func FuzzCompileModules(f *testing.F) {
	for _, mod := range files(f, "modules/*/fga.mod") {
		dir := filepath.Dir(mod)
		first, _ := os.ReadFile(filepath.Join(dir, "core.fga"))
		second, _ := os.ReadFile(filepath.Join(dir, "wiki.fga"))
		f.Add(readFile(f, mod), first, second)
	}
	f.Add([]byte("schema: '1.2'\ncontents: [core.fga, wiki.fga]"), []byte("module a\ntype user"), []byte("module b\nextend type user\n  relations\n    define x: [user]"))
	f.Fuzz(func(t *testing.T, mod, first, second []byte) {
		dir := fstest.MapFS{"core.fga": {Data: first}, "wiki.fga": {Data: second}}
		m, err := CompileModules("fga.mod", mod, dir)
		if err == nil {
			sameJSON(t, m)
			return
		}
		var ds Diagnostics
		if m != nil || !errors.As(err, &ds) {
			t.Fatalf("model %v with error %v", m, err)
		}
		checkModuleDiagnostics(t, ds)
		if bytes.Contains([]byte(ds.Error()), []byte("\x1b")) {
			t.Error("a control character reaches the terminal")
		}
	})
}
