// Package ostiary is the vocabulary that every other package of the module speaks: tuples and the
// objects and subjects they join, revisions and consistency tokens, principals, mutations, and the
// sentinel errors.
//
// The package holds values and their text forms and nothing else. It does no I/O, starts no
// goroutine and imports only the standard library, so that any package may import it.
//
// # Invariants
//
//	V1. A valid Tuple holds no NUL byte in any part, so parts can be joined by NUL in storage keys.
//	V2. String and Parse are inverses for every valid ObjectRef, SubjectRef and Tuple.
//	V3. The zero Decision is Denied.
//
// # Not here
//
// Models (package dsl/model), evaluation (package engine), keys and values on disk (package storage),
// the replicated command encoding (package raftstore), wire types (package api).
package ostiary
