package raftstore

import (
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// diskGuard refuses writes below the free-space reserve. Neither Raft nor Pebble goes on after a write
// that failed for want of space, so the node stops accepting work while it still can answer reads.
type diskGuard struct {
	dir     string
	fs      storage.FS
	reserve int64
	clock   func() time.Time

	mu   sync.Mutex
	at   time.Time // of the last look
	free uint64
}

// diskInterval is how long one look at the free space is good for.
const diskInterval = 250 * time.Millisecond

// admit returns nil while there is room. A file system that cannot tell counts as roomy: the write
// itself will fail if there is none.
func (g *diskGuard) admit() error {
	if g.reserve < 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.clock(); g.at.IsZero() || now.Sub(g.at) >= diskInterval || now.Before(g.at) {
		free, err := storage.FreeBytes(g.fs, g.dir)
		if err != nil {
			return nil
		}
		g.at, g.free = now, free
	}
	if g.free < uint64(g.reserve) {
		return fmt.Errorf("the disk of %q has %d MiB free, below the reserve of %d MiB; free some space: %w",
			g.dir, g.free>>20, g.reserve>>20, ostiary.ErrDiskFull)
	}
	return nil
}
