package dsl

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
)

func mappingModel(t testing.TB) *model.Model {
	t.Helper()
	m, err := Compile("model.fga", readFile(t, "testdata/mapping/model.fga"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReadMapping(t *testing.T) {
	m, err := ReadMapping("renamed.yaml", readFile(t, "testdata/mapping/renamed.yaml"), mappingModel(t))
	if err != nil {
		t.Fatal(err)
	}
	want := &gate.Mapping{
		Names: gate.Names{
			User:           "person",
			Organization:   gate.OrganizationNames{Type: "tenant", Enabled: "active", DirectoryMember: "listed", Member: "member"},
			Group:          gate.GroupNames{Type: "team", Organization: "tenant", Assigned: "listed", Member: "member"},
			InOrganization: "tenant",
		},
		Assignable: []gate.Assignable{{Kind: gate.KindEntitlement, Type: "workspace", Relation: "editor", TypeLabel: "Workspace role", Label: "Editor"}},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v\nwant %+v", m, want)
	}
	if faults := gate.Lint(mappingModel(t), &m.Names); len(faults) != 1 || faults[0].Relation != "conditional" {
		t.Errorf("got %v", faults)
	}
}

func TestReadMappingWithDefaults(t *testing.T) {
	text := string(readFile(t, "../identity/identity.fga"))
	shipped, err := Compile("identity.fga", []byte(strings.Replace(text, "module identity", "model\n  schema 1.1", 1)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadMapping("identity.yaml", []byte("{}"), shipped)
	if err != nil || m.Names != *gate.Default() || len(m.Assignable) > 0 {
		t.Errorf("got %+v, %v", m, err)
	}
	m, err = ReadMapping("identity.yaml", []byte("without: [group, live]"), shipped)
	if err != nil || m.Group != (gate.GroupNames{}) || m.Organization.Live != "" || m.Session.Type == "" {
		t.Errorf("got %+v, %v", m, err)
	}
}

// Every faulty mapping gives exactly the diagnostics of its golden file, with line and column.
func TestMappingErrors(t *testing.T) {
	for _, name := range files(t, "mapping/*.yaml") {
		if filepath.Base(name) == "renamed.yaml" {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			m, err := ReadMapping(filepath.Base(name), readFile(t, name), mappingModel(t))
			var ds Diagnostics
			if !errors.As(err, &ds) || m != nil {
				t.Fatalf("got %+v, %v; want Diagnostics", m, err)
			}
			checkModuleDiagnostics(t, ds)
			golden(t, strings.TrimSuffix(name, ".yaml")+".golden", []byte(err.Error()+"\n"))
		})
	}
}

func TestMappingLimits(t *testing.T) {
	for want, text := range map[string]string{
		"MaxMappingBytes": strings.Repeat("# nothing\n", MaxMappingBytes/10+1),
		"MaxAssignable":   "assignable:\n" + strings.Repeat("  - {kind: role, relation: a#b}\n", MaxAssignable+1),
		"UTF-8":           "user: \xff",
	} {
		if _, err := ReadMapping("identity.yaml", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %s", err, want)
		}
	}
}

func TestPrintMapping(t *testing.T) {
	for _, text := range []string{
		"{}\n",
		"user: person\n",
		"in_organization: tenant\n",
		"in_organization: tenant\ngroup:\n  organization: organization\n",
		"user: \"on\"\norganization:\n  type: tenant\n  live: here\ngroup:\n  type: team\nwithout: [role, invited]\n",
		"without: [group, session]\nassignable:\n  - kind: role\n    relation: a#b\n    type: 'A: b'\n    label: \"true\"\n",
	} {
		m, err := ReadMapping("identity.yaml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(PrintMapping(m)); got != text {
			t.Errorf("got %q\nwant %q", got, text)
		}
	}
}

// ReadMapping never panics, and what it accepts is printed and read again unchanged.
func FuzzReadMapping(f *testing.F) {
	for _, name := range files(f, "mapping/*.yaml") {
		f.Add(readFile(f, name))
	}
	m := mappingModel(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := ReadMapping("identity.yaml", text, m); err != nil {
			var ds Diagnostics
			if !errors.As(err, &ds) {
				t.Fatalf("got %v, want Diagnostics", err)
			}
			for _, d := range ds {
				if d.Line < 1 || d.Column < 1 || d.EndColumn <= d.Column {
					t.Errorf("%+v", d)
				}
			}
			_ = err.Error()
		}
		got, err := ReadMapping("identity.yaml", text, nil)
		if err != nil {
			return
		}
		printed := PrintMapping(got)
		if again, err := ReadMapping("printed.yaml", printed, nil); err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("got %+v, %v; want %+v; printed:\n%s", again, err, got, printed)
		}
	})
}
