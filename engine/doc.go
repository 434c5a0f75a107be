// Package engine answers questions about who is related to what: Check, ListObjects, ListUsers, Expand.
//
// A model is compiled once into a Plan. A question is asked of a plan and a Reader, which is a
// read-only picture of one store's tuples at one revision. The engine decides everything else:
// rewrites, nesting, wildcards, cycles, errors.
//
// # Invariants
//
//	E1. An error is not a decision. A branch that fails decides nothing: one true operand decides "or",
//	    one false operand decides "and", otherwise the error surfaces.
//	E2. The meaning of a model with recursion is its least fixed point. Where recursion passes through
//	    the subtracted side of a "but not", it is the well-founded model, and what is undefined there is
//	    denied (Van Gelder, Ross, Schlipf: The Well-Founded Semantics, 1991).
//	E3. List answers equal check answers: o is in ListObjects(s, r) exactly when Check(o, r, s) allows.
//
// # Concurrency
//
// Plans and an Engine are immutable and may be shared. A Reader serves one question at a time.
//
// # Not here
//
// Parsing models (package dsl), storage (package storage), the wire (package api).
package engine
