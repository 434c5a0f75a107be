package bench

import (
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/enginebench"
	"github.com/ostiary/ostiary/storage"
)

// BenchmarkPebble runs the engine's workloads over tuples on disk, a new reader for each question, as
// the server does. Nothing is cached but Pebble's blocks.
func BenchmarkPebble(b *testing.B) {
	for _, w := range enginebench.Workloads() {
		b.Run(w.Name, func(b *testing.B) { runOnDisk(b, w) })
	}
}

const benchStore = "01BENCH"

func runOnDisk(b *testing.B, w enginebench.Workload) {
	store, err := storage.Open(b.TempDir(), storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	load(b, store, w.Tuples)
	view, err := store.View()
	if err != nil {
		b.Fatal(err)
	}
	defer view.Close()

	seeks, keys := reads(b, view, w)
	var last *storage.Reader
	enginebench.Run(b, w, func() engine.Reader {
		if last != nil {
			last.Close()
		}
		last = view.Reader(benchStore, 1)
		return last
	})
	b.ReportMetric(seeks, "seeks/op")
	b.ReportMetric(keys, "keys/op")
}

// load writes the tuples in mutations of 100, 64 to a batch, and flushes them.
func load(b *testing.B, store *storage.Store, edges []ostiary.Edge) {
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
	for len(edges) > 0 {
		n := min(100, len(edges))
		m := &ostiary.Mutation{TimeNanos: 1}
		for _, edge := range edges[:n] {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{
				Op: ostiary.TupleTouch, Store: benchStore, Tuple: edge.Tuple, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
			})
		}
		edges = edges[n:]
		index++
		entries = append(entries, storage.Entry{Index: index, Term: 1, Mutation: m})
		if len(entries) == 64 {
			apply()
		}
	}
	apply()
	if err := store.Sync(); err != nil {
		b.Fatal(err)
	}
}

// reads asks every question once and returns the mean seeks and keys of one.
func reads(b *testing.B, view *storage.View, w enginebench.Workload) (seeks, keys float64) {
	b.Helper()
	e, p := engine.New(engine.Options{}), engine.Compile(w.Model)
	for _, q := range w.Questions {
		r := view.Reader(benchStore, 1)
		if err := q.Ask(b.Context(), e, p, r); err != nil {
			b.Fatal(err)
		}
		seeks += float64(r.Stats().Seeks)
		keys += float64(r.Stats().Keys)
		r.Close()
	}
	n := float64(len(w.Questions))
	return seeks / n, keys / n
}
