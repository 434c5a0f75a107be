package raftstore

import (
	"testing"
	"time"
)

// TestProposing: who waits for a place in the queue counts, until it is known what became of the write.
func TestProposing(t *testing.T) {
	s := openMem(t)
	until := func(want int64) {
		t.Helper()
		for began := time.Now(); s.Stats().Proposing != want; time.Sleep(time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("%d proposals wait, want %d", s.Stats().Proposing, want)
			}
		}
	}
	s.turn <- struct{}{} // nobody gets a place
	const writers = 3
	ended := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := s.Propose(t.Context(), create(i))
			ended <- err
		}()
	}
	until(writers)
	<-s.turn
	for range writers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	until(0)
}
