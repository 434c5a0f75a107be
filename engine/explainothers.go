package engine

import (
	"context"
	"fmt"
	"maps"

	"github.com/ostiary/ostiary"
)

// What decided is shown first, all of it, and then, as far as the tree has room, what did not.

// afterwards has show run once what decided is shown, as if it ran here.
func (x *explainer) afterwards(show func()) {
	path := maps.Clone(x.path)
	x.later = append(x.later, func() {
		x.path = path
		show()
	})
}

// showOthers runs what was put off, and what that puts off, nearest to the root first.
func (x *explainer) showOthers() {
	for len(x.later) > 0 && x.err == nil {
		show := x.later[0]
		x.later = x.later[1:]
		show()
	}
}

// other shows an operand of out that did not decide it.
func (x *explainer) other(out *Explanation, s *site, operand *expr, worth level) {
	if s.holds && operand.inside {
		// It was perhaps not evaluated to its end, or holds because of this very relation.
		out.Others = append(out.Others, skipped(s, operand))
		return
	}
	x.afterwards(func() { x.addOther(out, func() *Explanation { return x.rewrite(s, operand, worth) }) })
}

// addOther adds what build returns, or counts it where the tree is full.
func (x *explainer) addOther(out *Explanation, build func() *Explanation) {
	if x.budget <= 0 || len(out.Others) >= maxExplanationChildren {
		out.More++
		return
	}
	out.Others = append(out.Others, build())
}

// undefined reports whether l is what the well-founded model leaves open.
func (x *explainer) undefined(l level) bool { return l == maybe && x.failed == nil && !x.tooDeep }

// skipped stands for a part of a rewrite that was not needed.
func skipped(s *site, part *expr) *Explanation {
	out := newExplanation(kindOf(part), OutcomeSkipped)
	out.Note = "not needed"
	switch part.kind {
	case exprDirect:
		out.Note += fmt.Sprintf(": tuples of %s#%s", s.object(), part.rel.relation)
	case exprComputed:
		if to := part.targets[0].node.rel; !to.part {
			out.Object, out.Relation = s.object().String(), to.relation
		}
	case exprTTU:
		out.Note += fmt.Sprintf(": tuples of %s#%s", s.object(), part.tupleset)
	}
	return out
}

func kindOf(part *expr) Kind {
	switch part.kind {
	case exprDirect:
		return KindDirect
	case exprComputed:
		return KindComputed
	case exprTTU:
		return KindTupleToUserset
	case exprUnion:
		return KindUnion
	case exprIntersection:
		return KindIntersection
	case exprDifference:
		return KindDifference
	}
	panic("engine: unknown kind of rewrite")
}

// isContextual reports whether a tuple came with the question.
func isContextual(r Reader, t ostiary.Tuple) bool {
	o, ok := r.(*overlay)
	if !ok {
		return false
	}
	_, found, _ := o.top.Has(context.Background(), t)
	return found
}
