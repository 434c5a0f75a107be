// Package engine answers questions about who is related to what: Check, ListObjects, ListUsers, Expand.
//
// A model is compiled once into a Plan. A question is asked of a plan and a Reader, which is a
// read-only picture of one store's tuples at one revision. The engine decides everything else:
// rewrites, nesting, wildcards, cycles, errors.
//
// # How it goes about it
//
// The plan holds, for the subject shapes that have been asked about ("user", "user:*",
// "group#member"), the rewrites without the branches that the shape cannot reach, operands ordered by
// cost, and the strongly connected components of the relations (compile.go, reach.go). An object is asked
// once for its tuples, packed (packed.go, package edges). Relations that are not recursive are evaluated
// by descent, each relation of an object once (check.go). Recursion without subtraction is reachability:
// explored as a flood where unions alone make it (flood.go), else solved (positive.go); recursion through
// a subtracted side is written down as equations and solved as the alternating fixed point (equations.go,
// negative.go). Where the object has many usersets they are looked up among what holds the subject, which
// is walked upward meanwhile (userside.go, docs/adr/0006-both-ended-check.md). ListUsers
// solves the same equations for sets of subjects, one for all that must be equal (listusers.go,
// userset.go, sharing.go). ListObjects walks from the subject, over sets of numbered objects, and passes
// each object that enters a set on once (listobjects.go, objectset.go, objectsets.go); a subject whose tuples
// several relations follow is read once for all (subjectsets.go). A Batch of checks shares what they find
// (batch.go). Every value is no, maybe or yes; maybe stands for what an
// error, the depth limit or undefined recursion leaves open (engine.go).
//
// # Invariants
//
//	E1. An error is not a decision. A branch that fails decides nothing: one true operand decides "or",
//	    one false operand decides "and", otherwise the error surfaces.
//	E2. The meaning of a model with recursion is its least fixed point. Where recursion passes through
//	    the subtracted side of a "but not", it is the well-founded model, and what is undefined there is
//	    denied (Van Gelder, Ross, Schlipf: The Well-Founded Semantics, 1991).
//	E3. List answers equal check answers: o is in ListObjects(s, r) exactly when Check(o, r, s) allows,
//	    and s is in ListUsers(o, r) exactly when Check(o, r, s) allows, for the wildcard and for every
//	    subject that a tuple on the way mentions. Where one of the questions reports the depth limit,
//	    another may still answer: ListObjects has no such limit. Where a condition cannot be evaluated,
//	    ListUsers fails though Check may find an answer without it.
//	E4. A tuple that does not fit the type restrictions of the model, in the shape of its subject or in
//	    its condition, is as if it were not there.
//	E5. The meaning of a rewrite does not depend on whether its parts are relations with names.
//	E6. A tuple with conditions is worth what the best of them comes to. One that cannot be evaluated is
//	    worth maybe: it never allows and never denies.
//	E7. The userset "o#r" is in relation r of object o, whatever the rewrite says.
//
// # Concurrency
//
// Plans and an Engine are immutable and may be shared. A Reader and a Batch serve one question at a time.
// A question leaves its memory for the next, wiped (check.release, listing.release).
//
// # Not here
//
// Parsing models (package dsl), storage (package storage), the wire (package api).
package engine
