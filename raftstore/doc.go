// Package raftstore is the one way in: it turns mutations into entries of a replicated log, applies
// them to storage in log order, and hands out views that hold what was acknowledged.
//
// A mutation is encoded (codec.go), proposed to hashicorp/raft, made durable in the log (package
// storage/wal, by logstore.go), committed, and applied by the state machine (fsm.go), many entries in
// one storage batch. One node or many, it is the same path: a single node is a cluster of one.
//
// Nodes of a cluster share one TCP port each for raft and for calls (port.go, calls.go). A follower or a
// learner passes a mutation on to the leader (forward.go) and answers linearizable reads by asking the
// leader for a read index (readindex.go). The leader tells what is committed (commits.go). A node that lags behind the log, or is new, gets an image of
// the leader's storage (images.go). A new node finds its cluster (form.go) and becomes a member as a
// learner first (network.go, members.go).
//
// Nodes ask each other all the time how they stand (watch.go). From that follow what the log must keep for
// those that are behind (outgoing.go), whose clock is right (clocks.go), which changes every node understands
// (version.go), which members are dead (autopilot.go), and how old a default read may be (staleness.go). A node
// whose disk hangs ends (hang.go), and a copied data folder does not start (twin.go).
//
// # Invariants
//
//	R1. A mutation is acknowledged after its entry is fsynced in the log and its effects are in a
//	    published view.
//	R2. No read is answered before everything that was ever acknowledged is applied, so none can miss
//	    it: a cluster of one opens after that, and a node of several waits until it has applied a commit
//	    index that it learned from a leader in this run.
//	R3. Time in the log never goes back.
//	R4. The log is never truncated past what storage has made durable.
//	R5. A mutation is passed on once; only an answer that says that nothing was written lets it try again.
//	R6. Raft's newest snapshot and the folder of storage change in one durable write.
//	R7. An entry that cannot be decoded or applied ends the node: a replica that guesses diverges.
//	R8. A data folder that a restore has not finished is never opened, and a restored one is never of the
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
