package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/engine"
)

// verifyExplanation requires that an explanation holds together by itself: an allowed node is held up
// by allowed children down to tuples, and no path meets the same relation twice.
func verifyExplanation(t *testing.T, q engine.CheckQuery, root *engine.Explanation) {
	t.Helper()
	var walk func(x *engine.Explanation, path []string)
	walk = func(x *engine.Explanation, path []string) {
		if x.Kind == engine.KindRelation {
			name := x.Object + "#" + x.Relation
			for _, above := range path {
				if above == name && x.Outcome != engine.OutcomeCycle && x.Note == "" {
					t.Errorf("%s: the explanation goes round through %s:\n%s", q, name, root)
					return
				}
			}
			path = append(path, name)
		}
		if x.Outcome == engine.OutcomeAllowed {
			verifyAllowed(t, q, root, x)
		}
		for _, child := range x.Children {
			walk(child, path)
		}
	}
	walk(root, nil)
}

func verifyAllowed(t *testing.T, q engine.CheckQuery, root, x *engine.Explanation) {
	t.Helper()
	allowed := 0
	for _, child := range x.Children {
		if child.Outcome == engine.OutcomeAllowed {
			allowed++
		}
	}
	ok := true
	switch x.Kind {
	case engine.KindTuple:
		ok = allowed == len(x.Children) // none where the tuple names the subject
	case engine.KindIntersection:
		ok = allowed+x.More == len(x.Children)+x.More && allowed > 0
	case engine.KindDifference:
		ok = len(x.Children) == 2 && x.Children[0].Outcome == engine.OutcomeAllowed && x.Children[1].Outcome != engine.OutcomeAllowed
	case engine.KindRelation:
		ok = allowed == 1 || x.Note != ""
	default:
		ok = allowed == 1
	}
	if !ok {
		t.Errorf("%s: an allowed %q does not follow from its children:\n%s", q, x.Kind, root)
	}
}

func TestExplainIsBounded(t *testing.T) {
	all := clique(120)
	for i := range 2000 {
		all = append(all, edges(t, fmt.Sprintf("group:0#member@group:x%d#member", i))...)
	}
	r := engine.NewMemory(all)
	q := query(t, "group:0#member@user:ann")
	x, err := engine.New(engine.Options{}).Explain(t.Context(), groups(), r, q)
	if err != nil {
		t.Fatal(err)
	}
	verifyExplanation(t, q, x)
	if lines := strings.Count(x.String(), "\n"); lines > 2000 {
		t.Errorf("the explanation has %d lines", lines)
	}
	if !strings.Contains(x.String(), "more\n") {
		t.Error("the explanation does not say that it was cut short")
	}
}

func TestExplainJSON(t *testing.T) {
	r := engine.NewMemory(edges(t, "group:1#member@group:2#member group:2#member@user:ann"))
	x, err := engine.New(engine.Options{}).Explain(t.Context(), groups(), r, query(t, "group:1#member@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"outcome":"allowed","kind":"relation","object":"group:1","relation":"member","children":[` +
		`{"outcome":"allowed","kind":"direct","children":[{"outcome":"allowed","kind":"tuple","tuple":"group:1#member@group:2#member","children":[` +
		`{"outcome":"allowed","kind":"relation","object":"group:2","relation":"member","children":[` +
		`{"outcome":"allowed","kind":"direct","children":[{"outcome":"allowed","kind":"tuple","tuple":"group:2#member@user:ann"}]}]}]}]}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

var _ fmt.Stringer = (*engine.Explanation)(nil)
