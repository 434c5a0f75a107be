package engine

import (
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Where the object's side of a Check has found usersets, the other side is walked too: upward from the
// subject, to the objects whose relation holds it. Each userset is then looked up there. What a miss
// costs follows the smaller of the two sides: this one may read so many tuples for each userset that the
// other has met, waits when it has, and goes on from there when more usersets turn up.
//
// It knows only relations that are made of tuples, usersets and unions of relations of the same object;
// see node.walkable. Depth is counted from both ends: the tuples from the question to the userset, and
// from there to the tuple that names the subject.

const (
	// defaultUserFrom is how many usersets the object's side must have waiting before the user's side is
	// begun; two, where they lead into recursion. A single chain of groups is walked from the object.
	defaultUserFrom = 4
	// defaultUserSteps is how many tuples of the user's side may be read for each userset that was met:
	// about what a group costs whose members must be read to look for one.
	defaultUserSteps = 16
	// openWeight is how many usersets a group counts for that is too large to be packed.
	openWeight = 16
	// leastUserLimit is the least number of tuples that a subject is asked for at once.
	leastUserLimit = 64
	// maxUserProbes bounds the single tuples that are looked for in a group that is too large to be packed.
	maxUserProbes = 256
)

// userSide is a walk from the subject to the objects whose relation n holds it.
type userSide struct {
	n     *node
	plan  *sidePlan
	state sideState
	// found holds the relations of objects that hold the subject, nearest first. The depth of an entry is
	// the number of tuples between it and the tuple that names the subject; of the subject itself, -1.
	found memo
	// What to read next: plan.starts[start], or else for found.entries[item] the tuples at up.
	start, item, up int
	spent           int
	retry           int    // the allowance from which on a subject with many tuples is tried again
	begun           uint32 // the question of a batch that has begun it last
	last            *node  // the last of which upsOf was asked, and what it said
	lastUps         *sideUps
}

type sideState uint8

const (
	sideGrowing sideState = iota
	sideComplete
	// sideAbandoned: a condition that cannot be evaluated, or more to explore at the depth limit. What
	// was found stands.
	sideAbandoned
)

// sidePlan says how to walk from subjects of a shape up to a relation.
type sidePlan struct {
	starts []sideStart
	ups    map[*node]*sideUps
}

// sideStart is a relation whose tuples may name the subject itself.
type sideStart struct {
	sideTuple
	wildcard bool // or rather its wildcard
}

// sideUps are the relations that hold all of another.
type sideUps struct {
	tuples   []sideTuple // by tuples that name it as a userset
	computed []*node     // of the same object
}

// sideTuple is the kind of tuple that leads up to a relation.
type sideTuple struct {
	to       *node
	typ      string
	relation string
	allowed  *restriction
}

// sideFor returns the plan for the way up to n. It is made when it is first needed.
func (n *node) sideFor() *sidePlan {
	if p := n.side.Load(); p != nil {
		return p
	}
	p := &sidePlan{ups: map[*node]*sideUps{}}
	p.include(n)
	n.side.CompareAndSwap(nil, p)
	return n.side.Load()
}

func (p *sidePlan) include(n *node) *sideUps {
	if ups := p.ups[n]; ups != nil {
		return ups
	}
	ups := &sideUps{}
	p.ups[n] = ups
	if n.expr != nil {
		p.includeRewrite(n, n.expr)
	}
	return ups
}

func (p *sidePlan) includeRewrite(n *node, x *expr) {
	switch x.kind {
	case exprDirect:
		up := sideTuple{to: n, typ: x.rel.typ, relation: x.rel.relation}
		if x.self.any() {
			up.allowed = &x.self
			p.starts = append(p.starts, sideStart{sideTuple: up})
		}
		if x.wildcard.any() {
			up.allowed = &x.wildcard
			p.starts = append(p.starts, sideStart{sideTuple: up, wildcard: true})
		}
		for i := range x.usersets {
			t := &x.usersets[i]
			below := p.include(t.node)
			up.allowed = &t.restriction
			below.tuples = append(below.tuples, up)
		}
	case exprComputed:
		below := p.include(x.targets[0].node)
		below.computed = append(below.computed, n)
	case exprUnion:
		for _, operand := range x.operands {
			p.includeRewrite(n, operand)
		}
	}
}

// fromUser returns the level of a relation of an object that a userset has led to at depth, as far as the
// user's side knows it. waiting is how many usersets the object's side has at hand.
func (c *check) fromUser(to ground, depth, waiting int) (level, bool) {
	if !to.n.walkable || c.explained || c.userSteps < 0 {
		return no, false
	}
	s := c.sideOf(to.n, waiting)
	if s == nil {
		return no, false
	}
	for grown := false; ; grown = true {
		if e := s.found.find(to); e != nil {
			if d := depth + int(e.depth); d <= c.maxDepth {
				c.deepest = max(c.deepest, d)
				return yes, true
			}
			return c.cutOff(), true
		}
		if s.state == sideComplete {
			return no, true
		}
		if grown || s.state == sideAbandoned {
			return no, false
		}
		c.extend(s)
	}
}

// sideOf returns the user's side for n, which is begun if enough usersets are waiting, or nil.
func (c *check) sideOf(n *node, waiting int) *userSide {
	for i := range c.sides {
		s := &c.sides[i]
		switch {
		case s.n != n:
		case s.begun == c.item:
			return s
		case waiting < c.userFrom:
			return nil
		default:
			s.begun = c.item
			return s
		}
	}
	if waiting < c.userFrom {
		return nil
	}
	if len(c.sides) < cap(c.sides) {
		c.sides = c.sides[:len(c.sides)+1] // with the memory of the one that was there
	} else {
		c.sides = append(c.sides, userSide{})
	}
	s := &c.sides[len(c.sides)-1]
	s.n, s.plan, s.begun = n, n.sideFor(), c.item
	for m := range s.plan.ups {
		if m.reflexive {
			s.add(ground{m, c.subject.ID}, -1)
		}
	}
	return s
}

// upsOf returns the relations that hold all of n. Mostly it is asked about one again and again.
func (s *userSide) upsOf(n *node) *sideUps {
	if n != s.last {
		s.last, s.lastUps = n, s.plan.ups[n]
	}
	return s.lastUps
}

func (s *userSide) reset() {
	s.found.reset()
	s.n, s.plan, s.last, s.lastUps = nil, nil, nil, nil
	s.state, s.begun = sideGrowing, 0
	s.start, s.item, s.up, s.spent, s.retry = 0, 0, 0, 0, 0
}

// settled returns the user's side for n if it could be walked to its end for so many usersets, else nil.
func (c *check) settled(n *node, usersets int) *userSide {
	if !n.walkable || c.explained || c.userSteps < 0 {
		return nil
	}
	s := c.sideOf(n, usersets)
	if s == nil {
		return nil
	}
	if s.state == sideGrowing {
		c.met += usersets
		c.extend(s)
	}
	if s.state != sideComplete {
		return nil
	}
	return s
}

// add takes up a relation of an object that holds the subject.
func (s *userSide) add(g ground, depth int) {
	e := s.found.enter(g)
	if e.known {
		return // nearer, since what is near is found first
	}
	e.known, e.found = true, found{level: yes, depth: int32(depth)}
	for _, n := range s.upsOf(g.n).computed {
		s.add(ground{n, g.id}, depth)
	}
}

// extend walks on as far as the usersets that were met allow.
func (c *check) extend(s *userSide) {
	allowance := c.userSteps * c.met
	for s.state == sideGrowing && s.spent < allowance && c.err == nil {
		if s.start < len(s.plan.starts) {
			start := &s.plan.starts[s.start]
			subject := c.subject
			if start.wildcard {
				subject = ostiary.SubjectRef{Type: c.subject.Type, ID: ostiary.Wildcard}
			}
			if !c.arrive(s, subject, &start.sideTuple, 0, allowance) {
				return
			}
			s.start++
			continue
		}
		if s.item == len(s.found.entries) {
			s.state = sideComplete
			return
		}
		at := &s.found.entries[s.item]
		ups := s.upsOf(at.n)
		if s.up == len(ups.tuples) {
			s.item, s.up = s.item+1, 0
			continue
		}
		depth := int(at.depth) + 1
		if depth > c.maxDepth {
			s.state = sideAbandoned
			return
		}
		subject := ostiary.SubjectRef{Type: at.n.rel.typ, ID: at.id, Relation: at.n.rel.relation}
		if !c.arrive(s, subject, &ups.tuples[s.up], depth, allowance) {
			return
		}
		s.up++
	}
}

// arrive takes up the objects of the tuples of one kind that name a subject, and reports whether it has
// taken up all.
func (c *check) arrive(s *userSide, subject ostiary.SubjectRef, t *sideTuple, depth, allowance int) bool {
	if allowance < s.retry {
		return false
	}
	limit := max(leastUserLimit, allowance)
	g, err := c.reader.SubjectEdges(c.ctx, subject, t.typ, t.relation, limit)
	if err != nil {
		c.err = fmt.Errorf("read the %s objects with relation %s to %s: %w", t.typ, t.relation, subject, err)
		return false
	}
	n, odd := g.Len(), g.Odd()
	s.spent += 1 + n + len(odd)
	if !c.countSide(s, 1+n+len(odd)) {
		return false
	}
	if g.Open {
		if n+len(odd) < limit {
			return c.arriveOpen(s, subject, t, depth, limit, allowance)
		}
		s.retry = 2 * allowance
		return false
	}
	if t.allowed.plain {
		for i := range n {
			s.add(ground{t.to, g.ID(i)}, depth)
		}
	}
	for i := range odd {
		e, live := odd[i].Edge(c.reader.NowNanos())
		if live && !c.arriveEdge(s, e, t, depth) {
			return false
		}
	}
	return true
}

// countSide notes reads of the user's side and reports whether it may go on. They have a bound of their
// own, as large as that of the object's side, and above it the user's side ends and not the question: what
// the object's side alone would answer must not fail because the other was tried.
func (c *check) countSide(s *userSide, n int) bool {
	c.sideReads += n
	if c.sideReads > c.maxReads {
		s.state = sideAbandoned
		return false
	}
	return c.alive()
}

// arriveOpen is arrive for tuples that are not packed.
func (c *check) arriveOpen(
	s *userSide, subject ostiary.SubjectRef, t *sideTuple, depth, limit, allowance int,
) bool {
	n := 0
	for e, err := range c.reader.Objects(c.ctx, subject, t.typ, t.relation) {
		if err != nil {
			c.err = fmt.Errorf("read the %s objects with relation %s to %s: %w", t.typ, t.relation, subject, err)
			return false
		}
		if n == limit {
			s.retry = 2 * allowance
			return false
		}
		n++
		s.spent++
		if !c.countSide(s, 1) || !c.arriveEdge(s, e, t, depth) {
			return false
		}
	}
	return true
}

// arriveEdge takes up the object of one tuple. A condition that cannot be evaluated ends the user's side:
// what stands behind it is for the object's side to weigh.
func (c *check) arriveEdge(s *userSide, e ostiary.Edge, t *sideTuple, depth int) bool {
	failed := c.failed
	switch c.judge(e, *t.allowed) {
	case yes:
		s.add(ground{t.to, e.Object.ID}, depth)
	case maybe:
		c.failed = failed
		s.state = sideAbandoned
		return false
	}
	return true
}

// pushSettled is push for a group of whose usersets s knows which hold the subject: it leaves out the
// others. t is a tuple of the relation; its subject is overwritten.
func (c *check) pushSettled(g edges.Group, to *target, s *userSide) {
	n := g.Len()
	switch {
	case !to.plain:
	case len(s.found.entries) < n:
		for i := range s.found.entries {
			if e := &s.found.entries[i]; e.n == to.node && g.Has(e.id) {
				c.links = append(c.links, link{e.ground, yes})
			}
		}
	default:
		for i := range n {
			if k := (ground{to.node, g.ID(i)}); s.found.find(k) != nil {
				c.links = append(c.links, link{k, yes})
			}
		}
	}
	odd := g.Odd()
	for i := range odd {
		k := ground{to.node, odd[i].Subject.ID}
		if s.found.find(k) == nil {
			continue
		}
		if cap := c.judgeStored(&odd[i], &to.restriction); cap != no {
			c.links = append(c.links, link{k, cap})
		}
	}
	c.countMany(1)
}

// pushProbed is pushSettled for a group that is open: it looks for the tuples one by one, and reports
// whether they are few enough for that.
func (c *check) pushProbed(g edges.Group, x *expr, id string, to *target, s *userSide) bool {
	if len(s.found.entries) > maxUserProbes {
		return false
	}
	t := ostiary.Tuple{Object: ostiary.ObjectRef{Type: x.rel.typ, ID: id}, Relation: x.rel.relation}
	for i := range s.found.entries {
		e := &s.found.entries[i]
		if e.n != to.node {
			continue
		}
		t.Subject = ostiary.SubjectRef{Type: e.n.rel.typ, ID: e.id, Relation: e.n.rel.relation}
		if cap := c.exact(g, &t, &to.restriction); cap != no {
			c.links = append(c.links, link{e.ground, cap})
		}
	}
	return true
}
