// Package bench measures Ostiary from the outside of its packages: the engine's workloads over tuples
// on disk, and the path of a write.
//
//	make bench
//	go test ./bench -run '^$' -bench Pebble/Check -benchmem
//
// Beside time and allocations the read benchmarks report seeks/op and keys/op: how often a question
// positioned a Pebble iterator and how many rows it read. They do not depend on the machine, so they
// are what to compare first.
//
// # Not here
//
// Micro-benchmarks (beside the code that they measure).
package bench
