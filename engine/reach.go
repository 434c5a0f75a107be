package engine

import "github.com/ostiary/ostiary/dsl/model"

// reach finds, as a least fixed point, the relations that may hold a subject of the shape, in time
// linear in the rewrites (Dowling and Gallier 1984). What is subtracted never adds to a set, so only the
// base of a "but not" counts.
func (c *compiler) reach() {
	c.waiting = make([][]*reachGate, len(c.plan.relations))
	for _, rel := range c.plan.relations {
		top := &reachGate{need: 1, rel: rel}
		if c.isReflexive(rel) {
			c.pass(top)
		}
		c.awaitRewrite(rel, rel.rewrite, top)
	}
	for len(c.fresh) > 0 {
		rel := c.fresh[len(c.fresh)-1]
		c.fresh = c.fresh[:len(c.fresh)-1]
		for _, g := range c.waiting[rel.index] {
			c.pass(g)
		}
		c.waiting[rel.index] = nil
	}
}

// reachGate is a part of a rewrite that opens once enough of what it is made of is reached.
type reachGate struct {
	need int // what must still be reached; none or less: open
	up   *reachGate
	rel  *relation // without up: the relation whose rewrite this is
}

// pass notes that a part of g is reached.
func (c *compiler) pass(g *reachGate) {
	for g != nil {
		if g.need--; g.need != 0 {
			return
		}
		if g.up == nil {
			c.reached[g.rel.index] = true
			c.fresh = append(c.fresh, g.rel)
		}
		g = g.up
	}
}

func (c *compiler) await(n relationName, g *reachGate) {
	if rel := c.plan.byName[n]; rel != nil {
		c.waiting[rel.index] = append(c.waiting[rel.index], g)
	}
}

// awaitRewrite makes g wait for a rewrite, which passes it once at most.
func (c *compiler) awaitRewrite(rel *relation, rw model.Rewrite, g *reachGate) {
	switch rw := rw.(type) {
	case model.Direct:
		either := &reachGate{need: 1, up: g}
		for _, a := range rel.allowed {
			if a.relation != "" {
				c.await(relationName{a.typ, a.relation}, either)
			} else if c.shape.relation == "" && a.typ == c.shape.typ && (a.wildcard || !c.shape.wildcard) {
				c.pass(either)
			}
		}
	case model.ComputedUserset:
		c.await(relationName{rel.typ, rw.Relation}, g)
	case partReference:
		c.waiting[rw.relation.index] = append(c.waiting[rw.relation.index], g)
	case model.TupleToUserset:
		either := &reachGate{need: 1, up: g}
		for _, a := range c.plan.tuplesetOf(rel, rw) {
			if a.plainObject() {
				c.await(relationName{a.typ, rw.Computed}, either)
			}
		}
	case model.Union:
		either := &reachGate{need: 1, up: g}
		for _, child := range rw.Children {
			c.awaitRewrite(rel, child, either)
		}
	case model.Intersection:
		all := &reachGate{need: len(rw.Children), up: g}
		for _, child := range rw.Children {
			c.awaitRewrite(rel, child, all)
		}
	case model.Difference:
		c.awaitRewrite(rel, rw.Base, g)
	}
}
