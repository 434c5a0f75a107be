package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/edges"
	"github.com/ostiary/ostiary/engine/readertest"
)

// cacheSizes are caches that keep everything, next to nothing, and one in which everything that changes
// invalidates everything.
var cacheSizes = []struct {
	name  string
	bytes int64
	cells int
}{
	{"large", 8 << 20, 0},
	{"tiny", 16 << 10, 0},
	{"one cell", 8 << 20, 1},
}

func openCached(t testing.TB, fs vfs.FS, bytes int64, cells int) *Store {
	t.Helper()
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20, EdgeCacheBytes: bytes, edgeCells: cells})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// TestEngineReaderCached runs the engine's conformance suite for readers with a cache, which knows
// nothing or was asked everything before.
func TestEngineReaderCached(t *testing.T) {
	for _, size := range cacheSizes {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/warm=%v", size.name, warm), func(t *testing.T) {
				readertest.Run(t, func(t testing.TB, all []ostiary.Edge) engine.Reader {
					s := openCached(t, vfs.NewMem(), size.bytes, size.cells)
					m := &ostiary.Mutation{}
					for _, e := range all {
						grants := e.Conditions
						if len(grants) == 0 {
							grants = plainGrants
						}
						for _, g := range grants {
							m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: testStore, Tuple: e.Tuple, Grant: g})
						}
					}
					mustApply(t, s, m)
					v := viewOf(t, s)
					if warm {
						r := v.Reader(testStore, 0)
						for _, e := range all {
							objectEdges(t, r, e.Object)
							subjectEdges(t, r, e.Tuple, 10)
						}
						r.Close()
					}
					return v.Reader(testStore, 0)
				})
			})
		}
	}
}

func subjectEdges(t testing.TB, r *Reader, of ostiary.Tuple, limit int) edges.Group {
	t.Helper()
	g, err := r.SubjectEdges(t.Context(), of.Subject, of.Object.Type, of.Relation, limit)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// contents is what a group tells, as plain values.
type contents struct {
	ids  []string
	odd  []ostiary.StoredTuple
	open bool
}

func contentsOf(g edges.Group) contents {
	return contents{slices.Collect(g.IDs()), slices.Clone(g.Odd()), g.Open}
}

// cacheWorld draws tuples and mutations over few names, some of them in big groups.
type cacheWorld struct{ *rand.Rand }

func (w cacheWorld) tuple() ostiary.Tuple {
	t := ostiary.Tuple{
		Object:   ostiary.ObjectRef{Type: []string{"doc", "group"}[w.IntN(2)], ID: fmt.Sprint(w.IntN(6))},
		Relation: []string{"viewer", "member"}[w.IntN(2)],
		Subject:  ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(w.IntN(6))},
	}
	switch w.IntN(8) {
	case 0:
		t.Subject.ID = ostiary.Wildcard
	case 1:
		t.Subject = ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(w.IntN(6)), Relation: "member"}
	case 2:
		t.Subject.ID = fmt.Sprint(w.IntN(3 * groupRows))
	case 3:
		t.Object.ID = fmt.Sprint(w.IntN(3 * groupRows))
	}
	return t
}

func (w cacheWorld) mutation() *ostiary.Mutation {
	m := &ostiary.Mutation{TimeNanos: 1}
	if w.IntN(4) == 0 {
		t := w.tuple()
		f := ostiary.Filter{Store: testStore}
		switch w.IntN(4) {
		case 0:
			f.Object = t.Object
		case 1:
			f.Object.Type = t.Object.Type
			f.Relation = t.Relation
		case 2:
			f.Subject = t.Subject
		case 3:
			f.Owner = "scim:x"
		}
		m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: f})
	}
	for range w.IntN(6) {
		c := ostiary.TupleChange{Op: ostiary.TupleTouch, Store: testStore, Tuple: w.tuple(), Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}
		switch w.IntN(10) {
		case 0:
			c.Grant.Condition, c.Grant.Context = "office", fmt.Appendf(nil, `{"a":%d}`, w.IntN(3))
		case 1:
			c.Grant.ExpiryNanos = 50 + w.Int64N(100)
		case 2:
			c.Grant.Owner = "scim:x"
		case 3, 4, 5:
			c.Op = ostiary.TupleRelease
		case 6:
			c.Op, c.IfMissing = ostiary.TupleDelete, true // refused where another owner holds it
		case 7:
			c.Store = "another" // with the same names
		}
		m.Tuples = append(m.Tuples, c)
	}
	return m
}

// askBoth compares readers of equal views, with a cache and without, on one question of each kind.
func (w cacheWorld) askBoth(t *testing.T, on, off *View) {
	t.Helper()
	store, now := testStore, 40+w.Int64N(120)
	if w.IntN(8) == 0 {
		store = "another"
	}
	x, y := on.Reader(store, now), off.Reader(store, now)
	defer x.Close()
	defer y.Close()
	q := w.tuple()
	set := objectEdges(t, x, q.Object)
	for _, relation := range []string{"viewer", "member"} {
		truth := map[string][]ostiary.Edge{}
		for _, e := range collect(t, y.Subjects(t.Context(), q.Object, relation), func() {}) {
			head := edges.HeadOf(relation, e.Subject)
			truth[head] = append(truth[head], e)
		}
		for _, head := range []string{
			edges.HeadPlain(relation, "user"), edges.HeadWildcard(relation, "user"), edges.HeadUserset(relation, "group", "member"),
		} {
			g := set.Find(head)
			ids := slices.Collect(g.IDs())
			for _, o := range g.Odd() {
				if e, live := o.Edge(now); live {
					ids = append(ids, e.Subject.ID)
				}
			}
			var want []string
			for _, e := range truth[head] {
				if !g.Open || slices.Contains(ids, e.Subject.ID) {
					want = append(want, e.Subject.ID)
				}
			}
			slices.Sort(ids)
			if !slices.Equal(ids, want) {
				t.Fatalf("revision %d, %s, %q (open: %v):\ngot  %q\nwant %q", on.Revision(), q.Object, head, g.Open, ids, want)
			}
		}
	}
	gotEdge, got, err := x.Has(t.Context(), q)
	wantEdge, want, err2 := y.Has(t.Context(), q)
	if err != nil || err2 != nil || got != want || !reflect.DeepEqual(gotEdge, wantEdge) {
		t.Fatalf("revision %d, Has %s: got %v %v %v, want %v %v %v", on.Revision(), q, gotEdge, got, err, wantEdge, want, err2)
	}
	limit := []int{1, 10, groupRows + 10, 10_000}[w.IntN(4)]
	g, all := contentsOf(subjectEdges(t, x, q, limit)), contentsOf(subjectEdges(t, y, q, 10_000))
	if g.open {
		if len(g.ids)+len(g.odd) < limit {
			t.Fatalf("SubjectEdges %s: open with %d and %d of %d", q, len(g.ids), len(g.odd), limit)
		}
		all.open = true
		all.ids = slices.DeleteFunc(all.ids, func(id string) bool { return !slices.Contains(g.ids, id) })
		all.odd = slices.DeleteFunc(all.odd, func(o ostiary.StoredTuple) bool {
			return !slices.ContainsFunc(g.odd, func(p ostiary.StoredTuple) bool { return p.Tuple == o.Tuple })
		})
	}
	if len(g.ids)+len(all.ids) > 0 && !reflect.DeepEqual(g.ids, all.ids) || len(g.odd)+len(all.odd) > 0 && !reflect.DeepEqual(g.odd, all.odd) {
		t.Fatalf("revision %d, SubjectEdges %s:\ngot  %v\nwant %v", on.Revision(), q, g, all)
	}
}

// TestCacheChangesNothing applies random mutations to a store with a cache and to one without, and asks
// both the same at the newest and at older views, some of them past revisions, with restarts in between.
func TestCacheChangesNothing(t *testing.T) {
	for _, size := range cacheSizes {
		t.Run(size.name, func(t *testing.T) {
			w := cacheWorld{rand.New(rand.NewPCG(5, 6))}
			fsOn, fsOff := vfs.NewMem(), vfs.NewMem()
			index, stats := uint64(0), CacheStats{}
			for range 3 { // runs of the process
				func() {
					on, err := Open("db", Options{FS: fsOn, EdgeCacheBytes: size.bytes, edgeCells: size.cells})
					if err != nil {
						t.Fatal(err)
					}
					off, err := Open("db", Options{FS: fsOff})
					if err != nil {
						t.Fatal(err)
					}
					on.applier.minRangeDelete = 2
					var kept [][2]*View
					defer func() {
						for _, v := range kept {
							v[0].Close()
							v[1].Close()
						}
						got := on.CacheStats()
						stats.Hits, stats.Changed = stats.Hits+got.Hits, stats.Changed+got.Changed
						if err, err2 := on.Close(), off.Close(); err != nil || err2 != nil {
							t.Error(err, err2)
						}
					}()
					for range 150 {
						var entries []Entry
						for range 1 + w.IntN(4) {
							index++
							entries = append(entries, Entry{Index: index, Term: 1, Mutation: w.mutation()})
						}
						for _, s := range []*Store{on, off} {
							if _, err := s.Apply(entries); err != nil {
								t.Fatal(err)
							}
						}
						at := ostiary.Revision(index)
						if w.IntN(4) == 0 {
							at -= ostiary.Revision(w.IntN(min(int(index), 20)))
						}
						a, err := on.ViewAt(at)
						if err != nil {
							t.Fatal(err)
						}
						b, err := off.ViewAt(at)
						if err != nil {
							t.Fatal(err)
						}
						if kept = append(kept, [2]*View{a, b}); len(kept) > 8 {
							old := w.IntN(len(kept))
							kept[old][0].Close()
							kept[old][1].Close()
							kept = slices.Delete(kept, old, old+1)
						}
						for range 12 {
							v := kept[len(kept)-1]
							if w.IntN(3) == 0 {
								v = kept[w.IntN(len(kept))]
							}
							w.askBoth(t, v[0], v[1])
						}
					}
				}()
			}
			if size.name == "large" && (stats.Hits < 500 || stats.Changed < 100) {
				t.Errorf("the cache took part too little: %+v", stats)
			}
		})
	}
}

// turnObjects is how many objects and subjects change by turns in the tests below: entry k makes k the
// one value of object k modulo turnObjects, and likewise of the subject. So what a view at revision s
// shows of each is known from s alone.
const turnObjects = 7

func turnEntry(k uint64) Entry {
	m := &ostiary.Mutation{TimeNanos: 1}
	who := fmt.Sprint(k % turnObjects)
	change := func(op ostiary.TupleOp, k uint64) {
		value := fmt.Sprint(k)
		for _, t := range []ostiary.Tuple{
			{Object: ostiary.ObjectRef{Type: "doc", ID: who}, Relation: "at", Subject: ostiary.SubjectRef{Type: "value", ID: value}},
			{Object: ostiary.ObjectRef{Type: "value", ID: value}, Relation: "of", Subject: ostiary.SubjectRef{Type: "user", ID: who}},
		} {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: op, Store: testStore, Tuple: t, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}})
		}
	}
	if k > turnObjects {
		change(ostiary.TupleDelete, k-turnObjects)
	}
	change(ostiary.TupleCreate, k)
	return Entry{Index: k, Term: 1, Mutation: m}
}

// turnFault asks a view about an object and a subject and returns what is wrong with the answers.
func turnFault(t testing.TB, v *View, i uint64) error {
	r := v.Reader(testStore, 0)
	defer r.Close()
	s, want := uint64(v.Revision()), []string(nil)
	if k := s - (s+turnObjects-i)%turnObjects; s >= i && k > 0 {
		want = []string{fmt.Sprint(k)}
	}
	who := fmt.Sprint(i)
	set, err := r.ObjectEdges(t.Context(), ostiary.ObjectRef{Type: "doc", ID: who})
	if err != nil {
		return err
	}
	if got := slices.Collect(set.Find(edges.HeadPlain("at", "value")).IDs()); !slices.Equal(got, want) {
		return fmt.Errorf("doc:%s at revision %d has %q, want %q", who, s, got, want)
	}
	g, err := r.SubjectEdges(t.Context(), ostiary.SubjectRef{Type: "user", ID: who}, "value", "of", 10)
	if err != nil {
		return err
	}
	if got := slices.Collect(g.IDs()); !slices.Equal(got, want) {
		return fmt.Errorf("user:%s at revision %d has %q, want %q", who, s, got, want)
	}
	return nil
}

// TestCacheIsNeverStale reads new and old views while every object changes again and again.
func TestCacheIsNeverStale(t *testing.T) {
	for _, size := range cacheSizes {
		t.Run(size.name, func(t *testing.T) {
			s := openCached(t, vfs.NewMem(), size.bytes, size.cells)
			var reads atomic.Int64
			var stop atomic.Bool
			var readers sync.WaitGroup
			for id := range uint64(4) {
				readers.Go(func() {
					rng := rand.New(rand.NewPCG(7, id))
					var old *View
					for !stop.Load() {
						v, err := s.View()
						if err != nil {
							t.Error(err)
							return
						}
						for range 20 {
							for _, v := range []*View{v, old} {
								if v == nil {
									continue
								}
								reads.Add(1)
								if err := turnFault(t, v, rng.Uint64N(turnObjects)); err != nil {
									t.Error(err)
									stop.Store(true)
								}
							}
						}
						if old == nil || rng.IntN(10) == 0 {
							v, old = old, v
						}
						if v != nil {
							v.Close()
						}
					}
					if old != nil {
						old.Close()
					}
				})
			}
			rng := rand.New(rand.NewPCG(8, 9))
			for k := uint64(0); k < 300 || k < 1000 && reads.Load() < 10_000 && !stop.Load(); { // deletions pile up
				var entries []Entry
				for range 1 + rng.IntN(3) {
					k++
					entries = append(entries, turnEntry(k))
				}
				if _, err := s.Apply(entries); err != nil {
					t.Fatal(err)
				}
			}
			stop.Store(true)
			readers.Wait()
			if stats := s.CacheStats(); size.name == "large" && (stats.Hits == 0 || stats.Changed == 0) {
				t.Errorf("after %d reads the cache took no part: %+v", reads.Load(), stats)
			}
		})
	}
}

// TestCellsRaisedLateAreCaught is a test of the tests: with cells that are raised after the picture is
// published, a read in between must be found wrong.
func TestCellsRaisedLateAreCaught(t *testing.T) {
	s := openCached(t, vfs.NewMem(), 8<<20, 0)
	ask := func() (fault error) {
		v, err := s.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		for i := range uint64(turnObjects) {
			if err := turnFault(t, v, i); err != nil {
				fault = err
			}
		}
		return fault
	}
	apply := func(k uint64) {
		if _, err := s.Apply([]Entry{turnEntry(k)}); err != nil {
			t.Fatal(err)
		}
	}
	for k := range uint64(turnObjects) {
		apply(k + 1)
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	var between error
	s.applier.beforeLateRaise = func() { between = ask() }
	apply(1 + turnObjects)
	if between == nil {
		t.Error("a cell that is raised late goes unnoticed")
	}
	if err := ask(); err != nil {
		t.Errorf("once it is raised: %v", err)
	}
}

// TestCacheStats: what was read is found again, what changed is not, and the bound holds.
func TestCacheStats(t *testing.T) {
	s := openCached(t, vfs.NewMem(), 64<<10, 0)
	change := func(text string) {
		mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, text)}})
	}
	ask := func(objects int) CacheStats {
		before := s.CacheStats()
		r := viewOf(t, s).Reader(testStore, 0)
		for i := range objects {
			objectEdges(t, r, ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(i)})
		}
		r.Close()
		after := s.CacheStats()
		after.Hits, after.Misses, after.Changed = after.Hits-before.Hits, after.Misses-before.Misses, after.Changed-before.Changed
		return after
	}
	change("doc:1#viewer@user:ann")
	if got := ask(3); got.Misses != 3 || got.Entries != 3 || got.Bytes < 3*packedBytes {
		t.Errorf("the first time: %+v, want 3 misses that are kept", got)
	}
	if got := ask(3); got.Hits != 3 || got.Misses+got.Changed != 0 {
		t.Errorf("the second time: %+v, want 3 hits", got)
	}
	change("doc:1#viewer@user:bob")
	if got := ask(3); got.Hits != 2 || got.Changed != 1 || got.Entries != 3 {
		t.Errorf("after a change: %+v, want 2 hits and 1 changed", got)
	}
	if got := ask(2000); got.Bytes > 64<<10 || got.Entries < 50 {
		t.Errorf("after many: %+v, want at most %d bytes and many entries", got, 64<<10)
	}
}

// TestCacheForgery: a part that holds NUL finds nothing that the cache keeps for another subject, whose
// single groups have labels of more parts than a subject has.
func TestCacheForgery(t *testing.T) {
	s := openCached(t, vfs.NewMem(), 8<<20, 0)
	m := &ostiary.Mutation{}
	for i := range 300 {
		m.Tuples = append(m.Tuples, change1(t, ostiary.TupleTouch, fmt.Sprintf("doc:%d#viewer@user:ann", i)))
	}
	mustApply(t, s, m)
	r := viewOf(t, s).Reader(testStore, 0)
	ann := ostiary.SubjectRef{Type: "user", ID: "ann"}
	if g, err := r.SubjectEdges(t.Context(), ann, "doc", "viewer", 200); err != nil || g.Len() < 200 {
		t.Fatalf("%d tuples, %v, want 200 or more", g.Len(), err)
	}
	for _, forged := range []struct {
		subject       ostiary.SubjectRef
		typ, relation string
	}{
		{ostiary.SubjectRef{Type: "user", ID: "ann\x00doc\x00viewer"}, "doc", "viewer"},
		{ann, "doc\x00viewer", ""},
		{ann, "doc", "viewer\x00"},
		{ostiary.SubjectRef{Type: "user"}, "doc", "viewer"},
	} {
		g, err := r.SubjectEdges(t.Context(), forged.subject, forged.typ, forged.relation, 100)
		if !errors.Is(err, ostiary.ErrTupleInvalid) || g.Len() > 0 {
			t.Errorf("%+q: %d tuples, %v, want ErrTupleInvalid", fmt.Sprint(forged), g.Len(), err)
		}
	}
}
