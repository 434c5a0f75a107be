package difftest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// An explanation comes to what a check comes to, and rests on tuples that are there.
func TestExplanationsEqualChecks(t *testing.T) {
	for _, f := range some {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			c := cases(f).Draw(t, "case")
			// Some of the tuples come with the question.
			own := rapid.IntRange(0, len(c.tuples)).Draw(t, "own")
			written := map[string]bool{} // whether it comes with the question
			for i, tuple := range c.tuples {
				written[tuple.String()] = i >= own
			}
			want, got := newJudge(c), newEngine(t.Context(), c.withTuples(c.tuples[:own]), engine.Options{MaxDepth: deep})
			got.reader = engine.Overlay(got.reader, edges(c.tuples[own:]))
			for i, n := range c.nodes() {
				for j, s := range c.subjects() {
					if (i+j)%5 != 0 { // a fifth of the questions, each node and each subject among them
						continue
					}
					e, err := got.engine.Explain(got.ctx, got.plan, got.reader, engine.CheckQuery{Object: n.object, Relation: n.relation, Subject: s})
					if err != nil {
						t.Fatalf("%vexplain %s#%s@%s: %v", c, n.object, n.relation, s, err)
					}
					if want := decision(want.Check(n.object, n.relation, s)); string(e.Outcome) != want {
						t.Fatalf("%vexplain %s#%s@%s\n%v\nwant %s", c, n.object, n.relation, s, e, want)
					}
					if wrong := wrongClaim(e, written, want, s); wrong != "" {
						t.Fatalf("%vexplain %s#%s@%s\n%v\n%s", c, n.object, n.relation, s, e, wrong)
					}
				}
			}
		}))
	}
}

// wrongClaim returns what is not so in an explanation, if anything: a tuple that is not there, or marked wrongly, or a
// relation of an object that comes to something else, among what decided and what did not.
func wrongClaim(e *engine.Explanation, written map[string]bool, want judge, subject ostiary.SubjectRef) string {
	contextual, there := written[e.Tuple]
	switch {
	case e.Tuple != "" && !there:
		return e.Tuple + " is not written"
	case e.Tuple != "" && e.Contextual != contextual:
		return fmt.Sprintf("%s is marked as contextual: %t", e.Tuple, e.Contextual)
	case e.Kind == engine.KindRelation && e.Outcome != engine.OutcomeCycle:
		object, err := ostiary.ParseObject(e.Object)
		if err != nil {
			return err.Error()
		}
		if want := decision(want.Check(object, e.Relation, subject)); string(e.Outcome) != want {
			return fmt.Sprintf("%s#%s is %s, and said to be %s", e.Object, e.Relation, want, e.Outcome)
		}
	}
	for _, below := range slices.Concat(e.Children, e.Others) {
		if wrong := wrongClaim(below, written, want, subject); wrong != "" {
			return wrong
		}
	}
	return ""
}
