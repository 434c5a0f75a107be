package readertest

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// Open returns a reader that shows exactly the given tuples, in no particular order and without
// duplicates. What it needs to clean up it registers with t.
type Open func(t testing.TB, edges []ostiary.Edge) engine.Reader

// Run tests the readers that open returns.
func Run(t *testing.T, open Open) {
	t.Run("empty", func(t *testing.T) { compare(t, open(t, nil), nil) })
	t.Run("examples", func(t *testing.T) {
		edges := examples()
		compare(t, open(t, edges), edges)
		packed(t, open(t, edges), edges)
	})
	t.Run("random", func(t *testing.T) {
		edges := random(400)
		compare(t, open(t, edges), edges)
		packed(t, open(t, edges), edges)
	})
	t.Run("stop early", func(t *testing.T) { stopEarly(t, open(t, examples())) })
	t.Run("scan inside a scan", func(t *testing.T) { nested(t, open(t, examples())) })
	t.Run("kept edges", func(t *testing.T) { kept(t, open(t, examples())) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, open(t, examples())) })
}

// examples are tuples whose parts are prefixes of each other, so that a key that forgets where a part
// ends shows tuples of a neighbour; the three kinds of subject; and conditions.
func examples() []ostiary.Edge {
	text := `
		doc:1#viewer@user:* doc:1#viewer@team:* doc:1#viewer@group:a#member doc:1#viewer@group:b#member
		doc:1#viewer@group:a#owner doc:1#viewer@user:ann doc:1#viewer@user:an doc:1#viewer@user:anna
		doc:1#viewers@user:zoe doc:1#view@user:zed doc:10#viewer@user:ann doc:1/1#viewer@user:ann doc:2#viewer@user:ann
		docs:1#viewer@user:ann do:1#viewer@user:ann doc:1#editor@user:ann doc:1#editor@users:ann
		doc:2#viewer@group:a#member doc:3#viewer@group:a#member folder:1#viewer@group:a#member doc:4#viewer@group:a
		doc:4#viewer@group:a#members doc:5#viewer@user:* doc:6#viewer@user:* doc:@#viewer@user:a@b doc:ü#viewer@user:ö
		doc:7#parent@folder:1 doc:7#parent@folder:2 folder:2#parent@folder:1`
	var edges []ostiary.Edge
	for _, field := range strings.Fields(text) {
		object, rest, _ := strings.Cut(field, "#")
		relation, subject, _ := strings.Cut(rest, "@")
		tuple, err := ostiary.NewTuple(object, relation, subject)
		if err != nil {
			panic(err)
		}
		edges = append(edges, ostiary.Edge{Tuple: tuple})
	}
	conditional := ostiary.Tuple{
		Object: ostiary.ObjectRef{Type: "doc", ID: "8"}, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
	}
	return append(edges, ostiary.Edge{Tuple: conditional, Conditions: []ostiary.Grant{
		{Owner: ostiary.OwnerAPI, Condition: "in_hours", Context: []byte(`{"from":9}`)},
	}})
}

// random returns n different tuples over few names, from a fixed seed.
func random(n int) []ostiary.Edge {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	seen := map[ostiary.Tuple]bool{}
	var edges []ostiary.Edge
	for len(edges) < n {
		s := ostiary.SubjectRef{Type: pick("user", "group", "g"), ID: pick("1", "2", "11", "a", "*")}
		if s.ID != ostiary.Wildcard {
			s.Relation = pick("", "", "member", "mem")
		}
		tuple := ostiary.Tuple{
			Object:   ostiary.ObjectRef{Type: pick("doc", "group", "g"), ID: pick("1", "2", "11", "111", "a")},
			Relation: pick("viewer", "member", "mem"),
			Subject:  s,
		}
		if !seen[tuple] {
			seen[tuple] = true
			edges = append(edges, ostiary.Edge{Tuple: tuple})
		}
	}
	return edges
}

// compare asks a reader everything that the names in edges allow, and more, and compares the answers
// with what plain filtering and sorting give.
func compare(t *testing.T, r engine.Reader, edges []ostiary.Edge) {
	t.Helper()
	type relationOf struct {
		object   ostiary.ObjectRef
		relation string
	}
	type arrival struct {
		subject       ostiary.SubjectRef
		typ, relation string
	}
	relations := map[relationOf]bool{{ostiary.ObjectRef{Type: "doc", ID: "none"}, "viewer"}: true}
	arrivals := map[arrival]bool{{ostiary.SubjectRef{Type: "user", ID: "none"}, "doc", "viewer"}: true}
	tuples := map[ostiary.Tuple]bool{}
	for _, e := range edges {
		relations[relationOf{e.Object, e.Relation}] = true
		arrivals[arrival{e.Subject, e.Object.Type, e.Relation}] = true
		for _, near := range neighbours(e.Tuple) {
			tuples[near] = true
			relations[relationOf{near.Object, near.Relation}] = true
			arrivals[arrival{near.Subject, near.Object.Type, near.Relation}] = true
		}
	}
	forward := slices.SortedFunc(slices.Values(edges), func(a, b ostiary.Edge) int { return a.Tuple.Compare(b.Tuple) })
	filter := func(keep func(ostiary.Edge) bool) (out []ostiary.Edge) {
		for _, e := range forward {
			if keep(e) {
				out = append(out, e)
			}
		}
		return out
	}
	ctx := t.Context()
	for q := range relations {
		of := func(e ostiary.Edge) bool { return e.Object == q.object && e.Relation == q.relation }
		name := q.object.String() + "#" + q.relation
		equal(t, "Subjects "+name, r.Subjects(ctx, q.object, q.relation), filter(of))
		equal(t, "Usersets "+name, r.Usersets(ctx, q.object, q.relation), filter(func(e ostiary.Edge) bool {
			return of(e) && (e.Subject.IsUserset() || e.Subject.IsWildcard())
		}))
	}
	for q := range arrivals {
		equal(t, "Objects "+q.typ+"#"+q.relation+"@"+q.subject.String(), r.Objects(ctx, q.subject, q.typ, q.relation),
			filter(func(e ostiary.Edge) bool {
				return e.Subject == q.subject && e.Object.Type == q.typ && e.Relation == q.relation
			}))
	}
	for tuple := range tuples {
		want := filter(func(e ostiary.Edge) bool { return e.Tuple == tuple })
		got, ok, err := r.Has(ctx, tuple)
		if err != nil || ok != (len(want) == 1) || ok && !sameEdge(got, want[0]) {
			t.Errorf("Has %s: got %v, %v, %v, want %v", tuple, got, ok, err, want)
		}
	}
}

// neighbours returns t and tuples that differ from it in one part.
func neighbours(t ostiary.Tuple) []ostiary.Tuple {
	out := []ostiary.Tuple{t}
	for _, change := range []func(*ostiary.Tuple){
		func(t *ostiary.Tuple) { t.Object.Type += "x" },
		func(t *ostiary.Tuple) { t.Object.ID += "1" },
		func(t *ostiary.Tuple) { t.Relation += "s" },
		func(t *ostiary.Tuple) { t.Relation = t.Relation[:1] },
		func(t *ostiary.Tuple) { t.Subject.ID += "1" },
		func(t *ostiary.Tuple) { t.Subject = ostiary.SubjectRef{Type: t.Subject.Type, ID: ostiary.Wildcard} },
		func(t *ostiary.Tuple) { t.Subject.Relation = "" },
	} {
		near := t
		change(&near)
		out = append(out, near)
	}
	return out
}

func equal(t *testing.T, name string, seq iter.Seq2[ostiary.Edge, error], want []ostiary.Edge) {
	t.Helper()
	var got []ostiary.Edge
	for e, err := range seq {
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		got = append(got, e)
	}
	if !slices.EqualFunc(got, want, sameEdge) {
		t.Errorf("%s:\n got %v\nwant %v", name, got, want)
	}
}

func sameEdge(a, b ostiary.Edge) bool {
	return a.Tuple == b.Tuple && slices.EqualFunc(a.Conditions, b.Conditions, func(a, b ostiary.Grant) bool {
		return a.Owner == b.Owner && a.Condition == b.Condition && string(a.Context) == string(b.Context) && a.ExpiryNanos == b.ExpiryNanos
	})
}

// doc1 is the relation with the most tuples among the examples.
var doc1 = ostiary.ObjectRef{Type: "doc", ID: "1"}

// stopEarly leaves each sequence after its first tuple and reads on.
func stopEarly(t *testing.T, r engine.Reader) {
	everyone := ostiary.SubjectRef{Type: "user", ID: ostiary.Wildcard}
	for range 3 {
		for _, seq := range []iter.Seq2[ostiary.Edge, error]{
			r.Subjects(t.Context(), doc1, "viewer"),
			r.Usersets(t.Context(), doc1, "viewer"),
			r.Objects(t.Context(), everyone, "doc", "viewer"),
		} {
			n := 0
			for e, err := range seq {
				if n++; err != nil || e.Relation != "viewer" {
					t.Errorf("got %v, %v", e, err)
				}
				break
			}
			if n != 1 {
				t.Errorf("got %d tuples before the break, want 1", n)
			}
		}
	}
}

// nested reads, while one sequence is open, others and the same again.
func nested(t *testing.T, r engine.Reader) {
	outer, inner := 0, 0
	for e, err := range r.Subjects(t.Context(), doc1, "viewer") {
		if err != nil {
			t.Fatal(err)
		}
		outer++
		for range r.Subjects(t.Context(), doc1, "viewer") {
			inner++
		}
		if _, ok, err := r.Has(t.Context(), e.Tuple); err != nil || !ok {
			t.Errorf("Has %s inside a scan: got %v, %v", e.Tuple, ok, err)
		}
	}
	if outer != 8 || inner != 64 {
		t.Errorf("got %d tuples outside and %d inside, want 8 and 64", outer, inner)
	}
}

// kept compares tuples that were kept from a scan once others have been read.
func kept(t *testing.T, r engine.Reader) {
	var first []ostiary.Edge
	for e := range r.Subjects(t.Context(), doc1, "viewer") {
		first = append(first, e)
	}
	var texts []string
	for _, e := range first {
		texts = append(texts, e.String())
	}
	for _, id := range []string{"2", "3", "4", "5", "8"} {
		for range r.Subjects(t.Context(), ostiary.ObjectRef{Type: "doc", ID: id}, "viewer") {
		}
	}
	for i, e := range first {
		if e.String() != texts[i] {
			t.Errorf("tuple %d was %s and became %s", i, texts[i], e)
		}
	}
}

// cancelled requires that a reader answers rightly or fails under a cancelled context, and that it
// never answers with less.
func cancelled(t *testing.T, r engine.Reader) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range r.Subjects(ctx, doc1, "viewer") {
		if err != nil {
			return
		}
		n++
	}
	if n != 8 {
		t.Errorf("a cancelled scan ended after %d tuples without an error, want 8 or an error", n)
	}
}
