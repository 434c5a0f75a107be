package wal

import "github.com/ostiary/ostiary/storage/internal/guard"

// DiskStats is what a database has and does on its disk.
type DiskStats = guard.DiskStats

// DiskStats returns what the log's database has and does, and zero once it has failed. It costs tens of microseconds.
func (l *Log) DiskStats() DiskStats { return l.guard.Stats(l.db) }
