package engine

import (
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/engine/edges"
)

// TestHeldSets: an object is found with its own tuples and no other is, also of another type or where hashes
// collide, however many there are; above the bound they are forgotten, and a reset leaves nothing.
func TestHeldSets(t *testing.T) {
	type object struct {
		typ uint32
		id  string
	}
	for _, hashes := range []uint32{1 << 31, 3} {
		hashOf := func(o object) uint32 { return hashObject(o.typ, o.id) % hashes }
		var h heldSets
		for _, n := range []int{0, 1, 16, 17, 700, maxHeldSets, 40} {
			if hashes == 3 {
				n = min(n, 700)
			}
			want := map[object]*edges.Set{}
			for i := range n {
				o := object{uint32(i % 2), fmt.Sprint(i / 2)}
				if h.find(o.typ, o.id, hashOf(o)) != nil {
					t.Fatalf("of %d: %v is found before it is kept", n, o)
				}
				want[o] = new(edges.Set)
				h.keep(heldSet{id: o.id, set: want[o], typ: o.typ, hash: hashOf(o)})
			}
			for o, set := range want {
				if h.find(o.typ, o.id, hashOf(o)) != set {
					t.Fatalf("of %d: %v is not found with what was kept", n, o)
				}
			}
			if n == maxHeldSets {
				h.keep(heldSet{id: "more", set: new(edges.Set)})
				if len(h.list) != 1 || h.find(0, "more", 0) == nil {
					t.Errorf("above the bound %d are kept, want the last alone", len(h.list))
				}
			}
			h.reset()
			for o := range want {
				if h.find(o.typ, o.id, hashOf(o)) != nil {
					t.Fatalf("of %d: %v is found after a reset", n, o)
				}
			}
			for _, e := range h.list[:cap(h.list)] {
				if e.set != nil || e.id != "" {
					t.Fatalf("of %d: a reset leaves %q in memory", n, e.id)
				}
			}
			if cap(h.table) > 2*maxPooledEntries {
				t.Errorf("of %d: a reset keeps a table of %d", n, cap(h.table))
			}
		}
	}
}
