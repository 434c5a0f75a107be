package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// ListObjectsQuery asks which objects of Type the Subject has Relation to.
type ListObjectsQuery struct {
	Type     string
	Relation string
	Subject  ostiary.SubjectRef
	Context  map[string]any // as in CheckQuery

	// After and Limit cut the list: to the objects whose ids come after After, and of those to the first
	// Limit. Zero values cut nothing.
	After string
	Limit int
	Work  *Work // as in CheckQuery
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
	l := listings.Get().(*listing)
	defer l.release()
	l.run, l.plan, l.subject = e.newRun(ctx, p, r, q.Context), sp, q.Subject
	l.sets = resized(l.sets, len(sp.nodes))
	l.universes = resized(l.universes, len(sp.nodes))
	l.found.sets = resized(l.found.sets, 2*len(sp.nodes))
	objects, err := l.objects(n, &q)
	q.Work.ofList(&l.run)
	return objects, err
}

// listings holds what lists leave for the next: memory, and nothing of what was in it.
var listings = sync.Pool{New: func() any { return new(listing) }}

func (l *listing) release() {
	l.run, l.plan, l.subject, l.cache = run{}, nil, ostiary.SubjectRef{}, nil
	clear(l.sets[:cap(l.sets)])
	for i := range l.universes {
		l.universes[i].reset()
	}
	l.made.reset()
	l.found.reset()
	l.sorting.reset()
	listings.Put(l)
}

// resized returns a slice of a length that keeps the elements of s as far as there is room.
func resized[E any](s []E, n int) []E {
	if n <= cap(s) {
		return s[:n]
	}
	return append(s[:cap(s)], make([]E, n-cap(s))...)
}

// objects returns the objects of a relation as the answer to the question.
func (l *listing) objects(n *node, q *ListObjectsQuery) ([]ostiary.ObjectRef, error) {
	set, u := l.set(n), l.universe(n.rel)
	doubtful := set.doubtful()
	for i, id := range set.all() {
		if i%pollEvery == 0 && !l.alive() {
			return nil, l.err
		}
		if (!doubtful || set.level(id) == yes) && (q.After == "" || u.ids[id] > q.After) {
			l.sorting.add(u.leads[id], id)
		}
	}
	if !l.alive() {
		return nil, l.err
	}
	if doubtful {
		if err := l.doubt(); err != nil {
			return nil, err
		}
	}
	first := l.sorting.first(u.ids, q.Limit)
	objects := make([]ostiary.ObjectRef, len(first))
	for i := range first {
		objects[i] = ostiary.ObjectRef{Type: n.rel.typ, ID: u.ids[first[i].at]}
	}
	return objects, nil
}

// listing evaluates relations as sets of the objects that one subject has them to.
type listing struct {
	run
	plan    *shapePlan
	subject ostiary.SubjectRef
	sets    []*objectSet // by relation.index; nil until found, then final
	// universes number the objects of each type; see universe.
	universes []universe
	made      setPool
	found     subjectSets
	sorting   sorting
	// cache keeps what was read while a component is solved that reads the same again; nil otherwise.
	cache map[arrival]arrived
}

// universe returns the numbers of the objects of a relation.
func (l *listing) universe(rel *relation) *universe { return &l.universes[rel.first] }

// arrival names the tuples that join a subject to objects of a type by a relation.
type arrival struct {
	subject  ostiary.SubjectRef
	typ      string
	relation string
}

// arrived is what was read: packed, or where there is very much of it edge by edge.
type arrived struct {
	group edges.Group
	edges []ostiary.Edge // where group is open, instead of it
}

// set returns the objects of a relation. The set must not be changed.
func (l *listing) set(n *node) *objectSet {
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
func (l *listing) lower(n *node, w world) *objectSet { return l.project(l.set(n), w) }

// withItself adds the subject's own object where the relation is the subject's own.
func (l *listing) withItself(n *node, set *objectSet) *objectSet {
	if !n.reflexive {
		if set == nil {
			return l.made.set()
		}
		return set
	}
	self := l.made.set()
	l.raise(self, l.universe(n.rel).number(l.subject.ID), yes)
	return l.union([]*objectSet{set, self})
}

// lookup returns the set of a relation that a rewrite refers to, as read in a world.
type lookup func(n *node, w world) *objectSet

// evaluate returns the objects of a rewrite in world w when all that it refers to is known. The result
// may be shared and must not be changed.
func (l *listing) evaluate(x *expr, w world, at lookup) *objectSet {
	if x == nil || l.err != nil {
		return nil
	}
	switch x.kind {
	case exprComputed:
		return at(x.targets[0].node, w)
	case exprUnion:
		sets := make([]*objectSet, len(x.operands))
		for i, operand := range x.operands {
			sets[i] = l.evaluate(operand, w, at)
		}
		return l.union(sets)
	case exprIntersection:
		return l.intersect(x, w, at)
	case exprDifference:
		return l.subtract(x, w, at)
	}
	to := &sink{set: l.made.set(), world: w}
	l.direct(x, to)
	for i := range x.followed() {
		t := &x.followed()[i]
		from := at(t.node, w)
		for _, id := range from.all() {
			if !l.step() {
				return to.set
			}
			l.follow(x, t, id, from.level(id), to)
		}
	}
	return to.set
}

// intersect stops at the first operand that is empty.
func (l *listing) intersect(x *expr, w world, at lookup) *objectSet {
	out := l.evaluate(x.operands[0], w, at)
	for _, operand := range x.operands[1:] {
		if out.len() == 0 {
			return nil
		}
		small, large := out, l.evaluate(operand, w, at)
		if small.len() > large.len() {
			small, large = large, small
		}
		out = l.made.set()
		for _, id := range small.all() {
			if level := min(small.level(id), large.level(id)); level != no {
				l.raise(out, id, level)
			} else {
				l.step()
			}
			if l.err != nil {
				return nil
			}
		}
	}
	return out
}

func (l *listing) subtract(x *expr, w world, at lookup) *objectSet {
	base := l.evaluate(x.operands[0], w, at)
	if base.len() == 0 {
		return nil
	}
	subtract := l.evaluate(x.operands[1], w.other(), at)
	if subtract.len() == 0 {
		return base
	}
	if subtract.len() < base.len() {
		return l.without(base, subtract)
	}
	out := l.made.set()
	for _, id := range base.all() {
		if level := min(base.level(id), subtract.level(id).not()); level != no {
			l.raise(out, id, level)
		} else {
			l.step()
		}
		if l.err != nil {
			break
		}
	}
	return out
}

// without is base but not subtract. The base is copied only once there is something to take away.
func (l *listing) without(base, subtract *objectSet) *objectSet {
	out, shared := base, true
	for _, id := range subtract.all() {
		if !l.step() {
			return out
		}
		before := base.level(id)
		level := min(before, subtract.level(id).not())
		if level == before {
			continue
		}
		if shared {
			out, shared = l.clone(base), false
			if l.err != nil {
				return out
			}
		}
		out.cut(id, level)
	}
	if !shared {
		out.compact()
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

// sink is where the objects go that are read: into a set, as read in a world, or into a pipe of a
// component that is being solved.
type sink struct {
	set   *objectSet
	world world
	flow  *flow // else
	pipe  *pipe
}

func (l *listing) emit(to *sink, id uint32, level level) {
	if to.flow != nil {
		to.flow.rise(to.pipe, id, level)
	} else if level = to.world.project(level); level != no {
		l.raise(to.set, id, level)
	}
}

// direct emits the objects whose tuples name the subject itself or its wildcard.
func (l *listing) direct(x *expr, to *sink) {
	if x.self.any() {
		l.arrivals(arrival{l.subject, x.rel.typ, x.rel.relation}, x.rel, &x.self, yes, to)
	}
	if x.wildcard.any() {
		everyone := ostiary.SubjectRef{Type: l.subject.Type, ID: ostiary.Wildcard}
		l.arrivals(arrival{everyone, x.rel.typ, x.rel.relation}, x.rel, &x.wildcard, yes, to)
	}
}

// follow emits the objects that a leaf reaches from one object of a relation it goes on from: by tuples
// that name the relation as a userset, or for a TTU by tuples that name the object.
func (l *listing) follow(x *expr, t *target, id uint32, from level, to *sink) {
	a := arrival{ostiary.SubjectRef{Type: t.node.rel.typ, ID: l.universe(t.node.rel).ids[id]}, x.rel.typ, x.tupleset}
	if x.kind == exprDirect {
		a.subject.Relation, a.relation = t.node.rel.relation, x.rel.relation
	}
	if l.sharesSubject(x, t) {
		if g := l.found.of(l, x, t, id, &a); !g.Open {
			l.arriveGroup(g, x.rel, &t.restriction, from, to)
			return
		}
	}
	l.arrivals(a, x.rel, &t.restriction, from, to)
}

// arrivals emits the objects of the tuples that a names, as far as the type restrictions allow them, with
// no more than a level. rel has the type of the objects.
func (l *listing) arrivals(a arrival, rel *relation, allowed *restriction, from level, to *sink) {
	read, ok := l.read(a)
	if !ok {
		return
	}
	u := l.universe(rel)
	for i := range read.edges {
		if level := min(from, l.judge(read.edges[i], *allowed)); level != no {
			l.emit(to, u.number(read.edges[i].Object.ID), level)
		}
		if l.err != nil {
			return
		}
	}
	if !read.group.Open {
		l.arriveGroup(read.group, rel, allowed, from, to)
	}
}

// arriveGroup is arrivals for tuples that were read already.
func (l *listing) arriveGroup(g edges.Group, rel *relation, allowed *restriction, from level, to *sink) {
	u := l.universe(rel)
	if n := g.Len(); allowed.plain && n > 0 {
		u.expect(n)
		for i := range n {
			l.emit(to, u.number(g.ID(i)), from)
			if l.err != nil {
				return
			}
		}
	}
	odd := g.Odd()
	for i := range odd {
		if level := min(from, l.judgeStored(&odd[i], allowed)); level != no {
			l.emit(to, u.number(odd[i].Object.ID), level)
		}
	}
}

// listLimit is how many tuples of a subject are read at once. More are read one by one.
const listLimit = 1 << 16

// read returns the tuples that a names, and whether the question may go on.
func (l *listing) read(a arrival) (arrived, bool) {
	if kept, ok := l.cache[a]; ok {
		return kept, l.step()
	}
	g, err := l.reader.SubjectEdges(l.ctx, a.subject, a.typ, a.relation, listLimit)
	if err != nil {
		l.err = a.failed(err)
		return arrived{}, false
	}
	if !l.countMany(1 + g.Len() + len(g.Odd())) {
		return arrived{}, false
	}
	read := arrived{group: g}
	if g.Open {
		var ok bool
		if read.edges, ok = l.readOpen(a); !ok {
			return arrived{}, false
		}
	}
	if l.cache != nil {
		l.cache[a] = read
	}
	return read, true
}

// readOpen reads the tuples that a names edge by edge.
func (l *listing) readOpen(a arrival) (found []ostiary.Edge, ok bool) {
	for e, err := range l.reader.Objects(l.ctx, a.subject, a.typ, a.relation) {
		if err != nil {
			l.err = a.failed(err)
		}
		if l.err != nil || !l.count() {
			return nil, false
		}
		found = append(found, e)
	}
	return found, true
}

func (a arrival) failed(err error) error {
	return fmt.Errorf("read the %s objects with relation %s to %s: %w", a.typ, a.relation, a.subject, err)
}
