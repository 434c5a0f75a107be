package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// offline runs command lines that need no server.
func offline(t *testing.T) *cli { return newCLI(t, "127.0.0.1:1") }

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const examplesDir = "../../examples"

// The tests of the examples pass: README and help point to them.
func TestExamplesPass(t *testing.T) {
	out := offline(t).must("model", "test", examplesDir)
	wantContains(t, "stdout", out, "organization/store.fga.yaml", "modules/store.fga.yaml", "pass  owners", "examples/abac/store.fga.yaml", "pass  one tuple takes everything from who has left", "7 files, 30 tests", "all passed")
}

func TestModelTestFails(t *testing.T) {
	const file = "../../modeltest/testdata/failing.fga.yaml"
	report := filepath.Join(t.TempDir(), "report.xml")
	code, out, errText := offline(t).run("model", "test", file, "--junit", report)
	if code != exitInvalid || errText != "" {
		t.Errorf("exit code %d, stderr %q; want %d and nothing", code, errText, exitInvalid)
	}
	wantContains(t, "stdout", out, "FAIL  checks", "failing.fga.yaml:12: check doc:1#viewer@user:ann", "expected    denied", "got         allowed",
		"because", "unexpected  doc:1", "pass  passes", "3 tests (7 assertions): 2 tests failed (5 assertions), 0 files invalid")
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Failures int `xml:"failures,attr"`
	}
	if err := xml.Unmarshal(data, &parsed); err != nil || parsed.Failures != 2 {
		t.Errorf("the report has %d failures (%v), want 2:\n%s", parsed.Failures, err, data)
	}
}

func TestModelTestJSON(t *testing.T) {
	code, out, _ := offline(t).run("model", "test", "../../modeltest/testdata/failing.fga.yaml", "../../modeltest/testdata/faults/model.fga.yaml", "--output", "json")
	var report testReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if code != exitInvalid || report.Passed || len(report.Files) != 2 || report.Files[0].Result.Failed != 5 || report.Files[1].Faults[0].Diagnostic == nil {
		t.Errorf("exit code %d, report %+v", code, report)
	}
}

func TestModelTestFilter(t *testing.T) {
	const file = "../../modeltest/testdata/failing.fga.yaml"
	c := offline(t)
	wantContains(t, "stdout", c.must("model", "test", file, "--filter", "^pass"), "1 test (1 assertion)")
	for _, filter := range []string{"nothing is called so", "("} {
		if code, _, errText := c.run("model", "test", file, "--filter", filter); code != exitUsage {
			t.Errorf("--filter %q: exit code %d, want %d; %s", filter, code, exitUsage, errText)
		}
	}
}

func TestModelTestWrongFiles(t *testing.T) {
	c := offline(t)
	for _, file := range []string{"../../examples/organization/model.fga", t.TempDir()} {
		if code, _, errText := c.run("model", "test", file); code != exitUsage {
			t.Errorf("%s: exit code %d, want %d; %s", file, code, exitUsage, errText)
		}
	}
	if code, _, errText := c.run("model", "test", "absent.fga.yaml"); code != exitFailed || !strings.Contains(errText, "absent.fga.yaml") {
		t.Errorf("an absent file: exit code %d, %s", code, errText)
	}
}

// A modular model and the model of a store file stand wherever a model file does.
func TestModelFilesOfAllKinds(t *testing.T) {
	c := offline(t)
	mod, store := examplesDir+"/modules/fga.mod", examplesDir+"/modules/store.fga.yaml"
	wantContains(t, "validate", c.must("model", "validate", mod, store), "fga.mod: valid (4 types", "store.fga.yaml: valid (4 types")
	data := c.must("model", "transform", mod, "--to", "json")
	wantContains(t, "transform", data, `"module": "warehouse"`, `"file": "orders.fga"`, `"schema_version": "1.2"`)
	if c.must("model", "transform", store, "--to", "json") != data {
		t.Error("the store file has another model than the fga.mod that it names")
	}
	c.must("model", "format", "--check", mod)
	if code, _, _ := c.run("model", "format", store); code != exitUsage {
		t.Errorf("format a store file: exit code %d, want %d", code, exitUsage)
	}

	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "fga.mod"), "schema: '1.2'\ncontents: [core.fga]\n")
	writeFile(t, filepath.Join(dir, "core.fga"), "module core\ntype   doc\n  relations\n    define viewer: [usr]\n")
	code, _, errText := c.run("model", "validate", filepath.Join(dir, "fga.mod"))
	if code != exitInvalid || !strings.Contains(errText, filepath.Join(dir, "core.fga")+":4:21: error E101") {
		t.Errorf("a fault in a module: exit code %d\n%s", code, errText)
	}
	if code, out, _ := c.run("model", "format", "--check", filepath.Join(dir, "fga.mod")); code != exitFailed || !strings.Contains(out, "core.fga") {
		t.Errorf("format --check of a module: exit code %d, %s", code, out)
	}
	c.must("model", "format", "--write", filepath.Join(dir, "fga.mod"))
	formatted, err := os.ReadFile(filepath.Join(dir, "core.fga"))
	if err != nil || !strings.HasPrefix(string(formatted), "module core\n\ntype doc\n") {
		t.Errorf("got %q, %v", formatted, err)
	}
}

// A modular model that is written is read back with the modules that its parts are of.
func TestModularModelOnAServer(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.must("store", "create", "shop", "--use")
	c.must("model", "write", examplesDir+"/modules/fga.mod")
	wantContains(t, "model get", c.must("model", "get", "--output", "json"), `"module": "warehouse"`, `"file": "orders.fga"`)
	c.must("tuple", "write", "organization:shop#admin@user:ann")
	if code, out, _ := c.run("check", "organization:shop#can_order@user:ann"); code != exitDone {
		t.Errorf("exit code %d, %s; want allowed", code, out)
	}
}
