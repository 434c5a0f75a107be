package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// CheckQuery asks whether Subject has Relation to Object.
type CheckQuery struct {
	Object   ostiary.ObjectRef
	Relation string
	Subject  ostiary.SubjectRef
	// Context holds values for the parameters of conditions, as encoding/json decodes an object. A
	// tuple's own values count before these.
	Context map[string]any
	// Work, where it is set, is added to.
	Work *Work
}

// String returns the question in the form of a tuple.
func (q CheckQuery) String() string {
	return ostiary.Tuple{Object: q.Object, Relation: q.Relation, Subject: q.Subject}.String()
}

// Check answers q at the revision that r shows.
//
// A type or relation that is not in the model is an error wrapping ostiary.ErrTupleInvalid. When the
// answer depends on a branch beyond the depth limit the error wraps ostiary.ErrDepthExceeded, when it
// depends on a condition that cannot be evaluated it is a *ConditionError, which is
// ostiary.ErrConditionUndecided; above MaxReads it wraps ostiary.ErrTooBroad. Beside an error the decision has no meaning.
func (e *Engine) Check(ctx context.Context, p *Plan, r Reader, q CheckQuery) (ostiary.Decision, error) {
	c := checks.Get().(*check)
	d, err := e.check(ctx, c, p, r, &q)
	c.release()
	if err != nil {
		return ostiary.Denied, fmt.Errorf("check %s: %w", q, err)
	}
	return d, nil
}

func (e *Engine) check(ctx context.Context, c *check, p *Plan, r Reader, q *CheckQuery) (ostiary.Decision, error) {
	n, err := e.begin(ctx, c, p, r, q)
	if err != nil || n == nil {
		return ostiary.Denied, err
	}
	sideReads := c.sideReads
	d, err := c.decide(c.value(n, q.Object.ID, 0))
	q.Work.ofCheck(c, sideReads)
	return d, err
}

// begin resolves the names of q and makes c ready for it. The node is nil when no tuples could make the
// answer "allowed".
func (e *Engine) begin(ctx context.Context, c *check, p *Plan, r Reader, q *CheckQuery) (*node, error) {
	rel, err := p.relation(q.Object.Type, q.Relation)
	if err != nil {
		return nil, err
	}
	sp, err := p.shapeFor(shapeOf(q.Subject))
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.run = e.newRun(ctx, p, r, q.Context)
	c.subject = q.Subject
	if c.sets == nil {
		c.sets = &c.own
	}
	c.userFrom, c.userSteps = e.userFrom, e.userSteps
	return sp.node(rel), nil
}

// check evaluates questions about one subject. Since the subject is fixed, a relation of an object has
// one value, and memo keeps those found.
type check struct {
	walk
	subject ostiary.SubjectRef
	memo    memo
	rank    int    // of the newest value of memo
	item    uint32 // the number of the question in a batch
	deepest int    // the greatest depth that the question has come to
	// explained: the ranks of all values are needed, and every relation on the way from the object.
	explained bool

	flooded []ground // see flood
	depths  []int    // of flooded
	floods  uint32   // how many there were

	// The user's side, see userSide: how many usersets must wait before it begins, and how many of its
	// tuples may be read for each that was met. A negative number of steps: it is never walked.
	userFrom, userSteps int
	sides               []userSide
	entered             int // usersets that were met outside of recursion
	met                 int // all usersets that were met
	sideReads           int // tuples of all user's sides
}

// checks holds what questions leave for the next: memory, and nothing of what was in it.
var checks = sync.Pool{New: func() any { return new(check) }}

// release makes c ready for another question, of whatever store.
func (c *check) release() {
	c.run = run{}
	c.subject = ostiary.SubjectRef{}
	c.own.reset()
	c.sets = nil
	c.memo.reset()
	c.links = emptied(c.links)
	c.flooded = emptied(c.flooded)
	c.depths = c.depths[:0]
	c.rank, c.floods, c.explained, c.item, c.deepest = 0, 0, false, 0, 0
	for i := range c.sides {
		c.sides[i].reset()
	}
	c.sides = c.sides[:0]
	c.entered, c.met, c.sideReads = 0, 0, 0
	checks.Put(c)
}

// maxPooledLinks bounds the slices that are wiped whole, since how much of them was used is not known.
const maxPooledLinks = 256

// emptied returns a slice without elements whose memory is that of s, wiped, unless that is large.
func emptied[E any](s []E) []E {
	if cap(s) > maxPooledLinks {
		return nil
	}
	clear(s[:cap(s)])
	return s[:0]
}

func (c *check) decide(l level) (ostiary.Decision, error) {
	switch {
	case c.err != nil:
		return ostiary.Denied, c.err
	case l == yes:
		return ostiary.Allowed, nil
	case l == maybe:
		return ostiary.Denied, c.doubt()
	}
	return ostiary.Denied, nil
}

// value returns the level at which the subject has relation n of object id. depth is the number of
// tuples between the question and here. After c.err is set the result has no meaning.
func (c *check) value(n *node, id string, depth int) level {
	if n.reflexive && id == c.subject.ID {
		return yes
	}
	if n.expr == nil {
		return no
	}
	if n.probe() {
		c.deepest = max(c.deepest, depth)
		if depth > c.maxDepth {
			return c.cutOff()
		}
		return c.direct(n.expr, id, depth)
	}
	g := ground{n, id}
	if l, ok := c.known(g, depth); ok {
		return l
	}
	if depth > c.maxDepth {
		return c.cutOff()
	}
	var l level
	switch {
	case n.negative:
		return c.solveNegative(g, depth)
	case n.recursive:
		base := len(c.links)
		c.links = append(c.links, link{g, yes})
		l = c.reach(base, base+1, n.component, depth)
		c.links = c.links[:base]
		if l != yes || c.explained {
			return l // and kept
		}
	default:
		l = c.eval(n.expr, id, depth)
	}
	c.keep(g, l, depth)
	return l
}

func (c *check) known(g ground, depth int) (level, bool) {
	e := c.memo.find(g)
	if e == nil || !c.holds(e, depth) {
		c.deepest = max(c.deepest, depth)
		return no, false
	}
	c.deepest = max(c.deepest, depth+int(e.height))
	return e.level, true
}

// holds reports whether the value of an entry may be used at depth. In a batch, one that another question
// has found may if the depth limit could not have changed it here.
func (c *check) holds(e *memoEntry, depth int) bool {
	switch {
	case !e.known:
		return false
	case e.item != c.item:
		return e.level != maybe && depth+int(e.height) <= c.maxDepth
	}
	return e.level != maybe || depth >= int(e.depth)
}

func (c *check) keep(g ground, l level, depth int) {
	if c.err != nil {
		return
	}
	c.rank++
	c.deepest = max(c.deepest, depth)
	e := c.memo.enter(g)
	e.known, e.item, e.found = true, c.item, found{level: l, depth: int32(depth), rank: c.rank, height: int32(c.deepest - depth)}
}

// eval evaluates a rewrite none of whose references leads back to where it stands.
func (c *check) eval(x *expr, id string, depth int) level {
	switch x.kind {
	case exprDirect:
		return c.direct(x, id, depth)
	case exprComputed:
		return c.value(x.targets[0].node, id, depth)
	case exprTTU:
		return c.follow(c.readTupleset(x, id), no, depth+1, false)
	case exprUnion:
		l := no
		for _, operand := range x.operands {
			l = max(l, c.eval(operand, id, depth))
			if l == yes || c.err != nil {
				break
			}
		}
		return l
	case exprIntersection:
		l := yes
		for _, operand := range x.operands {
			l = min(l, c.eval(operand, id, depth))
			if l == no || c.err != nil {
				break
			}
		}
		return l
	case exprDifference:
		l := c.eval(x.operands[0], id, depth)
		if l == no || c.err != nil {
			return no
		}
		return min(l, c.eval(x.operands[1], id, depth).not())
	}
	panic("engine: unknown kind of rewrite")
}

// direct evaluates the tuples of a relation: the exact one first, then the usersets.
func (c *check) direct(x *expr, id string, depth int) level {
	l := c.probe(x, id)
	if l == yes || len(x.usersets) == 0 || c.err != nil {
		return l
	}
	base, l := c.readUsersets(x, id, l)
	if l == yes {
		c.links = c.links[:base]
		return yes
	}
	return c.follow(base, l, depth+1, true)
}

// probe finds the tuples that name the subject itself or its wildcard.
func (c *check) probe(x *expr, id string) level {
	if !x.self.any() && !x.wildcard.any() {
		return no
	}
	if c.meter.enter(&c.run, x, id) {
		defer c.meter.leave(&c.run)
	}
	set := c.tuplesOf(x.rel, id)
	l := no
	if x.self.any() {
		l = c.probeGroup(set.Find(x.selfHead), x, id, &c.subject, &x.self)
	}
	if l != yes && x.wildcard.any() {
		if g := set.Find(x.wildcardHead); !g.Empty() {
			everyone := ostiary.SubjectRef{Type: c.subject.Type, ID: ostiary.Wildcard}
			l = max(l, c.probeGroup(g, x, id, &everyone, &x.wildcard))
		}
	}
	return l
}

// probeGroup returns the level of the tuple of a relation of an object that names a subject. g is the group
// that it would be in.
func (c *check) probeGroup(g edges.Group, x *expr, id string, subject *ostiary.SubjectRef, allowed *restriction) level {
	if g.Empty() {
		return no
	}
	if l, known := c.packedLevel(g, subject.ID, allowed); known {
		return l
	}
	object := ostiary.ObjectRef{Type: x.rel.typ, ID: id}
	return c.has(ostiary.Tuple{Object: object, Relation: x.rel.relation, Subject: *subject}, *allowed)
}

// readUsersets reads the usersets of a relation. It raises l by those that are the subject and pushes
// the others on c.links, from base on.
func (c *check) readUsersets(x *expr, id string, l level) (base int, raised level) {
	if c.meter.enter(&c.run, x, id) {
		defer c.meter.leave(&c.run)
	}
	base = len(c.links)
	set := c.tuplesOf(x.rel, id)
	open := false
	for i := range x.usersets {
		t := &x.usersets[i]
		g := set.Find(t.head)
		from := len(c.links)
		if s := c.settledFor(g, t); s == nil && !g.Open {
			c.push(g, t)
		} else if s != nil && !g.Open {
			c.pushSettled(g, t, s)
		} else if s == nil || !c.pushProbed(g, x, id, t, s) {
			open = true
			continue
		}
		if t.node.reflexive {
			if l = max(l, c.takeSubject(from)); l == yes {
				return base, l
			}
		}
	}
	if open && c.err == nil {
		l = max(l, c.streamUsersets(x, id, set))
	}
	return base, l
}

// settledFor returns the user's side for the usersets of a group where it has been walked to its end, or is
// now because they are many; else nil.
func (c *check) settledFor(g edges.Group, t *target) *userSide {
	n := g.Len() + len(g.Odd())
	if g.Open {
		n = max(n, openWeight)
	}
	if n == 0 || n < c.userFrom {
		return nil
	}
	return c.settled(t.node, n)
}

// takeSubject takes the link to the subject itself, if it is there, from those from on, and returns what
// its tuple is worth.
func (c *check) takeSubject(from int) level {
	for i := from; i < len(c.links); i++ {
		if k := c.links[i]; k.to.id == c.subject.ID {
			c.links = append(c.links[:i], c.links[i+1:]...)
			return k.cap
		}
	}
	return no
}

// streamUsersets is readUsersets for the targets whose groups are open.
func (c *check) streamUsersets(x *expr, id string, set *edges.Set) level {
	l := no
	object := ostiary.ObjectRef{Type: x.rel.typ, ID: id}
	for e, err := range c.reader.Usersets(c.ctx, object, x.rel.relation) {
		if err != nil {
			c.err = fmt.Errorf("read the usersets of %s#%s: %w", object, x.rel.relation, err)
			break
		}
		if !c.count() {
			break
		}
		if !e.Subject.IsUserset() {
			continue
		}
		t := find(x.usersets, e.Subject.Type, e.Subject.Relation)
		if t == nil || !set.Find(t.head).Open {
			continue
		}
		switch cap := c.judge(e, t.restriction); {
		case cap == no:
		case e.Subject == c.subject:
			l = max(l, cap)
		default:
			c.links = append(c.links, link{ground{t.node, e.Subject.ID}, cap})
		}
		if l == yes {
			break
		}
	}
	return l
}

// follow takes the links from base on off the stack and returns the union of l and what they lead to, all
// at depth. usersets says that they are usersets, which the user's side may know. Those that exact reads
// settle go first, those into recursion last, component by component.
func (c *check) follow(base int, l level, depth int, usersets bool) level {
	end := len(c.links)
	if usersets {
		c.entered += end - base
		l = c.followFromUser(base, l, depth, c.entered, true)
		end = len(c.links)
	}
	recursive := 0
	for _, probes := range [...]bool{true, false} {
		for i := base; i < end && l != yes && c.err == nil; i++ {
			switch k := c.links[i]; {
			case k.to.n.probe() != probes:
			case k.to.n.recursive && !k.to.n.negative:
				recursive++
			default:
				l = max(l, min(k.cap, c.value(k.to.n, k.to.id, depth)))
			}
		}
	}
	for i := base; i < end && recursive > 0 && l != yes && c.err == nil; i++ {
		n := c.links[i].to.n
		if !n.recursive || n.negative || c.reachedBefore(base, i) {
			continue
		}
		l = max(l, c.reach(base, end, n.component, depth))
	}
	c.links = c.links[:base]
	return l
}

// followFromUser looks the links from base on up on the user's side, returns the union of l and what that
// knows, and leaves the other links. waiting is as in fromUser; but where entry says that the links lead
// into recursion from outside, the second is reason enough to begin: what lies behind it may be anything.
func (c *check) followFromUser(base int, l level, depth, waiting int, entry bool) level {
	n := len(c.links) - base
	if l == yes || n == 0 {
		return l
	}
	c.met += n
	kept := base
	for i := base; i < len(c.links); i++ {
		k := c.links[i]
		at := waiting
		if entry && k.to.n.recursive && c.entered >= min(2, c.userFrom) {
			at = max(at, c.userFrom)
		}
		if known, ok := c.fromUser(k.to, depth, at); !ok {
			c.links[kept] = k
			kept++
		} else if l = max(l, min(k.cap, known)); l == yes {
			break
		}
	}
	c.links = c.links[:kept]
	return l
}

// reachedBefore reports whether a link before the one at i leads into the same component.
func (c *check) reachedBefore(base, i int) bool {
	component := c.links[i].to.n.component
	for j := base; j < i; j++ {
		if c.links[j].to.n.component == component {
			return true
		}
	}
	return false
}

// reach returns the union of what those of the links from base to end lead to that lead into a component
// without subtraction, all at depth, and keeps what else became known.
func (c *check) reach(base, end, component, depth int) level {
	if !c.explained {
		if l, ok := c.flood(base, end, component, depth); ok {
			return l
		}
	}
	return c.solvePositive(base, end, component, depth)
}
