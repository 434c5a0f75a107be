package api

import "sync"

// places bounds how much of something there is at once: in all, and of each caller or address. Safe for concurrent use.
type places[K comparable] struct {
	all, each int // negative: no bound

	mu                      sync.Mutex
	open                    int
	of                      map[K]int // as many entries as are open at most
	refusedAll, refusedEach uint64
}

func newPlaces[K comparable](all, each int) *places[K] {
	return &places[K]{all: all, each: each, of: map[K]int{}}
}

// taking is what became of the taking of a place.
type taking uint8

const (
	taken     taking = iota // the caller gives it back
	takenAll                // refused: there are as many as may be
	takenEach               // refused: this one has as many as one may have
)

func (p *places[K]) take(k K) taking {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.each >= 0 && p.of[k] >= p.each:
		p.refusedEach++
		return takenEach
	case p.all >= 0 && p.open >= p.all:
		p.refusedAll++
		return takenAll
	}
	p.open++
	p.of[k]++
	return taken
}

func (p *places[K]) give(k K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if p.of[k]--; p.of[k] == 0 {
		delete(p.of, k)
	}
}

// counts returns how many places are taken, and how often one was refused for each of the bounds.
func (p *places[K]) counts() (open, refusedAll, refusedEach uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return uint64(p.open), p.refusedAll, p.refusedEach
}
