// Package condition compiles and evaluates the conditions of a model: boolean CEL expressions over typed
// parameters.
//
// Compile checks a condition and makes a Program of it. Program.Bind takes the context of one request;
// Bound.Evaluate takes the context of one tuple and says whether the condition holds. Package dsl and
// package api use the same Compile when a model is written, so what was accepted evaluates.
//
// # Invariants
//
//	C1. An expression sees its declared parameters and nothing else: no clock, no network, no state.
//	C2. Where a tuple's context and a request's context both hold a parameter, the tuple's value counts,
//	    and the request's is not looked at.
//	C3. Every declared parameter must have a value, also one that would not have decided the result. The
//	    error for those that are missing names them.
//	C4. A value that is not exactly one of its parameter's type is an error. Values are never rounded,
//	    clamped or turned into text.
//	C5. Compiling and evaluating end: the size, the nodes and the depth of an expression and the cost of
//	    an evaluation are bounded, and neither panics whatever the input.
//
// # Concurrency
//
// A Program is immutable and may be shared. A Bound serves one goroutine.
//
// # Not here
//
// The text around an expression and its place in a file (package dsl), what a condition means for a
// decision (package engine). No other package imports cel-go.
package condition
