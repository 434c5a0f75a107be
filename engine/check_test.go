package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	packed "github.com/ostiary/ostiary/engine/edges"
)

// groups is the smallest recursive model.
func groups() *engine.Plan {
	return plan(typ("user"), typ("group", relation("member", this(), "user, user:*, group#member")))
}

// clique returns n groups that all contain each other.
func clique(n int) []ostiary.Edge {
	var all []ostiary.Edge
	for i := range n {
		for j := range n {
			all = append(all, groupIn(i, j))
		}
	}
	return all
}

func groupIn(outer, inner int) ostiary.Edge {
	return ostiary.Edge{Tuple: ostiary.Tuple{
		Object:   ostiary.ObjectRef{Type: "group", ID: fmt.Sprint(outer)},
		Relation: "member",
		Subject:  ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(inner), Relation: "member"},
	}}
}

func TestCheckCliqueReadsEachGroupOnce(t *testing.T) {
	const n = 200
	reader := &counting{Reader: engine.NewMemory(append(clique(n), edges(t, "group:199#member@user:ann")...))}
	e := engine.New(engine.Options{})
	for _, test := range []struct {
		question string
		want     ostiary.Decision
	}{
		{"group:0#member@user:ann", ostiary.Allowed},
		{"group:0#member@user:bob", ostiary.Denied},
	} {
		reader.objects = 0
		got, err := e.Check(t.Context(), groups(), reader, query(t, test.question))
		if err != nil || got != test.want {
			t.Errorf("%s: got %v, %v, want %v", test.question, got, err, test.want)
		}
		if reader.objects > n {
			t.Errorf("%s: read %d objects where there are %d: some were read twice", test.question, reader.objects, n)
		}
	}
}

// counting counts the objects whose tuples are read.
type counting struct {
	engine.Reader
	objects int
}

func (c *counting) ObjectEdges(ctx context.Context, o ostiary.ObjectRef) (*packed.Set, error) {
	c.objects++
	return c.Reader.ObjectEdges(ctx, o)
}

func TestCheckCliqueBehindIntersection(t *testing.T) {
	// The recursion passes through "and" and through the base of "but not".
	p := plan(typ("user"), typ("group",
		relation("member", and(butNot(or(this(), computed("lead")), computed("banned")), computed("enabled")), "user, group#member"),
		relation("lead", this(), "group#member"),
		relation("banned", this(), "user"),
		relation("enabled", or(this(), computed("member")), "user, user:*")))
	all := clique(60)
	for i := range 60 {
		all = append(all, edges(t, fmt.Sprintf("group:%d#enabled@user:* group:%d#lead@group:%d#member", i, i, 59-i))...)
	}
	all = append(all, edges(t, "group:59#member@user:ann group:59#member@user:bob group:0#banned@user:bob")...)
	check(t, p, engine.NewMemory(all), map[string]string{
		"group:0#member@user:ann":  "allowed",
		"group:0#member@user:bob":  "denied",
		"group:1#member@user:bob":  "allowed",
		"group:0#member@user:cat":  "denied",
		"group:0#enabled@user:cat": "allowed",
	})
}

// check compares answers with "allowed", "denied", or the text of the sentinel that is expected.
func check(t *testing.T, p *engine.Plan, r engine.Reader, want map[string]string) {
	t.Helper()
	e := engine.New(engine.Options{})
	for question, want := range want {
		d, err := e.Check(t.Context(), p, r, query(t, question))
		got := d.String()
		if err != nil {
			got = err.Error()
			for _, sentinel := range ostiary.Sentinels() {
				if errors.Is(err, sentinel) {
					got = sentinel.Error()
				}
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", question, got, want)
		}
	}
}

func TestCheckDepth(t *testing.T) {
	chain := func(n int) (all []ostiary.Edge) {
		for i := range n {
			all = append(all, groupIn(i, i+1))
		}
		return append(all, edges(t, fmt.Sprintf("group:%d#member@user:ann", n))...)
	}
	tooDeep := ostiary.ErrDepthExceeded.Error()
	check(t, groups(), engine.NewMemory(chain(25)), map[string]string{
		"group:0#member@user:ann": "allowed",
		"group:0#member@user:bob": "denied",
	})
	check(t, groups(), engine.NewMemory(chain(26)), map[string]string{
		"group:0#member@user:ann": tooDeep,
		"group:0#member@user:bob": tooDeep,
		"group:1#member@user:bob": "denied",
	})
	// A shorter way to the far end turns the error into an answer, whichever is walked first.
	for _, shortcut := range []ostiary.Edge{groupIn(0, 20), groupIn(3, 9)} {
		check(t, groups(), engine.NewMemory(append(chain(26), shortcut)), map[string]string{
			"group:0#member@user:ann": "allowed",
			"group:0#member@user:bob": "denied",
		})
	}
}

func TestCheckDepthIsFoundAgainNearer(t *testing.T) {
	// The operands of "and" are opened one after the other, so the far way to group:9 is walked first.
	p := plan(typ("user"), typ("group",
		relation("member", or(this(), and(computed("far"), computed("near"))), "user"),
		relation("far", this(), "group#member"),
		relation("near", this(), "group#member")))
	e := engine.New(engine.Options{MaxDepth: 3})
	r := engine.NewMemory(edges(t, `
		group:0#far@group:1#member group:0#near@group:9#member
		group:1#far@group:2#member group:1#near@group:2#member
		group:2#far@group:9#member group:2#near@group:9#member
		group:9#far@group:8#member group:9#near@group:8#member
		group:8#member@user:ann`))
	for _, test := range []struct {
		question string
		want     ostiary.Decision
	}{
		{"group:9#member@user:ann", ostiary.Allowed},
		{"group:2#member@user:ann", ostiary.Allowed},
	} {
		if got, err := e.Check(t.Context(), p, r, query(t, test.question)); err != nil || got != test.want {
			t.Errorf("%s: got %v, %v, want %v", test.question, got, err, test.want)
		}
	}
	// group:0 needs group:1 -> group:2 -> group:9 -> group:8, one tuple too many.
	if _, err := e.Check(t.Context(), p, r, query(t, "group:0#member@user:ann")); err != nil {
		if !errors.Is(err, ostiary.ErrDepthExceeded) {
			t.Errorf("got %v, want depth error", err)
		}
	}
}

func TestCheckRecursionThroughSubtraction(t *testing.T) {
	p := plan(typ("user"), typ("pos",
		relation("next", this(), "pos"),
		relation("player", this(), "user"),
		relation("win", butNot(from("player", "next"), from("win", "next")), ""),
		relation("sure", butNot(computed("player"), computed("win")), "")))
	// The game of Van Gelder: a position wins when a move leads to one that does not. Every position
	// has the player, so "win" is exactly: some move, and none of them to a winning position.
	r := engine.NewMemory(edges(t, `
		pos:a#player@user:p pos:b#player@user:p pos:c#player@user:p pos:d#player@user:p pos:x#player@user:p pos:y#player@user:p
		pos:a#next@pos:b pos:b#next@pos:c pos:c#next@pos:d
		pos:x#next@pos:y pos:y#next@pos:x`))
	check(t, p, r, map[string]string{
		"pos:d#win@user:p": "denied",
		"pos:c#win@user:p": "allowed",
		"pos:b#win@user:p": "denied",
		"pos:a#win@user:p": "allowed",
		// x and y wait for each other: undefined, so denied, and denied also where it is subtracted.
		"pos:x#win@user:p":  "denied",
		"pos:x#sure@user:p": "denied",
		"pos:b#sure@user:p": "allowed",
	})
}

func TestCheckErrorsAreAThirdValue(t *testing.T) {
	p := plan(typ("user"), typ("doc",
		relation("some", this(), "user, user with c"),
		relation("no", this(), "user"),
		relation("all", this(), "user:*"),
		relation("any", or(computed("some"), computed("all")), ""),
		relation("both", and(computed("some"), computed("no")), ""),
		relation("maybe", or(computed("some"), computed("no")), ""),
		relation("less", butNot(computed("all"), computed("some")), ""),
		relation("none", butNot(computed("no"), computed("some")), ""),
		relation("gone", butNot(computed("some"), computed("all")), "")))
	r := engine.NewMemory(edges(t, `doc:1#some@user:ann|c doc:1#some@user:bob|other doc:1#all@user:*`))
	conditional := ostiary.ErrConditionUndecided.Error()
	check(t, p, r, map[string]string{
		"doc:1#some@user:ann":  conditional,
		"doc:1#any@user:ann":   "allowed",
		"doc:1#both@user:ann":  "denied",
		"doc:1#maybe@user:ann": conditional,
		"doc:1#less@user:ann":  conditional,
		"doc:1#none@user:ann":  "denied",
		"doc:1#gone@user:ann":  "denied",
		// No restriction allows this condition, so the tuple is ignored.
		"doc:1#some@user:bob": "denied",
		"doc:1#less@user:bob": "allowed",
	})
}

func TestCheckIgnoresTuplesThatNoLongerFit(t *testing.T) {
	p := plan(typ("user"), typ("employee"), typ("group", relation("member", this(), "user"), relation("old", this(), "user")),
		typ("doc", relation("viewer", this(), "user with c, group#member"), relation("parent", this(), "doc"),
			relation("reader", or(computed("viewer"), from("viewer", "parent")), "")))
	check(t, p, engine.NewMemory(edges(t, `
		doc:1#viewer@user:ann doc:1#viewer@user:* doc:1#viewer@group:g#old group:g#old@user:cat
		doc:1#viewer@group:g#member|c group:g#member@user:dan
		doc:1#parent@group:g doc:1#parent@doc:2#viewer doc:2#viewer@group:h#member group:h#member@user:eve`)), map[string]string{
		"doc:1#viewer@user:ann":     "denied", // needs the condition
		"doc:1#viewer@employee:ann": "denied",
		"doc:1#viewer@user:bob":     "denied", // no wildcard any more
		"doc:1#viewer@user:cat":     "denied", // group#old is not allowed
		"doc:1#viewer@user:dan":     "denied", // group#member has no condition any more
		"doc:1#reader@user:eve":     "denied", // a tupleset follows plain objects only
		"doc:2#reader@user:eve":     "allowed",
	})
}

func TestCheckUsersetIsInItself(t *testing.T) {
	p := plan(typ("user"), typ("group",
		relation("banned", this(), "user"),
		relation("member", butNot(this(), computed("banned")), "user, group#member"),
		relation("all", computed("member"), "")))
	check(t, p, engine.NewMemory(edges(t, "group:1#member@group:2#member group:2#member@user:ann")), map[string]string{
		"group:1#member@group:1#member": "allowed",
		"group:1#all@group:1#member":    "allowed",
		"group:1#all@group:2#member":    "allowed",
		"group:1#banned@group:1#banned": "allowed",
		"group:2#member@group:1#member": "denied",
		"group:1#member@group:1#all":    "denied",
	})
}

func TestCheckUnknownNames(t *testing.T) {
	for _, question := range []string{
		"file:1#member@user:ann", "group:1#owner@user:ann", "group:1#member@robot:1", "group:1#member@group:1#owner",
	} {
		_, err := engine.New(engine.Options{}).Check(t.Context(), groups(), engine.NewMemory(nil), query(t, question))
		if !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s: got %v, want an error that is ErrTupleInvalid", question, err)
		}
	}
}

func TestCheckBounds(t *testing.T) {
	r := engine.NewMemory(clique(30))
	_, err := engine.New(engine.Options{MaxReads: 100, UserSteps: -1}).Check(t.Context(), groups(), r, query(t, "group:0#member@user:ann"))
	if !errors.Is(err, ostiary.ErrTooBroad) {
		t.Errorf("got %v, want an error that is ErrTooBroad", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.New(engine.Options{}).Check(ctx, groups(), r, query(t, "group:0#member@user:ann")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// layers returns groups in layers: each group of a layer is in all groups of the one above, from group:0
// on, and the last layer is width groups.
func layers(depth, width int) []ostiary.Edge {
	all := make([]ostiary.Edge, 0, depth*width*width)
	for layer := range depth - 1 {
		for i := range width {
			for j := range width {
				all = append(all, groupIn(layer*width+i, (layer+1)*width+j))
			}
		}
	}
	return all
}

// A miss costs what the smaller side costs: a document shared with very many groups, and a user in few.
func TestCheckFromTheUser(t *testing.T) {
	const n = 5000
	p := plan(typ("user"), typ("group", relation("member", or(this(), computed("owner")), "user, user:*, group#member"),
		relation("owner", this(), "user")), typ("doc", relation("viewer", this(), "group#member")))
	all := edges(t, `group:7#member@user:ann group:staff#owner@user:bob group:staff#member@group:x#member
		group:8#member@group:staff#member group:open#member@user:* group:other#member@group:open#member`)
	for i := range n {
		all = append(all, edges(t, fmt.Sprintf("doc:1#viewer@group:%d#member group:%d#member@user:u%d", i, i, i))...)
	}
	all = append(all, edges(t, "doc:2#viewer@group:other#member")...)
	memory := engine.NewMemory(all)
	for name, r := range map[string]engine.Reader{"packed": memory, "open": halfOpen{memory}} {
		counter := &counting{Reader: r}
		check(t, p, counter, map[string]string{
			"doc:1#viewer@user:ann":         "allowed",
			"doc:1#viewer@user:bob":         "allowed",
			"doc:1#viewer@user:cat":         "denied",
			"doc:1#viewer@group:x#member":   "allowed",
			"doc:1#viewer@group:y#member":   "denied",
			"doc:1#viewer@group:7#member":   "allowed",
			"doc:2#viewer@user:cat":         "allowed",
			"doc:2#viewer@user:*":           "allowed",
			"doc:1#viewer@user:*":           "denied",
			"doc:2#viewer@group:lay#member": "denied",
		})
		if counter.objects > 20 {
			t.Errorf("%s: read the tuples of %d objects", name, counter.objects)
		}
	}
}

// halfOpen packs what subjects have and nothing of objects.
type halfOpen struct{ engine.Reader }

func (h halfOpen) ObjectEdges(ctx context.Context, o ostiary.ObjectRef) (*packed.Set, error) {
	return sequences(h).ObjectEdges(ctx, o)
}

// Depth counts from both ends, and whichever side is walked a path that is too long is an error.
func TestCheckDepthFromBothEnds(t *testing.T) {
	for _, steps := range []int{-1, 0, 1, 1000} {
		e := engine.New(engine.Options{UserSteps: steps, MaxDepth: 6})
		for depth := 5; depth <= 8; depth++ {
			r := engine.NewMemory(append(layers(depth, 5), edges(t, fmt.Sprintf("group:%d#member@user:ann", (depth-1)*5))...))
			got, err := e.Check(t.Context(), groups(), r, query(t, "group:0#member@user:ann"))
			switch {
			case depth <= 7 && (err != nil || got != ostiary.Allowed):
				t.Errorf("steps %d, %d layers: got %v, %v, want allowed", steps, depth, got, err)
			case depth > 7 && !errors.Is(err, ostiary.ErrDepthExceeded):
				t.Errorf("steps %d, %d layers: got %v, %v, want a depth error", steps, depth, got, err)
			}
			got, err = e.Check(t.Context(), groups(), r, query(t, "group:0#member@user:bob"))
			if got == ostiary.Allowed || err != nil && (depth <= 7 || !errors.Is(err, ostiary.ErrDepthExceeded)) {
				t.Errorf("steps %d, %d layers: got %v, %v for a stranger", steps, depth, got, err)
			}
		}
	}
}
