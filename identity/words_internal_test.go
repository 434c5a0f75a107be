package identity

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// drawNames draws the names of a model, some of them those of the module in other places, and parts left out.
func drawNames(t *rapid.T) *gate.Names {
	n := *gate.Default()
	types := rapid.Permutation([]string{gate.User, gate.Organization, gate.Group, gate.Role, "person", "tenant", "team", "job"}).Draw(t, "types")
	relations := rapid.Permutation([]string{gate.Enabled, gate.DirectoryMember, gate.Member, gate.InOrganization, gate.Assigned,
		gate.Direct, "active", "listed", "tenant"}).Draw(t, "relations")
	for i, typ := range []*string{&n.User, &n.Organization.Type, &n.Group.Type, &n.Role.Type} {
		*typ = types[i]
	}
	n.Organization.Enabled, n.Organization.DirectoryMember, n.Organization.Member = relations[0], relations[1], relations[2]
	n.Group.Organization, n.Group.Assigned, n.Group.Member = relations[3], relations[4], relations[5]
	n.InOrganization = relations[6]
	if rapid.Bool().Draw(t, "without roles") {
		n.Role = gate.AssignedNames{}
	}
	if rapid.Bool().Draw(t, "without invited") {
		n.Organization.Invited = ""
	}
	return &n
}

// What a model calls something comes back from the module's names as it was, and two things of a model never
// become one: else the tuple of an application would be taken for what an identity provider says.
func TestWordsThereAndBack(t *testing.T) {
	word := rapid.SampledFrom([]string{gate.User, gate.Organization, gate.Group, gate.Role, gate.Session, gate.Client, "person", "tenant",
		"team", "job", "document", gate.Enabled, gate.DirectoryMember, gate.Member, gate.Assigned, gate.Direct, gate.Invited, "active", "listed"})
	rapid.Check(t, func(t *rapid.T) {
		n := drawNames(t)
		w := newWords(n)
		if w == nil {
			t.Skip("the module's names")
		}
		draw := func(label string) ostiary.Tuple {
			s := ostiary.SubjectRef{Type: word.Draw(t, label+" subject"), ID: "2"}
			if rapid.Bool().Draw(t, label+" set") {
				s.Relation = word.Draw(t, label+" of")
			}
			return ostiary.Tuple{Object: ostiary.ObjectRef{Type: word.Draw(t, label+" type"), ID: "1"},
				Relation: word.Draw(t, label+" relation"), Subject: s}
		}
		a, b := draw("a"), draw("b")
		back, lacks := w.modelTuple(w.moduleTuple(a))
		if back != a || lacks.part != "" {
			t.Fatalf("%v became %v, lacking %q", a, back, lacks.part)
		}
		if (w.moduleTuple(a) == w.moduleTuple(b)) != (a == b) {
			t.Fatalf("%v and %v are the same in the module's names", a, b)
		}
		// What the store guards is what this package takes for its own.
		own := w.moduleTuple(a)
		if got, want := gate.Default().IsManaged(own.Object.Type, own.Relation), n.IsManaged(a.Object.Type, a.Relation); got != want {
			t.Fatalf("%v: managed by the module's names %v, and by the model's %v", a, got, want)
		}
	})
}
