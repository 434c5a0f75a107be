package outbox

import (
	"strings"

	"github.com/ostiary/ostiary/identity"
)

// pastQueue follows the ids of a queue: they are of digits, letters and dots.
const pastQueue = "~"

// eachQueue calls f for each queue that holds something, with its first delivery, without reading the rest.
func eachQueue(v identity.View, store string, f func(first Letter) error) error {
	after := ""
	if store != "" {
		after = store + "/"
	}
	for {
		docs, err := v.Documents(deliveries, after, 1, false)
		if err != nil || len(docs) == 0 || store != "" && !strings.HasPrefix(docs[0].Key.Key, store+"/") {
			return err
		}
		first, err := decodeLetter(docs[0])
		if err != nil {
			return err
		}
		if err := f(first); err != nil {
			return err
		}
		after = queuePrefix(first.Store, first.Target()) + pastQueue
	}
}

// scan begins to work on the queues that nobody works on.
func (t *term) scan() error {
	return t.read(t.ctx, func(v identity.View) error {
		return eachQueue(v, "", func(first Letter) error {
			if _, pulled := t.kinds[first.Kind].(Pulled); pulled {
				if t.o.Backend.Now()-first.QueuedNanos >= int64(giveUpAfter) {
					t.giveUp(first.Store, first.Target(), "nobody fetched it")
				}
				return nil
			}
			t.wake(first.Store, first.Target())
			return nil
		})
	})
}

// counts is about how much waits, by target and store: what this leader found, has put and has removed. An
// operator's changes show when a queue runs empty.
type counts struct {
	queued  map[string]int // by store and target
	inStore map[string]int
}

// count reads how much waits.
func (t *term) count() error {
	c := counts{queued: map[string]int{}, inStore: map[string]int{}}
	err := t.read(t.ctx, func(v identity.View) error {
		return eachQueue(v, "", func(first Letter) error {
			n, err := countQueue(t.ctx, v, first.Store, first.Target(), nil)
			c.queued[first.Store+"/"+first.Target()] = n
			c.inStore[first.Store] += n
			return err
		})
	})
	if err == nil {
		t.mu.Lock()
		t.counts = c
		t.mu.Unlock()
	}
	return err
}

// add notes that deliveries of a target were put or removed.
func (t *term) add(store, target string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := store + "/" + target
	was := t.counts.queued[key]
	now := max(was+n, 0)
	t.counts.queued[key] = now
	t.counts.inStore[store] = max(t.counts.inStore[store]+now-was, 0)
	if now == 0 {
		delete(t.counts.queued, key)
	}
}

// emptied notes that nothing waits for a target.
func (t *term) emptied(store, target string) {
	t.mu.Lock()
	n := t.counts.queued[store+"/"+target]
	t.mu.Unlock()
	t.add(store, target, -n)
}

// room returns how many deliveries may be put for a target. One of which little waits has a little room always, so
// that others, which take nothing, cannot fill the store to its cost.
func (t *term) room(store, target string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	queued, b := t.counts.queued[store+"/"+target], t.o.Bounds
	return max(0, min(b.PerTarget-queued, b.PerStore-t.counts.inStore[store]), b.PerTarget/leastRoom-queued)
}

// leastRoom: this part of Bounds.PerTarget may wait for each target, however much waits for others.
const leastRoom = 100
