package storage

import (
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
)

func BenchmarkTupleKeyEncode(b *testing.B) {
	t := ostiary.Tuple{
		Object:   ostiary.ObjectRef{Type: "document", ID: "01J8ZC5XQ1M3V7"},
		Relation: "viewer",
		Subject:  ostiary.SubjectRef{Type: "group", ID: "engineering", Relation: "member"},
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendTupleKey(buf[:0], testStore, t)
	}
}

func BenchmarkTupleKeyDecode(b *testing.B) {
	key := appendTupleKey(nil, testStore, exampleUserset)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := decodeTupleKey(key); err != nil {
			b.Fatal(err)
		}
	}
}

// openBench opens a store on the disk.
func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// benchTuple makes the i-th of many tuples, spread over 100,000 objects.
func benchTuple(i int) ostiary.Tuple {
	return ostiary.Tuple{
		Object:   ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("d%07d", i*7919%100_000)},
		Relation: "viewer",
		Subject:  ostiary.SubjectRef{Type: "user", ID: fmt.Sprintf("u%07d", i)},
	}
}

// BenchmarkApply applies calls of 64 entries that create tuples. One operation is one call. The log
// that would be fsynced before is not part of it.
func BenchmarkApply(b *testing.B) {
	for _, tuples := range []int{1, 100} {
		for _, audits := range []bool{false, true} {
			b.Run(fmt.Sprintf("tuples=%d/audit=%t", tuples, audits), func(b *testing.B) { benchmarkApply(b, tuples, audits) })
		}
	}
}

func benchmarkApply(b *testing.B, tuples int, audits bool) {
	s := openBench(b)
	n, index := 0, uint64(0)
	batch := func() []Entry {
		entries := make([]Entry, 64)
		for i := range entries {
			m := &ostiary.Mutation{TimeNanos: 1, Principal: ostiary.Principal{Kind: "preshared", Name: "k1"}, RequestID: "01J8ZC5XQ1M3V70000000000RQ"}
			if audits {
				m.MinVersion = ostiary.ReleaseAudit
				m.Method, m.Origin, m.Store = "/openfga.v1.OpenFGAService/Write", "192.0.2.7:4711", testStore
			}
			for range tuples {
				m.Tuples = append(m.Tuples, ostiary.TupleChange{
					Op: ostiary.TupleCreate, Store: testStore, Tuple: benchTuple(n), Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
				})
				n++
			}
			index++
			entries[i] = Entry{Index: index, Term: 1, Mutation: m}
		}
		return entries
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		entries := batch()
		b.StartTimer()
		out, err := s.Apply(entries)
		if err != nil || out[0].Err != nil {
			b.Fatal(err, out[0].Err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tuples/s")
}

// BenchmarkReader asks a reader of one view about objects in turn, so that it remembers none of them. The
// data is flushed to tables and fits into the block cache.
func BenchmarkReader(b *testing.B) {
	s := openBench(b)
	const objects = 20_000
	index := uint64(0)
	for i := 0; i < objects; i += 1000 {
		m := &ostiary.Mutation{}
		for o := i; o < i+1000; o++ {
			object := ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("d%07d", o)}
			for _, rest := range []ostiary.Tuple{
				{Object: object, Relation: "parent", Subject: ostiary.SubjectRef{Type: "folder", ID: fmt.Sprint(o / 10)}},
				{Object: object, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(o % 100), Relation: "member"}},
				{Object: object, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(o % 1000)}},
				{Object: object, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(o%1000 + 1)}},
			} {
				m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: testStore, Tuple: rest, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}})
			}
		}
		index++
		if _, err := s.Apply([]Entry{{Index: index, Term: 1, Mutation: m}}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	v, err := s.View()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(v.Close)
	ctx := b.Context()
	ids := make([]string, objects)
	for i := range ids {
		ids[i] = fmt.Sprintf("d%07d", i*7919%objects)
	}
	user := ostiary.SubjectRef{Type: "user", ID: "1"}
	questions := []struct {
		name string
		ask  func(r *Reader, o ostiary.ObjectRef) error
	}{
		{"has", func(r *Reader, o ostiary.ObjectRef) error {
			_, _, err := r.Has(ctx, ostiary.Tuple{Object: o, Relation: "viewer", Subject: user})
			return err
		}},
		{"usersets", func(r *Reader, o ostiary.ObjectRef) error {
			return firstError(r.Usersets(ctx, o, "viewer"))
		}},
		{"has+usersets+parent", func(r *Reader, o ostiary.ObjectRef) error {
			if _, _, err := r.Has(ctx, ostiary.Tuple{Object: o, Relation: "viewer", Subject: user}); err != nil {
				return err
			}
			if err := firstError(r.Usersets(ctx, o, "viewer")); err != nil {
				return err
			}
			return firstError(r.Subjects(ctx, o, "parent"))
		}},
		{"objects", func(r *Reader, o ostiary.ObjectRef) error {
			return firstError(r.Objects(ctx, ostiary.SubjectRef{Type: "folder", ID: o.ID[1:]}, "doc", "parent"))
		}},
	}
	for _, q := range questions {
		b.Run("question="+q.name, func(b *testing.B) {
			r := v.Reader(testStore, 1)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := q.ask(r, ostiary.ObjectRef{Type: "doc", ID: ids[i%objects]}); err != nil {
					b.Fatal(err)
				}
				i++
			}
			stats := r.Stats()
			b.ReportMetric(float64(stats.Seeks)/float64(i), "seeks/op")
			b.ReportMetric(float64(stats.Keys)/float64(i), "keys/op")
		})
	}
}

// BenchmarkLookUp looks for 100 tuples that are not there, as Write does: one by one, and at once. One
// operation is one tuple of 400,000 stored ones, in tables of several levels.
func BenchmarkLookUp(b *testing.B) {
	s := openBench(b)
	n := 0
	for index := uint64(1); n < 400_000; index++ {
		m := &ostiary.Mutation{}
		for range 1000 {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{
				Op: ostiary.TupleCreate, Store: testStore, Tuple: benchTuple(n), Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
			})
			n++
		}
		if _, err := s.Apply([]Entry{{Index: index, Term: 1, Mutation: m}}); err != nil {
			b.Fatal(err)
		}
		if n == 300_000 {
			if err := s.db.Compact(b.Context(), []byte{0}, []byte{0xff}, false); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	v, err := s.View()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(v.Close)
	tuples := make([]ostiary.Tuple, 100)
	next := func() {
		for i := range tuples {
			tuples[i] = benchTuple(n)
			n++
		}
	}
	b.Run("one by one", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if i%len(tuples) == 0 {
				next()
			}
			if _, there, err := v.Tuple(testStore, tuples[i%len(tuples)]); err != nil || there {
				b.Fatal(there, err)
			}
		}
	})
	b.Run("at once", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if i%len(tuples) != 0 {
				continue
			}
			next()
			err := v.LookUp(b.Context(), testStore, tuples, func(int, ostiary.StoredTuple) bool { return true })
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
