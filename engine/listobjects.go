package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// ListObjectsQuery asks which objects of Type the Subject has Relation to.
type ListObjectsQuery struct {
	Type     string
	Relation string
	Subject  ostiary.SubjectRef
	Context  map[string]any // as in CheckQuery
}

// String returns the question as text: "document#viewer@user:ann".
func (q ListObjectsQuery) String() string {
	return q.Type + "#" + q.Relation + "@" + q.Subject.String()
}

// ListObjects returns every object that q asks for, sorted by id. An object is in the list exactly when
// Check allows it.
//
// It walks from the subject, a set of objects at a time, and never from candidate objects. The depth
// limit does not apply: sets reach their fixed point whatever its distance. So the list may hold
// objects for which Check reports ostiary.ErrDepthExceeded. Errors otherwise are those of Check; one
// object that depends on a condition which cannot be evaluated fails the list.
func (e *Engine) ListObjects(ctx context.Context, p *Plan, r Reader, q ListObjectsQuery) ([]ostiary.ObjectRef, error) {
	objects, err := e.listObjects(ctx, p, r, q)
	if err != nil {
		return nil, fmt.Errorf("list objects %s: %w", q, err)
	}
	return objects, nil
}

func (e *Engine) listObjects(ctx context.Context, p *Plan, r Reader, q ListObjectsQuery) ([]ostiary.ObjectRef, error) {
	rel, err := p.relation(q.Type, q.Relation)
	if err != nil {
		return nil, err
	}
	sp, err := p.shapeFor(shapeOf(q.Subject))
	if err != nil {
		return nil, err
	}
	n := sp.node(rel)
	if n == nil {
		return nil, nil
	}
	l := &listing{run: e.newRun(ctx, p, r, q.Context), plan: sp, subject: q.Subject, sets: make([]objectSet, len(sp.nodes))}
	set := l.set(n)
	objects := make([]ostiary.ObjectRef, 0, len(set))
	doubtful := false
	for id, level := range set {
		if !l.step() {
			return nil, l.err
		}
		if level == yes {
			objects = append(objects, ostiary.ObjectRef{Type: q.Type, ID: id})
		} else {
			doubtful = true
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	if doubtful {
		if err := l.doubt(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(objects, func(a, b ostiary.ObjectRef) int { return cmp.Compare(a.ID, b.ID) })
	return objects, nil
}

// objectSet holds ids of objects of one type, each with maybe or yes. No is absent. Once finished it
// does not change, and may be shared.
type objectSet map[string]level

// raise lifts the level of an object in a set that is being made, and says whether that changed it.
func (l *listing) raise(s objectSet, id string, to level) bool {
	before := s[id]
	if to <= before {
		l.step()
		return false
	}
	s[id] = to
	if before == no {
		l.grow()
	}
	return true
}

// project reads a set in a world; see world.
func (l *listing) project(s objectSet, w world) objectSet {
	if w == exact {
		return s
	}
	out := make(objectSet, len(s))
	for id, level := range s {
		l.raise(out, id, w.project(level))
		if l.err != nil {
			break
		}
	}
	return out
}

// union returns the union of sets. The largest is copied only once another has something to add.
func (l *listing) union(sets []objectSet) objectSet {
	largest := 0
	for i, s := range sets {
		if len(s) > len(sets[largest]) {
			largest = i
		}
	}
	out, shared := sets[largest], true
	for i, s := range sets {
		if i == largest {
			continue
		}
		for id, level := range s {
			if shared && level > out[id] {
				out, shared = l.clone(out), false
			}
			if !shared {
				l.raise(out, id, level)
			} else {
				l.step()
			}
			if l.err != nil {
				return out
			}
		}
	}
	return out
}

// clone returns a copy that may be changed.
func (l *listing) clone(s objectSet) objectSet {
	out := make(objectSet, len(s)+1)
	for id, level := range s {
		l.raise(out, id, level)
		if l.err != nil {
			break
		}
	}
	return out
}

// listing evaluates relations as sets of the objects that one subject has them to.
type listing struct {
	run
	plan    *shapePlan
	subject ostiary.SubjectRef
	sets    []objectSet // by relation.index; nil until found, then final
	// cache keeps what was read while a component is solved that reads the same again; nil otherwise.
	cache map[arrival][]ostiary.Edge
}

// arrival names the tuples that join a subject to objects of a type by a relation.
type arrival struct {
	subject  ostiary.SubjectRef
	typ      string
	relation string
}

// set returns the objects of a relation. The set must not be changed.
func (l *listing) set(n *node) objectSet {
	i := n.rel.index
	if l.sets[i] == nil && l.alive() {
		switch {
		case n.negative:
			l.solveNegative(n)
		case n.recursive:
			l.solvePositive(n)
		default:
			l.sets[i] = l.withItself(n, l.evaluate(n.expr, exact, l.lower))
		}
	}
	return l.sets[i]
}

// lower is the lookup of a rewrite that refers to lower components alone.
func (l *listing) lower(n *node, w world) objectSet { return l.project(l.set(n), w) }

// withItself adds the subject's own object where the relation is the subject's own.
func (l *listing) withItself(n *node, set objectSet) objectSet {
	if !n.reflexive {
		if set == nil {
			return objectSet{}
		}
		return set
	}
	return l.union([]objectSet{set, {l.subject.ID: yes}})
}

// lookup returns the set of a relation that a rewrite refers to, as read in a world.
type lookup func(n *node, w world) objectSet

// evaluate returns the objects of a rewrite in world w when all that it refers to is known. The result
// may be shared and must not be changed.
func (l *listing) evaluate(x *expr, w world, at lookup) objectSet {
	if x == nil || l.err != nil {
		return nil
	}
	switch x.kind {
	case exprComputed:
		return at(x.targets[0].node, w)
	case exprUnion:
		sets := make([]objectSet, len(x.operands))
		for i, operand := range x.operands {
			sets[i] = l.evaluate(operand, w, at)
		}
		return l.union(sets)
	case exprIntersection:
		return l.intersect(x, w, at)
	case exprDifference:
		return l.subtract(x, w, at)
	}
	out := objectSet{}
	emit := func(id string, level level) {
		if level = w.project(level); level != no {
			l.raise(out, id, level)
		}
	}
	l.direct(x, emit)
	for i := range x.followed() {
		t := &x.followed()[i]
		for id, level := range at(t.node, w) {
			if !l.step() {
				return out
			}
			l.follow(x, t, id, level, emit)
		}
	}
	return out
}

// intersect stops at the first operand that is empty.
func (l *listing) intersect(x *expr, w world, at lookup) objectSet {
	out := l.evaluate(x.operands[0], w, at)
	for _, operand := range x.operands[1:] {
		if len(out) == 0 {
			return nil
		}
		small, large := out, l.evaluate(operand, w, at)
		if len(small) > len(large) {
			small, large = large, small
		}
		out = objectSet{}
		for id, level := range small {
			l.raise(out, id, min(level, large[id]))
			if l.err != nil {
				return nil
			}
		}
	}
	return out
}

func (l *listing) subtract(x *expr, w world, at lookup) objectSet {
	base := l.evaluate(x.operands[0], w, at)
	if len(base) == 0 {
		return nil
	}
	subtract := l.evaluate(x.operands[1], w.other(), at)
	if len(subtract) == 0 {
		return base
	}
	out := objectSet{}
	for id, level := range base {
		l.raise(out, id, min(level, subtract[id].not()))
		if l.err != nil {
			break
		}
	}
	return out
}

// followed returns the relations whose objects a leaf goes on from.
func (x *expr) followed() []target {
	if x.kind == exprDirect {
		return x.usersets
	}
	return x.targets
}

// direct emits the objects whose tuples name the subject itself or its wildcard.
func (l *listing) direct(x *expr, emit func(id string, l level)) {
	if x.self.any() {
		l.arrivals(arrival{l.subject, x.rel.typ, x.rel.relation}, x.self, emit)
	}
	if x.wildcard.any() {
		everyone := ostiary.SubjectRef{Type: l.subject.Type, ID: ostiary.Wildcard}
		l.arrivals(arrival{everyone, x.rel.typ, x.rel.relation}, x.wildcard, emit)
	}
}

// follow emits the objects that a leaf reaches from one object of a relation it goes on from: by tuples
// that name the relation as a userset, or for a TTU by tuples that name the object.
func (l *listing) follow(x *expr, t *target, id string, from level, emit func(id string, l level)) {
	a := arrival{ostiary.SubjectRef{Type: t.node.rel.typ, ID: id}, x.rel.typ, x.tupleset}
	if x.kind == exprDirect {
		a.subject.Relation, a.relation = t.node.rel.relation, x.rel.relation
	}
	l.arrivals(a, t.restriction, func(id string, worth level) { emit(id, min(from, worth)) })
}

// arrivals emits the objects of the tuples that a names, as far as the type restrictions allow them.
func (l *listing) arrivals(a arrival, allowed restriction, emit func(id string, l level)) {
	kept, ok := l.cache[a]
	if ok {
		for _, e := range kept {
			if !l.step() {
				return
			}
			if level := l.judge(e, allowed); level != no {
				emit(e.Object.ID, level)
			}
		}
		return
	}
	for e, err := range l.reader.Objects(l.ctx, a.subject, a.typ, a.relation) {
		if err != nil {
			l.err = fmt.Errorf("read the %s objects with relation %s to %s: %w", a.typ, a.relation, a.subject, err)
			return
		}
		if !l.count() {
			return
		}
		if l.cache != nil {
			kept = append(kept, e)
		}
		if level := l.judge(e, allowed); level != no {
			emit(e.Object.ID, level)
		}
	}
	if l.cache != nil {
		l.cache[a] = kept
	}
}
