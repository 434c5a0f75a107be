package outbox_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/outbox"
)

// Whatever fails, stops, loses the lead or starts again: each session whose application listens is told, or is a
// dead letter, by one id, and nothing else is told.
func TestRandomFailures(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	clients := []string{"one", "two", "three"}
	for _, client := range clients {
		w.application(client)
	}
	w.member("ann")
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, 2))
	taken, bad := map[string]string{}, 0.5 // the sessions that were taken, by the id; how much fails
	f := &fake{}
	f.judge = func(d outbox.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		if dice.Float64() < bad {
			return []error{
				errors.New("down"), &outbox.Refusal{Reason: "later", After: time.Minute}, &outbox.Refusal{Reason: "no", Permanent: true},
			}[dice.IntN(3)]
		}
		taken[d.Session] = d.ID
		return nil
	}
	want := map[string]bool{}
	w.work(f)
	for range 30 {
		switch random.IntN(6) {
		case 0:
			w.leads.Store(!w.leads.Load())
		case 1:
			w.halt()
			if err := w.raft.Close(); err != nil {
				t.Fatal(err)
			}
			w.open()
			w.work(f)
		case 2:
			w.clock.move(time.Duration(random.Int64N(int64(2 * time.Hour))))
		case 3:
			if _, _, err := outbox.Retry(w.ctx(), w.service, store, outbox.Filter{}, 1+random.IntN(3)); err != nil {
				t.Fatal(err)
			}
		default:
			client := append(clients, "nobody")[random.IntN(4)]
			for _, id := range w.end("ann", client, 1+random.IntN(4)) {
				if client != "nobody" {
					want[id] = true
				}
			}
		}
		time.Sleep(time.Duration(random.Int64N(int64(5 * time.Millisecond))))
	}
	mu.Lock()
	bad = 0
	mu.Unlock()
	w.leads.Store(true)
	w.until("nothing waits", func() bool {
		w.clock.move(10 * time.Minute)
		return w.idle()
	})
	died := map[string]bool{}
	for _, l := range w.letters() {
		died[l.Session] = true
	}
	f.told(t) // by one id each
	mu.Lock()
	defer mu.Unlock()
	for id := range want {
		if taken[id] == "" && !died[id] {
			t.Errorf("session %s was neither told nor given up", id)
		}
	}
	for id := range taken {
		if !want[id] {
			t.Errorf("session %s was told, and nobody listens to it", id)
		}
	}
	if len(w.queues()) != 0 {
		t.Errorf("queues are left: %s", fmt.Sprintf("%+v", w.queues()))
	}
	if len(want) == 0 {
		t.Skip("by chance nobody was logged out")
	}
}
