package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/dsl/gate"
)

// What identity providers may assign is what they cannot escalate by, and what deactivation takes away.
// IDENTITY g.0, rules 1 and 6.
func TestJudgeAssignable(t *testing.T) {
	const app = `
type workspace
  relations
    define organization: [organization]
    define editor: [user, group#member] and enabled from organization
    define staffed: enabled from organization
    define reader: [user, user:*] and staffed
    define narrower: editor but not blocked
    define blocked: [user]
    define either: [user] or editor
    define inherited: ([user] and enabled from organization) or editor from parent
    define parent: [workspace]
    define bare: [user]
    define joined: [user] and member from organization
    define windowed: [user with in_window] and enabled from organization
    define grouped: [group#member] and enabled from organization
    define manager: [user] and enabled from organization
    define steward: manager
    define owner: [user] and enabled from organization
    define admin: ([user] and enabled from organization) or steward or owner
    define outsider: [user] and enabled from organization
    define guest: outsider but not admin
type nested
  relations
    define organization: [organization]
    define parent: [nested, workspace]
    define editor: [user] and enabled from organization
    define lead: [user] and enabled from organization
    define chief: lead or chief from parent
    define admin: ([user] and enabled from organization) or chief from parent
    define owner: [user] but not editor
type hub
  relations
    define organization: [organization]
    define keeper: [user] and enabled from organization
    define opener: [user] and enabled from organization
type paper
  relations
    define hub: [hub]
    define owner: [user] or opener from hub
type folder
  relations
    define organization: [organization, workspace]
    define editor: [user] and enabled from organization
type drawer
  relations
    define editor: [user]
`
	tests := map[string]string{ // the answer, up to its help; empty where it can be assigned
		"workspace#editor":   "",
		"workspace#reader":   "",
		"workspace#joined":   "",
		"workspace#outsider": "",
		"workspace#either":   "workspace#either lets people through who are not enabled: workspace#either <- [user]",
		"workspace#inherited": "workspace#inherited lets people through who are not enabled: " +
			"workspace#inherited <- editor from parent",
		"workspace#bare":            "workspace#bare lets people through who are not enabled: workspace#bare <- [user]",
		"workspace#narrower":        "workspace#narrower does not accept user directly",
		"workspace#windowed":        "workspace#windowed does not accept user directly",
		"workspace#grouped":         "workspace#grouped does not accept user directly",
		"workspace#organization":    "workspace#organization does not accept user directly",
		"workspace#manager":         "workspace#manager would make people admin, which is never assigned",
		"nested#editor":             "",
		"nested#lead":               "nested#lead would make people admin, which is never assigned",
		"hub#keeper":                "hub#keeper would make people admin of an organization, which is never assigned",
		"hub#opener":                "",
		"workspace#owner":           "workspace#owner is never assigned",
		"workspace#admin":           "workspace#admin is never assigned",
		"workspace#other":           "workspace#other does not exist",
		"room#editor":               "room#editor does not exist",
		"folder#editor":             "folder#editor is of a type whose objects belong to no organization by `organization`",
		"drawer#editor":             "drawer#editor is of a type whose objects belong to no organization by `organization`",
		"organization#admin":        "organization#admin is of a type that identity itself is made of",
		"organization#owner":        "organization#owner is of a type that identity itself is made of",
		"organization#member":       "organization#member is of a type that identity itself is made of",
		"organization#enabled":      "organization#enabled is of a type that identity itself is made of",
		"group#assigned":            "group#assigned is of a type that identity itself is made of",
		"role#direct":               "role#direct is of a type that identity itself is made of",
		"entitlement#direct":        "entitlement#direct is of a type that identity itself is made of",
		"session#subject":           "session#subject is of a type that identity itself is made of",
		"organization#no_such_part": "organization#no_such_part does not exist",
	}
	const admin = "    define admin: ([user, group#member] and enabled) or owner"
	m := compile(t, strings.Replace(identity(t), admin, "    define hub: [hub]\n"+admin+" or (keeper from hub and enabled)", 1), app)
	for name, want := range tests {
		typ, relation, _ := strings.Cut(name, "#")
		faults := gate.Assignable{Kind: gate.KindEntitlement, Type: typ, Relation: relation}.Judge(m, gate.Default())
		var got []string
		for _, f := range faults {
			if f.Help == "" {
				t.Errorf("%s: a fault without help", name)
			}
			said, _, _ := strings.Cut(f.String(), "; ")
			got = append(got, said)
		}
		var wants []string
		if want != "" {
			wants = []string{want}
		}
		if !slices.Equal(got, wants) {
			t.Errorf("%s: got %q, want %q", name, got, wants)
		}
	}
}

// A model that gives the parts other names is judged by them.
func TestJudgeAssignableRenamed(t *testing.T) {
	names := *gate.Default()
	names.User = "person"
	names.Organization = gate.OrganizationNames{Type: "tenant", Enabled: "active", DirectoryMember: "known", Member: "member"}
	names.InOrganization = "tenant"
	names.Group, names.Role, names.Entitlement = gate.GroupNames{}, gate.AssignedNames{}, gate.AssignedNames{}
	names.Session = gate.SessionNames{}
	m := compile(t, `module identity
type person
type tenant
  relations
    define active: [person]
    define known: [person]
    define member: known and active
`, `
type board
  relations
    define tenant: [tenant]
    define editor: [person] and active from tenant
    define open: [person]
    define organization: [person] and active from tenant
type group
  relations
    define tenant: [tenant]
    define editor: [person] and active from tenant
`)
	if faults := (gate.Assignable{Type: "board", Relation: "editor"}).Judge(m, &names); len(faults) > 0 {
		t.Errorf("a relation that passes the gate: %v", faults)
	}
	faults := gate.Assignable{Type: "board", Relation: "open"}.Judge(m, &names)
	if want := "board#open lets people through who are not enabled: board#open <- [person]; join it with `and active from tenant`"; len(faults) != 1 || faults[0].String() != want {
		t.Errorf("got %v, want %s", faults, want)
	}
	for _, a := range []gate.Assignable{{Type: "group", Relation: "editor"}, {Type: "board", Relation: "organization"}} {
		if faults := a.Judge(m, &names); len(faults) != 1 || !strings.Contains(faults.Error(), "means something else in the model") {
			t.Errorf("%s#%s: got %v", a.Type, a.Relation, faults)
		}
	}
}
