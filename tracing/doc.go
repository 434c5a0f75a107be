// Package tracing tells a collector of OpenTelemetry, by OTLP over gRPC, what requests spend their time on.
//
// A Tracer decides of each request whether it is traced: as the trace that it belongs to says (W3C Trace Context,
// level 1), for so many a second, and else by a share of all. Who is not traced has a nil *Span, on which every method
// does nothing, so that callers ask nothing and nothing is allocated. Spans that have ended wait in a queue for a
// goroutine that exports them; where the queue is full they are dropped and counted.
//
// # Invariants
//
//	T1. Nothing here waits for the collector, but Close, for a bounded time.
//	T2. Attributes hold what the callers say alone: names of methods, ids of stores and models, counts. Nobody puts in
//	    objects, subjects, principals, addresses or tokens.
//
// # Concurrency
//
// A Tracer may be used by any number of goroutines, a Span by one at a time; its children may be used by others.
//
// # Not here
//
// What is traced (packages api and raftstore). No other package imports OpenTelemetry's tracing.
package tracing
