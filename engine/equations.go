package engine

// Recursion through a subtracted side, and every component that ListUsers meets, is solved by writing
// down one equation for each relation of an object that the component reaches from its entry, and
// solving the equations. The values are levels for Check and sets of subjects for ListUsers.

// algebra is what a value must be able to do. None of the functions changes its arguments.
type algebra[V any] interface {
	bottom() V
	// cap returns v with every level above l brought down to it.
	cap(v V, l level) V
	or(vs []V) V // of none: bottom
	and(vs []V) V
	butNot(a, b V) V
	equal(a, b V) bool
	// project reads every level of v in a world.
	project(v V, w world) V
	// between returns what is yes in low as yes, what is not even in high as no, and the rest as maybe.
	between(low, high V) V
}

// source reads what equations are made of.
type source[V any] interface {
	algebra[V]
	// start is what a relation of an object holds whatever its rewrite says: the userset itself.
	start(g ground) V
	// local evaluates a leaf without following usersets, and leaves those to be followed on the stack
	// of links from base on.
	local(x *expr, id string) (v V, base int)
	// take removes the links from base on from the stack and returns them. They are the caller's.
	take(base int) []link
	// outside evaluates the union of what links to lower components lead to, all at depth.
	outside(links []link, depth int) V
	// known returns the value of a relation of an object if it has been found and holds at depth.
	known(g ground, depth int) (V, bool)
	// cut is the value of what lies beyond the depth limit.
	cut() V
	// within reports whether depth lies within the limit.
	within(depth int) bool
	alive() bool
	// shares: unknowns that must be equal are to be solved as one. Their ranks are then no longer told
	// apart.
	shares() bool
}

// term is a part of an equation: a constant, a reference, or an operation on terms.
type term[V any] struct {
	op    termOp
	value V           // constant
	ref   *unknown[V] // reference
	level level       // reference: what the tuple that leads there is worth
	terms []term[V]
}

type termOp uint8

const (
	termConstant termOp = iota
	termReference
	termOr
	termAnd
	termButNot
)

// unknown is the left side of an equation.
type unknown[V any] struct {
	ground
	depth    int
	equation term[V]
	users    []*unknown[V] // whose equations refer to this one; may repeat
	dirty    bool
	low      V // value in the solution from below
	high     V // in the solution from above, where the component is negative
	rank     int
	head     *unknown[V] // which is solved in place of this one; mostly itself
	// order and least are the numbers that share gives.
	order, least int
}

// system is the equations of one component.
type system[V any] struct {
	source[V]
	component int
	unknowns  []*unknown[V] // in the order found, nearest to the entry first
	heads     []*unknown[V] // those that are solved
	byGround  map[ground]*unknown[V]
	queues    [][]*unknown[V]
	ranks     int
}

// solveSystem writes down and solves the equations that the links, all into one component and all at
// depth, lead to inside it, and returns the union of the links' values. The values of all unknowns are
// in low; ranks order them by when they last rose.
func solveSystem[V any](src source[V], links []link, depth int) (V, *system[V]) {
	n := links[0].to.n
	s := &system[V]{source: src, component: n.component, byGround: map[ground]*unknown[V]{}}
	root := term[V]{op: termOr}
	for _, k := range links {
		root.terms = append(root.terms, s.refer(nil, k, depth))
	}
	for d := depth; d < len(s.queues); d++ {
		for i := 0; i < len(s.queues[d]) && s.alive(); i++ {
			u := s.queues[d][i]
			if u.depth != d {
				continue // found nearer in the meantime
			}
			u.equation = s.equate(u)
		}
	}
	s.heads = s.unknowns
	if s.shares() {
		s.share()
	}
	if !s.alive() {
		return s.bottom(), s
	}
	if n.negative {
		s.alternate()
	} else {
		s.leastFixedPoint(exact)
	}
	for _, u := range s.unknowns {
		u.low = u.head.low
	}
	return s.read(&root, exact), s
}

// evaluateOnce returns the value of a relation of an object whose component is not recursive.
func evaluateOnce[V any](src source[V], g ground, depth int) V {
	s := &system[V]{source: src, component: g.n.component}
	t := s.equate(&unknown[V]{ground: g, depth: depth})
	return s.read(&t, exact)
}

// equate returns the right side of the equation for u.
func (s *system[V]) equate(u *unknown[V]) term[V] {
	start := s.constant(s.start(u.ground))
	if u.n.expr == nil {
		return start
	}
	rewrite := s.write(u, u.n.expr)
	if !u.n.reflexive {
		return rewrite
	}
	return term[V]{op: termOr, terms: []term[V]{start, rewrite}}
}

func (s *system[V]) constant(v V) term[V] { return term[V]{op: termConstant, value: v} }

// find returns the unknown for g and puts a new one, or one found nearer, into the queue.
func (s *system[V]) find(g ground, depth int) *unknown[V] {
	u := s.byGround[g]
	switch {
	case u == nil:
		u = &unknown[V]{ground: g, depth: depth, low: s.bottom(), high: s.bottom()}
		u.head = u
		s.byGround[g] = u
		s.unknowns = append(s.unknowns, u)
	case depth < u.depth:
		// Every tuple deepens by one and queues are taken in order of depth, so u is still unwritten.
		u.depth = depth
	default:
		return u
	}
	for len(s.queues) <= depth {
		s.queues = append(s.queues, nil)
	}
	s.queues[depth] = append(s.queues[depth], u)
	return u
}

// write returns the term for a rewrite at u.
func (s *system[V]) write(u *unknown[V], x *expr) term[V] {
	switch x.kind {
	case exprDirect, exprTTU:
		v, base := s.local(x, u.id)
		terms := []term[V]{s.constant(v)}
		var outside []link
		for _, k := range s.take(base) {
			if k.to.n.component == s.component {
				terms = append(terms, s.refer(u, k, u.depth+1))
			} else {
				outside = append(outside, k)
			}
		}
		if len(outside) > 0 {
			terms = append(terms, s.constant(s.outside(outside, u.depth+1)))
		}
		return term[V]{op: termOr, terms: terms}
	case exprComputed:
		k := link{ground{x.targets[0].node, u.id}, yes}
		if k.to.n.component != s.component {
			return s.constant(s.outside([]link{k}, u.depth))
		}
		return s.refer(u, k, u.depth)
	}
	ops := map[exprKind]termOp{exprUnion: termOr, exprIntersection: termAnd, exprDifference: termButNot}
	t := term[V]{op: ops[x.kind], terms: make([]term[V], 0, len(x.operands))}
	for _, operand := range x.operands {
		t.terms = append(t.terms, s.write(u, operand))
	}
	return t
}

// refer returns the term for a link inside the component.
func (s *system[V]) refer(from *unknown[V], k link, depth int) term[V] {
	if s.byGround[k.to] == nil {
		if v, ok := s.known(k.to, depth); ok {
			return s.constant(s.source.cap(v, k.cap))
		}
		if !s.within(depth) {
			return s.constant(s.source.cap(s.cut(), k.cap))
		}
	}
	u := s.find(k.to, depth)
	if from != nil {
		u.users = append(u.users, from)
	}
	return term[V]{op: termReference, ref: u, level: k.cap}
}

// world says how a term is read. Exact keeps maybe as it is. The other two know yes and no alone: from
// below, maybe is no; from above, it is yes; and what is subtracted is read from the other of the two.
type world uint8

const (
	exact world = iota
	below
	above
)

func (w world) other() world {
	switch w {
	case below:
		return above
	case above:
		return below
	}
	return exact
}

// project reads a level in a world.
func (w world) project(l level) level {
	switch {
	case w == below && l != yes:
		return no
	case w == above && l != no:
		return yes
	}
	return l
}

// between returns what is known of a value from its readings below and above.
func between(low, high level) level {
	switch {
	case low == yes:
		return yes
	case high == no:
		return no
	}
	return maybe
}

// read evaluates a term in world w.
func (s *system[V]) read(t *term[V], w world) V {
	switch t.op {
	case termConstant:
		return s.project(t.value, w)
	case termReference:
		v := s.get(t.ref.head, w)
		if t.level == yes {
			return v
		}
		return s.project(s.source.cap(v, t.level), w)
	case termButNot:
		return s.butNot(s.read(&t.terms[0], w), s.read(&t.terms[1], w.other()))
	}
	vs := make([]V, len(t.terms))
	for i := range t.terms {
		vs[i] = s.read(&t.terms[i], w)
	}
	if t.op == termAnd {
		return s.and(vs)
	}
	return s.or(vs)
}

// leastFixedPoint solves the equations in world w, what is subtracted being read from the other world
// as it stands. Rounds run from the far end to the entry, so that most data settles in one or two.
func (s *system[V]) leastFixedPoint(w world) {
	for _, u := range s.heads {
		s.set(u, w, s.bottom())
		u.dirty = true
	}
	for changed := true; changed && s.alive(); {
		changed = false
		for i := len(s.heads) - 1; i >= 0 && s.alive(); i-- {
			u := s.heads[i]
			if !u.dirty {
				continue
			}
			u.dirty = false
			v := s.read(&u.equation, w)
			if s.equal(v, s.get(u, w)) {
				continue
			}
			s.set(u, w, v)
			s.ranks++
			u.rank = s.ranks
			for _, user := range u.users {
				user.head.dirty = true
			}
			changed = true
		}
	}
}

func (s *system[V]) get(u *unknown[V], w world) V {
	if w == above {
		return u.high
	}
	return u.low
}

func (s *system[V]) set(u *unknown[V], w world, v V) {
	if w == above {
		u.high = v
	} else {
		u.low = v
	}
}

// alternate finds the well-founded model: solving from above against an underestimate overestimates,
// solving from below against that underestimates better, until the underestimate stands (Van Gelder,
// The Alternating Fixpoint of Logic Programs, 1989).
func (s *system[V]) alternate() {
	for s.alive() {
		s.leastFixedPoint(above)
		before := make([]V, len(s.heads))
		for i, u := range s.heads {
			before[i] = u.low
		}
		s.leastFixedPoint(below)
		stands := true
		for i, u := range s.heads {
			stands = stands && s.equal(before[i], u.low)
		}
		if stands {
			break
		}
	}
	for i := 0; i < len(s.heads) && s.alive(); i++ {
		u := s.heads[i]
		u.low = s.between(u.low, u.high)
	}
}
