package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
)

// large is a kind of deliveries of which few fit one mutation.
type large struct{ fake }

func (l *large) Route(ctx context.Context, v identity.View, e identity.Event) ([]outbox.Delivery, error) {
	all, err := l.fake.Route(ctx, v, e)
	for i := range all {
		all[i].Payload = bytes.Repeat([]byte("x"), 10<<10)
	}
	return all, err
}

func (l *large) Send(ctx context.Context, d outbox.Delivery) error {
	d.Payload = []byte("of " + d.Session)
	return l.fake.Send(ctx, d)
}

// An event of which more becomes than the log takes at once stops neither the others nor itself, and what waits a
// day is given up and put back in as many steps as it takes.
func TestMoreThanOneMutation(t *testing.T) {
	t.Cleanup(outbox.LowerBytesAtOnce(64 << 10)) // when the worker has ended
	w := newWorldWith(t, raftstore.Options{MaxMutationBytes: 256 << 10})
	w.application("portal")
	w.member("ann")
	w.member("bob")
	down := newFlag(true)
	l := &large{}
	l.judge = func(outbox.Delivery) error {
		if down.Load() {
			return errors.New("down")
		}
		return nil
	}
	w.work(l)
	const n = 30 // 300 KB, which are 400 KB in base64
	are := func(collection string, n int) bool {
		v := w.view()
		defer v.Close()
		found, err := v.CountDocuments(collection)
		return err == nil && found == n
	}
	sessions := append(w.end("ann", "portal", n), w.end("bob", "portal", 1)...)
	w.until("all wait", func() bool { return are("outbox", n+1) })
	w.until("all are dead letters", func() bool {
		w.clock.move(time.Hour)
		return w.idle() && are("outbox-dead", n+1)
	})
	down.Store(false)
	for back := 0; back < n+1; {
		some, _, err := outbox.Retry(w.ctx(), w.service, store, outbox.Filter{}, 1000)
		if err != nil || some == 0 {
			t.Fatalf("%d put back after %d: %v", some, back, err)
		}
		back += some
	}
	w.until("those are told", w.idle)
	told := l.told(t)
	for _, id := range sessions {
		if told[id] == 0 {
			t.Errorf("session %s was told to nobody", id)
		}
	}
	if len(told) != len(sessions) {
		t.Errorf("%d sessions were told, want %d", len(told), len(sessions))
	}
}
