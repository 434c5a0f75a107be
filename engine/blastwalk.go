package engine

import (
	"errors"
	"slices"

	"github.com/ostiary/ostiary"
)

// Who and what a change may concern.

// affect notes that a relation of an object may be affected.
func (b *blast) affect(object ostiary.ObjectRef, relation string) {
	g := blastGround{object, relation}
	if !b.wanted[g.ref()] || b.grounds[g] {
		return
	}
	if len(b.grounds) >= b.q.MaxObjects {
		b.cut("objects")
		return
	}
	b.grounds[g] = true
	b.queue = append(b.queue, g)
}

// spread affects what that which is affected comes into, in either world.
func (b *blast) spread() error {
	for len(b.queue) > 0 {
		if err := b.alive(); err != nil {
			return err
		}
		g := b.queue[len(b.queue)-1]
		b.queue = b.queue[:len(b.queue)-1]
		for _, to := range b.on.computed[g.ref()] {
			b.affect(g.object, to.Relation)
		}
		userset := ostiary.SubjectRef{Type: g.object.Type, ID: g.object.ID, Relation: g.relation}
		for _, to := range b.on.usersets[g.ref()] {
			if err := b.affectObjects(userset, to, to.Relation); err != nil {
				return err
			}
		}
		plain := ostiary.SubjectRef{Type: g.object.Type, ID: g.object.ID}
		for _, f := range b.on.followers[g.ref()] {
			if err := b.affectObjects(plain, f.RelationRef, f.tupleset); err != nil {
				return err
			}
		}
	}
	return nil
}

// affectObjects affects a relation of the objects that tuples of another relation join to a subject.
func (b *blast) affectObjects(s ostiary.SubjectRef, to RelationRef, by string) error {
	if !b.wanted[to] {
		return nil
	}
	for _, w := range b.worlds {
		n := 0
		for e, err := range w.Reader.Objects(b.ctx, s, to.Type, by) {
			if err != nil {
				return err
			}
			if n++; n%pollEvery == 0 {
				if err := b.alive(); err != nil {
					return err
				}
			}
			b.affect(e.Object, to.Relation)
		}
	}
	return nil
}

// concern notes that a subject may be concerned.
func (b *blast) concern(s ostiary.SubjectRef) {
	if s.IsUserset() || b.subjects[s] || len(b.q.SubjectTypes) > 0 && !slices.Contains(b.q.SubjectTypes, s.Type) {
		return
	}
	if len(b.subjects) >= b.q.MaxSubjects {
		b.cut("subjects")
		return
	}
	b.subjects[s] = true
}

// errEverybody says that a change may concern everybody.
var errEverybody = errors.New("it may concern everybody")

// findSubjects finds whom a change may concern.
func (b *blast) findSubjects(everybody bool) error {
	// What is undefined is neither in a set nor out of it, so where recursion goes through a subtracted side no list says
	// whom a tuple concerns.
	everybody = everybody || b.on.negative && len(b.q.Changed) > 0
	for i := 0; i < len(b.q.Changed) && !everybody; i++ {
		err := b.concernTuple(b.q.Changed[i])
		everybody = errors.Is(err, errEverybody)
		if err != nil && !everybody {
			return err
		}
	}
	if !everybody {
		return nil
	}
	return b.mentioned(func(t ostiary.Tuple) {
		b.concern(t.Subject)
		b.concern(ostiary.SubjectRef{Type: t.Object.Type, ID: t.Object.ID})
		b.concern(ostiary.SubjectRef{Type: t.Subject.Type, ID: t.Subject.ID})
	})
}

// mentioned calls f for every tuple of either world.
func (b *blast) mentioned(f func(ostiary.Tuple)) error {
	n := 0
	for t, err := range b.q.Tuples {
		if err != nil {
			return err
		}
		if n++; n > b.q.MaxTuples {
			b.cut("tuples")
			break
		}
		if n%pollEvery == 0 {
			if err := b.alive(); err != nil {
				return err
			}
		}
		f(t)
	}
	for _, t := range b.q.Changed {
		f(t)
	}
	return nil
}

// concernTuple concerns those who are in the subject of a tuple, or in what a relation that follows it takes there.
func (b *blast) concernTuple(t ostiary.Tuple) error {
	s := t.Subject
	if s.IsWildcard() {
		return errEverybody
	}
	b.concern(s)
	if s.IsUserset() {
		return b.concernMembers(ostiary.ObjectRef{Type: s.Type, ID: s.ID}, s.Relation)
	}
	for _, f := range b.on.tuplesets[RelationRef{t.Object.Type, t.Relation}] {
		if err := b.concernMembers(ostiary.ObjectRef{Type: s.Type, ID: s.ID}, f.computed); err != nil {
			return err
		}
	}
	return nil
}

// concernMembers concerns those who have a relation to an object in either world.
func (b *blast) concernMembers(o ostiary.ObjectRef, relation string) error {
	for _, w := range b.worlds {
		if w.Plan.Model().Relation(o.Type, relation) == nil {
			continue
		}
		for _, t := range w.Plan.Model().Types {
			if len(b.q.SubjectTypes) > 0 && !slices.Contains(b.q.SubjectTypes, t.Name) {
				continue
			}
			if err := b.alive(); err != nil {
				return err
			}
			q := ListUsersQuery{Object: o, Relation: relation, Filter: UserFilter{Type: t.Name}, Context: b.q.Context}
			users, err := b.engine.ListUsers(b.ctx, w.Plan, w.Reader, q)
			if undecided(err) {
				return errEverybody
			}
			if err != nil {
				return err
			}
			for _, u := range users {
				if u.IsWildcard() {
					return errEverybody
				}
				b.concern(u)
			}
		}
	}
	return nil
}
