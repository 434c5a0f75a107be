package oracle

import (
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// A rule says which subjects are in one set, given all the sets:
//
//	anyOf:   those in facts, and those in any of the operands; those in unknownFacts and unknownOperands
//	         come through tuples of an unknown outcome
//	allOf:   those in every operand
//	without: those in operands[0] that are not in operands[1]
type rule struct {
	kind     kind
	facts    set   // for anyOf
	operands []int // numbers of rules

	unknownFacts    set
	unknownOperands []int
}

type kind uint8

const (
	anyOf kind = iota
	allOf
	without
)

// program is the rules for every relation of every object and for every part of every rewrite.
type program struct {
	domain *domain
	model  *model.Model
	tuples map[node][]Conditional // those that fit the model and do not fail
	rules  []rule
	root   map[node]int // the rule of a relation of an object
}

// node is a relation of an object.
type node struct {
	object   ostiary.ObjectRef
	relation string
}

func newProgram(d *domain, m *model.Model, tuples []Conditional) *program {
	p := &program{domain: d, model: m, tuples: map[node][]Conditional{}, root: map[node]int{}}
	for _, t := range tuples {
		if t.Outcome != Fails && fits(m, t) {
			n := node{t.Object, t.Relation}
			p.tuples[n] = append(p.tuples[n], t)
		}
	}
	// Every relation of every object has a rule before any rewrite refers to it.
	for _, object := range d.objects {
		for _, relation := range relationsOf(m, object.Type) {
			p.root[node{object, relation.Name}] = p.add(rule{kind: anyOf})
		}
	}
	for _, object := range d.objects {
		for _, relation := range relationsOf(m, object.Type) {
			n := node{object, relation.Name}
			// A userset is a member of itself.
			itself := p.set(userset(object, relation.Name))
			p.rules[p.root[n]] = rule{kind: anyOf, facts: itself, unknownFacts: p.set(), operands: []int{p.rewrite(n, relation.Rewrite)}}
		}
	}
	return p
}

// fits reports whether t may be written under m: one restriction of the relation has the shape of the
// subject and the condition.
func fits(m *model.Model, t Conditional) bool {
	relation := m.Relation(t.Object.Type, t.Relation)
	if relation == nil || t.Object.ID == ostiary.Wildcard {
		return false
	}
	if t.Subject.IsUserset() && m.Relation(t.Subject.Type, t.Subject.Relation) == nil {
		return false
	}
	for _, r := range relation.Restrictions {
		if r.Condition == t.Condition && r.Type == t.Subject.Type && r.Relation == t.Subject.Relation &&
			r.Wildcard == t.Subject.IsWildcard() {
			return true
		}
	}
	return false
}

// rewrite adds the rules of a rewrite of n and returns the number of its own.
func (p *program) rewrite(n node, w model.Rewrite) int {
	switch w := w.(type) {
	case model.Direct:
		return p.add(p.direct(n))
	case model.ComputedUserset:
		return p.add(rule{kind: anyOf, operands: p.roots(node{n.object, w.Relation})})
	case model.TupleToUserset:
		var found, unknown []int
		for _, t := range p.tuples[node{n.object, w.Tupleset}] {
			if !t.Subject.IsWildcard() && !t.Subject.IsUserset() {
				add(t, &found, &unknown, p.roots(node{t.Subject.Object(), w.Computed}))
			}
		}
		return p.add(rule{kind: anyOf, operands: found, unknownOperands: unknown})
	case model.Union:
		return p.add(rule{kind: anyOf, operands: p.rewrites(n, w.Children)})
	case model.Intersection:
		return p.add(rule{kind: allOf, operands: p.rewrites(n, w.Children)})
	case model.Difference:
		return p.add(rule{kind: without, operands: p.rewrites(n, []model.Rewrite{w.Base, w.Subtract})})
	}
	panic(fmt.Sprintf("oracle: rewrite of %T is not known", w))
}

func (p *program) rewrites(n node, children []model.Rewrite) []int {
	var numbers []int
	for _, c := range children {
		numbers = append(numbers, p.rewrite(n, c))
	}
	return numbers
}

// direct is the rule for the subjects that the tuples of n give.
func (p *program) direct(n node) rule {
	r := rule{kind: anyOf, facts: p.set(), unknownFacts: p.set()}
	for _, t := range p.tuples[n] {
		facts := r.facts
		if t.Outcome == Unknown {
			facts = r.unknownFacts
		}
		switch {
		case t.Subject.IsUserset():
			add(t, &r.operands, &r.unknownOperands, p.roots(node{t.Subject.Object(), t.Subject.Relation}))
		case t.Subject.IsWildcard():
			for number, s := range p.domain.subjects {
				if s.Type == t.Subject.Type && !s.IsUserset() {
					facts.add(number)
				}
			}
		default:
			facts.add(p.domain.subjectNumber[t.Subject])
		}
	}
	return r
}

// add appends rules that a tuple leads to, to known or, where its outcome is unknown, to unknown.
func add(t Conditional, known, unknown *[]int, rules []int) {
	if t.Outcome == Unknown {
		known = unknown
	}
	*known = append(*known, rules...)
}

// roots returns the rule of n, or nothing where the type has no such relation.
func (p *program) roots(n node) []int {
	if number, known := p.root[n]; known {
		return []int{number}
	}
	return nil
}

func (p *program) add(r rule) int {
	if r.facts == nil {
		r.facts = p.set()
	}
	if r.unknownFacts == nil {
		r.unknownFacts = p.set()
	}
	p.rules = append(p.rules, r)
	return len(p.rules) - 1
}

// set returns a set of the given subjects.
func (p *program) set(subjects ...ostiary.SubjectRef) set {
	s := newSet(len(p.domain.subjects))
	for _, subject := range subjects {
		s.add(p.domain.subjectNumber[subject])
	}
	return s
}
