package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	packed "github.com/ostiary/ostiary/engine/edges"
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
	withoutCosts(x)
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

// withoutCosts wipes what differs each time.
func withoutCosts(x *engine.Explanation) {
	x.Cost = engine.Cost{}
	for _, below := range append(append([]*engine.Explanation{}, x.Children...), x.Others...) {
		withoutCosts(below)
	}
}

func TestExplainedConditions(t *testing.T) {
	p, q := conditionalPlan(t), query(t, "doc:1#viewer@user:ann")
	explained := func(r engine.Reader, values map[string]any) string {
		q.Context = values
		x, err := engine.New(engine.Options{}).Explain(t.Context(), p, r, q)
		if err != nil {
			t.Fatal(err)
		}
		for x.Kind != engine.KindTuple {
			if len(x.Children) != 1 {
				t.Fatalf("no tuple below %+v", x)
			}
			x = x.Children[0]
		}
		text, err := json.Marshal(x.Conditions)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, tc := range []struct {
		name, context string
		values        map[string]any
		want          string
	}{
		{"below", `{"limit": 3}`, map[string]any{"x": 1.0, "limit": 9.0, "other": true},
			`[{"name":"below","outcome":"allowed","values":[{"name":"limit","value":"3","from_tuple":true},{"name":"x","value":"1"}]}]`},
		{"below", `{"limit": 3}`, map[string]any{"x": 5.0},
			`[{"name":"below","outcome":"denied","values":[{"name":"limit","value":"3","from_tuple":true},{"name":"x","value":"5"}]}]`},
		{"below", `{"limit": 3}`, nil,
			`[{"name":"below","outcome":"error","values":[{"name":"limit","value":"3","from_tuple":true}],"missing":["x"],` +
				`"error":"no value for the parameter x of condition below"}]`},
	} {
		got := explained(granted(t, tc.name, tc.context), tc.values)
		if i := strings.Index(tc.want, `"error":"`); i > 0 && len(got) > i { // its words are package condition's
			got, tc.want = got[:i], tc.want[:i]
		}
		if got != tc.want {
			t.Errorf("%v\n got %s\nwant %s", tc.values, got, tc.want)
		}
	}
	long := explained(granted(t, "below", `{"limit": 3}`), map[string]any{"x": strings.Repeat("é", 5000)})
	if len(long) > 2000 || !strings.Contains(long, "…") {
		t.Errorf("a long value is not cut: %d bytes", len(long))
	}
}

// uncached is a Reader with a cache that never has anything.
type uncached struct {
	engine.Reader
	asked *uint64
}

func (c uncached) CacheUse() (hits, misses uint64) { return 0, *c.asked }

func (c uncached) ObjectEdges(ctx context.Context, o ostiary.ObjectRef) (*packed.Set, error) {
	*c.asked++
	return c.Reader.ObjectEdges(ctx, o)
}

func TestExplanationsSayWhatTheyCost(t *testing.T) {
	r := uncached{engine.NewMemory(edges(t, "group:1#member@group:2#member group:2#member@group:3#member group:3#member@user:ann")), new(uint64)}
	x, err := engine.New(engine.Options{}).Explain(t.Context(), groups(), r, query(t, "group:1#member@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	var reads, fetched int64
	var walk func(x *engine.Explanation)
	walk = func(x *engine.Explanation) {
		reads, fetched = reads+x.Cost.Reads, fetched+x.Cost.Fetched
		total := x.Cost.Reads
		for _, below := range append(append([]*engine.Explanation{}, x.Children...), x.Others...) {
			walk(below)
			total += below.Cost.TotalReads
		}
		if x.Cost.TotalReads != total {
			t.Errorf("%s %s%s: %d reads in all, and its parts come to %d", x.Kind, x.Object, x.Tuple, x.Cost.TotalReads, total)
		}
	}
	walk(x)
	if reads != 5 || fetched != 3 { // three objects, two usersets
		t.Errorf("got %d reads, %d fetched, want 5 and 3:\n%v", reads, fetched, x)
	}
}

// Where the walk from the object would read too much and Check does not, the answer is there without its reasons.
func TestExplainWithoutReasons(t *testing.T) {
	text := ""
	for i := range 200 {
		text += fmt.Sprintf("group:0#member@group:x%d#member group:x%d#member@group:y%d#member ", i, i, i)
	}
	e := engine.New(engine.Options{MaxReads: 250})
	r, q := engine.NewMemory(edges(t, text)), query(t, "group:0#member@user:ann")
	d, err := e.Check(t.Context(), groups(), r, q)
	if err != nil || d != ostiary.Denied {
		t.Fatalf("Check says %v, %v", d, err)
	}
	x, err := e.Explain(t.Context(), groups(), r, q)
	if err != nil || x.Outcome != engine.OutcomeDenied || len(x.Children) > 0 || !strings.Contains(x.Note, "not explained") {
		t.Errorf("got %v, %v", x, err)
	}
	if len(x.Others) != 1 || x.Others[0].Kind != engine.KindBothEnded {
		t.Errorf("it does not say that Check walked from the subject: %+v", x.Others)
	}
}

// What was not needed is named, and what did not decide is shown behind what did.
func TestExplainOthers(t *testing.T) {
	p := plan(typ("user"), typ("doc",
		relation("viewer", or(this(), computed("editor"), computed("owner")), "user"), relation("editor", this(), "user"),
		relation("owner", this(), "user")))
	r := engine.NewMemory(edges(t, "doc:1#editor@user:ann doc:1#owner@user:ann"))
	x, err := engine.New(engine.Options{}).Explain(t.Context(), p, r, query(t, "doc:1#viewer@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	union := x.Children[0]
	var got []string
	for _, other := range union.Others {
		got = append(got, string(other.Outcome)+" "+string(other.Kind)+" "+other.Object+other.Relation)
	}
	if want := "[skipped computed doc:1owner denied direct ]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s:\n%v", got, want, x)
	}
}
