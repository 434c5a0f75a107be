// Package readertest is the definition of engine.Reader's contract as tests that every implementation
// passes.
//
//	readertest.Run(t, func(t testing.TB, edges []ostiary.Edge) engine.Reader { … })
//
// # Not here
//
// Evaluation: a reader never follows a rewrite.
package readertest
