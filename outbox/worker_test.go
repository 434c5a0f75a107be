package outbox_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/outbox"
)

// What is committed before the server stops is told by the next one, and what was told by nobody noted is told
// again by the same id.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.application("portal")
	w.member("ann")
	ids := w.end("ann", "portal", 5) // nobody works
	restart := func() {
		t.Helper()
		w.halt()
		if err := w.raft.Close(); err != nil {
			t.Fatal(err)
		}
		w.open()
	}
	restart()
	f := &fake{judge: func(outbox.Delivery) error { return errors.New("down") }}
	w.work(f)
	w.until("the target fails", func() bool { all := w.queues(); return len(all) == 1 && all[0].Failures > 0 })
	if n := w.queues()[0].Waiting; n != 5 {
		t.Errorf("%d wait, want 5", n)
	}
	restart()
	f.judge = nil
	w.clock.move(time.Hour)
	w.work(f)
	w.until("all are told", w.idle)
	if told := keys(f.told(t)); !slices.Equal(told, ids) {
		t.Errorf("told %q, want %q", told, ids)
	}
	if len(w.queues()) != 0 || len(w.letters()) != 0 {
		t.Errorf("left: %+v, %+v", w.queues(), w.letters())
	}
}

// A node that does not lead tells nobody, and begins when it does.
func TestOnlyTheLeaderTells(t *testing.T) {
	w := newWorld(t)
	w.application("portal")
	w.member("ann")
	w.leads.Store(false)
	f := &fake{}
	w.work(f)
	w.end("ann", "portal", 3)
	time.Sleep(100 * time.Millisecond) // it would have been told by now, or the test shows less than it could
	if n := len(f.told(t)); n != 0 {
		t.Fatalf("%d were told by a node that does not lead", n)
	}
	w.leads.Store(true)
	w.until("all are told", w.idle)
	if n := len(f.told(t)); n != 3 {
		t.Errorf("%d were told, want 3", n)
	}
}

// An application that is down for an hour, or hangs, delays no other, and costs one attempt at a time.
func TestOutageDelaysNobodyElse(t *testing.T) {
	w := newWorld(t)
	for _, client := range []string{"down", "hangs", "up"} {
		w.application(client)
	}
	w.member("ann")
	hang := make(chan struct{})
	down := newFlag(true)
	f := &fake{}
	f.judge = func(d outbox.Delivery) error {
		switch {
		case d.To == "hangs":
			<-hang
		case d.To == "down" && down.Load():
			return errors.New("down")
		}
		return nil
	}
	w.work(f)
	w.end("ann", "down", 100)
	w.end("ann", "hangs", 20)
	attempts := 0
	for range 12 { // an hour, by five minutes
		ids := w.end("ann", "up", 5)
		w.until("those of who is up are told", func() bool {
			told := f.told(t)
			return !slices.ContainsFunc(ids, func(id string) bool { return told[id] == 0 })
		})
		w.clock.move(5 * time.Minute)
		w.until("who is down is asked again", func() bool {
			for _, q := range w.queues() {
				if q.Target == "fake/down" && q.Failures > attempts {
					attempts = q.Failures
					return true
				}
			}
			// Pauses grow: it may not be its time yet.
			return attempts > 7
		})
	}
	tries := 0
	for _, d := range f.all() {
		if d.To == "down" {
			tries++
		}
	}
	if tries > 20 {
		t.Errorf("%d attempts in an hour at a target that is down, with 100 that wait", tries)
	}
	down.Store(false)
	close(hang)
	w.clock.move(2 * time.Hour)
	w.until("all are told", w.idle)
	if n := len(f.told(t)); n != 100+20+60 {
		t.Errorf("%d were told, want 180: %+v", n, w.letters())
	}
}

// A delivery that fails while others are taken does not keep them.
func TestPoisonedDelivery(t *testing.T) {
	w := newWorld(t)
	w.application("portal")
	w.member("ann")
	poison := ""
	f := &fake{}
	f.judge = func(d outbox.Delivery) error {
		if d.Session == poison {
			return errors.New("it fails over this one")
		}
		return nil
	}
	ids := w.end("ann", "portal", 70)
	poison = ids[0]
	w.work(f)
	w.until("the others are told", func() bool {
		w.clock.move(time.Second)
		return len(f.told(t)) == 70 && len(w.queues()) == 1 && w.queues()[0].Waiting == 1
	})
	// After a day it is given up.
	w.until("it is a dead letter", func() bool {
		w.clock.move(time.Hour)
		return w.idle() && len(w.letters()) == 1
	})
	if l := w.letters()[0]; l.Session != poison || l.Reason != "it fails over this one" {
		t.Errorf("dead letter %+v", l)
	}
	if n := f.told(t)[poison]; n < 3 || n > 200 {
		t.Errorf("it was tried %d times in a day", n)
	}
}

// After a day of outage everything that waited is a dead letter, and an operator puts it back or drops it.
func TestGivenUpAfterADay(t *testing.T) {
	w := newWorld(t)
	w.application("portal")
	w.member("ann")
	down := newFlag(true)
	f := &fake{}
	f.judge = func(outbox.Delivery) error {
		if down.Load() {
			return errors.New("down")
		}
		return nil
	}
	w.work(f)
	w.end("ann", "portal", 90)
	w.until("all wait", func() bool { all := w.queues(); return len(all) == 1 && all[0].Waiting == 90 })
	w.until("all are dead letters", func() bool {
		w.clock.move(time.Hour)
		return w.idle() && len(w.letters()) == 90
	})
	if n, _, err := outbox.Drop(w.ctx(), w.service, store, outbox.Filter{Target: "fake/portal"}, 40); err != nil || n != 40 {
		t.Fatalf("%d dropped: %v", n, err)
	}
	if n, _, err := outbox.Retry(w.ctx(), w.service, store, outbox.Filter{Target: "fake/other"}, 300); err != nil || n != 0 {
		t.Fatalf("%d of another target put back: %v", n, err)
	}
	down.Store(false)
	if n, _, err := outbox.Retry(w.ctx(), w.service, store, outbox.Filter{}, 1000); err != nil || n != 50 {
		t.Fatalf("%d put back: %v", n, err)
	}
	w.until("those are told", w.idle)
	if n := len(w.letters()); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}

// What exceeds the bounds of a queue is a dead letter at once; without room for those, events wait.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	w.options = func(o *outbox.Options) { o.Bounds = outbox.Bounds{PerTarget: 10, PerStore: 15, Letters: 20} }
	for _, client := range []string{"one", "two"} {
		w.application(client)
	}
	w.member("ann")
	down := newFlag(true)
	f := &fake{}
	f.judge = func(outbox.Delivery) error {
		if down.Load() {
			return errors.New("down")
		}
		return nil
	}
	w.work(f)
	waiting := func(want string) func() bool {
		return func() bool {
			got := ""
			for _, q := range w.queues() {
				got += fmt.Sprintf("%s %d, ", q.Target, q.Waiting)
			}
			got += fmt.Sprintf("dead %d", len(w.letters()))
			return got == want
		}
	}
	w.end("ann", "one", 14)
	w.until("the queue is full", waiting("fake/one 10, dead 4"))
	w.end("ann", "two", 8)
	w.until("the store is full", waiting("fake/one 10, fake/two 5, dead 7"))
	w.end("ann", "one", 13)
	w.until("there is room for no more dead letters", waiting("fake/one 10, fake/two 5, dead 20"))
	w.end("ann", "two", 1)
	view := w.view()
	n, err := outbox.TotalsOf(t.Context(), view, store, 100)
	view.Close()
	if err != nil || n.Events != 1 || n.Deliveries != 15 || n.Letters != 20 || n.OldestNanos == 0 {
		t.Errorf("totals %+v: %v", n, err)
	}
	down.Store(false)
	w.clock.move(2 * time.Hour)
	w.until("all that waits is told, also the event", w.idle)
	if n, _, err := outbox.Retry(w.ctx(), w.service, store, outbox.Filter{}, 100); err != nil || n != 20 {
		t.Errorf("%d put back: %v", n, err)
	}
	w.until("all are told", w.idle)
	if n := len(f.told(t)); n != 36 {
		t.Errorf("%d were told, want 36", n)
	}
}

// A node that loses the lead and gets it back at once works on, on all that waits.
func TestLeadLostForAMoment(t *testing.T) {
	w := newWorld(t)
	w.application("portal")
	w.member("ann")
	var up atomic.Bool
	f := &fake{judge: func(outbox.Delivery) error {
		if up.Load() {
			return nil
		}
		return errors.New("down")
	}}
	w.work(f)
	w.end("ann", "portal", 3)
	w.until("the target has failed", func() bool { q := w.queues(); return len(q) == 1 && q[0].Failures > 0 })
	for range 100 { // one of them meets the target's goroutine, and not the worker's
		w.leads.Store(false)
		w.clock.move(5 * time.Minute)
		time.Sleep(2 * time.Millisecond)
		w.leads.Store(true)
		time.Sleep(2 * time.Millisecond)
	}
	up.Store(true)
	w.until("nothing waits", func() bool {
		w.clock.move(time.Minute)
		return w.idle()
	})
}
