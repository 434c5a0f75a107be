package outbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

const (
	// eventsAtOnce and deliveriesAtOnce bound a mutation that makes deliveries: it has the deliveries of the event
	// that exceeds them.
	eventsAtOnce     = 256
	deliveriesAtOnce = 1000
	// routeAgain is when an event is looked at again that could not be routed.
	routeAgain = 10 * time.Second
)

// bytesAtOnce bounds what becomes of one event, and beside it such a mutation, and others of deliveries: they are to
// fit what the log takes at once (raftstore.Options.MaxMutationBytes). An event of more is split. Tests lower it.
var bytesAtOnce = 4 << 20

// reasonFull is of deliveries for which there was no room in their queue.
const reasonFull = "too many deliveries wait"

// fan is a mutation that makes deliveries of events.
type fan struct {
	m *ostiary.Mutation
	// puts is how many are put for each target.
	puts map[queue]int
	// died is how many become dead letters at once, by store.
	died  map[string]int
	made  int
	bytes int // about
}

type queue struct{ store, target string }

// dispatch makes deliveries of some events, and reports whether there may be more at once.
func (t *term) dispatch() (more bool, err error) {
	f := &fan{m: &ostiary.Mutation{}, puts: map[queue]int{}, died: map[string]int{}}
	err = t.read(t.ctx, func(v identity.View) error {
		more, err = t.gather(v, f)
		return err
	})
	if err != nil || len(f.m.Documents) == 0 {
		return more, err
	}
	if err := t.propose(f.m); err != nil {
		return false, err
	}
	for q, n := range f.puts {
		t.add(q.store, q.target, n)
		kind, _, _ := strings.Cut(q.target, "/")
		if _, pulled := t.kinds[kind].(Pulled); !pulled {
			t.wake(q.store, q.target)
		}
	}
	for store, n := range f.died {
		t.buried(store, n)
		t.o.Logger.Warn("deliveries are dead letters at once: too many wait", "store", store, "deliveries", n)
	}
	return more, nil
}

// gather reads events and adds what they become.
func (t *term) gather(v identity.View, f *fan) (more bool, err error) {
	after := ""
	for {
		docs, err := v.Documents(identity.Events, after, eventsAtOnce, false)
		if err != nil {
			return false, err
		}
		blocked := ""
		for _, d := range docs {
			if f.made >= deliveriesAtOnce || f.bytes >= bytesAtOnce {
				return true, nil
			}
			after = d.Key.Key
			store, _, _ := strings.Cut(d.Key.Key, "/")
			if store == blocked {
				continue
			}
			fits, err := t.take(v, f, d)
			if err != nil {
				return false, err
			}
			if !fits {
				blocked = store
			}
		}
		if len(docs) < eventsAtOnce {
			return false, nil
		}
		if blocked != "" {
			after = blocked + "/" + pastQueue
		} else if len(f.m.Documents) > 0 {
			return true, nil
		}
	}
}

// take adds what one event becomes, and reports whether its store has room for it.
func (t *term) take(v identity.View, f *fan, d ostiary.Document) (fits bool, err error) {
	now := t.o.Backend.Now()
	if now < t.later[d.Key.Key] {
		return true, nil
	}
	delete(t.later, d.Key.Key)
	wait := func(what string, err error) {
		t.later[d.Key.Key] = now + int64(routeAgain)
		t.o.Logger.Error("event is not told yet", "event", d.Key.Key, "while", what, "error", err)
	}
	e, err := identity.DecodeEvent(d)
	if err != nil {
		wait("read it", err)
		return true, nil
	}
	if len(e.Unread) > 0 {
		if _, err := t.o.Identity.EndUnread(ostiary.WithPrincipal(t.ctx, principal), d); err != nil && t.ctx.Err() == nil {
			wait("read its sessions", err)
		}
		return true, nil
	}
	made, err := t.route(t.ctx, v, e, now)
	if err != nil {
		wait("find who listens", err)
		return true, nil
	}
	bytes := 0
	for _, m := range made {
		bytes += m.bytes()
	}
	if bytes > bytesAtOnce && len(e.Sessions) > 1 {
		if _, err := t.o.Identity.SplitEvent(ostiary.WithPrincipal(t.ctx, principal), d); err != nil && t.ctx.Err() == nil {
			wait("split it", err)
		}
		return true, nil
	}
	puts, died := map[queue]int{}, 0
	changes := make([]ostiary.DocumentChange, 0, len(made)+1)
	for _, m := range made {
		q := queue{m.Store, m.Target()}
		if t.room(q.store, q.target)-f.puts[q]-puts[q] > 0 {
			puts[q]++
			changes = append(changes, m.put())
			continue
		}
		died++
		changes = append(changes, m.die(now, reasonFull))
	}
	if died > 0 {
		room, err := t.letterRoom(v, e.Store)
		if err != nil || room < f.died[e.Store]+died {
			return false, err
		}
		f.died[e.Store] += died
	}
	for q, n := range puts {
		f.puts[q] += n
	}
	f.made += len(made)
	f.bytes += bytes
	f.m.Preconditions = append(f.m.Preconditions, at(d))
	f.m.Documents = append(append(f.m.Documents, changes...), remove(d.Key))
	return true, nil
}

// route returns the deliveries of an event. Their ids follow from the event's and their places.
func (t *term) route(ctx context.Context, v identity.View, e identity.Event, now int64) ([]Delivery, error) {
	var all []Delivery
	for _, k := range t.o.Kinds {
		made, err := k.Route(ctx, v, e)
		if err != nil {
			return nil, fmt.Errorf("deliveries of kind %s: %w", k.Name(), err)
		}
		for _, d := range made {
			if d.To == "" || strings.ContainsAny(d.To, "/\x00") {
				return nil, fmt.Errorf("delivery of kind %s to %q: %w", k.Name(), d.To, ostiary.ErrTupleInvalid)
			}
			d.Store, d.Kind, d.Event, d.TimeNanos, d.QueuedNanos = e.Store, k.Name(), e.ID, e.TimeNanos, now
			if d.Organization == "" {
				d.Organization = e.Organization
			}
			d.ID = fmt.Sprintf("%s.%05d", strings.ToLower(e.ID), len(all))
			all = append(all, d)
		}
	}
	return all, nil
}

// lettersFor is how long a count of dead letters is taken for true.
const lettersFor = 10 * time.Second

// letterRoom returns about how many dead letters a store may have more.
func (t *term) letterRoom(v identity.View, store string) (int, error) {
	t.mu.Lock()
	c, known := t.letters[store]
	t.mu.Unlock()
	if !known || time.Since(c.at) > lettersFor {
		n, err := countIn(v, letters, store)
		if err != nil {
			return 0, err
		}
		c = letterCount{n, time.Now()}
		t.mu.Lock()
		t.letters[store] = c
		t.mu.Unlock()
	}
	return max(0, t.o.Bounds.Letters-c.n), nil
}

type letterCount struct {
	n  int
	at time.Time
}

// buried notes dead letters that were made.
func (t *term) buried(store string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, known := t.letters[store]; known {
		t.letters[store] = letterCount{c.n + n, c.at}
	}
}
