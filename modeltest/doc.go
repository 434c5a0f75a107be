// Package modeltest loads store files (.fga.yaml: a model, tuples, and tests of both) and runs their
// tests in process, without a server.
//
// The form of a store file is that of the fga command line. Load reads it with everything that it names
// and reports every fault with its file and line. Suite.Run asks the questions and returns what came out
// as data: what was expected, what was answered, why, and which relations and rewrites no test touched.
//
// # Invariants
//
//	M1. A suite that Load returned is sound: its model compiles, its tuples fit the model, its questions
//	    are well-formed. Unknown keys of a file are faults.
//	M2. An assertion passes when the answer is the expected one, and never when there was no answer.
//	M3. The same suite gives the same result, but for durations.
//
// # Concurrency
//
// A Suite is immutable and may be run by any number of goroutines.
//
// # Not here
//
// Evaluation (package engine), the modelling language (package dsl), the command line (cmd/ostiary).
package modeltest
