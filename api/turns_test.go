package api

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
)

// TestTurnsAreFair lets two stores wait for one turn, the first with many lists: turns pass from store to
// store, and within a store to who waited longest.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1, 3)
		if err := turns.take(t.Context(), "z", false); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range [][2]string{{"a", "a1"}, {"a", "a2"}, {"a", "a3"}, {"b", "b1"}, {"c", "c1"}, {"b", "b2"}} {
			go func() {
				if err := turns.take(t.Context(), w[0], false); err != nil {
					t.Error(err)
				}
				got = append(got, w[1])
				turns.give()
			}()
			synctest.Wait()
		}
		err := turns.take(t.Context(), "a", false)
		if st, _ := statusOf(err, ""); err == nil || st.Code() != codes.Unavailable {
			t.Errorf("a fourth list of a store that may have three waits: %v", err)
		}
		gone, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- turns.take(gone, "c", false) }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v where the client left", err)
		}
		turns.give()
		synctest.Wait()
		if want := []string{"a1", "b1", "c1", "a2", "b2", "a3"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if turns.free != 1 || turns.waitingSize != 0 || len(turns.waiting) != 0 || len(turns.order) != 0 {
			t.Errorf("in the end: %+v", turns)
		}
	})
}

// TestTurnsOfAllStores fills the queue with stores of one list each.
func TestTurnsOfAllStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1, 1)
		if err := turns.take(t.Context(), "z", false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for i := range storesInQueue {
			go turns.take(ctx, string(rune('a'+i)), false)
		}
		synctest.Wait()
		if err := turns.take(t.Context(), "y", false); err == nil {
			t.Error("one more than all stores may have was let in")
		}
		cancel()
		synctest.Wait()
		turns.give()
		if turns.free != 1 || turns.waitingSize != 0 {
			t.Errorf("in the end: %+v", turns)
		}
	})
}

// TestPace works as the engine does, looking at the context from time to time. A light list needs no
// turn; a heavy one gives its turn to another store after a while and gets it back; one that ends has
// given its turn back.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{turns: newTurns(1, 4)}
		work := func(p *pace, d time.Duration) error {
			for began := time.Now(); time.Since(began) < d; time.Sleep(10 * time.Microsecond) {
				if err := p.Err(); err != nil {
					return err
				}
			}
			return nil
		}
		light := s.paced(t.Context(), "a")
		if err := work(light, heavyAfter-time.Millisecond/2); err != nil || !light.since.IsZero() {
			t.Fatalf("a light list: %v, turn since %v", err, light.since)
		}
		light.end()
		var ends []string
		for name, takes := range map[string]time.Duration{"long": 200 * time.Millisecond, "short": 20 * time.Millisecond} {
			go func() {
				p := s.paced(t.Context(), name)
				defer p.end()
				if err := work(p, takes); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				ends = append(ends, name)
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if want := []string{"short", "long"}; !slices.Equal(ends, want) {
			t.Errorf("ended: %v, want %v", ends, want)
		}
		if s.turns.free != 1 {
			t.Errorf("%d turns are free in the end, want 1", s.turns.free)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancelled := s.paced(ctx, "a")
		cancel()
		if err := cancelled.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v at the first look after the client left", err)
		}
	})
}
