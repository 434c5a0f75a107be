package engine

import (
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Where several relations of a model follow tuples of the same subjects, a list reads all tuples of such a
// subject at once and finds in them what each of the relations asks for.

// subjectSets keeps the tuples of the subjects that were read.
type subjectSets struct {
	sets [][]*edges.Set // by slot, then by the number of the object
	kept int
}

// slot tells subjects apart that share their numbers: the plain objects of a type, and the usersets of each
// of its relations.
func slot(x *expr, t *target) int {
	if x.kind == exprDirect {
		return 2 * t.node.rel.index
	}
	return 2*t.node.rel.first + 1
}

// countFollowers notes for each slot how many leaves follow tuples of its subjects.
func (sp *shapePlan) countFollowers() {
	sp.followers = make([]int, 2*len(sp.nodes))
	for _, n := range sp.nodes {
		if n != nil {
			sp.countFollowersIn(n.expr)
		}
	}
}

func (sp *shapePlan) countFollowersIn(x *expr) {
	if x == nil {
		return
	}
	for _, operand := range x.operands {
		sp.countFollowersIn(operand)
	}
	if x.kind == exprDirect || x.kind == exprTTU {
		for i := range x.followed() {
			sp.followers[slot(x, &x.followed()[i])]++
		}
	}
}

// sharesSubject reports whether what a leaf follows is read with all other tuples of its subject.
func (l *listing) sharesSubject(x *expr, t *target) bool {
	return l.cache == nil && l.plan.followers[slot(x, t)] > 1
}

// of returns the tuples that a names, as far as they lie with all others of their subject, which has a
// number. After an error the group is empty.
func (f *subjectSets) of(l *listing, x *expr, t *target, id uint32, a *arrival) edges.Group {
	sets := &f.sets[slot(x, t)]
	if int(id) >= len(*sets) {
		*sets = resized(*sets, len(l.universe(t.node.rel).ids))
	}
	set := (*sets)[id]
	if set == nil {
		if set = l.readSubject(a.subject); set == nil {
			return edges.Group{}
		}
		if f.kept++; f.kept > maxHeldSets {
			f.forget()
		}
		(*sets)[id] = set
	}
	g := set.FindObjects(a.typ, a.relation)
	if !g.Open && !l.countMany(g.Len()+len(g.Odd())) {
		return edges.Group{}
	}
	return g
}

// readSubject returns the tuples of a subject, and nil when the question must end.
func (l *listing) readSubject(subject ostiary.SubjectRef) *edges.Set {
	if !l.count() {
		return nil
	}
	set, err := l.reader.SubjectSet(l.ctx, subject)
	if err != nil {
		l.err = fmt.Errorf("read the tuples of the subject %s: %w", subject, err)
		return nil
	}
	return set
}

// forget lets go of all sets.
func (f *subjectSets) forget() {
	for _, sets := range f.sets {
		clear(sets)
	}
	f.kept = 1
}

// reset forgets all, and keeps memory for the next list.
func (f *subjectSets) reset() {
	for i, sets := range f.sets {
		f.sets[i] = emptied(sets)
	}
	f.kept = 0
}
