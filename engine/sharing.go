package engine

import "slices"

// Two unknowns that each hold all of the other are equal. So a ring of groups that contain each other
// needs one set, where a set for each of them would cost members times groups.

// share makes one unknown stand for all that must be equal to it: those that references in plain unions
// join in a circle, which are the strongly connected components of these references (Tarjan 1972). The
// equation of such a head is the union of theirs. Heads are ordered so that what an equation is made of
// is solved before it as far as there is such an order.
func (s *system[V]) share() {
	for _, u := range s.unknowns {
		u.head = nil
	}
	s.heads = nil
	c := &circles[V]{}
	for _, u := range s.unknowns {
		if !s.alive() {
			return
		}
		if u.order == 0 {
			c.visit(u, s.unite)
		}
	}
	slices.Reverse(s.heads) // a round goes from the back
	for _, u := range s.unknowns {
		u.users = nil
	}
	for _, head := range s.heads {
		head.equation.references(func(u *unknown[V]) { u.head.users = append(u.head.users, head) })
	}
}

// unite makes the first of the members the head of all.
func (s *system[V]) unite(members []*unknown[V]) {
	head := members[0]
	for _, u := range members {
		u.head = head
	}
	sum := term[V]{op: termOr}
	seen := map[*unknown[V]]bool{head: true}
	for _, u := range members {
		u.equation.plain(func(t *term[V]) {
			if t.plainReference() {
				if seen[t.ref.head] {
					return
				}
				seen[t.ref.head] = true
			}
			sum.terms = append(sum.terms, *t)
		})
		u.equation = term[V]{}
	}
	head.equation = sum
	s.heads = append(s.heads, head)
}

// plain calls visit for the terms whose union t is.
func (t *term[V]) plain(visit func(*term[V])) {
	if t.op != termOr {
		visit(t)
		return
	}
	for i := range t.terms {
		t.terms[i].plain(visit)
	}
}

// plainReference: all of the unknown that t refers to is in t.
func (t *term[V]) plainReference() bool { return t.op == termReference && t.level == yes }

// references calls visit for every unknown that t refers to.
func (t *term[V]) references(visit func(*unknown[V])) {
	if t.op == termReference {
		visit(t.ref)
	}
	for i := range t.terms {
		t.terms[i].references(visit)
	}
}

// circles finds the strongly connected components of plain references. It does not recurse: a circle may
// be as long as there are tuples.
type circles[V any] struct {
	count int
	stack []*unknown[V] // without a head yet
	path  []circleStep[V]
}

type circleStep[V any] struct {
	u    *unknown[V]
	refs []*unknown[V] // still to be visited
}

// visit calls found for each component that u leads to, lower ones first.
func (c *circles[V]) visit(u *unknown[V], found func(members []*unknown[V])) {
	c.enter(u)
	for len(c.path) > 0 {
		at := &c.path[len(c.path)-1]
		if len(at.refs) == 0 {
			c.leave(at.u, found)
			continue
		}
		next := at.refs[0]
		at.refs = at.refs[1:]
		switch {
		case next.order == 0:
			c.enter(next)
		case next.head == nil:
			at.u.least = min(at.u.least, next.order)
		}
	}
}

func (c *circles[V]) enter(u *unknown[V]) {
	c.count++
	u.order, u.least = c.count, c.count
	c.stack = append(c.stack, u)
	step := circleStep[V]{u: u}
	u.equation.plain(func(t *term[V]) {
		if t.plainReference() {
			step.refs = append(step.refs, t.ref)
		}
	})
	c.path = append(c.path, step)
}

func (c *circles[V]) leave(u *unknown[V], found func(members []*unknown[V])) {
	c.path = c.path[:len(c.path)-1]
	if len(c.path) > 0 {
		from := c.path[len(c.path)-1].u
		from.least = min(from.least, u.least)
	}
	if u.least != u.order {
		return
	}
	begin := len(c.stack) - 1
	for c.stack[begin] != u {
		begin--
	}
	found(c.stack[begin:])
	c.stack = c.stack[:begin]
}
