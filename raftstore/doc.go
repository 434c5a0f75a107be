// Package raftstore is the one way in: it turns mutations into entries of a replicated log, applies
// them to storage in log order, and hands out views that hold what was acknowledged.
//
// A mutation is encoded (codec.go), proposed to hashicorp/raft, made durable in the log (package
// storage/wal, by logstore.go), committed, and applied by the state machine (fsm.go), many entries in
// one storage batch. One node or many, it is the same path: a single node is a cluster of one.
//
// # Invariants
//
//	R1. A mutation is acknowledged after its entry is fsynced in the log and its effects are in a
//	    published view.
//	R2. Open returns after everything that was ever acknowledged is applied, so no read can miss it.
//	R3. Time in the log never goes back.
//	R4. The log is never truncated past what storage has made durable.
//	R5. An entry that cannot be decoded or applied ends the node: a replica that guesses diverges.
//	R6. A data folder that a restore has not finished is never opened, and a restored one is never of the
//	    cluster that its backups are of.
//
// # Concurrency
//
// A Store is safe for concurrent use. Raft calls the state machine from one goroutine.
//
// # Not here
//
// What a mutation does to tuples and documents (package storage), validation against a model and
// limits (package api: whoever proposes judges).
package raftstore
