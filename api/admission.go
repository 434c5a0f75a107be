package api

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// A list may cost a thousand times what a check does, and nobody knows before it is worked out. So every
// list begins at once, and is heavy from when it has taken heavyAfter: then it goes on only in one of
// Limits.MaxHeavyLists turns, of which there are fewer than cores, so that checks find one. A turn is for
// heavyTurn; then it passes to the store that has waited longest, so that no store waits for all the
// lists of another. Checks never wait for a turn.
const (
	// heavyAfter is many times what a list of 1,000 objects takes with what it reads in memory.
	heavyAfter = 2 * time.Millisecond
	// heavyTurn is long enough to be worth the change.
	heavyTurn = 10 * time.Millisecond
	// pollsPerLook is how many looks of the engine at its context pass between two looks at the clock.
	pollsPerLook = 8
)

// turns hands out the turns of heavy lists. Safe for concurrent use.
type turns struct {
	maxWaiting  int // of one store
	maxAll      int // of all stores
	mu          sync.Mutex
	free        int                  // guarded by mu; zero while somebody waits
	waiting     map[string][]*waiter // guarded by mu; by store, none empty
	order       []string             // guarded by mu; the stores that wait, the next first
	waitingSize int                  // guarded by mu
}

type waiter struct {
	ready   chan struct{}
	granted bool // guarded by turns.mu
}

func newTurns(free, maxWaiting int) *turns {
	return &turns{free: free, maxWaiting: maxWaiting, maxAll: storesInQueue * maxWaiting, waiting: map[string][]*waiter{}}
}

// storesInQueue is how many stores may fill their places in the queue at once.
const storesInQueue = 8

// take waits for a turn. Where too many wait already the list is refused, unless it had a turn before.
func (t *turns) take(ctx context.Context, store string, again bool) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	queue := t.waiting[store]
	if !again && (len(queue) >= t.maxWaiting || t.waitingSize >= t.maxAll) {
		ofStore, all := len(queue), t.waitingSize
		t.mu.Unlock()
		return refuse(codes.Unavailable, "too many lists that take long: %d of this store and %d in all wait for their turn "+
			"(the bound MaxWaitingLists is %d and %d): retry later, or ask for less at once", ofStore, all, t.maxWaiting, t.maxAll)
	}
	w := &waiter{ready: make(chan struct{})}
	if len(queue) == 0 {
		t.order = append(t.order, store)
	}
	t.waiting[store] = append(queue, w)
	t.waitingSize++
	t.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.granted {
		t.pass()
	} else {
		t.leave(store, w)
	}
	return ctx.Err()
}

// give ends a turn.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// pass hands a turn to the next store, or keeps it. t.mu is held.
func (t *turns) pass() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	store := t.order[0]
	t.order = t.order[1:]
	w := t.waiting[store][0]
	t.waitingSize--
	if rest := t.waiting[store][1:]; len(rest) > 0 {
		t.waiting[store] = rest
		t.order = append(t.order, store)
	} else {
		delete(t.waiting, store)
	}
	w.granted = true
	close(w.ready)
}

// leave takes a waiter out of its queue. t.mu is held.
func (t *turns) leave(store string, w *waiter) {
	queue := t.waiting[store]
	i := slices.Index(queue, w)
	t.waiting[store] = slices.Delete(queue, i, i+1)
	t.waitingSize--
	if len(queue) == 1 {
		delete(t.waiting, store)
		t.order = slices.DeleteFunc(t.order, func(s string) bool { return s == store })
	}
}

func (t *turns) contended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waitingSize > 0
}

// pace is the context of one list: the engine looks at Err as it works, and there the list waits where it
// has become heavy. One goroutine uses it.
type pace struct {
	context.Context
	turns *turns
	store string
	begun time.Time
	polls int
	since time.Time // of the turn; zero without one
	err   error
}

// paced returns ctx for a list of a store. The caller ends it.
func (s *Server) paced(ctx context.Context, store string) *pace {
	return &pace{Context: ctx, turns: s.turns, store: store, begun: time.Now()}
}

func (p *pace) Err() error {
	if err := p.Context.Err(); err != nil {
		return err
	}
	if p.polls++; p.err == nil && p.polls%pollsPerLook == 0 {
		p.err = p.look()
	}
	return p.err
}

// look lets others go first: whoever waits for a core and, from a list that is heavy, who waits for a turn.
func (p *pace) look() error {
	runtime.Gosched()
	now := time.Now()
	switch {
	case p.since.IsZero() && now.Sub(p.begun) < heavyAfter:
		return nil
	case p.since.IsZero():
		if err := p.turns.take(p.Context, p.store, false); err != nil {
			return err
		}
	case now.Sub(p.since) < heavyTurn || !p.turns.contended():
		return nil
	default:
		p.turns.give()
		p.since = time.Time{}
		if err := p.turns.take(p.Context, p.store, true); err != nil {
			return err
		}
	}
	p.since = time.Now()
	return nil
}

// end gives the turn back.
func (p *pace) end() {
	if !p.since.IsZero() {
		p.turns.give()
		p.since = time.Time{}
	}
}
