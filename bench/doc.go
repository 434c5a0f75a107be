// Package bench puts a load on a server of OpenFGA's API and reports what it did. 'ostiary bench' is its
// command line.
//
// A workload (package workload) says what a server is filled with and asked. Seed fills it. Run sends
// requests that were encoded beforehand, in a closed or an open loop, and counts latencies in histograms;
// Fresh looks for answers from before an acknowledged write; Compare sets two reports beside each other.
// Echo is a server that knows nothing: what the wire costs. The server is any that speaks openfga.v1,
// over gRPC or over HTTP.
//
//	ostiary bench run --workload org --scale mid --op check
//
// # What always holds
//
//	B1. In an open loop latency counts from when a request was due, however late it was sent.
//	B2. A latency in a report is never lower than the one that was seen, and at most 0.8 % higher.
//	B3. A request that fails is counted by its code and has no part in latencies and throughput.
//
// # Benchmarks
//
// The Go benchmarks here measure the engine over tuples on disk, and the path of a write, in process:
//
//	make bench
//	go test ./bench -run '^$' -bench Pebble/Check -benchmem
//	go test ./bench -run '^$' -bench Org/mid
//
// Beside time and allocations the read benchmarks report seeks/op and keys/op: how often a question
// positioned a Pebble iterator and how many rows it read. They do not depend on the machine, so they
// are what to compare first.
//
// # Not here
//
// Micro-benchmarks (beside the code that they measure).
package bench
