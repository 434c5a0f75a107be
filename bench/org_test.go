package bench

import (
	"context"
	"fmt"
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

// BenchmarkOrg asks the questions of the org workload in process, one after another, over tuples on
// disk: a new reader for each, as the server does. Each is measured without a cache of edges and with
// one that has seen every question once.
//
//	go test ./bench -run '^$' -bench Org/mid
//	go test ./bench -run '^$' -bench Org/mid/cache=off/cubic/check
//	OSTIARY_BENCH_LARGE=1 go test ./bench -run '^$' -bench Org/large -timeout 20m
//
// Beside the mean it reports the median and the 99th percentile of single questions, reader included: as
// time that passed, and as time of the processor (cpu), which what else runs on the machine does not
// change much. With a cache it reports the share of the lookups that the cache answered.
func BenchmarkOrg(b *testing.B) {
	for _, scale := range []string{workload.Mid, workload.Large} {
		b.Run(scale, func(b *testing.B) {
			if scale == workload.Large && os.Getenv("OSTIARY_BENCH_LARGE") == "" {
				b.Skip("writes 2.3 million tuples; set OSTIARY_BENCH_LARGE=1")
			}
			x := loadWorkload(b, "org", scale)
			x.cached(b, func(b *testing.B) {
				x.checks(b)
				x.mixed(b)
				for _, name := range []string{"list-2200", "list-10000", "users-1000"} {
					x.named(b, name)
				}
			})
		})
	}
}

// BenchmarkWorkloads asks the questions of the other workloads with one store.
//
//	go test ./bench -run '^$' -bench Workloads/idp
func BenchmarkWorkloads(b *testing.B) {
	for _, name := range []string{"github", "gdrive", "wide", "deep", "iot", "idp"} {
		b.Run(name, func(b *testing.B) {
			x := loadWorkload(b, name, workload.Mid)
			x.cached(b, func(b *testing.B) {
				x.checks(b)
				x.lists(b)
			})
		})
	}
}

// edgeCacheBytes bounds the cache of edges.
const edgeCacheBytes = 256 << 20

// loaded is a workload with its tuples on disk.
type loaded struct {
	name, scale string
	dir         string
	store       *storage.Store
	engine      *engine.Engine
	plan        *engine.Plan
}

// loadWorkload writes the tuples of a workload to a new folder and flushes them.
func loadWorkload(b *testing.B, name, scale string) *loaded {
	b.Helper()
	x := &loaded{name: name, scale: scale, engine: engine.New(engine.Options{})}
	w := x.workload(b, workload.Cubic)
	m, err := dsl.Compile(name, []byte(w.Model))
	if err != nil {
		b.Fatal(err)
	}
	x.plan = engine.Compile(m)
	x.dir = b.TempDir()
	x.open(b, 0)
	writeEdges(b, x.store, w.Tuples(0))
	x.close(b)
	return x
}

func (x *loaded) open(b *testing.B, edgeCacheBytes int64) {
	b.Helper()
	var err error
	if x.store, err = storage.Open(x.dir, storage.Options{EdgeCacheBytes: edgeCacheBytes}); err != nil {
		b.Fatal(err)
	}
}

func (x *loaded) close(b *testing.B) {
	b.Helper()
	if err := x.store.Close(); err != nil {
		b.Fatal(err)
	}
}

// cached runs benchmarks without a cache of edges and with one.
func (x *loaded) cached(b *testing.B, run func(b *testing.B)) {
	for _, c := range []struct {
		name  string
		bytes int64
	}{{"cache=off", 0}, {"cache=256MiB", edgeCacheBytes}} {
		b.Run(c.name, func(b *testing.B) {
			x.open(b, c.bytes)
			defer x.close(b)
			run(b)
		})
	}
}

// workload returns the workload anew with a skew of its questions; its tuples are the same with each.
func (x *loaded) workload(b *testing.B, skew string) *workload.Workload {
	b.Helper()
	w, err := workload.New(x.name, workload.Options{Scale: x.scale, Seed: workload.DefaultSeed, Skew: skew})
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// question is one that a benchmark asks: it returns how many results there are, 1 for "allowed".
type question func(ctx context.Context, r engine.Reader) (results int, err error)

// drawnQuestions is how many questions are drawn before the clock starts. They are asked in turn.
const drawnQuestions = 1 << 16

func (x *loaded) checks(b *testing.B) {
	for _, skew := range []string{workload.Cubic, workload.Uniform} {
		b.Run(skew+"/check", func(b *testing.B) {
			source := x.workload(b, skew).Questions(1)
			questions := make([]question, drawnQuestions)
			for i := range questions {
				questions[i] = x.check(source.Check())
			}
			x.run(b, questions, nil)
		})
	}
}

// writeEvery is how many checks of the mixed benchmark come to a write.
const writeEvery = 100

// mixed asks checks with one write of a new tuple to 99 of them: a new member of a group, a new user on
// a document, a new document. The percentiles are those of the checks.
func (x *loaded) mixed(b *testing.B) {
	b.Run(workload.Cubic+"/mixed", func(b *testing.B) {
		w := x.workload(b, workload.Cubic)
		source := w.Questions(1)
		questions := make([]question, drawnQuestions)
		for i := range questions {
			questions[i] = x.check(source.Check())
		}
		index, _ := x.store.Applied()
		fresh := w.Questions(index) // another each time
		x.run(b, questions, func() {
			_, e := fresh.NewTuple()
			index++
			m := &ostiary.Mutation{TimeNanos: 1, Tuples: []ostiary.TupleChange{touchOf(e)}}
			outcomes, err := x.store.Apply([]storage.Entry{{Index: index, Term: 1, Mutation: m}})
			if err == nil {
				err = outcomes[0].Err
			}
			if err != nil {
				b.Fatal(err)
			}
		})
	})
}

// lists asks 256 different lists of objects and of users in turn.
func (x *loaded) lists(b *testing.B) {
	const drawn = 256
	b.Run("list-objects", func(b *testing.B) {
		source := x.workload(b, workload.Cubic).Questions(1)
		questions := make([]question, drawn)
		for i := range questions {
			questions[i] = x.listObjects(source.ListObjects())
		}
		x.run(b, questions, nil)
	})
	b.Run("list-users", func(b *testing.B) {
		source := x.workload(b, workload.Cubic).Questions(1)
		questions := make([]question, drawn)
		for i := range questions {
			questions[i] = x.listUsers(source.ListUsers())
		}
		x.run(b, questions, nil)
	})
}

func (x *loaded) named(b *testing.B, name string) {
	b.Run(name, func(b *testing.B) {
		q, ok := x.workload(b, workload.Cubic).Named(name)
		if !ok {
			b.Fatalf("%s has no question %q", x.name, name)
		}
		if q.Object.ID == "" {
			x.run(b, []question{x.listObjects(q)}, nil)
		} else {
			x.run(b, []question{x.listUsers(q)}, nil)
		}
	})
}

func (x *loaded) check(q workload.Question) question {
	query := engine.CheckQuery{Object: q.Object, Relation: q.Relation, Subject: q.Subject, Context: q.Context}
	return func(ctx context.Context, r engine.Reader) (int, error) {
		d, err := x.engine.Check(ctx, x.plan, r, query)
		if d == ostiary.Allowed {
			return 1, err
		}
		return 0, err
	}
}

func (x *loaded) listObjects(q workload.Question) question {
	query := engine.ListObjectsQuery{Type: q.Object.Type, Relation: q.Relation, Subject: q.Subject, Context: q.Context}
	return func(ctx context.Context, r engine.Reader) (int, error) {
		list, err := x.engine.ListObjects(ctx, x.plan, r, query)
		return len(list), err
	}
}

func (x *loaded) listUsers(q workload.Question) question {
	query := engine.ListUsersQuery{Object: q.Object, Relation: q.Relation, Context: q.Context,
		Filter: engine.UserFilter{Type: q.Subject.Type, Relation: q.Subject.Relation}}
	return func(ctx context.Context, r engine.Reader) (int, error) {
		list, err := x.engine.ListUsers(ctx, x.plan, r, query)
		return len(list), err
	}
}

// run asks the questions in turn, each of a view and a reader of its own, and reports what single ones
// took. Where write is not nil it is called before every writeEvery-th question; what it takes counts in the mean
// alone.
func (x *loaded) run(b *testing.B, questions []question, write func()) {
	ctx := b.Context()
	cpuNow, hasCPU := cpuClock(b)
	var took, used []time.Duration
	var reads storage.Stats
	var results int
	ask := func(q question) {
		cpu := cpuNow()
		start := time.Now()
		view, err := x.store.View()
		if err != nil {
			b.Fatal(err)
		}
		r := view.Reader(benchStore, 1)
		n, err := q(ctx, r)
		stats := r.Stats()
		r.Close()
		view.Close()
		took = append(took, time.Since(start))
		used = append(used, cpuNow()-cpu)
		if err != nil {
			b.Fatal(err)
		}
		reads.Seeks += stats.Seeks
		reads.Keys += stats.Keys
		results += n
	}
	for range max(1, 16/len(questions)) {
		for _, q := range questions {
			ask(q)
		}
	}
	took, used, reads, results = took[:0], used[:0], storage.Stats{}, 0
	before := x.store.CacheStats()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if write != nil && i%writeEvery == 0 {
			write()
		}
		ask(questions[i%len(questions)])
	}
	n := float64(len(took))
	percentiles(b, "", took)
	if hasCPU {
		percentiles(b, "cpu-", used)
	}
	b.ReportMetric(float64(reads.Seeks)/n, "seeks/op")
	b.ReportMetric(float64(reads.Keys)/n, "keys/op")
	b.ReportMetric(float64(results)/n, "results/op")
	after := x.store.CacheStats()
	if lookups := after.Hits + after.Misses + after.Changed - before.Hits - before.Misses - before.Changed; lookups > 0 {
		b.ReportMetric(100*float64(after.Hits-before.Hits)/float64(lookups), "%hits")
	}
}

func percentiles(b *testing.B, what string, all []time.Duration) {
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), what+"p50-ns/op")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), what+"p99-ns/op")
}

// writeEdges writes tuples in mutations of 100, 64 to a batch, and flushes them.
func writeEdges(b *testing.B, store *storage.Store, edges iter.Seq[ostiary.Edge]) {
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
	if len(entries) > 0 {
		apply()
	}
	if err := store.Sync(); err != nil {
		b.Fatal(fmt.Errorf("make %d mutations durable: %w", index, err))
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
