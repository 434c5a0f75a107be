package engine_test

import (
	"testing"

	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/enginebench"
)

// BenchmarkMemory runs the workloads over tuples in memory: the engine's own share of their cost.
//
//	go test ./engine -run '^$' -bench Memory
func BenchmarkMemory(b *testing.B) {
	for _, w := range enginebench.Workloads() {
		r := engine.NewMemory(w.Tuples)
		b.Run(w.Name, func(b *testing.B) { enginebench.Run(b, w, func() engine.Reader { return r }) })
	}
}

func BenchmarkCompile(b *testing.B) {
	w := enginebench.Workloads()[0]
	b.ReportAllocs()
	for b.Loop() {
		p := engine.Compile(w.Model)
		if err := w.Questions[0].Ask(b.Context(), engine.New(engine.Options{}), p, engine.NewMemory(w.Tuples[:10])); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWorkloads requires that the benchmarks measure right answers.
func TestWorkloads(t *testing.T) {
	for _, w := range enginebench.Workloads() {
		p, r := engine.Compile(w.Model), engine.NewMemory(w.Tuples)
		for _, q := range w.Questions {
			if err := q.Ask(t.Context(), engine.New(engine.Options{}), p, r); err != nil {
				t.Errorf("%s: %v", w.Name, err)
			}
		}
	}
}
