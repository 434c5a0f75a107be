package storage

import "github.com/ostiary/ostiary/storage/internal/guard"

// DiskStats is what a database has and does on its disk.
type DiskStats = guard.DiskStats

// DiskStats returns what the database has and does, and zero once it has failed. It costs tens of microseconds.
func (s *Store) DiskStats() DiskStats { return s.guard.Stats(s.db) }
