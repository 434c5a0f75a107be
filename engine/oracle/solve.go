package oracle

import (
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// solution holds, for each rule of a program, the subjects that are surely in its set and those that
// may be.
type solution struct {
	domain   *domain
	root     map[node]int
	sure     []set
	possible []set
}

// solve finds the well-founded model as the alternating fixed point.
func solve(d *domain, m *model.Model, tuples []Conditional) *solution {
	p := newProgram(d, m, tuples)
	sure := p.empty()
	for {
		possible := p.least(sure, true)
		next := p.least(possible, false)
		if equal(next, sure) {
			return &solution{domain: d, root: p.root, sure: sure, possible: possible}
		}
		sure = next
	}
}

// least returns the least sets that obey the rules when what is subtracted is read from assumed, and the
// tuples of an unknown outcome are there or not. The sets only grow from empty, so the order of the rules
// does not matter.
func (p *program) least(assumed []set, unknown bool) []set {
	sets, given := p.empty(), p.set()
	for changed := true; changed; {
		changed = false
		for number, r := range p.rules {
			r.consequence(sets, assumed, unknown, given)
			if sets[number].addAll(given) {
				changed = true
			}
		}
	}
	return sets
}

// consequence puts into result the subjects that r gives at once.
func (r rule) consequence(sets, assumed []set, unknown bool, result set) {
	clear(result)
	switch r.kind {
	case anyOf:
		result.addAll(r.facts)
		for _, operand := range r.operands {
			result.addAll(sets[operand])
		}
		if unknown {
			result.addAll(r.unknownFacts)
			for _, operand := range r.unknownOperands {
				result.addAll(sets[operand])
			}
		}
	case allOf:
		for i, operand := range r.operands {
			if i == 0 {
				result.addAll(sets[operand])
			}
			result.keep(sets[operand])
		}
	case without:
		result.addAll(sets[r.operands[0]])
		result.remove(assumed[r.operands[1]])
	}
}

func (p *program) empty() []set {
	sets := make([]set, len(p.rules))
	for i := range sets {
		sets[i] = p.set()
	}
	return sets
}

func (s *solution) holds(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) bool {
	return s.in(s.sure, object, relation, subject)
}

func (s *solution) mayHold(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) bool {
	return s.in(s.possible, object, relation, subject)
}

func (s *solution) in(sets []set, object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) bool {
	number, known := s.domain.subjectNumber[subject]
	root, defined := s.root[node{object, relation}]
	return known && defined && sets[root].has(number)
}

func equal(a, b []set) bool {
	for i := range a {
		if !a[i].equal(b[i]) {
			return false
		}
	}
	return true
}
