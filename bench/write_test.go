package bench

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore"
)

// BenchmarkPropose measures an acknowledged write, fsync included: one client and sixteen, one tuple a
// mutation and a hundred.
func BenchmarkPropose(b *testing.B) {
	for _, size := range []int{1, 100} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("tuples=%d/clients=%d", size, clients), func(b *testing.B) { propose(b, size, clients) })
		}
	}
}

func propose(b *testing.B, size, clients int) {
	store, err := raftstore.Open(b.Context(), raftstore.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	var next atomic.Int64
	mutation := func() *ostiary.Mutation {
		m := &ostiary.Mutation{Principal: ostiary.Principal{Kind: "internal"}}
		first := next.Add(int64(size))
		for i := range size {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{
				Op: ostiary.TupleCreate, Store: benchStore, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
				Tuple: ostiary.Tuple{
					Object:   ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(first + int64(i))},
					Relation: "viewer",
					Subject:  ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(first % 1000)},
				},
			})
		}
		return m
	}
	b.SetParallelism(max(1, clients/2)) // clients = parallelism times GOMAXPROCS, on two cores
	b.ReportAllocs()
	before := store.Stats()
	b.ResetTimer()
	if clients == 1 {
		for range b.N {
			if _, err := store.Propose(b.Context(), mutation()); err != nil {
				b.Fatal(err)
			}
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := store.Propose(b.Context(), mutation()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "tuples/s")
	after := store.Stats()
	b.ReportMetric(float64(after.Entries-before.Entries)/float64(after.Appends-before.Appends), "entries/fsync")
}
