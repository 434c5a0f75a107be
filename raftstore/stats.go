package raftstore

// Stats counts what a Store did since it was opened.
type Stats struct {
	// Appends is how often entries were made durable in the log, each time with one fsync.
	Appends uint64
	// Entries is how many entries that were. Entries/Appends is how many writes share an fsync.
	Entries uint64
}

// Stats returns the counts as they stand.
func (s *Store) Stats() Stats {
	appends, entries := s.log.Appends()
	return Stats{Appends: appends, Entries: entries}
}
