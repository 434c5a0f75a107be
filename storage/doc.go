// Package storage keeps tuples, documents and the changelog of a cluster in Pebble.
//
// The history keeps what was replaced and deleted, so that a view can be had of an older revision, down
// to a low-water mark that entries of the log raise.
//
// It applies log entries that hold mutations, and answers reads through views. Every write carries
// the log index that produced it, and that index is the revision readers ask for. Several entries
// become one Pebble batch, which also holds the apply index, so that a restart knows exactly what
// it has. Keys and values are described byte by byte in docs/format/keys.md.
//
// # Invariants
//
//	S1. A batch holds all effects of one or more whole log entries and the new apply index, or nothing.
//	S2. A View at revision r never shows an effect of a revision above r, and shows every effect at
//	    or below it. It is taken from the picture at the end of a batch.
//	S3. The same entries give the same rows, however they are cut into calls of Apply. Apply reads no
//	    clock, no random source and no map order.
//	S4. The tuple table, the reverse table and the owner table always tell the same tuples and grants.
//	S5. A view at an older revision answers every question about tuples and documents as the newest
//	    view did when that revision was the newest, or cannot be had.
//	S6. Stored bytes that cannot be what was written are an error that is ostiary.ErrCorrupt, never
//	    an absent row.
//	S7. A reader with a cache of edges answers as one without: what the cache holds is given to a view
//	    only where it is what the database shows at the view's revision (edgeCache says how).
//
// # Concurrency
//
// Apply is called by one goroutine at a time. Everything else on a Store may be called from any
// number. Views may be opened and read from any number; a Reader serves one goroutine. Readers take
// turns with scratch memory, and readers of one picture with its iterators: up to 8 idle ones live as
// long as the picture does, and keep tables on the disk that compactions have replaced.
//
// # Not here
//
// Replication and the encoding of mutations (package raftstore), the log under it (package
// storage/wal), model checks (package dsl), evaluation (package engine).
package storage
