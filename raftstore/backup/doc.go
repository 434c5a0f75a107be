// Package backup reads and writes backup files: a manifest, blocks of compressed rows, and a summary.
//
// A file is a run of frames, each with a checksum that covers its place in the file; the last one holds a
// checksum of everything before it and the number of rows. docs/format/backup.md draws the bytes.
//
// # Invariants
//
//	B1. Reader.Next returns io.EOF only at the end of a whole file: every frame was read, in order, and
//	    all checksums and counts agreed.
//	B2. Whatever the bytes, a Reader ends, and holds no more than a few blocks of memory.
//
// # Not here
//
// What rows mean (package storage), taking and restoring backups (package raftstore).
package backup
