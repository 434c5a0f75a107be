package bench

import (
	"slices"
	"testing"

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
	writeEdges(b, store, slices.Values(w.Tuples))
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
