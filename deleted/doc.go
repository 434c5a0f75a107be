// Package deleted knows the stores that were deleted: what is kept of one until its retention ends, and how the rest
// of it is removed then.
//
// A store is deleted in one revision: its document goes, on which every request and every change rests, and a Marker
// takes its place. Everything else stays where it is, out of reach, so that the store can be had again: the marker goes
// and the document comes back, in one revision too. Package api does both.
//
// # Invariants
//
//	X1. A store has a document or a marker, or neither; never both.
//	X2. Rows of a store are removed only while there is a marker that says so (Purging), and a store with such a marker
//	    never comes back: it comes back whole or not at all.
//	X3. The marker goes last. Whoever finds it goes on where another one stopped.
//
// # Concurrency
//
// A Purger purges in one goroutine, of the node that leads. Everything else is a plain value.
//
// # Not here
//
// Deleting a store and having it back (package api), the retention that a server has, and when a Purger runs
// (cmd/ostiary).
package deleted
