package raftstore

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// diskGuard refuses writes below the free-space reserve. Neither Raft nor Pebble goes on after a write
// that failed for want of space, so the node stops accepting work while it still can answer reads.
//
// The reserve is for what must go on: compaction, and mutations that take away. Those write too, rows of
// the changelog and the history among them, so they are refused as well once less than the last part of
// the reserve is left.
type diskGuard struct {
	dir     string
	fs      storage.FS
	reserve int64
	clock   func() time.Time
	logger  *slog.Logger

	mu   sync.Mutex
	at   time.Time // of the last look
	free uint64
	low  bool // below the reserve at the last look
}

const (
	// diskInterval is how long one look at the free space is good for.
	diskInterval = 250 * time.Millisecond
	// lastPart is which part of the reserve no mutation may use.
	lastPart = 4
)

// admit returns nil while there is room for m.
func (g *diskGuard) admit(m *ostiary.Mutation) error {
	free, known := g.look()
	switch {
	case !known || free >= uint64(g.reserve):
		return nil
	case free >= uint64(g.reserve)/lastPart && takesAway(m):
		return nil
	}
	return g.full(free)
}

// writable returns nil while there is room for every mutation.
func (g *diskGuard) writable() error {
	free, known := g.look()
	if !known || free >= uint64(g.reserve) {
		return nil
	}
	return g.full(free)
}

func (g *diskGuard) full(free uint64) error {
	return fmt.Errorf("the disk of %q has %d MiB free, below the reserve of %d MiB; free some space: %w",
		g.dir, free>>20, g.reserve>>20, ostiary.ErrDiskFull)
}

// look returns the free space, and false where there is no reserve or it cannot be told. A file system
// that cannot tell counts as roomy: the write itself will fail if there is no room.
func (g *diskGuard) look() (free uint64, known bool) {
	if g.reserve < 0 {
		return 0, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.clock(); g.at.IsZero() || now.Sub(g.at) >= diskInterval || now.Before(g.at) {
		free, err := storage.FreeBytes(g.fs, g.dir)
		if err != nil {
			return 0, false
		}
		g.at, g.free = now, free
		g.report()
	}
	return g.free, true
}

// report tells the log when the reserve is reached and left.
func (g *diskGuard) report() {
	low := g.free < uint64(g.reserve)
	if low == g.low {
		return
	}
	g.low = low
	if low {
		g.logger.Warn("disk is short of space, writes are refused", "free_bytes", g.free, "reserve_bytes", g.reserve)
		return
	}
	g.logger.Info("disk has space again, writes are accepted", "free_bytes", g.free, "reserve_bytes", g.reserve)
}

// takesAway reports whether a mutation only removes: tuples, documents, or history. A document that is put
// beside a filter delete belongs to it, as the watermark of a revocation does.
func takesAway(m *ostiary.Mutation) bool {
	removes := len(m.Filters) > 0
	for i := range m.Tuples {
		switch m.Tuples[i].Op {
		case ostiary.TupleDelete, ostiary.TupleRelease:
			removes = true
		default:
			return false
		}
	}
	for i := range m.Documents {
		switch d := &m.Documents[i]; {
		case d.Delete, storage.IsCollection(d):
			removes = true
		case len(m.Filters) == 0:
			return false
		}
	}
	return removes
}

// Writable returns nil while mutations of every kind are accepted, and otherwise an error that is
// ostiary.ErrDiskFull: those that only take away may be accepted still.
func (s *Store) Writable() error { return s.disk.writable() }
