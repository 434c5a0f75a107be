package dsl

import (
	"fmt"
	"slices"
	"strings"
)

// cycles reports relations that are computed from each other: they would say nothing about who is in
// them. Each knot of relations is reported once, at its first relation.
func (c *checker) cycles() {
	for _, t := range c.order {
		for _, knot := range knots(t) {
			member := map[*relationDecl]bool{}
			for _, r := range knot {
				member[r] = true
			}
			first := slices.MinFunc(knot, func(a, b *relationDecl) int { return a.name.at.start - b.name.at.start })
			path := shortestCycle(t, first, member)
			if path == nil {
				continue // one relation that does not name itself
			}
			c.cycleFault(t, first, path)
			for _, r := range knot {
				r.broken = true
			}
		}
	}
}

// computed returns the relations of the same object that an expression names.
func computed(r *relationDecl) []*nameExpr {
	var out []*nameExpr
	walk(r.expr, func(e expr) {
		if name, ok := e.(*nameExpr); ok {
			out = append(out, name)
		}
	})
	return out
}

// knots returns the strongly connected components of a type's relations (Tarjan, 1972).
func knots(t *typeInfo) [][]*relationDecl {
	var (
		out     [][]*relationDecl
		stack   []*relationDecl
		number  = map[*relationDecl]int{}
		low     = map[*relationDecl]int{}
		onStack = map[*relationDecl]bool{}
		visit   func(r *relationDecl)
	)
	visit = func(r *relationDecl) {
		number[r] = len(number) + 1
		low[r] = number[r]
		stack, onStack[r] = append(stack, r), true
		for _, name := range computed(r) {
			next := t.relations[name.relation.text]
			switch {
			case next == nil:
			case number[next] == 0:
				visit(next)
				low[r] = min(low[r], low[next])
			case onStack[next]:
				low[r] = min(low[r], number[next])
			}
		}
		if low[r] != number[r] {
			return
		}
		from := len(stack) - 1
		for stack[from] != r {
			from--
		}
		out = append(out, slices.Clone(stack[from:]))
		for _, member := range stack[from:] {
			onStack[member] = false
		}
		stack = stack[:from]
	}
	for _, r := range t.order {
		if number[r] == 0 {
			visit(r)
		}
	}
	return out
}

// shortestCycle returns the references that lead from a relation back to it inside its knot, or nil.
func shortestCycle(t *typeInfo, start *relationDecl, member map[*relationDecl]bool) []*nameExpr {
	type step struct {
		via  *nameExpr
		from *relationDecl
	}
	reached := map[*relationDecl]step{}
	for queue := []*relationDecl{start}; len(queue) > 0; queue = queue[1:] {
		for _, name := range computed(queue[0]) {
			next := t.relations[name.relation.text]
			if _, seen := reached[next]; seen || !member[next] {
				continue
			}
			reached[next] = step{name, queue[0]}
			queue = append(queue, next)
		}
		if _, closed := reached[start]; closed {
			break
		}
	}
	if _, closed := reached[start]; !closed {
		return nil
	}
	var path []*nameExpr
	for at := start; len(path) == 0 || at != start; at = reached[at].from {
		path = append(path, reached[at].via)
	}
	slices.Reverse(path)
	return path
}

func (c *checker) cycleFault(t *typeInfo, r *relationDecl, path []*nameExpr) {
	const most = 12
	names := []string{quote(r.name.text)}
	for i, name := range path {
		if i == most && len(path) > most+1 {
			names = append(names, "…", quote(r.name.text))
			break
		}
		names = append(names, quote(name.relation.text))
	}
	f := fault{code: codeComputedCycle, at: path[0].relation.at,
		message: fmt.Sprintf("relation %s of type %s is computed from itself: %s",
			quote(r.name.text), quote(t.decl.name.text), strings.Join(names, " → ")),
		suggestion: "break the cycle by removing one of these references"}
	if len(path) == 1 {
		f.message = fmt.Sprintf("relation %s of type %s is computed from itself", quote(r.name.text), quote(t.decl.name.text))
		f.suggestion = "remove the reference; it adds nothing"
	}
	c.report.add(f)
}

// relationKey names a relation across types.
type relationKey struct{ typ, relation string }

// entries finds the relations that can hold somebody: the least fixed point, in time linear in the
// size of the model. Every node of an expression counts down the operands that it waits for.
type entries struct {
	c       *checker
	holds   map[relationKey]bool
	waiting map[relationKey][]*waiter
	found   []relationKey // that hold somebody and have not been passed on
}

// waiter is a node of an expression. A union needs one operand, the others need all.
type waiter struct {
	need   int
	parent *waiter
	owner  relationKey // of the root, which has no parent
}

// entryPoints reports relations that can hold nobody whatever is written: every way into them leads
// through themselves or through another such relation. Relations with a fault, and with them all that
// rests on them, are taken to be fine. As in OpenFGA, both sides of a `but not` count.
func (c *checker) entryPoints() {
	e := &entries{c: c, holds: map[relationKey]bool{}, waiting: map[relationKey][]*waiter{}}
	for _, t := range c.order {
		for _, r := range t.order {
			root := &waiter{need: 1, owner: relationKey{t.decl.name.text, r.name.text}}
			if r.broken {
				e.arrive(root)
			} else {
				e.wait(t, r.expr, root)
			}
		}
	}
	for ; len(e.found) > 0; e.found = e.found[1:] {
		for _, w := range e.waiting[e.found[0]] {
			e.arrive(w)
		}
	}
	for _, t := range c.order {
		for _, r := range t.order {
			if !e.holds[relationKey{t.decl.name.text, r.name.text}] {
				c.report.add(e.fault(t, r))
			}
		}
	}
}

// wait adds what an expression waits for, below a node.
func (e *entries) wait(t *typeInfo, x expr, parent *waiter) {
	w := &waiter{need: 1, parent: parent}
	switch x := x.(type) {
	case *nameExpr:
		e.on(relationKey{t.decl.name.text, x.relation.text}, w)
	case *fromExpr:
		for _, key := range e.c.targets(t, x) {
			e.on(key, w)
		}
	case *listExpr:
		for _, r := range x.restrictions {
			if r.relation.text == "" {
				e.arrive(w)
			} else {
				e.on(relationKey{r.typ.text, r.relation.text}, w)
			}
		}
	case *setExpr:
		if x.operator != opUnion {
			w.need = len(x.children)
		}
		for _, child := range x.children {
			e.wait(t, child, w)
		}
	}
}

func (e *entries) on(key relationKey, w *waiter) { e.waiting[key] = append(e.waiting[key], w) }

// arrive tells a node that one of its operands can hold somebody.
func (e *entries) arrive(w *waiter) {
	for ; w != nil; w = w.parent {
		if w.need--; w.need != 0 {
			return
		}
		if w.parent == nil && !e.holds[w.owner] {
			e.holds[w.owner] = true
			e.found = append(e.found, w.owner)
		}
	}
}

// named returns the relations that an expression rests on.
func (e *entries) named(t *typeInfo, r *relationDecl) []relationKey {
	var out []relationKey
	walk(r.expr, func(x expr) {
		switch x := x.(type) {
		case *nameExpr:
			out = append(out, relationKey{t.decl.name.text, x.relation.text})
		case *fromExpr:
			out = append(out, e.c.targets(t, x)...)
		case *listExpr:
			for _, restriction := range x.restrictions {
				if restriction.relation.text != "" {
					out = append(out, relationKey{restriction.typ.text, restriction.relation.text})
				}
			}
		}
	})
	return out
}

// targets returns the relations that "computed from tupleset" may lead to.
func (c *checker) targets(t *typeInfo, x *fromExpr) []relationKey {
	tupleset := t.relations[x.tupleset.text]
	if tupleset == nil {
		return nil
	}
	var out []relationKey
	for _, holder := range c.holders(tupleset) {
		if holder.relations[x.computed.text] != nil {
			out = append(out, relationKey{holder.decl.name.text, x.computed.text})
		}
	}
	return out
}

func (e *entries) fault(t *typeInfo, r *relationDecl) fault {
	if e.c.report.full() {
		return fault{}
	}
	f := fault{code: codeNoEntryPoint, at: r.name.at,
		message: fmt.Sprintf("relation %s of type %s has no entry point: nobody can ever be in it", quote(r.name.text), quote(t.decl.name.text))}
	var blocking []string
	for _, key := range e.named(t, r) {
		name := quote(key.typ + "#" + key.relation)
		if !e.holds[key] && !slices.Contains(blocking, name) {
			blocking = append(blocking, name)
		}
	}
	const most = 4
	if len(blocking) > most {
		blocking = append(blocking[:most], "…")
	}
	switch {
	case len(blocking) == 1 && blocking[0] == quote(t.decl.name.text+"#"+r.name.text):
		f.suggestion = "it rests on itself; let a type such as `[user]` into it without a way through itself"
	case len(blocking) == 1:
		f.suggestion = "it rests on " + blocking[0] + ", which has no entry point either; let a type such as `[user]` into one of the two"
	default:
		f.suggestion = "it rests on " + strings.Join(blocking, ", ") + ", which have no entry point either; let a type such as `[user]` into one of them"
	}
	return f
}
