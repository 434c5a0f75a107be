package engine

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
)

// CheckQuery asks whether Subject has Relation to Object.
type CheckQuery struct {
	Object   ostiary.ObjectRef
	Relation string
	Subject  ostiary.SubjectRef
	// Context holds values for the parameters of conditions, as encoding/json decodes an object. A
	// tuple's own values count before these.
	Context map[string]any
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
	c, n, err := e.newCheck(ctx, p, r, q)
	if err != nil {
		return ostiary.Denied, fmt.Errorf("check %s: %w", q, err)
	}
	if n == nil {
		return ostiary.Denied, nil
	}
	d, err := c.decide(c.value(n, q.Object.ID, 0))
	if err != nil {
		return ostiary.Denied, fmt.Errorf("check %s: %w", q, err)
	}
	return d, nil
}

// newCheck resolves the names of q. The node is nil when no tuples could make the answer "allowed".
func (e *Engine) newCheck(ctx context.Context, p *Plan, r Reader, q CheckQuery) (*check, *node, error) {
	rel, err := p.relation(q.Object.Type, q.Relation)
	if err != nil {
		return nil, nil, err
	}
	sp, err := p.shapeFor(shapeOf(q.Subject))
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	return &check{walk: walk{run: e.newRun(ctx, p, r, q.Context)}, subject: q.Subject}, sp.node(rel), nil
}

// check evaluates questions about one subject. Since the subject is fixed, a relation of an object has
// one value, and memo keeps those found.
type check struct {
	walk
	subject ostiary.SubjectRef
	memo    map[ground]found
	rank    int // of the newest entry of memo
}

// found is the value of a relation of an object.
type found struct {
	level level
	// depth is where the value was found. A maybe may have come of the depth limit and is found again
	// nearer to the question; yes and no hold everywhere.
	depth int
	// rank grows with each value found. What made a value yes has a lower rank than it.
	rank int
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
	switch {
	case n.negative:
		return c.solveNegative(g, depth)
	case n.recursive:
		return c.solvePositive([]link{{g, yes}}, depth)
	}
	l := c.eval(n.expr, id, depth)
	c.keep(g, l, depth)
	return l
}

func (c *check) known(g ground, depth int) (level, bool) {
	f, ok := c.memo[g]
	if !ok || f.level == maybe && depth < f.depth {
		return no, false
	}
	return f.level, true
}

func (c *check) keep(g ground, l level, depth int) {
	if c.err != nil {
		return
	}
	if c.memo == nil {
		c.memo = map[ground]found{}
	}
	c.rank++
	c.memo[g] = found{level: l, depth: depth, rank: c.rank}
}

// eval evaluates a rewrite none of whose references leads back to where it stands.
func (c *check) eval(x *expr, id string, depth int) level {
	switch x.kind {
	case exprDirect:
		return c.direct(x, id, depth)
	case exprComputed:
		return c.value(x.targets[0].node, id, depth)
	case exprTTU:
		return c.follow(c.readTupleset(x, id), no, depth+1)
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
	return c.follow(base, l, depth+1)
}

// probe reads the tuples that name the subject itself or, where no usersets will be read and the
// wildcard with them, its wildcard.
func (c *check) probe(x *expr, id string) level {
	t := ostiary.Tuple{
		Object:   ostiary.ObjectRef{Type: x.rel.typ, ID: id},
		Relation: x.rel.relation,
		Subject:  c.subject,
	}
	l := no
	if x.self.any() {
		l = c.has(t, x.self)
	}
	if l != yes && x.wildcard.any() && len(x.usersets) == 0 {
		t.Subject = ostiary.SubjectRef{Type: c.subject.Type, ID: ostiary.Wildcard}
		l = max(l, c.has(t, x.wildcard))
	}
	return l
}

// readUsersets reads the wildcards and usersets of a relation. It raises l by those that hold the
// subject without a further step and pushes the others on c.links, from base on.
func (c *check) readUsersets(x *expr, id string, l level) (base int, raised level) {
	base = len(c.links)
	object := ostiary.ObjectRef{Type: x.rel.typ, ID: id}
	for e, err := range c.reader.Usersets(c.ctx, object, x.rel.relation) {
		if err != nil {
			c.err = fmt.Errorf("read the usersets of %s#%s: %w", object, x.rel.relation, err)
			break
		}
		if !c.count() {
			break
		}
		if e.Subject.IsWildcard() {
			if e.Subject.Type == c.subject.Type && x.wildcard.any() {
				l = max(l, c.judge(e, x.wildcard))
			}
		} else if t := find(x.usersets, e.Subject.Type, e.Subject.Relation); t != nil {
			switch cap := c.judge(e, t.restriction); {
			case cap == no:
			case e.Subject == c.subject:
				l = max(l, cap)
			default:
				c.links = append(c.links, link{ground{t.node, e.Subject.ID}, cap})
			}
		}
		if l == yes {
			break
		}
	}
	return base, l
}

// follow takes the links from base on off the stack and returns the union of l and what they lead to, all
// at depth. Those that exact reads settle go first, those into recursion last.
func (c *check) follow(base int, l level, depth int) level {
	end := len(c.links)
	var recursive []link
	for _, probes := range [...]bool{true, false} {
		for i := base; i < end && l != yes && c.err == nil; i++ {
			switch k := c.links[i]; {
			case k.to.n.probe() != probes:
			case k.to.n.recursive && !k.to.n.negative:
				recursive = append(recursive, k)
			default:
				l = max(l, min(k.cap, c.value(k.to.n, k.to.id, depth)))
			}
		}
	}
	c.links = c.links[:base]
	for len(recursive) > 0 && l != yes && c.err == nil {
		component := recursive[0].to.n.component
		var together, others []link
		for _, k := range recursive {
			if k.to.n.component == component {
				together = append(together, k)
			} else {
				others = append(others, k)
			}
		}
		l = max(l, c.solvePositive(together, depth))
		recursive = others
	}
	return l
}
