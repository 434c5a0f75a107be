package raftstore

import (
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
)

// A disk that hangs, rather than fails, stops raft's main goroutine and not its heartbeats: a leader would
// go on leading and commit nothing (raft issue 503). So writes to the log are timed, and a node whose disk
// hangs closes its port, which lets the others elect, and ends.

// defaultDiskTimeout is how long a write to the log may take.
const defaultDiskTimeout = 10 * time.Second

// writes are the writes to the log that are under way.
type writes struct {
	mu    sync.Mutex
	next  uint64
	begun map[uint64]time.Time
}

// begin notes a write; the caller calls what it returns when the write has ended.
func (w *writes) begin() (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun == nil {
		w.begun = map[uint64]time.Time{}
	}
	id := w.next
	w.next++
	w.begun[id] = time.Now()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.begun, id)
	}
}

// longest returns for how long the oldest write has been under way.
func (w *writes) longest() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for _, begun := range w.begun {
		longest = max(longest, time.Since(begun))
	}
	return longest
}

// guardDisk ends the node when a write to the log takes too long.
func (s *Store) guardDisk() {
	bound := s.options.DiskTimeout
	if bound < 0 {
		return
	}
	for s.net.ctx.Err() == nil {
		if took := s.logStore.writes.longest(); took > bound {
			s.hung.Store(true)
			err := fmt.Errorf("the disk of %q hangs: a write to the log has not ended within %s: %w", s.options.Dir, bound, ostiary.ErrUnavailable)
			if closed := s.net.port.close(); closed != nil {
				s.logger.Warn("cluster port not closed", "error", closed)
			}
			s.fatal(err)
			return
		}
		s.pause(bound / 8)
	}
}
