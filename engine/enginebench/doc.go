// Package enginebench holds the workloads of the engine's benchmarks: models, tuples, and questions
// with their answers, so that the same ones are asked of tuples in memory and of tuples on disk.
//
//	for _, w := range enginebench.Workloads() {
//		b.Run(w.Name, func(b *testing.B) { enginebench.Run(b, w, open(w.Tuples)) })
//	}
//
// Everything is made by counting, without a random source, so each run asks the same. Names are paths of
// key=value, as benchstat reads them.
//
// # Not here
//
// End-to-end load over the wire (folder bench).
package enginebench
