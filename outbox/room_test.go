package outbox_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/outbox"
)

// A target that takes nothing does not fill the store to the cost of another one.
func TestFullStoreHasRoomForOthers(t *testing.T) {
	w := newWorld(t)
	w.options = func(o *outbox.Options) { o.Bounds = outbox.Bounds{PerTarget: 100, PerStore: 5, Letters: 20} }
	w.application("down")
	w.application("up")
	w.member("ann")
	f := &fake{}
	f.judge = func(d outbox.Delivery) error {
		if d.To == "down" {
			return errors.New("down")
		}
		return nil
	}
	w.work(f)
	w.end("ann", "down", 8)
	w.until("the store is full", func() bool { return len(w.letters()) == 3 })
	id := w.end("ann", "up", 1)[0]
	w.until("the other one is told", func() bool { return f.told(t)[id] > 0 })
	if n := len(w.letters()); n != 3 {
		t.Errorf("%d dead letters, want 3", n)
	}
}

// Where there is no room for dead letters, what is refused for good waits, and what was taken is done with.
func TestNoRoomForDeadLetters(t *testing.T) {
	w := newWorld(t)
	w.options = func(o *outbox.Options) { o.Bounds = outbox.Bounds{PerTarget: 100, PerStore: 100, Letters: 2} }
	w.application("portal")
	w.member("ann")
	f := &fake{}
	f.judge = func(outbox.Delivery) error { return &outbox.Refusal{Reason: "status 400", Permanent: true} }
	w.work(f)
	w.end("ann", "portal", 6)
	w.until("no more die", func() bool {
		all := w.queues()
		return len(all) == 1 && all[0].Failures > 0 && all[0].Reason == "the store has no room for dead letters"
	})
	if n := len(w.letters()); n > 2 {
		t.Errorf("%d dead letters, and there may be 2", n)
	}
	f.mu.Lock()
	f.judge = nil
	f.mu.Unlock()
	w.until("all that waits is told", func() bool {
		w.clock.move(1 << 40) // a quarter of an hour
		return w.idle()
	})
	if told, dead := len(f.told(t)), len(w.letters()); told != 6 || dead > 2 {
		t.Errorf("%d were told, %d are dead", told, dead)
	}
}
