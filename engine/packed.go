package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// An object is asked for its packed tuples once in a question; whatever its relations need is found in
// them. Only for a group that is open, since the object has very many tuples or contextual ones, is the
// reader asked again.

// objectKey names an object. The type is its relation.first.
type objectKey struct {
	typ int
	id  string
}

type heldSet struct {
	objectKey
	set *edges.Set
}

// heldSets keeps the packed tuples of the objects that were read.
type heldSets struct {
	few  []heldSet
	many map[objectKey]*edges.Set // once they are more than fewObjects
}

const (
	fewObjects = 16
	// maxHeldSets bounds the objects whose tuples are kept. Above it they are forgotten and read again.
	maxHeldSets = 4096
)

func (h *heldSets) find(k objectKey) *edges.Set {
	if len(h.many) > 0 {
		return h.many[k]
	}
	for i := len(h.few) - 1; i >= 0; i-- {
		if e := &h.few[i]; e.typ == k.typ && e.id == k.id {
			return e.set
		}
	}
	return nil
}

func (h *heldSets) keep(k objectKey, set *edges.Set) {
	switch {
	case len(h.many) >= maxHeldSets:
		clear(h.many)
		h.many[k] = set
	case len(h.many) > 0:
		h.many[k] = set
	case len(h.few) < fewObjects:
		h.few = append(h.few, heldSet{k, set})
	default:
		if h.many == nil {
			h.many = make(map[objectKey]*edges.Set, 4*fewObjects)
		}
		for _, e := range h.few {
			h.many[e.objectKey] = e.set
		}
		h.many[k] = set
	}
}

func (h *heldSets) reset() {
	clear(h.few)
	h.few = h.few[:0]
	clear(h.many)
}

// noEdges is what a question goes on with after an error.
var noEdges edges.Set

// tuplesOf returns the packed tuples of an object, which has the type of rel.
func (w *walk) tuplesOf(rel *relation, id string) *edges.Set {
	k := objectKey{rel.first, id}
	if set := w.sets.find(k); set != nil {
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
	w.sets.keep(k, set)
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
