package bench

import (
	"runtime"
	"testing"

	"github.com/ostiary/ostiary/bench/workload"
)

// BenchmarkMemory asks about every object and every subject of the org workload until the cache of edges
// knows all of them, and reports by how much the heap has grown.
//
//	go test ./bench -run '^$' -bench Memory -benchtime 1x
func BenchmarkMemory(b *testing.B) {
	x := loadWorkload(b, "org", workload.Mid)
	w := x.workload(b, workload.Cubic)
	for b.Loop() {
		x.open(b, edgeCacheBytes)
		view, err := x.store.View()
		if err != nil {
			b.Fatal(err)
		}
		before, tuples := heapBytes(), 0
		for e := range w.Tuples(0) {
			r := view.Reader(benchStore, 1)
			if _, err := r.ObjectEdges(b.Context(), e.Object); err != nil {
				b.Fatal(err)
			}
			if _, err := r.SubjectEdges(b.Context(), e.Subject, e.Object.Type, e.Relation, 1<<20); err != nil {
				b.Fatal(err)
			}
			r.Close()
			tuples++
		}
		grown, stats := heapBytes()-before, x.store.CacheStats()
		b.ReportMetric(float64(grown)/float64(tuples), "heap-bytes/tuple")
		b.ReportMetric(float64(stats.Bytes)/float64(tuples), "cost-bytes/tuple")
		b.ReportMetric(float64(stats.Entries), "entries")
		view.Close()
		x.close(b)
	}
}

func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
