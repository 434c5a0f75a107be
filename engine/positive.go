package engine

// Recursion without subtraction (group#member that holds group#member, folders in folders) is solved
// as reachability and not by recursive descent: a cell for each relation of an object inside the
// component, explored from the question outwards in the order of depth, and levels that flow back
// along the references and only ever rise (Dowling and Gallier 1984). Each cell is read once, so a
// clique of groups costs its edges and not its paths, and what is left at no when nothing remains to
// be explored is the least fixed point's no: cycles need no treatment of their own.
//
// References to lower components are evaluated on the spot, by value.

// solver solves one component from the links that enter it.
type solver struct {
	*check
	component int
	cells     map[ground]*cell
	root      *gate // the union of the links

	queues [][]*cell // cells to be explored, by depth
	risen  []*cell   // cells whose level has risen since their watchers were told

	// cutAt holds what was cut off at the depth limit. closer notes that a cell was met again nearer to
	// the question than it was explored at, or after it was cut off: with a maybe, another round over
	// starts, the best depths known, will see more.
	cutAt  map[ground]bool
	closer bool
	starts map[ground]*cell // those of the round before; nil in the first
}

// cell is a relation of an object inside the component.
type cell struct {
	ground
	depth    int
	level    level
	explored bool
	watchers []watcher
}

// watcher is a gate that waits for a cell. The cell counts for no more than cap there.
type watcher struct {
	gate *gate
	cap  level
}

// gate is a part of the rewrite of one cell that refers back into the component.
type gate struct {
	x     *expr
	cell  *cell // nil: the root of the solver
	up    *gate // nil: the whole rewrite, which is the cell itself
	level level

	// Intersection: operands are opened one after the other, each once the one before may hold. For a
	// difference the base is the only one opened; the subtracted side is evaluated once base may hold.
	kids   []*gate
	opened int   // operands opened or evaluated so far
	cap    level // the least level of the operands evaluated on the spot
}

// solvePositive returns the union of what those of the links from base to end lead to that lead into a
// component, all at depth, and keeps what else became known. Solving them together finds each cell at its
// least depth and reads it once, whichever link comes first.
func (c *check) solvePositive(base, end, component, depth int) level {
	var links []link
	for _, k := range c.links[base:end] {
		if k.to.n.component == component {
			links = append(links, k)
		}
	}
	s := &solver{check: c, component: component}
	for round := 0; ; round++ {
		s.run(links, depth)
		if c.err != nil {
			return no
		}
		// Each round starts some cell nearer than the one before, so rounds end; the bound keeps them few.
		if s.root.level != maybe || !s.closer || round == c.maxDepth {
			break
		}
		s.starts = s.cells
	}
	if s.root.level != yes {
		for _, cell := range s.cells {
			if cell.level != yes {
				c.keep(cell.ground, cell.level, cell.depth)
			}
		}
	}
	return s.root.level
}

// run explores from the links until their union is yes or nothing remains. Cells that become yes are
// kept as they do, so that their ranks say what came of what.
func (s *solver) run(links []link, depth int) {
	s.cells, s.cutAt, s.closer = map[ground]*cell{}, nil, false
	s.queues, s.risen = nil, nil
	s.root = &gate{}
	for _, k := range links {
		if s.root.level != yes && s.err == nil {
			s.watch(s.root, k, depth)
		}
	}
	for s.err == nil && s.root.level != yes {
		if len(s.risen) > 0 {
			s.tell()
		} else if c := s.nextCell(); c != nil {
			s.explore(c)
		} else {
			return
		}
	}
}

func (s *solver) cellAt(g ground, depth int) *cell {
	c := s.cells[g]
	if c == nil {
		if before := s.starts[g]; before != nil {
			depth = min(depth, before.depth)
		}
		c = &cell{ground: g, depth: depth}
		s.cells[g] = c
		s.closer = s.closer || s.cutAt[g]
	} else if depth < c.depth {
		c.depth = depth
		s.closer = s.closer || c.explored
	} else {
		return c
	}
	if !c.explored {
		for len(s.queues) <= c.depth {
			s.queues = append(s.queues, nil)
		}
		s.queues[c.depth] = append(s.queues[c.depth], c)
	}
	return c
}

// nextCell takes the unexplored cell nearest to the question.
func (s *solver) nextCell() *cell {
	for d, queue := range s.queues {
		for len(queue) > 0 {
			c := queue[0]
			queue = queue[1:]
			s.queues[d] = queue
			if !c.explored {
				return c
			}
		}
	}
	return nil
}

func (s *solver) explore(c *cell) {
	c.explored = true
	if !s.alive() {
		return
	}
	if l, ok := s.known(c.ground, c.depth); ok {
		s.raiseCell(c, l)
		return
	}
	s.open(&gate{x: c.n.expr, cell: c})
}

// tell passes the level of one risen cell on to its watchers.
func (s *solver) tell() {
	c := s.risen[len(s.risen)-1]
	s.risen = s.risen[:len(s.risen)-1]
	for i := 0; i < len(c.watchers) && s.err == nil; i++ {
		w := c.watchers[i]
		s.raise(w.gate, min(w.cap, c.level))
	}
}

func (s *solver) raiseCell(c *cell, l level) {
	if l <= c.level {
		return
	}
	c.level = l
	if l == yes {
		s.keep(c.ground, yes, c.depth)
	}
	s.risen = append(s.risen, c)
}

// open starts the evaluation of a gate.
func (s *solver) open(g *gate) {
	c, x := g.cell, g.x
	switch {
	case !x.inside:
		s.raise(g, s.eval(x, c.id, c.depth))
	case x.kind == exprDirect:
		l := s.probe(x, c.id)
		if l == yes || s.err != nil {
			s.raise(g, l)
			return
		}
		base, l := s.readUsersets(x, c.id, l)
		s.raise(g, l)
		s.followInside(g, base, true)
	case x.kind == exprComputed:
		s.watch(g, link{ground{x.targets[0].node, c.id}, yes}, c.depth)
	case x.kind == exprTTU:
		s.followInside(g, s.readTupleset(x, c.id), false)
	case x.kind == exprUnion:
		for _, operand := range x.operands {
			if g.level == yes || s.err != nil {
				return
			}
			s.open(&gate{x: operand, cell: c, up: g})
		}
	default:
		g.cap = yes
		s.advance(g)
	}
}

// followInside takes the links from base on off the stack: those out of the component are evaluated,
// probes first, the others are watched.
func (s *solver) followInside(g *gate, base int, usersets bool) {
	depth := g.cell.depth + 1
	if usersets {
		s.raise(g, s.followFromUser(base, g.level, depth, 0, false)) // a flood would have begun the user's side
	}
	end := len(s.links)
	for _, pass := range [...]int{passProbe, passOutside, passInside} {
		for i := base; i < end && g.level != yes && s.err == nil; i++ {
			k := s.links[i]
			switch {
			case passOf(k.to.n, s.component) != pass:
			case pass == passInside:
				s.watch(g, k, depth)
			default:
				s.raise(g, min(k.cap, s.value(k.to.n, k.to.id, depth)))
			}
		}
	}
	s.links = s.links[:base]
}

const (
	passProbe = iota
	passOutside
	passInside
)

// passOf returns when a link to n is followed from within a component.
func passOf(n *node, component int) int {
	switch {
	case n.component == component:
		return passInside
	case n.probe():
		return passProbe
	}
	return passOutside
}

// watch makes g wait for the relation of an object inside the component.
func (s *solver) watch(g *gate, k link, depth int) {
	if k.to.n.reflexive && k.to.id == s.subject.ID {
		s.raise(g, k.cap)
		return
	}
	c := s.cells[k.to]
	if c == nil || depth < c.depth {
		if l, ok := s.known(k.to, depth); ok {
			s.raise(g, min(k.cap, l))
			return
		}
		if c == nil && depth > s.maxDepth && s.starts[k.to] == nil {
			if s.cutAt == nil {
				s.cutAt = map[ground]bool{}
			}
			s.cutAt[k.to] = true
			s.raise(g, min(k.cap, s.cutOff()))
			return
		}
		c = s.cellAt(k.to, depth)
	}
	c.watchers = append(c.watchers, watcher{gate: g, cap: k.cap})
	s.raise(g, min(k.cap, c.level))
}

// raise lifts the level of a gate and of what depends on it within the cell.
func (s *solver) raise(g *gate, l level) {
	if l <= g.level || s.err != nil {
		return
	}
	g.level = l
	switch {
	case g.cell == nil:
	case g.up == nil:
		s.raiseCell(g.cell, l)
	case g.up.x.kind == exprUnion:
		s.raise(g.up, l)
	default:
		s.advance(g.up)
	}
}

// advance opens further operands of an intersection or a difference as long as all those before may
// hold, and raises the gate once there are none left.
func (s *solver) advance(g *gate) {
	for g.opened < len(g.x.operands) {
		if g.cap == no || s.err != nil {
			return
		}
		if n := len(g.kids); n > 0 && g.kids[n-1].level == no {
			return
		}
		operand := g.x.operands[g.opened]
		subtracted := g.x.kind == exprDifference && g.opened == 1
		g.opened++
		if operand.inside {
			kid := &gate{x: operand, cell: g.cell, up: g}
			g.kids = append(g.kids, kid)
			s.open(kid) // may come back here through raise
			continue
		}
		l := s.eval(operand, g.cell.id, g.cell.depth)
		if subtracted {
			l = l.not()
		}
		g.cap = min(g.cap, l)
	}
	l := g.cap
	for _, kid := range g.kids {
		l = min(l, kid.level)
	}
	s.raise(g, l)
}
