package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"pgregory.net/rapid"
)

// comparePast compares views at older revisions with what the model was then. The last state is that of
// now.
func comparePast(t *rapid.T, s *Store, states []*model) {
	now := states[len(states)-1]
	for range 3 {
		r := ostiary.Revision(rapid.Uint64Range(0, now.index).Draw(t, "older revision"))
		v, err := s.ViewAt(r)
		if r < now.low && uint64(r) != now.index {
			if !errors.Is(err, ostiary.ErrRevisionGone) {
				t.Fatalf("view at revision %d below the low-water mark %d: %v, want ErrRevisionGone", r, now.low, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		then := *stateAt(states, r)
		then.low = now.low
		compareView(t, v, &then)
		v.Close()
	}
	if _, err := s.ViewAt(ostiary.Revision(now.index) + 1); !errors.Is(err, ostiary.ErrRevisionNotYet) {
		t.Fatalf("view at revision %d, and %d is the newest: %v, want ErrRevisionNotYet", now.index+1, now.index, err)
	}
	compareTimes(t, s, states)
}

// stateAt returns the state that a revision left.
func stateAt(states []*model, r ostiary.Revision) *model {
	then := newModel()
	for _, m := range states {
		if m.index <= uint64(r) {
			then = m
		}
	}
	return then
}

func compareView(t *rapid.T, v *View, m *model) {
	for _, store := range []string{"s", "s2"} {
		for _, f := range modelFilters(store) {
			compareTuples(t, v, m, f)
		}
		compareChanges(t, v, m, store)
		compareReader(t, v, m, store)
	}
	compareDocuments(t, v, m)
	if nanos, err := v.TimeNanos(); err != nil || nanos != m.clock {
		t.Fatalf("time at revision %d: %d, %v; the model says %d", v.Revision(), nanos, err, m.clock)
	}
}

// compareReader asks what the engine asks.
func compareReader(t *rapid.T, v *View, m *model, store string) {
	now := rapid.Int64Range(0, 200).Draw(t, "now")
	r := v.Reader(store, now)
	defer r.Close()
	edges := func(keep func(ostiary.Tuple) bool) (want []ostiary.Edge) {
		for _, k := range m.sorted(ostiary.Filter{Store: store}) {
			if e, live := m.tuples[k].stored(k).Edge(now); live && keep(k.tuple) {
				want = append(want, e)
			}
		}
		return want
	}
	same := func(what string, got iter.Seq2[ostiary.Edge, error], want []ostiary.Edge) {
		var all []ostiary.Edge
		for e, err := range got {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		if !reflect.DeepEqual(all, want) {
			t.Fatalf("%s at revision %d: %v; the model says %v", what, v.Revision(), all, want)
		}
	}
	object, relation, subject := drawObject.Draw(t, "object"), drawRelation.Draw(t, "relation"), drawSubject.Draw(t, "subject")
	same("subjects", r.Subjects(context.Background(), object, relation), edges(func(u ostiary.Tuple) bool {
		return u.Object == object && u.Relation == relation
	}))
	same("usersets", r.Usersets(context.Background(), object, relation), edges(func(u ostiary.Tuple) bool {
		return u.Object == object && u.Relation == relation && (u.Subject.IsUserset() || u.Subject.IsWildcard())
	}))
	same("objects", r.Objects(context.Background(), subject, object.Type, relation), edges(func(u ostiary.Tuple) bool {
		return u.Subject == subject && u.Object.Type == object.Type && u.Relation == relation
	}))
	asked := ostiary.Tuple{Object: object, Relation: relation, Subject: subject}
	want := edges(func(u ostiary.Tuple) bool { return u == asked })
	if got, ok, err := r.Has(context.Background(), asked); err != nil || ok != (len(want) == 1) || ok && !reflect.DeepEqual(got, want[0]) {
		t.Fatalf("has %q at revision %d: %v, %v, %v; the model says %v", asked, v.Revision(), got, ok, err, want)
	}
}

// compareTimes asks for the revision at a time.
func compareTimes(t *rapid.T, s *Store, states []*model) {
	now := states[len(states)-1]
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	nanos := rapid.Int64Range(0, 220).Draw(t, "time")
	got, err := v.RevisionAt(nanos)
	want, found := ostiary.Revision(0), false
	for r := now.low; uint64(r) <= now.index; r++ {
		if stateAt(states, r).clock <= nanos {
			want, found = r, true
		}
	}
	switch {
	case found && (err != nil || got != want):
		t.Fatalf("revision at time %d: %d, %v; the model says %d", nanos, got, err, want)
	case !found && !errors.Is(err, ostiary.ErrRevisionGone):
		t.Fatalf("revision at time %d: %d, %v; the model says that it is gone", nanos, got, err)
	}
}

// TestCollection collects in bounded steps until nothing is left, and finds what is kept untouched.
func TestCollection(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	s.applier.maxCollected = 3
	var want []string // the tuples at each revision
	for i := range 20 {
		op := ostiary.TupleCreate
		if i%2 == 1 {
			op = ostiary.TupleDelete
		}
		m := &ostiary.Mutation{TimeNanos: int64(i), Tuples: []ostiary.TupleChange{change1(t, op, "doc:1#viewer@user:ann")}}
		other := change1(t, ostiary.TupleCreate, fmt.Sprintf("doc:%d#viewer@user:ben", i))
		other.Store = fmt.Sprintf("store-%d", i%4)
		m.Tuples = append(m.Tuples, other)
		m.Documents = []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "c", Key: "k"}, Body: []byte{byte(i)}}}
		mustApply(t, s, m)
		want = append(want, fmt.Sprint(tuplesOf(t, viewOf(t, s), ostiary.Filter{Store: testStore})))
	}
	pinned, err := s.ViewAt(5)
	if err != nil {
		t.Fatal(err)
	}
	defer pinned.Close()
	const low = 15
	for steps := 0; ; steps++ {
		v := viewOf(t, s)
		store, more, err := v.Collectable(low)
		if err != nil {
			t.Fatal(err)
		}
		if !more && steps > 0 {
			break
		}
		if steps > 100 {
			t.Fatalf("100 steps have not collected everything below %d", low)
		}
		mustApply(t, s, &ostiary.Mutation{Documents: []ostiary.DocumentChange{Collection(low, store)}})
	}
	for i := range want {
		r := ostiary.Revision(i + 1)
		v, err := s.ViewAt(r)
		if r < low {
			if !errors.Is(err, ostiary.ErrRevisionGone) {
				t.Errorf("view at revision %d: %v, want ErrRevisionGone", r, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(tuplesOf(t, v, ostiary.Filter{Store: testStore})); got != want[i] {
			t.Errorf("tuples at revision %d: %s, want %s", r, got, want[i])
		}
		d, _, err := v.Document(ostiary.DocumentKey{Collection: "c", Key: "k"})
		if err != nil || !slices.Equal(d.Body, []byte{byte(i)}) {
			t.Errorf("document at revision %d: %v, %v", r, d, err)
		}
		v.Close()
	}
	if got := fmt.Sprint(tuplesOf(t, pinned, ostiary.Filter{Store: testStore})); got != want[4] {
		t.Errorf("tuples of the view that was open at revision 5: %s, want %s", got, want[4])
	}
	for table, most := range map[byte]int{tableHistory: 4, tableReversed: 4, tableEnded: 30, tableChangelog: 12, tableStamp: 7} {
		rows := 0
		if err := eachRow(t.Context(), s.db, table, func(_, _ []byte) error { rows++; return nil }); err != nil {
			t.Fatal(err)
		}
		if rows == 0 || rows > most {
			t.Errorf("table %q has %d rows after collection, want 1 to %d", table, rows, most)
		}
	}
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Error(err)
	}
	for r := range ostiary.Revision(20) {
		wantGone := r > 0 && r < low-1 // the changelog of the store has a row at every revision, of sequence 0
		n := 0
		for c, err := range viewOf(t, s).Changes(t.Context(), testStore, r, 0) {
			if gone := errors.Is(err, ostiary.ErrRevisionGone); gone != wantGone || err != nil && !gone {
				t.Errorf("changes after revision %d: %v, want gone: %v", r, err, wantGone)
			}
			if n++; err == nil && c.Revision <= r {
				t.Errorf("changes after revision %d: one of revision %d", r, c.Revision)
			}
		}
		if want := 20 - max(int(r), low-1); !wantGone && n != want {
			t.Errorf("changes after revision %d: %d, want %d", r, n, want)
		}
	}
	for _, err := range viewOf(t, s).Changes(t.Context(), "store-0", 1, 0) {
		if !errors.Is(err, ostiary.ErrRevisionGone) {
			t.Errorf("changes of a store whose last collected row is of revision 13, after 1: %v, want ErrRevisionGone", err)
		}
	}
	for c, err := range viewOf(t, s).Changes(t.Context(), "store-0", 13, 1) {
		if err != nil || c.Revision < low {
			t.Errorf("changes of a store whose last collected row is of revision 13, after it: %v, %v", c, err)
		}
	}
}

func TestCollectionIsRefused(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")}})
	whole := Collection(1, testStore)
	for name, m := range map[string]*ostiary.Mutation{
		"its own revision":  {Documents: []ostiary.DocumentChange{Collection(1000, "")}},
		"a body cut short":  {Documents: []ostiary.DocumentChange{{Key: lowWaterKey, Body: whole.Body[:5]}}},
		"another version":   {Documents: []ostiary.DocumentChange{{Key: lowWaterKey, Body: append([]byte{9}, whole.Body[1:]...)}}},
		"a deletion":        {Documents: []ostiary.DocumentChange{{Key: lowWaterKey, Delete: true}}},
		"beside a tuple":    {Documents: []ostiary.DocumentChange{whole}, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:2#viewer@user:ann")}},
		"beside a document": {Documents: []ostiary.DocumentChange{whole, {Key: ostiary.DocumentKey{Collection: "c", Key: "k"}}}},
	} {
		if out := applyOne(t, s, m); !errors.Is(out.Err, errInvalid) {
			t.Errorf("%s: %v, want a refusal", name, out.Err)
		}
	}
}

// TestMigrationFromVersion1: a database without history can be read from its apply index on.
func TestMigrationFromVersion1(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open("db", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, &ostiary.Mutation{TimeNanos: 7, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")}})
	mustApply(t, s, &ostiary.Mutation{TimeNanos: 8, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleDelete, "doc:1#viewer@user:ann")}})
	for _, table := range []byte{tableHistory, tableReversed, tableStamp} {
		if err := s.db.DeleteRange([]byte{table}, []byte{table + 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(writeFormat(s.db, 1), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs)
	if _, err := s.ViewAt(1); !errors.Is(err, ostiary.ErrRevisionGone) {
		t.Errorf("view at revision 1: %v, want ErrRevisionGone", err)
	}
	mustApply(t, s, &ostiary.Mutation{TimeNanos: 9, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")}})
	v, err := s.ViewAt(2)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if got := tuplesOf(t, v, ostiary.Filter{Store: testStore}); len(got) != 0 {
		t.Errorf("tuples at revision 2: %q, want none", got)
	}
	if nanos, err := v.TimeNanos(); err != nil || nanos != 8 {
		t.Errorf("time at revision 2: %d, %v, want 8", nanos, err)
	}
}
