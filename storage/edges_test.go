package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// FuzzPackedEdges writes tuples made of the input and compares the packed groups of every object and
// subject with the sequences about them, with a cache and without.
func FuzzPackedEdges(f *testing.F) {
	f.Add([]byte("a b c d e f|a b c d * |a b c d e x"))
	f.Add([]byte("doc 1 viewer user ann |doc 1 viewer user * |doc 1 viewer group eng member|doc 1 viewer group eng members"))
	f.Add([]byte("\x01 \x02 \x03 \x01 \x02 \x03|\x01 \x02 \x03 \x03 \x01 |\xff \xff \xff \xff \xff \xff"))
	f.Add(bytes.Repeat([]byte("a b c d e\x01 |a b c d f |a b c g e h|a b c\x02 g e h|"), 3))
	stores := []*Store{openCached(f, vfs.NewMem(), 0, 0), openCached(f, vfs.NewMem(), 1<<20, 0)}
	inputs := 0
	f.Fuzz(func(t *testing.T, input []byte) {
		inputs++
		store := fmt.Sprint("S", inputs)
		m := &ostiary.Mutation{}
		for i, line := range bytes.Split(input, []byte("|")) {
			part := bytes.Split(line, []byte(" "))
			if len(part) != 6 || len(m.Tuples) == 50 {
				continue
			}
			c := ostiary.TupleChange{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}
			c.Tuple = ostiary.Tuple{
				Object:   ostiary.ObjectRef{Type: string(part[0]), ID: string(part[1])},
				Relation: string(part[2]),
				Subject:  ostiary.SubjectRef{Type: string(part[3]), ID: string(part[4]), Relation: string(part[5])},
			}
			if i%3 == 2 {
				c.Grant.Condition = "c"
			}
			if validateTuple(c.Tuple) == nil && (c.Tuple.Subject.ID != ostiary.Wildcard || c.Tuple.Subject.Relation == "") {
				m.Tuples = append(m.Tuples, c)
			}
		}
		for _, s := range stores {
			mustApply(t, s, m)
			r := viewOf(t, s).Reader(store, 1)
			for _, c := range m.Tuples {
				samePacked(t, r, c.Tuple)
			}
		}
	})
}

func samePacked(t *testing.T, r *Reader, like ostiary.Tuple) {
	t.Helper()
	want := map[string][]ostiary.Edge{}
	for _, e := range collect(t, r.Subjects(t.Context(), like.Object, like.Relation), func() {}) {
		head := edges.HeadOf(like.Relation, e.Subject)
		want[head] = append(want[head], e)
	}
	set := objectEdges(t, r, like.Object)
	for _, head := range slices.Sorted(maps.Keys(want)) {
		g := set.Find(head)
		ids := idsOf(g, func(o ostiary.StoredTuple) string { return o.Subject.ID })
		if g.Open {
			continue // Has and the sequences tell; see TestCacheChangesNothing
		}
		var wanted []string
		for _, e := range want[head] {
			wanted = append(wanted, e.Subject.ID)
		}
		slices.Sort(wanted)
		if !slices.Equal(ids, wanted) {
			t.Errorf("%q of %q: got %q, want %q", head, like.Object, ids, wanted)
		}
	}
	var wanted []string
	for _, e := range collect(t, r.Objects(t.Context(), like.Subject, like.Object.Type, like.Relation), func() {}) {
		wanted = append(wanted, e.Object.ID)
	}
	g := subjectEdges(t, r, like, 100)
	if ids := idsOf(g, func(o ostiary.StoredTuple) string { return o.Object.ID }); g.Open || !slices.Equal(ids, wanted) {
		t.Errorf("objects of %q: got %q (open: %v), want %q", like, ids, g.Open, wanted)
	}
	if _, ok, err := r.Has(t.Context(), like); !ok || err != nil {
		t.Errorf("Has %q: %v, %v", like, ok, err)
	}
}

// idsOf returns all ids of a group, sorted.
func idsOf(g edges.Group, odd func(ostiary.StoredTuple) string) []string {
	ids := slices.Collect(g.IDs())
	for _, o := range g.Odd() {
		ids = append(ids, odd(o))
	}
	slices.Sort(ids)
	return ids
}

// BenchmarkObjectEdges asks new readers of one view about objects and subjects in turn, each of which has
// four tuples: without a cache, with one that knows nothing, and with one that knows all. The last
// reports the memory that a tuple takes which is cached both ways.
func BenchmarkObjectEdges(b *testing.B) {
	const objects = 20_000
	dir := b.TempDir()
	fill(b, dir, objects)
	for _, cached := range []string{"off", "cold", "warm"} {
		b.Run("cache="+cached, func(b *testing.B) {
			o := Options{}
			if cached != "off" {
				o.EdgeCacheBytes = 64 << 20
			}
			s, err := Open(dir, o)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}()
			v, err := s.View()
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			ids := make([]string, objects)
			for i := range ids {
				ids[i] = fmt.Sprintf("%07d", i*7919%objects)
			}
			object := func(r *Reader, i int) error {
				_, err := r.ObjectEdges(b.Context(), ostiary.ObjectRef{Type: "doc", ID: ids[i]})
				return err
			}
			subject := func(r *Reader, i int) error {
				_, err := r.SubjectEdges(b.Context(), ostiary.SubjectRef{Type: "user", ID: ids[i]}, "doc", "viewer", 16)
				return err
			}
			perTuple := 0.0
			if cached == "warm" {
				before := heap()
				for i := range objects {
					r := v.Reader(testStore, 1)
					folder := ostiary.SubjectRef{Type: "folder", ID: fmt.Sprint(i / 10)}
					group := ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(i % 100), Relation: "member"}
					_, err1 := r.SubjectEdges(b.Context(), folder, "doc", "parent", objects)
					_, err2 := r.SubjectEdges(b.Context(), group, "doc", "viewer", objects)
					if err := errors.Join(err1, err2, object(r, i), subject(r, i)); err != nil {
						b.Fatal(err)
					}
					r.Close()
					if i%100 == 0 {
					}
				}
				perTuple = float64(heap()-before) / (4 * objects)
			}
			for _, side := range []struct {
				name string
				ask  func(r *Reader, i int) error
			}{{"object", object}, {"subject", subject}} {
				b.Run("side="+side.name, func(b *testing.B) {
					all := func(limit int) {
						for from := 0; from < limit; from += 10 {
							r := v.Reader(testStore, 1)
							for i := from; i < min(from+10, limit); i++ {
								if err := side.ask(r, i%objects); err != nil {
									b.Fatal(err)
								}
							}
							r.Close()
						}
					}
					b.ReportAllocs()
					b.ResetTimer()
					all(b.N)
					if cached == "warm" {
						b.ReportMetric(perTuple, "bytes/tuple")
					}
				})
			}
		})
	}
}

// BenchmarkNewReader asks one question of a new reader: of one view, which keeps iterators for the next,
// and of a view of a picture of its own.
func BenchmarkNewReader(b *testing.B) {
	const objects = 20_000
	dir := b.TempDir()
	fill(b, dir, objects)
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	for _, fresh := range []bool{false, true} {
		b.Run(fmt.Sprintf("iterator=new:%v", fresh), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				v, err := s.View()
				if err != nil {
					b.Fatal(err)
				}
				r := v.Reader(testStore, 1)
				o := ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("%07d", i*7919%objects)}
				if _, err := r.ObjectEdges(b.Context(), o); err != nil {
					b.Fatal(err)
				}
				v.Close()
				if fresh {
					if err := v.shared.closeIterators(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// fill writes objects with a folder, a group and two viewers each, such that each user views about two,
// and puts them into tables.
func fill(b *testing.B, dir string, objects int) {
	b.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < objects; from += 1000 {
		m := &ostiary.Mutation{}
		for i := from; i < from+1000; i++ {
			object := ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("%07d", i)}
			add := func(relation string, s ostiary.SubjectRef) {
				m.Tuples = append(m.Tuples, ostiary.TupleChange{
					Op: ostiary.TupleTouch, Store: testStore, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
					Tuple: ostiary.Tuple{Object: object, Relation: relation, Subject: s},
				})
			}
			add("parent", ostiary.SubjectRef{Type: "folder", ID: fmt.Sprint(i / 10)})
			add("viewer", ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(i % 100), Relation: "member"})
			add("viewer", ostiary.SubjectRef{Type: "user", ID: fmt.Sprintf("%07d", i)})
			add("viewer", ostiary.SubjectRef{Type: "user", ID: fmt.Sprintf("%07d", (i*31+7)%objects)})
		}
		if out := applyOne(b, s, m); out.Err != nil {
			b.Fatal(out.Err)
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
