package edges_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// TestSetHoldsWhatWasAdded builds random sets, groups taking turns, with one builder, and compares them
// with plain maps.
func TestSetHoldsWhatWasAdded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var b edges.Builder
	for range 300 {
		b.Reset()
		plain, odd, open := map[string][]string{}, map[string][]string{}, map[string]bool{}
		groups := random.IntN(14)
		for id := range random.IntN(60) {
			for g := range groups {
				head := edges.HeadUserset("viewer", fmt.Sprint("type", g%5), fmt.Sprint("relation", g))
				text := fmt.Sprintf("%03d", id)
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
		s := b.Set()
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
				text := fmt.Sprintf("%03d", id)
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
