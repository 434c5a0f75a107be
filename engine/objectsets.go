package engine

// flow solves a component without subtraction for ListObjects, semi-naively: each object that enters a
// set is passed on once to whatever refers to that set (and once more if its level rises), until
// nothing moves.
type flow struct {
	*listing
	component int
	listeners map[*node][]listener
	moved     []movedObject // whose level has risen since listeners were told
}

type movedObject struct {
	n  *node
	id uint32
}

// listener takes the objects of a relation into a rewrite that refers to it.
type listener struct {
	into *pipe
	via  *target // the tuples that lead on; nil for a computed userset, which is the same object
}

// pipe is a part of the rewrite of one relation through which objects move up to the relation.
type pipe struct {
	x       *expr
	n       *node
	up      *pipe // nil: the whole rewrite
	operand int   // which of up it is
	// kids are the objects that have come from each operand of an intersection; subtract is the whole
	// of what a difference takes away.
	kids     []*objectSet
	subtract *objectSet
	sink     sink // into this pipe
}

func (l *listing) solvePositive(n *node) {
	members := l.plan.components[n.component]
	f := &flow{listing: l, component: n.component, listeners: map[*node][]listener{}}
	for _, m := range members {
		l.sets[m.rel.index] = l.made.set()
	}
	for _, m := range members {
		if m.reflexive {
			f.enter(m, l.universe(m.rel).number(l.subject.ID), yes)
		}
		f.open(&pipe{x: m.expr, n: m})
	}
	for len(f.moved) > 0 && l.alive() {
		g := f.moved[len(f.moved)-1]
		f.moved = f.moved[:len(f.moved)-1]
		level := l.sets[g.n.rel.index].level(g.id)
		for _, listener := range f.listeners[g.n] {
			f.hear(listener, g.id, level)
		}
	}
}

func (f *flow) hear(to listener, id uint32, l level) {
	if to.via == nil {
		f.rise(to.into, id, l)
		return
	}
	f.follow(to.into.x, to.via, id, l, &to.into.sink)
}

func (f *flow) enter(n *node, id uint32, l level) {
	if f.raise(f.sets[n.rel.index], id, l) {
		f.moved = append(f.moved, movedObject{n, id})
	}
}

// open feeds a pipe with what lies outside the component and makes it listen to what lies inside.
func (f *flow) open(p *pipe) {
	x := p.x
	p.sink = sink{flow: f, pipe: p}
	switch {
	case f.err != nil:
	case !x.inside:
		set := f.evaluate(x, exact, f.lower)
		for _, id := range set.all() {
			if !f.step() {
				return
			}
			f.rise(p, id, set.level(id))
		}
	case x.kind == exprDirect || x.kind == exprTTU:
		f.direct(x, &p.sink)
		for i := range x.followed() {
			f.listen(p, &x.followed()[i])
		}
	case x.kind == exprComputed:
		n := x.targets[0].node
		f.listeners[n] = append(f.listeners[n], listener{into: p})
	case x.kind == exprDifference:
		p.subtract = f.evaluate(x.operands[1], exact, f.lower)
		f.open(&pipe{x: x.operands[0], n: p.n, up: p})
	case x.kind == exprUnion:
		for _, operand := range x.operands {
			f.open(&pipe{x: operand, n: p.n, up: p})
		}
	default:
		p.kids = make([]*objectSet, len(x.operands))
		for i, operand := range x.operands {
			p.kids[i] = f.made.set()
			f.open(&pipe{x: operand, n: p.n, up: p, operand: i})
			if !operand.inside && p.kids[i].len() == 0 {
				return // nothing can come through
			}
		}
	}
}

func (f *flow) listen(p *pipe, t *target) {
	if t.node.component == f.component {
		f.listeners[t.node] = append(f.listeners[t.node], listener{into: p, via: t})
		return
	}
	set := f.set(t.node)
	for _, id := range set.all() {
		if !f.step() {
			return
		}
		f.hear(listener{into: p, via: t}, id, set.level(id))
	}
}

// rise moves an object up from p.
func (f *flow) rise(p *pipe, id uint32, l level) {
	up := p.up
	if up == nil {
		f.enter(p.n, id, l)
		return
	}
	switch up.x.kind {
	case exprIntersection:
		if !f.raise(up.kids[p.operand], id, l) {
			return
		}
		for _, kid := range up.kids {
			l = min(l, kid.level(id))
		}
	case exprDifference:
		l = min(l, up.subtract.level(id).not())
	}
	if l != no {
		f.rise(up, id, l)
	}
}

// solveNegative finds the sets of a component that refers to itself through a subtracted side: the
// alternating fixed point of system.alternate, over whole sets. Such models are rare, so the fixed
// points are found naively; what was read is kept meanwhile.
func (l *listing) solveNegative(n *node) {
	members := l.plan.components[n.component]
	low, high := map[*node]*objectSet{}, map[*node]*objectSet{}
	defer func(outer map[arrival]arrived) { l.cache = outer }(l.cache)
	l.cache = map[arrival]arrived{}
	at := func(m *node, w world) *objectSet {
		switch {
		case m.component != n.component:
			return l.lower(m, w)
		case w == above:
			return high[m]
		}
		return low[m]
	}
	solve := func(w world, sets map[*node]*objectSet) {
		clear(sets)
		for changed := true; changed && l.alive(); {
			changed = false
			for _, m := range members {
				set := l.withItself(m, l.evaluate(m.expr, w, at))
				changed = changed || set.len() != sets[m].len()
				sets[m] = set
			}
		}
	}
	for stands := false; !stands && l.alive(); {
		solve(above, high)
		sizes := 0
		for _, set := range low {
			sizes -= set.len()
		}
		solve(below, low)
		for _, set := range low {
			sizes += set.len()
		}
		stands = sizes == 0 // the underestimate only grows
	}
	for _, m := range members {
		out := l.made.set()
		for _, id := range high[m].all() {
			l.raise(out, id, between(low[m].level(id), yes))
			if l.err != nil {
				return
			}
		}
		l.sets[m.rel.index] = out
	}
}
