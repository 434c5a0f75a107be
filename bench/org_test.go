package bench

import (
	"iter"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/storage"
)

// BenchmarkOrg asks the checks of the org workload in process, one after another, over tuples on disk:
// a new reader for each question, as the server does.
//
//	go test ./bench -run '^$' -bench Org/mid
//	OSTIARY_BENCH_LARGE=1 go test ./bench -run '^$' -bench Org/large -timeout 20m
//
// Beside the mean it reports the median and the 99th percentile of single checks, reader included.
func BenchmarkOrg(b *testing.B) {
	for _, scale := range []string{workload.Mid, workload.Large} {
		b.Run(scale, func(b *testing.B) {
			if scale == workload.Large && os.Getenv("OSTIARY_BENCH_LARGE") == "" {
				b.Skip("writes 2.3 million tuples; set OSTIARY_BENCH_LARGE=1")
			}
			store := loadWorkload(b, orgWorkload(b, workload.Options{Scale: scale, Seed: workload.DefaultSeed}))
			for _, skew := range []string{workload.Cubic, workload.Uniform} {
				w := orgWorkload(b, workload.Options{Scale: scale, Seed: workload.DefaultSeed, Skew: skew})
				b.Run(skew+"/check", func(b *testing.B) { orgChecks(b, store, w) })
			}
		})
	}
}

func orgWorkload(b *testing.B, o workload.Options) *workload.Workload {
	b.Helper()
	w, err := workload.New("org", o)
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// checkQuestions is how many checks are drawn before the clock starts. They are asked in turn.
const checkQuestions = 1 << 16

func orgChecks(b *testing.B, store *storage.Store, w *workload.Workload) {
	m, err := dsl.Compile(w.Name, []byte(w.Model))
	if err != nil {
		b.Fatal(err)
	}
	view, err := store.View()
	if err != nil {
		b.Fatal(err)
	}
	defer view.Close()
	source := w.Questions(1)
	queries := make([]engine.CheckQuery, checkQuestions)
	for i := range queries {
		q := source.Check()
		queries[i] = engine.CheckQuery{Object: q.Object, Relation: q.Relation, Subject: q.Subject, Context: q.Context}
	}
	e, p, ctx := engine.New(engine.Options{}), engine.Compile(m), b.Context()
	var took []time.Duration
	var seeks, keys, denied int
	ask := func(q engine.CheckQuery) {
		start := time.Now()
		r := view.Reader(benchStore, 1)
		d, err := e.Check(ctx, p, r, q)
		stats := r.Stats()
		r.Close()
		took = append(took, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
		seeks += int(stats.Seeks)
		keys += int(stats.Keys)
		if d == ostiary.Denied {
			denied++
		}
	}
	for _, q := range queries[:checkQuestions/16] { // warms the block cache and compiles the shape
		ask(q)
	}
	took, seeks, keys, denied = took[:0], 0, 0, 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ask(queries[i%checkQuestions])
	}
	n := float64(len(took))
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns/op")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns/op")
	b.ReportMetric(float64(seeks)/n, "seeks/op")
	b.ReportMetric(float64(keys)/n, "keys/op")
	b.ReportMetric(100*float64(denied)/n, "%denied")
}

// loadWorkload writes the tuples of a workload of one store to a new folder and flushes them.
func loadWorkload(b *testing.B, w *workload.Workload) *storage.Store {
	b.Helper()
	store, err := storage.Open(b.TempDir(), storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	loadEdges(b, store, w.Tuples(0))
	return store
}

// loadEdges writes tuples in mutations of 100, 64 to a batch, and flushes them.
func loadEdges(b *testing.B, store *storage.Store, edges iter.Seq[ostiary.Edge]) {
	b.Helper()
	var entries []storage.Entry
	index := uint64(0)
	apply := func() {
		outcomes, err := store.Apply(entries)
		if err != nil {
			b.Fatal(err)
		}
		for _, outcome := range outcomes {
			if outcome.Err != nil {
				b.Fatal(outcome.Err)
			}
		}
		entries = entries[:0]
	}
	var m *ostiary.Mutation
	for e := range edges {
		if m == nil {
			index++
			m = &ostiary.Mutation{TimeNanos: 1}
			entries = append(entries, storage.Entry{Index: index, Term: 1, Mutation: m})
		}
		m.Tuples = append(m.Tuples, touchOf(e))
		if len(m.Tuples) == 100 {
			m = nil
			if len(entries) == 64 {
				apply()
			}
		}
	}
	apply()
	if err := store.Sync(); err != nil {
		b.Fatal(err)
	}
}

// touchOf writes a tuple as the plain Write call does.
func touchOf(e ostiary.Edge) ostiary.TupleChange {
	grant := ostiary.Grant{Owner: ostiary.OwnerAPI}
	if len(e.Conditions) > 0 {
		grant.Condition, grant.Context = e.Conditions[0].Condition, e.Conditions[0].Context
	}
	return ostiary.TupleChange{Op: ostiary.TupleTouch, Store: benchStore, Tuple: e.Tuple, Grant: grant}
}
