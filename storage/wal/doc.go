// Package wal keeps a numbered log of byte records, and a few named values beside it, in a Pebble
// database of its own. It knows nothing of what the records mean.
//
// Records have consecutive indexes. They are added at the end, and removed at the front or at the
// end. The bytes on disk are described in docs/format/log.md.
//
// # Invariants
//
//	W1. What Append, DeleteRange or Set has done when it returns nil survives power loss.
//	W2. An Append that does not return nil is, after a restart, there as a whole or not at all.
//	W3. The indexes of the log have no gap.
//	W4. A record that cannot be what was appended is ErrCorrupt, never other bytes.
//
// # Concurrency
//
// A Log is safe for concurrent use. Changes run one after another; reads do not wait for them.
//
// # Not here
//
// Terms, votes, entries and who may append them (package raftstore).
package wal
