package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// readerWorld writes random tuples, some conditional and some expired at time 100, such that some
// objects fit into a buffer and some do not. It returns them in order.
func readerWorld(t testing.TB, s *Store, rng *rand.Rand) []ostiary.StoredTuple {
	t.Helper()
	relations := []string{"member", "members", "owner", "viewer"}
	m := &ostiary.Mutation{TimeNanos: 1}
	for range 1500 {
		c := ostiary.TupleChange{Op: ostiary.TupleTouch, Store: testStore, Grant: ostiary.Grant{Owner: "api"}}
		// Objects with low numbers get many tuples, those with high numbers few.
		c.Tuple.Object = ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(int(rng.ExpFloat64() * 4))}
		c.Tuple.Relation = relations[rng.IntN(len(relations))]
		switch rng.IntN(8) {
		case 0:
			c.Tuple.Subject = ostiary.SubjectRef{Type: []string{"user", "bot"}[rng.IntN(2)], ID: ostiary.Wildcard}
		case 1:
			c.Tuple.Subject = ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(rng.IntN(40)), Relation: "member"}
		default:
			c.Tuple.Subject = ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(rng.IntN(40))}
		}
		switch rng.IntN(6) {
		case 0:
			c.Grant.Condition, c.Grant.Context = "office", []byte(`{"a":1}`)
		case 1:
			c.Grant.ExpiryNanos = 50 + rng.Int64N(100)
		case 2:
			c.Grant.Owner = "scim:x"
		}
		m.Tuples = append(m.Tuples, c)
	}
	mustApply(t, s, m)
	var all []ostiary.StoredTuple
	for st, err := range viewOf(t, s).Tuples(t.Context(), ostiary.Filter{Store: testStore}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, st)
	}
	return all
}

// expect returns the live edges among all that satisfy keep.
func expect(all []ostiary.StoredTuple, now int64, keep func(ostiary.Tuple) bool) []ostiary.Edge {
	var edges []ostiary.Edge
	for _, st := range all {
		if e, live := st.Edge(now); live && keep(st.Tuple) {
			edges = append(edges, e)
		}
	}
	return edges
}

func collect(t testing.TB, seq iter.Seq2[ostiary.Edge, error], inside func()) []ostiary.Edge {
	t.Helper()
	var edges []ostiary.Edge
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		edges = append(edges, e)
		inside()
	}
	return edges
}

// TestReaderAgainstScan asks one reader random questions, some in the middle of others, and compares
// each answer with a filter over all tuples.
func TestReaderAgainstScan(t *testing.T) {
	const now = 100
	rng := rand.New(rand.NewPCG(3, 4))
	s := openTest(t, vfs.NewMem())
	all := readerWorld(t, s, rng)
	r := viewOf(t, s).Reader(testStore, now)
	ctx := t.Context()
	asked := 0
	var ask func(depth int)
	ask = func(depth int) {
		asked++
		some := all[rng.IntN(len(all))].Tuple
		if rng.IntN(4) == 0 {
			some.Relation = "viewe" // there is none
		}
		inside := func() {
			if depth < 12 && rng.IntN(12) == 0 {
				ask(depth + 1)
			}
		}
		var got, want []ostiary.Edge
		question := rng.IntN(4)
		switch question {
		case 0:
			if rng.IntN(2) == 0 {
				some.Subject.ID += "x"
			}
			if e, ok, err := r.Has(ctx, some); err != nil {
				t.Fatal(err)
			} else if ok {
				got = append(got, e)
			}
			want = expect(all, now, func(u ostiary.Tuple) bool { return u == some })
		case 1:
			got = collect(t, r.Usersets(ctx, some.Object, some.Relation), inside)
			want = expect(all, now, func(u ostiary.Tuple) bool {
				return u.Object == some.Object && u.Relation == some.Relation && (u.Subject.IsUserset() || u.Subject.IsWildcard())
			})
		case 2:
			got = collect(t, r.Subjects(ctx, some.Object, some.Relation), inside)
			want = expect(all, now, func(u ostiary.Tuple) bool { return u.Object == some.Object && u.Relation == some.Relation })
		case 3:
			got = collect(t, r.Objects(ctx, some.Subject, some.Object.Type, some.Relation), inside)
			want = expect(all, now, func(u ostiary.Tuple) bool {
				return u.Subject == some.Subject && u.Relation == some.Relation && u.Object.Type == some.Object.Type
			})
			slices.SortFunc(want, func(a, b ostiary.Edge) int { return strings.Compare(a.Object.ID, b.Object.ID) })
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("question %d about %q:\ngot  %v\nwant %v", question, some, got, want)
		}
	}
	for range 600 {
		ask(0)
	}
	if len(all) < 500 || asked < 600 {
		t.Fatalf("only %d tuples and %d questions", len(all), asked)
	}
}

// TestReaderReads counts what questions cost.
func TestReaderReads(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	m := &ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleTouch, "doc:1#owner@user:ann"), change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann"),
		change1(t, ostiary.TupleTouch, "group:big#member@group:a#member"), change1(t, ostiary.TupleTouch, "group:big#member@user:*"),
		change1(t, ostiary.TupleTouch, "group:big#zone@user:ann"),
	}}
	for i := range 10_000 {
		m.Tuples = append(m.Tuples, change1(t, ostiary.TupleTouch, fmt.Sprintf("group:big#member@user:%d", i)))
	}
	mustApply(t, s, m)
	ctx := t.Context()
	big := ostiary.ObjectRef{Type: "group", ID: "big"}
	tests := []struct {
		name string
		ask  func(r *Reader)
		want Stats
	}{
		{"several relations of one object", func(r *Reader) {
			for _, relation := range []string{"owner", "viewer", "editor"} {
				if _, _, err := r.Has(ctx, ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: relation, Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}}); err != nil {
					t.Fatal(err)
				}
				objectEdges(t, r, ostiary.ObjectRef{Type: "doc", ID: "1"})
			}
		}, Stats{Seeks: 1, Keys: 2}},
		{"an object that does not exist", func(r *Reader) {
			objectEdges(t, r, ostiary.ObjectRef{Type: "doc", ID: "2"})
			objectEdges(t, r, ostiary.ObjectRef{Type: "doc", ID: "2"})
		}, Stats{Seeks: 1}},
		{"usersets of a big group", func(r *Reader) {
			if got := collect(t, r.Usersets(ctx, big, "member"), func() {}); len(got) != 2 {
				t.Errorf("%d usersets, want 2", len(got))
			}
		}, Stats{Seeks: 1, Keys: 2}},
		{"a big group", func(r *Reader) {
			set := objectEdges(t, r, big)
			members := set.Find(edges.HeadPlain("member", "user"))
			if !members.Open || members.Len() != firstRows || set.Find(edges.HeadUserset("member", "group", "member")).Open {
				t.Errorf("members %+v, want %d and more", members, firstRows)
			}
			if zone := set.Find(edges.HeadPlain("zone", "user")); !zone.Open || zone.Len() != 0 {
				t.Errorf("zone %+v, want it unknown", zone)
			}
		}, Stats{Seeks: 1, Keys: firstRows + 3}},
		{"a member of a big group", func(r *Reader) {
			if _, ok, err := r.Has(ctx, tuple(t, "group:big#member@user:9999")); !ok || err != nil {
				t.Errorf("Has = %v, %v", ok, err)
			}
			for i := range 100 {
				if _, ok, err := r.Has(ctx, tuple(t, fmt.Sprintf("group:other%d#member@user:9999", i%2))); ok || err != nil {
					t.Errorf("Has = %v, %v", ok, err)
				}
			}
		}, Stats{Seeks: 4, Keys: firstRows + 4}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := viewOf(t, s).Reader(testStore, 0)
			tt.ask(r)
			if got := r.Stats(); got != tt.want {
				t.Errorf("reads %+v, want %+v", got, tt.want)
			}
		})
	}
}

func objectEdges(t testing.TB, r *Reader, o ostiary.ObjectRef) *edges.Set {
	t.Helper()
	set, err := r.ObjectEdges(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestReaderForgery: a question whose parts hold NUL, or are empty, matches no other tuple.
func TestReaderForgery(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:viewer#owner@user:ann")}})
	v := viewOf(t, s)
	r := v.Reader(testStore, 0)
	ann := ostiary.SubjectRef{Type: "user", ID: "ann"}
	for _, forged := range []ostiary.Tuple{
		{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "viewer\x00owner", Subject: ann},
		{Object: ostiary.ObjectRef{Type: "doc\x00viewer"}, Relation: "owner", Subject: ann},
		{Object: ostiary.ObjectRef{Type: "doc", ID: "viewer\x00owner\x00\x03user"}, Relation: "", Subject: ann},
		{Object: ostiary.ObjectRef{Type: "doc", ID: "viewer"}, Relation: "owner", Subject: ostiary.SubjectRef{Type: "user\x00ann"}},
	} {
		if _, ok, err := r.Has(t.Context(), forged); ok || !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("Has(%q) = %v, %v, want ErrTupleInvalid", forged, ok, err)
		}
		if _, ok, err := v.Tuple(testStore, forged); ok || !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("Tuple(%q) = %v, %v, want ErrTupleInvalid", forged, ok, err)
		}
	}
	for _, err := range r.Subjects(t.Context(), ostiary.ObjectRef{Type: "doc", ID: ""}, "viewer") {
		if !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("Subjects of an empty id: %v", err)
		}
	}
}

// TestReaderContext: a long sequence ends with the context's error, and yields nothing after it.
func TestReaderContext(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	m := &ostiary.Mutation{}
	for i := range 3000 {
		m.Tuples = append(m.Tuples, change1(t, ostiary.TupleTouch, fmt.Sprintf("doc:1#viewer@user:%d", i)))
	}
	mustApply(t, s, m)
	v := viewOf(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows, failed := 0, 0
	for _, err := range v.Reader(testStore, 0).Subjects(ctx, ostiary.ObjectRef{Type: "doc", ID: "1"}, "viewer") {
		cancel()
		if err != nil {
			failed++
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want Canceled", err)
			}
			continue
		}
		rows++
	}
	if rows > contextRows || failed != 1 {
		t.Errorf("after the cancellation %d rows and %d errors", rows, failed)
	}
	failed = 0
	for _, err := range v.Tuples(ctx, ostiary.Filter{Store: testStore}, nil) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Tuples with a cancelled context: %v", err)
		}
		failed++
	}
	if failed != 1 {
		t.Errorf("Tuples yielded %d times, want once", failed)
	}
}
