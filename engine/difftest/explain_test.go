package difftest

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/engine"
)

// An explanation comes to what a check comes to, and rests on tuples that are there.
func TestExplanationsEqualChecks(t *testing.T) {
	for _, f := range some {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			c := cases(f).Draw(t, "case")
			written := map[string]bool{}
			for _, tuple := range c.tuples {
				written[tuple.String()] = true
			}
			want, got := newJudge(c), newEngine(t.Context(), c, engine.Options{MaxDepth: deep})
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
					if missing := inventedTuple(e, written); missing != "" {
						t.Fatalf("%vexplain %s#%s@%s\n%v\nnames %s, which is not written", c, n.object, n.relation, s, e, missing)
					}
				}
			}
		}))
	}
}

// inventedTuple returns a tuple of an explanation that is not written, if there is one.
func inventedTuple(e *engine.Explanation, written map[string]bool) string {
	if e.Tuple != "" && !written[e.Tuple] {
		return e.Tuple
	}
	for _, child := range e.Children {
		if missing := inventedTuple(child, written); missing != "" {
			return missing
		}
	}
	return ""
}
