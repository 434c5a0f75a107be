package main

import (
	"testing"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func TestExplanationTree(t *testing.T) {
	const allowed, denied, skipped = ostiaryv1.Outcome_OUTCOME_ALLOWED, ostiaryv1.Outcome_OUTCOME_DENIED, ostiaryv1.Outcome_OUTCOME_SKIPPED
	relation := func(outcome ostiaryv1.Outcome, object, relation string, children ...*ostiaryv1.ExplainNode) *ostiaryv1.ExplainNode {
		return &ostiaryv1.ExplainNode{Outcome: outcome, Kind: "relation", Object: object, Relation: relation, Children: children}
	}
	leaf := func(outcome ostiaryv1.Outcome, cost *ostiaryv1.ExplainCost, children ...*ostiaryv1.ExplainNode) *ostiaryv1.ExplainNode {
		return &ostiaryv1.ExplainNode{Outcome: outcome, Kind: "direct", Cost: cost, Children: children}
	}
	tuple := &ostiaryv1.ExplainNode{Outcome: allowed, Kind: "tuple", Tuple: "doc:1#editor@user:ann", Contextual: true}
	editor := relation(allowed, "doc:1", "editor", leaf(allowed, &ostiaryv1.ExplainCost{Reads: 2, Micros: 7, Fetched: 1}, tuple))
	direct := leaf(denied, &ostiaryv1.ExplainCost{Reads: 1, Micros: 3, Cached: 1})
	direct.Note = "no tuple doc:1#viewer@user:ann"
	union := &ostiaryv1.ExplainNode{Outcome: allowed, Kind: "union", Children: []*ostiaryv1.ExplainNode{editor}, More: 2,
		Others: []*ostiaryv1.ExplainNode{direct, {Outcome: skipped, Kind: "computed", Object: "doc:1", Relation: "owner", Note: "not needed"}}}
	root := relation(allowed, "doc:1", "viewer", union)
	root.Cost = &ostiaryv1.ExplainCost{TotalReads: 3, TotalMicros: 12}
	const want = `allowed  doc:1#viewer  [3 reads, 12 µs]
  allowed  or
    allowed  doc:1#editor
      allowed  doc:1#editor@user:ann (came with the question)  [2 reads, 7 µs, from storage]
  | denied   direct (no tuple doc:1#viewer@user:ann)  [1 read, 3 µs, cached]
  | skipped  doc:1#owner (not needed)
    … 2 more
`
	if got := new(app).explanation(&ostiaryv1.ExplainResponse{Root: root}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
