package gate_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
)

// identity is the module that is shipped.
func identity(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../identity/identity.fga")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// compile joins the identity module, or what stands in its place, with a module of an application.
func compile(t testing.TB, identity, app string) *model.Model {
	t.Helper()
	mod := "schema: '1.2'\ncontents:\n  - identity.fga\n"
	files := fstest.MapFS{"identity.fga": {Data: []byte(identity)}}
	if app != "" {
		mod += "  - app.fga\n"
		files["app.fga"] = &fstest.MapFile{Data: []byte("module app\n" + app)}
	}
	m, err := dsl.CompileModules("fga.mod", []byte(mod), files)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModuleHasNoFaults(t *testing.T) {
	if faults := gate.Lint(compile(t, identity(t), ""), gate.Default()); len(faults) > 0 {
		t.Fatalf("the module that is shipped:\n%v", faults)
	}
	app := `
type document
  relations
    define organization: [organization]
    define viewer: [user, group#member, role#assignee, entitlement#holder]
    define can_view: viewer and live from organization
    define staff: member from organization
extend type organization
  relations
    define auditor: [user, group#member] and enabled
    define auditing_admin: auditor and admin
extend type group
  relations
    define manager: [user] and enabled from organization
    define steward: manager or admin from organization
    define alternate: manager but not member
`
	if faults := gate.Lint(compile(t, identity(t), app), gate.Default()); len(faults) > 0 {
		t.Fatalf("an application that uses the module as it should:\n%v", faults)
	}
}

// The four walks around the gate that models can open, and their relatives. IDENTITY g.0, rules 1, 3 and 18.
func TestWaysAroundTheGate(t *testing.T) {
	tests := []struct {
		name string
		// old in the module is replaced by new.
		old, new string
		app      string
		want     []string // each a line of the answer, up to its help
	}{
		{
			name: "support agent without the gate",
			old:  "define support_agent: [user with in_window] and enabled", new: "define support_agent: [user with in_window]",
			want: []string{"organization#support_agent lets people through who are not enabled: organization#support_agent <- [user with in_window]"},
		},
		{
			name: "members without the gate",
			old:  "define member: assigned and enabled from organization", new: "define member: assigned",
			want: []string{"group#member lets people through who are not enabled: group#member <- group#assigned <- [user]"},
		},
		{
			name: "a raw relation in a type restriction",
			app:  "type document\n  relations\n    define viewer: [user, group#assigned]",
			want: []string{"document#viewer refers to group#assigned, which holds people who are not enabled"},
		},
		{
			name: "a raw relation in a type restriction, gated by the wrong organization",
			app: "type document\n  relations\n    define organization: [organization]\n" +
				"    define viewer: [role#direct] and enabled from organization",
			want: []string{"document#viewer refers to role#direct, which holds people who are not enabled"},
		},
		{
			name: "a raw relation by tuple-to-userset",
			app:  "type document\n  relations\n    define team: [group]\n    define viewer: [user] or assigned from team",
			want: []string{"document#viewer refers to group#assigned, which holds people who are not enabled"},
		},
		{
			name: "a raw relation on the subtracted side",
			app:  "type document\n  relations\n    define team: [group]\n    define viewer: [user] but not assigned from team",
			want: []string{"document#viewer refers to group#assigned, which holds people who are not enabled"},
		},
		{
			name: "directory members",
			app:  "type document\n  relations\n    define viewer: [organization#directory_member]",
			want: []string{"document#viewer refers to organization#directory_member, which holds people who are not enabled"},
		},
		{
			name: "a session's person",
			app:  "type document\n  relations\n    define viewer: [session#subject]",
			want: []string{"document#viewer refers to session#subject, which holds people who are not enabled"},
		},
		{
			name: "through several relations",
			app: "extend type role\n  relations\n    define helper: backup or assignee\n    define backup: assignee or deputy\n" +
				"    define deputy: [user]",
			want: []string{
				"role#helper lets people through who are not enabled: role#helper <- role#backup <- role#deputy <- [user]",
				"role#backup lets people through who are not enabled: role#backup <- role#deputy <- [user]",
				"role#deputy lets people through who are not enabled: role#deputy <- [user]",
			},
		},
		{
			name: "a wildcard",
			app:  "extend type entitlement\n  relations\n    define open: [user:*]",
			want: []string{"entitlement#open lets people through who are not enabled: entitlement#open <- [user:*]"},
		},
		{
			name: "members of a group that may be another organization's",
			app:  "extend type group\n  relations\n    define guest: [group#member]",
			want: []string{"group#guest lets people through who are not enabled: group#guest <- [group#member]"},
		},
		{
			name: "the gate of another organization",
			app: "extend type organization\n  relations\n    define parent: [organization]\n" +
				"    define manager: [user] and enabled from parent",
			want: []string{"organization#manager lets people through who are not enabled: organization#manager <- [user]"},
		},
		{
			name: "a set of the application",
			app:  "type team\n  relations\n    define member: [user]\nextend type organization\n  relations\n    define partner: [team#member]",
			want: []string{"organization#partner lets people through who are not enabled: organization#partner <- [team#member]"},
		},
		{
			name: "the gate on the subtracted side",
			app:  "extend type group\n  relations\n    define gone: assigned but not member",
			want: []string{"group#gone lets people through who are not enabled: group#gone <- group#assigned <- [user]"},
		},
		{
			name: "enabled by more than tuples",
			old:  "define enabled: [user, client, user:*]", new: "define enabled: [user, client, user:*] or directory_member",
			want: []string{"organization#enabled is not made of tuples alone"},
		},
		{
			name: "enabled by a set",
			old:  "define enabled: [user, client, user:*]", new: "define enabled: [user, group#member]",
			want: []string{"organization#enabled takes the set group#member, and whoever is in it would be enabled"},
		},
		{
			name: "a group of several owners",
			old:  "type group\n  relations\n    define organization: [organization]",
			new:  "type group\n  relations\n    define organization: [organization, client]",
			want: []string{"group#organization is not exactly [organization]"},
		},
		{
			name: "assigned by more than the identity provider",
			old:  "define assigned: [user, group#member]", new: "define extra: [client]\n    define assigned: [user, group#member] or extra",
			want: []string{"group#assigned is not made of tuples alone"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := identity(t)
			if test.old != "" {
				if !strings.Contains(text, test.old) {
					t.Fatalf("the module does not hold %q", test.old)
				}
				text = strings.Replace(text, test.old, test.new, 1)
			}
			var got []string
			for _, f := range gate.Lint(compile(t, text, test.app), gate.Default()) {
				if f.Help == "" {
					t.Errorf("%s: says nothing of what to do", f)
				}
				f.Help = ""
				got = append(got, f.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

func TestModelWithoutTheModule(t *testing.T) {
	m, err := dsl.Compile("model.fga", []byte("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user]\n"))
	if err != nil {
		t.Fatal(err)
	}
	faults := gate.Lint(m, gate.Default())
	if len(faults) != 1 || !strings.HasPrefix(faults.Error(), "organization#enabled does not exist") {
		t.Fatalf("got %v", faults)
	}
}
