package oracle

import (
	"cmp"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// Oracle answers questions about one model and one set of tuples. It may be shared by any number of
// goroutines.
type Oracle struct {
	model  *model.Model
	tuples []Conditional
	solved *solution // over the objects of the domain
}

// Conditional is a tuple, with the condition it hangs on and what that came to.
type Conditional struct {
	ostiary.Tuple
	Condition string // name, or empty
	Outcome   Outcome
}

// Outcome is what a condition came to.
type Outcome uint8

// The outcomes. Unknown is a condition that could not be evaluated: the tuple may be there or not.
const (
	Holds Outcome = iota
	Fails
	Unknown
)

// New returns an oracle for the tuples under m, none of which has a condition. Tuples that do not fit m
// are ignored.
func New(m *model.Model, tuples []ostiary.Tuple) *Oracle {
	list := make([]Conditional, len(tuples))
	for i, t := range tuples {
		list[i].Tuple = t
	}
	return NewConditional(m, list)
}

// NewConditional is New for tuples with conditions. A tuple may stand there several times, with other
// conditions; it is worth the best of them.
func NewConditional(m *model.Model, tuples []Conditional) *Oracle {
	return &Oracle{model: m, tuples: slices.Clone(tuples), solved: solve(newDomain(m, tuples, nil), m, tuples)}
}

// Over returns an oracle whose domain holds the objects as well. A question about an object outside the
// domain is answered too, but then everything is computed again for that question.
func (o *Oracle) Over(objects []ostiary.ObjectRef) *Oracle {
	return &Oracle{model: o.model, tuples: o.tuples, solved: solve(newDomain(o.model, o.tuples, objects), o.model, o.tuples)}
}

// Check reports whether subject has relation to object. What the model does not know is denied.
func (o *Oracle) Check(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) bool {
	return o.over(object, subject.Object()).holds(object, relation, subject)
}

// Undefined reports whether nothing but an unknown outcome of a condition, or recursion through a
// subtracted side that leaves the question without an answer, keeps subject from being allowed. Without
// tuples of an unknown outcome it is the recursion, and the subject is denied.
func (o *Oracle) Undefined(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) bool {
	s := o.over(object, subject.Object())
	return !s.holds(object, relation, subject) && s.mayHold(object, relation, subject)
}

// ListObjects returns, sorted by id, the objects of a type to which subject has relation, among the
// objects of the domain and that of the subject.
func (o *Oracle) ListObjects(typ, relation string, subject ostiary.SubjectRef) []ostiary.ObjectRef {
	s := o.over(subject.Object())
	var found []ostiary.ObjectRef
	for _, object := range s.domain.objects {
		if object.Type == typ && s.holds(object, relation, subject) {
			found = append(found, object)
		}
	}
	slices.SortFunc(found, func(a, b ostiary.ObjectRef) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// ListUsers returns, sorted, the subjects of one shape that have relation to object. With a
// filterRelation these are usersets. Without, they are objects of the domain, and the wildcard of the
// type where it is allowed itself.
func (o *Oracle) ListUsers(object ostiary.ObjectRef, relation string, filterType, filterRelation string) []ostiary.SubjectRef {
	s := o.over(object)
	var found []ostiary.SubjectRef
	for _, subject := range s.domain.subjects {
		if subject.Type == filterType && subject.Relation == filterRelation && s.holds(object, relation, subject) {
			found = append(found, subject)
		}
	}
	slices.SortFunc(found, compareSubjects)
	return found
}

// over returns the solution for a domain that holds the objects too.
func (o *Oracle) over(objects ...ostiary.ObjectRef) *solution {
	for _, object := range objects {
		if !o.solved.domain.has(object) && object.ID != ostiary.Wildcard {
			return solve(newDomain(o.model, o.tuples, objects), o.model, o.tuples)
		}
	}
	return o.solved
}

func compareSubjects(a, b ostiary.SubjectRef) int {
	return ostiary.Tuple{Subject: a}.Compare(ostiary.Tuple{Subject: b})
}
