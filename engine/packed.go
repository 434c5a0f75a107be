package engine

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// An object is asked for its packed tuples once in a question; whatever its relations need is found in
// them. Only for a group that is open, since the object has very many tuples or contextual ones, is the
// reader asked again.

// heldSets keeps the packed tuples of the objects that were read. An object is named by its id and its
// type, which is its relations' relation.first.
type heldSets struct {
	list  []heldSet
	table []uint16 // by hash: a place in list and one, or zero
}

type heldSet struct {
	id   string
	set  *edges.Set
	typ  uint32
	hash uint32
}

const (
	// maxHeldSets bounds the objects whose tuples are kept. Above it they are forgotten and read again.
	maxHeldSets = 4096
	// leastHeldTable is what the table begins with, a power of two.
	leastHeldTable = 32
)

func hashObject(typ uint32, id string) uint32 {
	return uint32(maphash.String(textSeed, id)) ^ typ*0x9e3779b1
}

// find returns the tuples of an object, or nil. hash is hashObject of it.
func (h *heldSets) find(typ uint32, id string, hash uint32) *edges.Set {
	if len(h.list) == 0 {
		return nil
	}
	mask := uint32(len(h.table) - 1)
	for at := hash & mask; h.table[at] != 0; at = (at + 1) & mask {
		if e := &h.list[h.table[at]-1]; e.hash == hash && e.typ == typ && e.id == id {
			return e.set
		}
	}
	return nil
}

// keep adds an object, which is not among them.
func (h *heldSets) keep(e heldSet) {
	if len(h.list) >= maxHeldSets {
		h.forget()
	}
	if 2*len(h.list) >= len(h.table) {
		h.grow()
	}
	h.list = append(h.list, e)
	h.enter(len(h.list) - 1)
}

func (h *heldSets) grow() {
	size := max(2*len(h.table), leastHeldTable)
	if size <= cap(h.table) {
		h.table = h.table[:size]
		clear(h.table)
	} else {
		h.table = make([]uint16, size)
	}
	for i := range h.list {
		h.enter(i)
	}
}

// enter enters what lies at a place of the list into the table.
func (h *heldSets) enter(i int) {
	mask := uint32(len(h.table) - 1)
	at := h.list[i].hash & mask
	for h.table[at] != 0 {
		at = (at + 1) & mask
	}
	h.table[at] = uint16(i + 1)
}

func (h *heldSets) forget() {
	clear(h.list)
	h.list, h.table = h.list[:0], h.table[:0]
}

// reset is forget that keeps no more memory than is worth it.
func (h *heldSets) reset() {
	if h.forget(); cap(h.table) > 2*maxPooledEntries {
		*h = heldSets{}
	}
}

// noEdges is what a question goes on with after an error.
var noEdges edges.Set

// tuplesOf returns the packed tuples of an object, which has the type of rel.
func (w *walk) tuplesOf(rel *relation, id string) *edges.Set {
	typ := uint32(rel.first)
	hash := hashObject(typ, id)
	if set := w.sets.find(typ, id, hash); set != nil {
		return set
	}
	if !w.count() {
		return &noEdges
	}
	set, err := w.reader.ObjectEdges(w.ctx, ostiary.ObjectRef{Type: rel.typ, ID: id})
	if err != nil {
		w.err = fmt.Errorf("read the tuples of %s:%s: %w", rel.typ, id, err)
		return &noEdges
	}
	w.sets.keep(heldSet{id: id, set: set, typ: typ, hash: hash})
	return set
}

// exact returns the level of the tuple of a group whose subject has an id. t is that tuple, which is
// looked for on its own where the group is open.
func (w *walk) exact(g edges.Group, t *ostiary.Tuple, allowed *restriction) level {
	if l, known := w.packedLevel(g, t.Subject.ID, allowed); known {
		return l
	}
	return w.has(*t, *allowed)
}

// packedLevel returns the level of the tuple of a group whose subject has an id, and false where the group
// does not tell.
func (w *walk) packedLevel(g edges.Group, id string, allowed *restriction) (l level, known bool) {
	if g.Has(id) {
		return allowed.worth(), true
	}
	if odd := g.Odd(); len(odd) > 0 {
		i, ok := slices.BinarySearchFunc(odd, id, func(o ostiary.StoredTuple, id string) int {
			return strings.Compare(o.Subject.ID, id)
		})
		if ok {
			return w.judgeStored(&odd[i], allowed), true
		}
	}
	return no, !g.Open
}

// worth is the level of a tuple without conditions.
func (r *restriction) worth() level {
	if r.plain {
		return yes
	}
	return no
}

// judgeStored is judge for a tuple that may have expired.
func (r *run) judgeStored(t *ostiary.StoredTuple, allowed *restriction) level {
	e, live := t.Edge(r.reader.NowNanos())
	if !live {
		return no
	}
	return r.judge(e, *allowed)
}

// push puts what the tuples of a group lead to on w.links. ids come from the tuples' subjects.
func (w *walk) push(g edges.Group, t *target) {
	n, odd := g.Len(), g.Odd()
	if n+len(odd) == 0 || !w.countMany(n+len(odd)) {
		return
	}
	if t.plain {
		for i := range n {
			w.links = append(w.links, link{ground{t.node, g.ID(i)}, yes})
		}
	}
	for i := range odd {
		if cap := w.judgeStored(&odd[i], &t.restriction); cap != no {
			w.links = append(w.links, link{ground{t.node, odd[i].Subject.ID}, cap})
		}
	}
}

// readTupleset pushes the objects that a TTU leads to on w.links and returns where they begin.
func (w *walk) readTupleset(x *expr, id string) (base int) {
	if w.meter.enter(&w.run, x, id) {
		defer w.meter.leave(&w.run)
	}
	base = len(w.links)
	set := w.tuplesOf(x.rel, id)
	open := false
	for i := range x.targets {
		t := &x.targets[i]
		if g := set.Find(t.head); g.Open {
			open = true
		} else {
			w.push(g, t)
		}
	}
	if open {
		w.streamTupleset(x, id, set)
	}
	return base
}

// streamTupleset is readTupleset for the targets whose groups are open.
func (w *walk) streamTupleset(x *expr, id string, set *edges.Set) {
	object := ostiary.ObjectRef{Type: x.rel.typ, ID: id}
	for e, err := range w.reader.Subjects(w.ctx, object, x.tupleset) {
		if err != nil {
			w.err = fmt.Errorf("read the tuples of %s#%s: %w", object, x.tupleset, err)
			return
		}
		if !w.count() {
			return
		}
		if e.Subject.IsUserset() || e.Subject.IsWildcard() {
			continue
		}
		if t := findType(x.targets, e.Subject.Type); t != nil && set.Find(t.head).Open {
			if cap := w.judge(e, t.restriction); cap != no {
				w.links = append(w.links, link{ground{t.node, e.Subject.ID}, cap})
			}
		}
	}
}
