// Package oracle answers the questions of package engine by another method, slowly and plainly, so that
// the two can be compared. It is for tests.
//
// Everything is computed at once, bottom-up, over the whole domain: every object, every relation of its
// type, every subject. The domain holds the objects that the tuples or the question mention (and
// those given to Over); subjects are those objects, the wildcard of each type, and each object with each of its relations. There is no
// walk from the question, no memory of what was visited, no order of evaluation that could matter.
//
// # Meaning
//
// A relation of an object, and each part of its rewrite, is a set of subjects with one rule that says
// how it follows from other sets (program.go). The sets are those of the well-founded model (Van
// Gelder, Ross, Schlipf 1991), found as the alternating fixed point (Van Gelder 1989): the least sets
// that follow when a subtracted side is read from an overestimate are an underestimate, and the other
// way round; the two are repeated until they stop moving. A subject that is left between the two
// estimates is undefined, and what is undefined is denied. Without recursion through a subtracted side
// nothing is left between them, and the model is the least fixed point.
//
// Each part of a rewrite has a set of its own, as if it were a relation with a name. So it never
// matters whether a part of a rewrite stands in place or is named and referred to.
//
// A condition comes to one of three outcomes, which are given. A tuple whose outcome is unknown belongs to
// the overestimate alone, which makes the answers those of Kleene's logic of three values.
//
// # Invariants
//
//	O1. The oracle shares no code with package engine.
//	O2. Check, ListObjects and ListUsers read the same sets.
//
// # Not here
//
// The evaluation of conditions (package dsl/condition).
package oracle
