package guard

import "github.com/cockroachdb/pebble/v2"

// DiskStats is what a database has and does on its disk.
type DiskStats struct {
	Bytes         uint64 // on the disk, tables and logs
	MemTableBytes uint64 // in memory, not yet in tables
	BlockHits     uint64 // reads of blocks that the cache answered
	BlockMisses   uint64
	Flushes       uint64
	Compactions   uint64
	// CompactingNow is how many run, DebtBytes about what those that are due have to read and write.
	CompactingNow uint64
	DebtBytes     uint64
	// ReadAmplification is how many places a read may have to look in.
	ReadAmplification uint64
}

// Stats reads what a database has and does, and zero once it has failed. It costs tens of microseconds.
func (g *Guard) Stats(db *pebble.DB) (stats DiskStats) {
	var m *pebble.Metrics
	if err := g.Run(func() error { m = db.Metrics(); return nil }); err != nil {
		return stats
	}
	return DiskStats{
		Bytes: m.DiskSpaceUsage(), MemTableBytes: m.MemTable.Size, BlockHits: uint64(m.BlockCache.Hits), BlockMisses: uint64(m.BlockCache.Misses),
		Flushes: uint64(m.Flush.Count), Compactions: uint64(m.Compact.Count), CompactingNow: uint64(m.Compact.NumInProgress),
		DebtBytes: m.Compact.EstimatedDebt, ReadAmplification: uint64(m.ReadAmp()),
	}
}
