package edges_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// TestSetHoldsWhatWasAdded builds random sets, groups taking turns, with one builder, and compares them
// with plain maps.
func TestSetHoldsWhatWasAdded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var b edges.Builder
	var shapes edges.Shapes
	for round := range 300 {
		b.Reset()
		b.Shapes = nil
		if round%2 == 0 {
			b.Shapes = &shapes
		}
		plain, odd, open := map[string][]string{}, map[string][]string{}, map[string]bool{}
		groups := random.IntN(14)
		for id := range random.IntN(60) {
			for g := range groups {
				head := edges.HeadUserset("viewer", fmt.Sprint("type", g%5), fmt.Sprint("relation", g))
				text := text(id, round)
				switch random.IntN(4) {
				case 0:
					b.Add(b.Group([]byte(head)), []byte(text))
					plain[head] = append(plain[head], text)
				case 1:
					b.AddOdd(b.Group([]byte(head)), stored(text))
					odd[head] = append(odd[head], text)
				case 2:
					if id%9 == 0 {
						b.Open(b.Group([]byte(head)))
						open[head] = true
					}
				}
			}
		}
		var s edges.Set
		label := strings.Repeat("l", round%70)
		b.Pack(&s, []byte(label))
		if s.Label() != label {
			t.Fatalf("the label is %q, want %q", s.Label(), label)
		}
		heads := map[string]bool{"viewer": true}
		for _, m := range []map[string][]string{plain, odd} {
			for head := range m {
				heads[head] = true
			}
		}
		maps.Copy(heads, open)
		for head := range heads {
			g := s.Find(head)
			if got := slices.Collect(g.IDs()); !slices.Equal(got, plain[head]) {
				t.Fatalf("%q: ids %q, want %q", head, got, plain[head])
			}
			var gotOdd []string
			for _, o := range g.Odd() {
				gotOdd = append(gotOdd, o.Subject.ID)
			}
			if !slices.Equal(gotOdd, odd[head]) || g.Open != open[head] {
				t.Fatalf("%q: odd %q, open %v, want %q, %v", head, gotOdd, g.Open, odd[head], open[head])
			}
			for id := range 61 {
				text := text(id, round)
				if g.Has(text) != slices.Contains(plain[head], text) {
					t.Fatalf("%q: Has(%q) is %v", head, text, g.Has(text))
				}
			}
			if g.Empty() != (len(plain[head])+len(odd[head]) == 0 && !open[head]) {
				t.Fatalf("%q: Empty is %v", head, g.Empty())
			}
		}
	}
}

// text makes an id, in some rounds so long that a set needs wide numbers.
func text(id, round int) string {
	text := fmt.Sprintf("%03d", id)
	if round%50 == 7 {
		text += strings.Repeat("x", 1000)
	}
	return text
}

// TestFindByParts compares the ways to name a group without making its head with Find.
func TestFindByParts(t *testing.T) {
	names := []string{"a", "ab", "b", "a#b", "a:b"}
	var subjects []ostiary.SubjectRef
	for _, typ := range names {
		subjects = append(subjects, ostiary.SubjectRef{Type: typ, ID: "1"}, ostiary.SubjectRef{Type: typ, ID: ostiary.Wildcard})
		for _, relation := range names {
			subjects = append(subjects, ostiary.SubjectRef{Type: typ, ID: "1", Relation: relation})
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	var b edges.Builder
	for range 50 {
		b.Reset()
		for i := range random.IntN(20) {
			head := edges.HeadOf(names[random.IntN(len(names))], subjects[random.IntN(len(subjects))])
			if random.IntN(2) == 0 {
				head = edges.HeadObjects(names[random.IntN(len(names))], names[random.IntN(len(names))])
			}
			b.Add(b.Group([]byte(head)), fmt.Append(nil, 100+i))
		}
		s := b.Set()
		same := func(what string, got, want edges.Group) {
			if !slices.Equal(slices.Collect(got.IDs()), slices.Collect(want.IDs())) {
				t.Errorf("%s: %q, Find says %q", what, slices.Collect(got.IDs()), slices.Collect(want.IDs()))
			}
		}
		for _, relation := range names {
			for _, subject := range subjects {
				same(fmt.Sprint("FindOf ", relation, subject), s.FindOf(relation, subject), s.Find(edges.HeadOf(relation, subject)))
			}
			for _, typ := range names {
				same(fmt.Sprint("FindObjects ", typ, relation), s.FindObjects(typ, relation), s.Find(edges.HeadObjects(typ, relation)))
			}
		}
	}
}

// TestShapesAreBounded: sets keep their heads when the dictionary is begun anew.
func TestShapesAreBounded(t *testing.T) {
	b := edges.Builder{Shapes: &edges.Shapes{}}
	var sets []*edges.Set
	for i := range 3000 {
		b.Reset()
		b.Add(b.Group([]byte(edges.HeadPlain(fmt.Sprint("r", i), "user"))), []byte("ann"))
		sets = append(sets, b.Set())
	}
	for i, s := range sets {
		if !s.Find(edges.HeadPlain(fmt.Sprint("r", i), "user")).Has("ann") {
			t.Fatalf("set %d has lost its group", i)
		}
	}
}

func stored(id string) ostiary.StoredTuple {
	return ostiary.StoredTuple{
		Tuple:  ostiary.Tuple{Subject: ostiary.SubjectRef{Type: "type", ID: id}},
		Grants: []ostiary.Grant{{Owner: ostiary.OwnerAPI, Condition: "c"}},
	}
}

func TestCutSetKnowsOnlyWhatItHolds(t *testing.T) {
	var b edges.Builder
	b.Add(b.Group([]byte(edges.HeadPlain("viewer", "user"))), []byte("ann"))
	b.Cut()
	s := b.Set()
	if s.Find(edges.HeadPlain("viewer", "user")).Open || !s.Find(edges.HeadPlain("viewer", "users")).Open {
		t.Error("a cut set is open for the groups that it holds, or whole for others")
	}
}

// TestCutAt: behind the head at which a set is cut, any group may be missing, and before it none.
func TestCutAt(t *testing.T) {
	for _, shapes := range []*edges.Shapes{nil, {}} {
		b := edges.Builder{Shapes: shapes}
		b.Add(b.Group([]byte(edges.HeadPlain("viewer", "user"))), []byte("ann"))
		whole := b.Set()
		b.CutAt([]byte(edges.HeadPlain("member", "user")))
		s := b.Set()
		for head, open := range map[string]bool{
			edges.HeadPlain("admin", "user"):               false,
			edges.HeadUserset("member", "group", "member"): false,
			edges.HeadPlain("member", "bot"):               false,
			edges.HeadPlain("member", "user"):              true,
			edges.HeadPlain("member", "users"):             true,
			edges.HeadWildcard("members", "user"):          true,
			edges.HeadPlain("viewer", "user"):              false, // it has it
			edges.HeadPlain("viewer", "bot"):               true,
		} {
			if got := s.Find(head).Open; got != open {
				t.Errorf("%q is open: %v, want %v", head, got, open)
			}
			if whole.Find(head).Open {
				t.Errorf("%q is open in a whole set", head)
			}
		}
	}
}

// TestHeads: no two shapes share a head, whatever names they are made of.
func TestHeads(t *testing.T) {
	heads := map[string]string{}
	note := func(head, what string) {
		if other, taken := heads[head]; taken && other != what {
			t.Errorf("%s and %s have the same head", other, what)
		}
		heads[head] = what
	}
	names := []string{"a", "ab", "b", "a#b", "a:b"}
	for _, r := range names {
		for _, x := range names {
			note(edges.HeadPlain(r, x), "plain "+r+" "+x)
			note(edges.HeadWildcard(r, x), "wildcard "+r+" "+x)
			for _, y := range names {
				note(edges.HeadUserset(r, x, y), "userset "+r+" "+x+" "+y)
			}
		}
	}
}
