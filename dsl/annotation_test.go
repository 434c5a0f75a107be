package dsl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/dsl/gate"
)

// shown is an annotation as tests compare it.
func shown(all []Annotation) string {
	var lines []string
	for _, a := range all {
		lines = append(lines, fmt.Sprintf("%s %s#%s %q %q", a.Kind, a.Type, a.Relation, a.TypeLabel, a.Label))
	}
	return strings.Join(lines, "\n")
}

func TestAnnotations(t *testing.T) {
	text := `model
  schema 1.1
type user
# @alice asked for this type; see also user@scim.example
type workspace
  relations
    # Whoever may change what is in it.
    # @scim entitlement type="Workspace role" label="Editor & \ #1"
    # (Not yet for guests.)
    define editor: [user]
    #   @scim   role
    #@scim entitlement	label="Löser"
    define reader: [
      user, # nobody else
      user:*
    ]
    define other: [user] # a comment
`
	want := `entitlement workspace#editor "Workspace role" "Editor & \\ #1"
role workspace#reader "workspace" "reader"
entitlement workspace#reader "workspace" "Löser"`
	for _, end := range []string{"\n", "\r\n"} {
		all, err := Annotations("m.fga", []byte(strings.ReplaceAll(text, "\n", end)))
		if err != nil {
			t.Fatal(err)
		}
		if got := shown(all); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	}
}

func TestAnnotationsOfModules(t *testing.T) {
	mod := "schema: '1.2'\ncontents:\n  - core.fga\n  - ext.fga\n"
	dir := fstest.MapFS{
		"core.fga": {Data: []byte("module core\ntype user\ntype workspace\n  relations\n    # @scim role\n    define reader: [user]\n")},
		"ext.fga":  {Data: []byte("module ext\nextend type workspace\n  relations\n    # @scim entitlement label=\"Editor\"\n    define editor: [user]\n")},
	}
	all, err := ModuleAnnotations("model/fga.mod", []byte(mod), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "role workspace#reader \"workspace\" \"reader\"\nentitlement workspace#editor \"workspace\" \"Editor\""
	if got := shown(all); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	dir["ext.fga"].Data = append(dir["ext.fga"].Data, "    # @scim licence\n    define x: [user]\n"...)
	_, err = ModuleAnnotations("model/fga.mod", []byte(mod), dir)
	if err == nil || !strings.HasPrefix(err.Error(), "model/ext.fga:6:13: error E050: ") {
		t.Errorf("a fault in the second module: %v", err)
	}
	if _, err = ModuleAnnotations("fga.mod", []byte("schema: '1.2'\ncontents:\n  - none.fga\n"), dir); err == nil {
		t.Error("a module that is not there is passed over")
	}
}

// What annotations mean is judged by the model, and each fault said where the annotation stands.
func TestAssignables(t *testing.T) {
	files := fstest.MapFS{
		"core.fga": {Data: []byte("module core\ntype user\ntype organization\n  relations\n    define enabled: [user]\n" +
			"type workspace\n  relations\n    define organization: [organization]\n" +
			"    # @scim entitlement type=\"Workspace role\" label=\"Editor\"\n    define editor: [user] and enabled from organization\n")},
		"ext.fga": {Data: []byte("module ext\nextend type workspace\n  relations\n    # @scim role\n    define reader: [user]\n" +
			"    # @scim role\n    define admin: [user] and enabled from organization\n")},
	}
	judge := func(mod string) ([]gate.Assignable, error) {
		all, err := ModuleAnnotations("model/fga.mod", []byte(mod), files)
		if err != nil {
			t.Fatal(err)
		}
		m, err := CompileModules("model/fga.mod", []byte(mod), files)
		if err != nil {
			t.Fatal(err)
		}
		return Assignables(all, m, gate.Default())
	}
	got, err := judge("schema: '1.2'\ncontents:\n  - core.fga\n")
	want := []gate.Assignable{{Kind: "entitlement", Type: "workspace", Relation: "editor", TypeLabel: "Workspace role", Label: "Editor"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	_, err = judge("schema: '1.2'\ncontents:\n  - core.fga\n  - ext.fga\n")
	const faults = "model/ext.fga:4:7: error E051: `workspace#reader` lets people through who are not enabled: workspace#reader <- [user]\n" +
		" 4 |     # @scim role\n" +
		"   |       ^^^^^^^^^^\n" +
		"   = help: join it with `and enabled from organization`\n\n" +
		"model/ext.fga:6:7: error E051: `workspace#admin` is never assigned\n" +
		" 6 |     # @scim role\n" +
		"   |       ^^^^^^^^^^\n" +
		"   = help: who is owner or admin is for the application to say\n\n" +
		"2 errors"
	if err == nil || err.Error() != faults {
		t.Errorf("got:\n%v\nwant:\n%s", err, faults)
	}
}

// Every fault of an annotation is said, with its line and the place in it.
func TestAnnotationFaults(t *testing.T) {
	long := strings.Repeat("x", MaxLabelBytes+1)
	tests := []struct{ comment, want string }{
		{"# @scim", "5:12: error E050: the annotation is of the kind ``, which is not known"},
		{"# @scim entitlment", "5:13: error E050: the annotation is of the kind `entitlment`, which is not known"},
		{"# @skim role", "5:7: error E050: the annotation `@skim` is not known"},
		{"# @scim:role", "5:7: error E050: the annotation `@scim:role` is not known"},
		{"# @scim role objects=all", "5:18: error E050: `objects` is not known here, or stands twice"},
		{`# @scim role label="a" label="b"`, "5:28: error E050: `label` is not known here, or stands twice"},
		{`# @scim role label`, "5:18: error E050: `label` is not followed by `=` and a text in quotes"},
		{`# @scim role label=Editor`, "5:18: error E050: `label` is not followed by `=` and a text in quotes"},
		{`# @scim role label="Editor`, "5:18: error E050: `label` is not followed by `=` and a text in quotes"},
		{`# @scim role label=" "`, "5:18: error E050: `label` is empty"},
		{`# @scim role type="` + long + `"`, "5:18: error E050: `type` has 257 bytes, and may have 256 (MaxLabelBytes)"},
		{"# @scim role label=\"a\u0085\"", "5:18: error E050: `label` holds a control character"},
		{`# @scim role "Editor"`, "5:18: error E050: `\"Editor\"` is not known here, or stands twice"},
		{"# @scim role\n    # @scim role", "6:7: error E050: the relation `doc#editor` has two annotations of the kind role"},
		{"# @scim role\n", "5:7: error E050: the annotation belongs to no relation"},
		{"define viewer: [user] # @scim role", "5:29: error E050: the annotation belongs to no relation"},
		{"define viewer: [\n    # @scim role\n    user]", "6:7: error E050: the annotation belongs to no relation"},
	}
	for _, test := range tests {
		text := "model\n  schema 1.1\ntype doc\n  relations\n    " + test.comment + "\n    define editor: [user]\ntype user\n"
		_, err := Annotations("m.fga", []byte(text))
		var ds Diagnostics
		if !errors.As(err, &ds) || len(ds) != 1 {
			t.Errorf("%q: got %v, want one diagnostic", test.comment, err)
			continue
		}
		if got, _, _ := strings.Cut(ds[0].String(), "\n"); got != "m.fga:"+test.want {
			t.Errorf("%q:\n got %s\nwant m.fga:%s", test.comment, got, test.want)
		}
	}
	for _, text := range []string{
		"# @scim role\nmodel\n  schema 1.1\ntype user\n",
		"model\n  schema 1.1\n# @scim role\ntype user\n",
		"model\n  schema 1.1\ntype user\n# @scim role\n",
		"model\n  schema 1.1\ntype user\n  relations\n    # @scim role\n    define a [user]\n",
	} {
		if all, err := Annotations("m.fga", []byte(text)); err == nil {
			t.Errorf("%q: got %v, want a diagnostic", text, all)
		}
	}
}

// Annotations never panics, and finds only relations that the model has.
func FuzzAnnotations(f *testing.F) {
	addSeeds(f, "valid/*.fga", "errors/*.fga")
	f.Add([]byte(doc(`# @scim entitlement type="Workspace role" label="Editor"`, "define editor: [user]")))
	f.Add([]byte(doc("# @scim role", "# @skim role", "define editor: [user] # @scim role label=", "")))
	f.Fuzz(func(t *testing.T, text []byte) { tryAnnotations(t, text) })
}

func tryAnnotations(t rapid.TB, text []byte) {
	t.Helper()
	all, err := Annotations("fuzz", text)
	if err != nil {
		var ds Diagnostics
		if all != nil || !errors.As(err, &ds) {
			t.Fatalf("annotations %v with error %v", all, err)
		}
		checkDiagnostics(t, text, ds)
		return
	}
	m, err := Compile("fuzz", text)
	for _, a := range all {
		if err == nil && m.Relation(a.Type, a.Relation) == nil {
			t.Fatalf("%s#%s is not in the model", a.Type, a.Relation)
		}
		if a.Label == "" || a.TypeLabel == "" || !utf8.ValidString(a.Label+a.TypeLabel) {
			t.Fatalf("annotation %+v without labels", a)
		}
	}
}
