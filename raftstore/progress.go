package raftstore

import (
	"context"
	"sync"
)

// progress lets readers wait until an index is applied.
type progress struct {
	mu      sync.Mutex
	index   uint64
	changed chan struct{} // closed and replaced at every advance that somebody waits for
}

// advance raises the index and wakes who waits.
func (p *progress) advance(index uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if index <= p.index {
		return
	}
	p.index = index
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// wait returns when the index is reached, or with ctx's error and the index that was reached instead.
func (p *progress) wait(ctx context.Context, index uint64) (uint64, error) {
	for {
		p.mu.Lock()
		reached := p.index
		if reached >= index {
			p.mu.Unlock()
			return reached, nil
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return reached, ctx.Err()
		}
	}
}
