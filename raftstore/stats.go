package raftstore

import (
	"time"

	"github.com/ostiary/ostiary/storage"
)

// Stats is what a Store did since it was opened, and how it stands.
type Stats struct {
	// Appends is how often entries were made durable in the log, each time with one fsync.
	Appends uint64
	// Entries is how many entries that were. Entries/Appends is how many writes share an fsync.
	Entries uint64

	Term uint64
	// Last, Committed and Applied are the newest indexes of the log: of what is in it, of what a majority has as far
	// as this node knows, and of what its answers show. Raft's own entries, which change nothing, are never Applied.
	Last, Committed, Applied uint64
	// Waiting is how many committed entries are not yet handed to the state machine.
	Waiting uint64
	// Proposing is how many mutations this node has been asked for as the leader, and whose callers wait: for a place in
	// the queue, for the log, or for them to be applied.
	Proposing int64
	// SinceLeader is how long ago the leader was heard from. Zero on the leader, and while none was.
	SinceLeader time.Duration
	Leads       bool
	Ready       bool // Store.Ready
	Writable    bool // Store.Writable
	// Free is the free space of the disk, zero where it cannot be told.
	Free uint64
	// Storage and Log are the two databases.
	Storage, Log storage.DiskStats
}

// Stats returns the counts as they stand. It costs about a tenth of a millisecond.
func (s *Store) Stats() Stats {
	n := Stats{
		Term: s.raft.CurrentTerm(), Last: s.raft.LastIndex(), Committed: s.raft.CommitIndex(),
		Leads: s.Leads(), Ready: s.Ready() == nil, Writable: s.Writable() == nil,
		Storage: s.storage.DiskStats(), Log: s.log.DiskStats(),
	}
	n.Appends, n.Entries = s.log.Appends()
	n.Applied, _ = s.storage.Applied()
	n.Waiting = n.Committed - min(n.Committed, s.raft.AppliedIndex())
	n.Proposing = s.proposing.Load()
	n.Free, _ = s.disk.look()
	if at := s.raft.LastContact(); !n.Leads && !at.IsZero() {
		n.SinceLeader = time.Since(at)
	}
	return n
}
