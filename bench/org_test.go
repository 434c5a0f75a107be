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
// disk: a new reader for each, as the server does.
//
//	go test ./bench -run '^$' -bench Org/mid
//	OSTIARY_BENCH_LARGE=1 go test ./bench -run '^$' -bench Org/large -timeout 20m
//
// Beside the mean it reports the median and the 99th percentile of single questions, reader included.
func BenchmarkOrg(b *testing.B) {
	for _, scale := range []string{workload.Mid, workload.Large} {
		b.Run(scale, func(b *testing.B) {
			if scale == workload.Large && os.Getenv("OSTIARY_BENCH_LARGE") == "" {
				b.Skip("writes 2.3 million tuples; set OSTIARY_BENCH_LARGE=1")
			}
			x := loadWorkload(b, "org", scale)
			x.checks(b)
			for _, name := range []string{"list-2200", "list-10000", "users-1000"} {
				x.named(b, name)
			}
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
			x.checks(b)
			x.lists(b)
		})
	}
}

// loaded is a workload with its tuples on disk.
type loaded struct {
	name, scale string
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
	if x.store, err = storage.Open(b.TempDir(), storage.Options{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.store.Close() })
	writeEdges(b, x.store, w.Tuples(0))
	return x
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
			x.run(b, questions)
		})
	}
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
		x.run(b, questions)
	})
	b.Run("list-users", func(b *testing.B) {
		source := x.workload(b, workload.Cubic).Questions(1)
		questions := make([]question, drawn)
		for i := range questions {
			questions[i] = x.listUsers(source.ListUsers())
		}
		x.run(b, questions)
	})
}

func (x *loaded) named(b *testing.B, name string) {
	b.Run(name, func(b *testing.B) {
		q, ok := x.workload(b, workload.Cubic).Named(name)
		if !ok {
			b.Fatalf("%s has no question %q", x.name, name)
		}
		if q.Object.ID == "" {
			x.run(b, []question{x.listObjects(q)})
		} else {
			x.run(b, []question{x.listUsers(q)})
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

// run asks the questions in turn, each of a reader of its own, and reports what single ones took.
func (x *loaded) run(b *testing.B, questions []question) {
	view, err := x.store.View()
	if err != nil {
		b.Fatal(err)
	}
	defer view.Close()
	ctx := b.Context()
	var took []time.Duration
	var reads storage.Stats
	var results int
	ask := func(q question) {
		start := time.Now()
		r := view.Reader(benchStore, 1)
		n, err := q(ctx, r)
		stats := r.Stats()
		r.Close()
		took = append(took, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
		reads.Seeks += stats.Seeks
		reads.Keys += stats.Keys
		results += n
	}
	for i := range max(16, len(questions)/16) { // the blocks that are hot are in the block cache
		ask(questions[i%len(questions)])
	}
	took, reads, results = took[:0], storage.Stats{}, 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ask(questions[i%len(questions)])
	}
	n := float64(len(took))
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns/op")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns/op")
	b.ReportMetric(float64(reads.Seeks)/n, "seeks/op")
	b.ReportMetric(float64(reads.Keys)/n, "keys/op")
	b.ReportMetric(float64(results)/n, "results/op")
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
