package engine

import (
	"slices"

	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine/edges"
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
	sp.countFollowers()
	sp.parts = len(sp.nodes)
	for _, n := range sp.nodes {
		if n != nil {
			sp.parts += n.expr.parts()
		}
	}
	return sp
}

type compiler struct {
	plan    *Plan
	shape   shape
	reached []bool
	out     *shapePlan

	// While reach runs: what waits for each relation, and the relations found that were not told of yet.
	waiting [][]*reachGate
	fresh   []*relation
}

func (c *compiler) isReflexive(rel *relation) bool {
	return !rel.part && c.shape.relation != "" && rel.typ == c.shape.typ && rel.relation == c.shape.relation
}

func (c *compiler) isReached(typ, relation string) bool {
	rel := c.plan.byName[relationName{typ: typ, relation: relation}]
	return rel != nil && c.reached[rel.index]
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
	for _, a := range rel.allowed {
		switch {
		case a.relation != "":
			if c.isReached(a.typ, a.relation) {
				found := c.plan.byName[relationName{typ: a.typ, relation: a.relation}]
				x.usersets = append(x.usersets, target{
					node: c.out.node(found), restriction: a.restriction,
					head: edges.HeadUserset(rel.relation, a.typ, a.relation),
				})
			}
		case a.typ != c.shape.typ || c.shape.relation != "":
		case a.wildcard == c.shape.wildcard:
			x.self = a.restriction
			x.selfHead = edges.HeadPlain(rel.relation, a.typ)
			if a.wildcard {
				x.selfHead = edges.HeadWildcard(rel.relation, a.typ)
			}
		case a.wildcard:
			x.wildcard = a.restriction
			x.wildcardHead = edges.HeadWildcard(rel.relation, a.typ)
		}
	}
	if !x.self.any() && !x.wildcard.any() && len(x.usersets) == 0 {
		return nil
	}
	return x
}

func (c *compiler) cutTTU(rel *relation, rw model.TupleToUserset) *expr {
	x := &expr{kind: exprTTU, rel: rel, tupleset: rw.Tupleset}
	for _, a := range c.plan.tuplesetOf(rel, rw) {
		if a.plainObject() && c.isReached(a.typ, rw.Computed) {
			computed := c.plan.byName[relationName{typ: a.typ, relation: rw.Computed}]
			x.targets = append(x.targets, target{
				node: c.out.node(computed), restriction: a.restriction,
				head: edges.HeadPlain(rw.Tupleset, a.typ),
			})
		}
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
	floods, walkable := recursive && !negative, true
	for _, n := range members {
		floods = floods && n.expr.joinsInside()
		walkable = walkable && n.expr.walkable(n.component)
	}
	for _, n := range members {
		n.floods, n.walkable = floods, walkable
	}
}

// walkable reports whether x is made of tuples, usersets and unions of relations of the same object that
// are, if they lie in lower components, walkable.
func (x *expr) walkable(component int) bool {
	if x == nil {
		return true
	}
	for _, list := range [...][]target{x.usersets, x.targets} {
		for _, t := range list {
			if t.node.component != component && !t.node.walkable {
				return false
			}
		}
	}
	switch x.kind {
	case exprDirect, exprComputed:
		return true
	case exprUnion:
		return !slices.ContainsFunc(x.operands, func(operand *expr) bool { return !operand.walkable(component) })
	}
	return false
}

// joinsInside reports whether nothing but unions stands above the references of x into its own component.
func (x *expr) joinsInside() bool {
	switch {
	case x == nil || !x.inside:
		return true
	case x.kind == exprIntersection || x.kind == exprDifference:
		return false
	}
	return !slices.ContainsFunc(x.operands, func(operand *expr) bool { return !operand.joinsInside() })
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
