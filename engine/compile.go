package engine

import (
	"slices"

	"github.com/ostiary/ostiary/dsl/model"
)

// compileShape makes the plan for one subject shape in four steps: find the relations that the shape
// can reach, cut the rewrites down to those, find the components, order operands by cost.
func compileShape(p *Plan, s shape) *shapePlan {
	c := &compiler{plan: p, shape: s, reached: make([]bool, len(p.relations))}
	c.reach()
	sp := &shapePlan{shape: s, nodes: make([]*node, len(p.relations))}
	for i, rel := range p.relations {
		if c.reached[i] {
			sp.nodes[i] = &node{rel: rel, reflexive: c.isReflexive(rel), cost: costMax}
		}
	}
	c.out = sp
	for _, n := range sp.nodes {
		if n != nil {
			n.expr = c.cut(n.rel, n.rel.rewrite)
		}
	}
	sp.components = components(sp)
	for _, members := range sp.components {
		finish(members)
	}
	return sp
}

type compiler struct {
	plan    *Plan
	shape   shape
	reached []bool
	out     *shapePlan
}

func (c *compiler) isReflexive(rel *relation) bool {
	return !rel.part && c.shape.relation != "" && rel.typ == c.shape.typ && rel.relation == c.shape.relation
}

// reach finds, as a least fixed point, the relations that may hold a subject of the shape. What is
// subtracted never adds to a set, so only the base of a "but not" counts.
func (c *compiler) reach() {
	for changed := true; changed; {
		changed = false
		for i, rel := range c.plan.relations {
			if !c.reached[i] && (c.isReflexive(rel) || c.reaches(rel, rel.rewrite)) {
				c.reached[i] = true
				changed = true
			}
		}
	}
}

func (c *compiler) reaches(rel *relation, rw model.Rewrite) bool {
	alive := func(child model.Rewrite) bool { return c.reaches(rel, child) }
	switch rw := rw.(type) {
	case model.Direct:
		return slices.ContainsFunc(rel.def.Restrictions, c.restrictionReaches)
	case model.ComputedUserset:
		return c.isReached(rel.typ, rw.Relation)
	case partReference:
		return c.reached[rw.relation.index]
	case model.TupleToUserset:
		return slices.ContainsFunc(c.tuplesetTypes(rel, rw), func(typ string) bool { return c.isReached(typ, rw.Computed) })
	case model.Union:
		return slices.ContainsFunc(rw.Children, alive)
	case model.Intersection:
		return len(rw.Children) > 0 && !slices.ContainsFunc(rw.Children, func(child model.Rewrite) bool { return !alive(child) })
	case model.Difference:
		return alive(rw.Base)
	}
	return false
}

func (c *compiler) restrictionReaches(r model.Restriction) bool {
	if r.Relation != "" {
		return c.isReached(r.Type, r.Relation)
	}
	return c.shape.relation == "" && r.Type == c.shape.typ && (r.Wildcard || !c.shape.wildcard)
}

func (c *compiler) isReached(typ, relation string) bool {
	rel := c.plan.byName[relationName{typ: typ, relation: relation}]
	return rel != nil && c.reached[rel.index]
}

// tuplesetTypes returns the types of plain objects that the tupleset of a TTU may lead to.
func (c *compiler) tuplesetTypes(rel *relation, ttu model.TupleToUserset) []string {
	tupleset := c.plan.byName[relationName{typ: rel.typ, relation: ttu.Tupleset}]
	if tupleset == nil {
		return nil
	}
	var types []string
	for _, r := range tupleset.def.Restrictions {
		if r.Relation == "" && !r.Wildcard && !slices.Contains(types, r.Type) {
			types = append(types, r.Type)
		}
	}
	return types
}

// cut returns a rewrite with its dead branches removed, or nil when nothing is left.
func (c *compiler) cut(rel *relation, rw model.Rewrite) *expr {
	switch rw := rw.(type) {
	case model.Direct:
		return c.cutDirect(rel)
	case model.ComputedUserset:
		if !c.isReached(rel.typ, rw.Relation) {
			return nil
		}
		computed := c.plan.byName[relationName{typ: rel.typ, relation: rw.Relation}]
		return &expr{kind: exprComputed, rel: rel, targets: []target{{node: c.out.node(computed)}}}
	case partReference:
		if !c.reached[rw.relation.index] {
			return nil
		}
		return &expr{kind: exprComputed, rel: rel, targets: []target{{node: c.out.node(rw.relation)}}}
	case model.TupleToUserset:
		return c.cutTTU(rel, rw)
	case model.Union:
		return c.cutMany(rel, exprUnion, rw.Children)
	case model.Intersection:
		return c.cutMany(rel, exprIntersection, rw.Children)
	case model.Difference:
		base, subtract := c.cut(rel, rw.Base), c.cut(rel, rw.Subtract)
		if base == nil || subtract == nil {
			return base
		}
		return &expr{kind: exprDifference, rel: rel, operands: []*expr{base, subtract}}
	}
	return nil
}

func (c *compiler) cutDirect(rel *relation) *expr {
	x := &expr{kind: exprDirect, rel: rel}
	if c.shape.relation == "" {
		x.self = restrictionsFor(rel.def, c.shape)
		if !c.shape.wildcard {
			x.wildcard = restrictionsFor(rel.def, shape{typ: c.shape.typ, wildcard: true})
		}
	}
	for _, r := range rel.def.Restrictions {
		if r.Relation == "" || !c.isReached(r.Type, r.Relation) || find(x.usersets, r.Type, r.Relation) != nil {
			continue
		}
		found := c.plan.byName[relationName{typ: r.Type, relation: r.Relation}]
		x.usersets = append(x.usersets, target{
			node:        c.out.node(found),
			restriction: restrictionsFor(rel.def, shape{typ: r.Type, relation: r.Relation}),
		})
	}
	if !x.self.any() && !x.wildcard.any() && len(x.usersets) == 0 {
		return nil
	}
	return x
}

func (c *compiler) cutTTU(rel *relation, rw model.TupleToUserset) *expr {
	x := &expr{kind: exprTTU, rel: rel, tupleset: rw.Tupleset}
	for _, typ := range c.tuplesetTypes(rel, rw) {
		if !c.isReached(typ, rw.Computed) {
			continue
		}
		tupleset := c.plan.byName[relationName{typ: rel.typ, relation: rw.Tupleset}]
		computed := c.plan.byName[relationName{typ: typ, relation: rw.Computed}]
		x.targets = append(x.targets, target{
			node:        c.out.node(computed),
			restriction: restrictionsFor(tupleset.def, shape{typ: typ}),
		})
	}
	if len(x.targets) == 0 {
		return nil
	}
	return x
}

// cutMany cuts the children of a union or an intersection and takes up nested ones of the same kind.
// A union loses its dead children; an intersection with a dead child is dead.
func (c *compiler) cutMany(rel *relation, kind exprKind, children []model.Rewrite) *expr {
	var operands []*expr
	for _, child := range children {
		x := c.cut(rel, child)
		switch {
		case x == nil && kind == exprIntersection:
			return nil
		case x == nil:
		case x.kind == kind:
			operands = append(operands, x.operands...)
		default:
			operands = append(operands, x)
		}
	}
	switch len(operands) {
	case 0:
		return nil
	case 1:
		return operands[0]
	}
	return &expr{kind: kind, rel: rel, operands: operands}
}

// eachTarget calls visit for every relation that x refers to, and says whether the reference stands
// on the subtracted side of a "but not".
func eachTarget(x *expr, subtracted bool, visit func(n *node, subtracted bool)) {
	if x == nil {
		return
	}
	for _, list := range [...][]target{x.usersets, x.targets} {
		for _, t := range list {
			visit(t.node, subtracted)
		}
	}
	for i, operand := range x.operands {
		eachTarget(operand, subtracted || x.kind == exprDifference && i == 1, visit)
	}
}

// components numbers the strongly connected components of the nodes (Tarjan 1972) and returns their
// members, lower components first.
func components(sp *shapePlan) [][]*node {
	t := &tarjan{number: make([]int, len(sp.nodes)), low: make([]int, len(sp.nodes)), onStack: make([]bool, len(sp.nodes))}
	for _, n := range sp.nodes {
		if n != nil && t.number[n.rel.index] == 0 {
			t.visit(n)
		}
	}
	return t.found
}

type tarjan struct {
	next        int
	number, low []int // by relation.index; number 0 is not visited
	onStack     []bool
	stack       []*node
	found       [][]*node
}

func (t *tarjan) visit(n *node) {
	i := n.rel.index
	t.next++
	t.number[i], t.low[i] = t.next, t.next
	t.stack = append(t.stack, n)
	t.onStack[i] = true
	eachTarget(n.expr, false, func(m *node, _ bool) {
		j := m.rel.index
		if t.number[j] == 0 {
			t.visit(m)
			t.low[i] = min(t.low[i], t.low[j])
		} else if t.onStack[j] {
			t.low[i] = min(t.low[i], t.number[j])
		}
	})
	if t.low[i] != t.number[i] {
		return
	}
	var members []*node
	for {
		m := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.onStack[m.rel.index] = false
		m.component = len(t.found)
		members = append(members, m)
		if m == n {
			break
		}
	}
	t.found = append(t.found, members)
}

// finish sets what follows from a component once all lower ones are finished: whether it is recursive
// and negative, and the costs.
func finish(members []*node) {
	recursive, negative := false, false
	for _, n := range members {
		eachTarget(n.expr, false, func(m *node, subtracted bool) {
			if m.component == n.component {
				recursive = true
				negative = negative || subtracted
			}
		})
	}
	for _, n := range members {
		n.recursive, n.negative = recursive, negative
		if recursive {
			n.cost = costRecursive
		}
	}
	for _, n := range members {
		weigh(n, n.expr)
		if n.expr != nil && !recursive {
			n.cost = n.expr.cost
		}
	}
}

// weigh sets the cost of x and orders the operands of unions and intersections, cheapest first. The
// order of equal operands is that of the model, so that evaluation is the same everywhere.
func weigh(n *node, x *expr) {
	if x == nil {
		return
	}
	for _, operand := range x.operands {
		weigh(n, operand)
		x.cost += operand.cost
		x.inside = x.inside || operand.inside
	}
	switch x.kind {
	case exprDirect:
		x.cost = costProbe
	case exprTTU:
		x.cost = costHop
	case exprUnion, exprIntersection:
		slices.SortStableFunc(x.operands, func(a, b *expr) int { return a.cost - b.cost })
	}
	for _, list := range [...][]target{x.usersets, x.targets} {
		worst := 0
		for _, t := range list {
			worst = max(worst, t.node.cost)
			x.inside = x.inside || t.node.component == n.component
		}
		if x.kind == exprDirect && len(list) > 0 {
			worst += costHop
		}
		x.cost += worst
		// Cheapest targets first, here too.
		slices.SortStableFunc(list, func(a, b target) int { return a.node.cost - b.node.cost })
	}
	x.cost = min(x.cost, costMax)
}
