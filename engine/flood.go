package engine

// Recursion in which relations are joined by unions alone — groups in groups, folders in folders — is
// plain reachability: whatever is found first is yes for all on the way, and nothing has to flow back. A
// flood explores it from the question outwards, each relation of an object once, and keeps no more than
// the list of what it has met. As soon as anything comes to maybe it gives up, and the solver in
// positive.go, which can weigh that, starts anew.

// flood is the exploration of one component. What it has met lies in check.flooded from first on; floods
// of lower components that begin meanwhile lie above, and are gone when it goes on.
type flood struct {
	*check
	component int
	number    uint32
	waiting   int // how many of those that were met are not visited yet
}

// flood returns the union of what those of the links from base to end lead to that lead into a component,
// and false if it gave up.
func (c *check) flood(base, end, component, depth int) (level, bool) {
	for i := base; i < end; i++ {
		if n := c.links[i].to.n; n.component == component && !n.floods {
			return no, false
		}
	}
	c.floods++
	f := flood{check: c, component: component, number: c.floods}
	first := len(c.flooded)
	l := no
	for i := base; i < end && l == no; i++ {
		if k := c.links[i]; k.to.n.component == component {
			l = f.enter(k, depth)
		}
	}
	for next := first; next < len(c.flooded) && l == no && c.err == nil; next++ {
		g := c.flooded[next]
		f.waiting = len(c.flooded) - next
		if known, ok := c.fromUser(g, c.depths[next], 0); ok { // walked meanwhile
			l = known
			continue
		}
		l = f.visit(g.n.expr, g.id, c.depths[next])
	}
	if l == no {
		for i := first; i < len(c.flooded); i++ {
			c.keep(c.flooded[i], no, c.depths[i])
		}
	}
	c.flooded, c.depths = c.flooded[:first], c.depths[:first]
	return l, l != maybe || c.err != nil
}

// enter takes up a link into the component. Maybe means that the flood gives up.
func (f *flood) enter(k link, depth int) level {
	n := k.to.n
	if k.cap != yes {
		return maybe
	}
	if n.reflexive && k.to.id == f.subject.ID {
		return yes
	}
	if n.expr == nil {
		return no
	}
	e := f.memo.enter(k.to)
	if f.holds(e, depth) {
		f.deepest = max(f.deepest, depth+int(e.height))
		return e.level
	}
	f.deepest = max(f.deepest, depth)
	switch {
	case e.known && e.item == f.item:
		return maybe
	case e.flood == f.number:
		return no
	case depth > f.maxDepth:
		return maybe
	}
	e.flood = f.number
	f.flooded = append(f.flooded, k.to)
	f.depths = append(f.depths, depth)
	return no
}

// visit evaluates a part of the rewrite of a relation in the component. What lies inside is entered.
func (f *flood) visit(x *expr, id string, depth int) level {
	if !x.inside {
		return f.eval(x, id, depth)
	}
	switch x.kind {
	case exprDirect:
		if l := f.probe(x, id); l != no || f.err != nil {
			return l
		}
		base, l := f.readUsersets(x, id, no)
		if l != no {
			f.links = f.links[:base]
			return l
		}
		return f.spread(base, depth+1, true)
	case exprTTU:
		return f.spread(f.readTupleset(x, id), depth+1, false)
	case exprComputed:
		return f.enter(link{ground{x.targets[0].node, id}, yes}, depth)
	case exprUnion:
		for _, operand := range x.operands {
			if l := f.visit(operand, id, depth); l != no || f.err != nil {
				return l
			}
		}
		return no
	}
	return maybe
}

// spread takes the links from base on off the stack: those that the user's side knows are looked up there,
// those out of the component are evaluated, probes first, the others are entered.
func (f *flood) spread(base, depth int, usersets bool) level {
	l := no
	if usersets {
		l = f.spreadFromUser(base, depth)
	}
	end := len(f.links)
	for _, pass := range [...]int{passProbe, passOutside, passInside} {
		for i := base; i < end && l == no && f.err == nil; i++ {
			k := f.links[i]
			switch {
			case passOf(k.to.n, f.component) != pass:
			case pass == passInside:
				l = f.enter(k, depth)
			default:
				l = min(k.cap, f.value(k.to.n, k.to.id, depth))
			}
		}
	}
	f.links = f.links[:base]
	return l
}

// spreadFromUser is followFromUser inside a component, where it is those in the queue that wait.
func (f *flood) spreadFromUser(base, depth int) level {
	n := len(f.links) - base
	return f.followFromUser(base, no, depth, f.entered+f.waiting-1+n, false) // the one being visited waits no more
}
