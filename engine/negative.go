package engine

import (
	"cmp"
	"slices"
)

// solveNegative returns the value of g, whose component refers to itself through a subtracted side,
// and keeps the values of everything that it led to. What the well-founded model leaves undefined is
// maybe, so it can neither allow nor, subtracted further up, let anyone in.
func (c *check) solveNegative(g ground, depth int) level {
	l, s := solveSystem(checkSource{c}, []link{{g, yes}}, depth)
	if c.err != nil {
		return no
	}
	slices.SortStableFunc(s.unknowns, func(a, b *unknown[level]) int { return cmp.Compare(a.rank, b.rank) })
	for _, u := range s.unknowns {
		c.keep(u.ground, u.low, u.depth)
	}
	return l
}

// checkSource makes equations over levels.
type checkSource struct{ *check }

func (c checkSource) start(g ground) level {
	if g.n.reflexive && g.id == c.subject.ID {
		return yes
	}
	return no
}

func (c checkSource) local(x *expr, id string) (level, int) {
	if x.kind == exprTTU {
		return no, c.readTupleset(x, id)
	}
	l := c.probe(x, id)
	if len(x.usersets) == 0 {
		return l, len(c.links)
	}
	base, l := c.readUsersets(x, id, l)
	return l, base
}

func (c checkSource) outside(links []link, depth int) level {
	base := len(c.links)
	c.links = append(c.links, links...)
	return c.follow(base, no, depth, false)
}

func (c checkSource) cut() level { return c.cutOff() }

// shares: explanations need the ranks of all.
func (checkSource) shares() bool { return false }

func (checkSource) bottom() level                  { return no }
func (checkSource) cap(v level, l level) level     { return min(v, l) }
func (checkSource) or(vs []level) level            { return slices.Max(append(vs, no)) }
func (checkSource) and(vs []level) level           { return slices.Min(vs) }
func (checkSource) butNot(a, b level) level        { return min(a, b.not()) }
func (checkSource) equal(a, b level) bool          { return a == b }
func (checkSource) project(v level, w world) level { return w.project(v) }
func (checkSource) between(low, high level) level  { return between(low, high) }
