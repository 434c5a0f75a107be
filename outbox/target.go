package outbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

const (
	// pageSize is how many deliveries are sent before they are removed, in one mutation.
	pageSize = 64
	// windowSize bounds the deliveries to one target that are under way at once.
	windowSize = 4
	// givenUpAtOnce is how many of those that waited too long become dead letters in one mutation.
	givenUpAtOnce = 500
)

// target is the goroutine of one target, and what it knows.
type target struct {
	*term
	queue
	again bool // there may be deliveries that were put since the last look; guarded by term.mu

	woken chan struct{} // holds one where again was set

	after  string // the last delivery that was tried: the next one follows it
	window int    // how many may be under way
	state  state
	// tried are deliveries that failed alone, while others were taken: each waits by itself.
	tried map[string]trial
}

// trial is what is remembered of a delivery that failed.
type trial struct {
	failures  int
	nextNanos int64
}

const (
	// maxTried bounds what a target remembers of deliveries.
	maxTried = 1000
	// longestTrial is how long a delivery waits at most that fails while others are taken: that it failed may have
	// been the target's fault.
	longestTrial = time.Minute
)

// wake sees to it that somebody works on a queue.
func (t *term) wake(store, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := store + "/" + name
	if g := t.targets[key]; g != nil {
		g.again = true
		select {
		case g.woken <- struct{}{}:
		default:
		}
		return
	}
	if t.ctx.Err() != nil {
		return
	}
	g := &target{term: t, queue: queue{store, name}, window: 1, woken: make(chan struct{}, 1), tried: map[string]trial{}}
	t.targets[key] = g
	t.work.Go(g.run)
}

// retire ends the goroutine of a target whose queue was found empty, unless something was put since.
func (g *target) retire() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.again {
		return false
	}
	delete(g.targets, g.store+"/"+g.target)
	return true
}

// look returns the deliveries that come next, and begins again at the first one. Where all that there are wait by
// themselves, it returns none and for how long.
func (g *target) look(limit int) (page []Letter, wait time.Duration, err error) {
	g.mu.Lock()
	g.again = false
	g.mu.Unlock()
	now := g.o.Backend.Now()
	next := int64(0)
	err = g.read(g.ctx, func(v identity.View) error {
		from := g.after
		for after, begun := from, false; ; {
			read, err := readQueue(v, g.store, g.target, after, pageSize)
			if err != nil {
				return err
			}
			for _, d := range read {
				if begun && from != "" && d.ID > from {
					return nil
				}
				if t, tried := g.tried[d.ID]; tried && g.state.Failures == 0 && t.nextNanos > now {
					if next == 0 || t.nextNanos < next {
						next = t.nextNanos
					}
					continue
				}
				if page = append(page, d); len(page) == limit {
					return nil
				}
			}
			switch {
			case len(read) == pageSize:
				after = read[len(read)-1].ID
			case begun || from == "" || len(page) > 0:
				return nil
			default:
				begun, after = true, ""
			}
		}
	})
	if len(page) == 0 && next > now {
		wait = time.Duration(next - now)
	}
	return page, wait, err
}

// run tells a target what waits for it, until nothing does.
func (g *target) run() {
	for g.leads() {
		err := g.load()
		if err == nil {
			break
		}
		g.trouble("read the state of a target", err)
	}
	for g.leads() {
		limit := pageSize
		if g.state.Failures > 0 {
			limit = 1
			if !g.waitTurn() {
				return
			}
		}
		page, wait, err := g.look(limit)
		switch {
		case err != nil:
			g.trouble("read deliveries", err)
		case len(page) > 0:
			g.tell(page)
		case wait > 0:
			select {
			case <-g.ctx.Done():
			case <-g.woken:
			case <-g.o.After(wait):
			}
		case g.state.Failures > 0:
			g.emptied(g.store, g.target)
			g.forgive()
		default:
			g.emptied(g.store, g.target)
			if g.retire() {
				return
			}
		}
	}
}

// load reads how the target has failed.
func (g *target) load() error {
	return g.read(g.ctx, func(v identity.View) error {
		d, there, err := v.Document(stateKey(g.store, g.target))
		if err != nil || !there {
			return err
		}
		return decode(d, &g.state, &g.state.Form)
	})
}

// waitTurn waits until a target that fails may be asked again, and reports whether it still should.
func (g *target) waitTurn() bool {
	for g.leads() {
		left := g.state.NextNanos - g.o.Backend.Now()
		if left <= 0 {
			return true
		}
		select {
		case <-g.ctx.Done():
			return false
		case <-g.o.After(time.Duration(left)):
		}
	}
	return false
}

// forgive forgets that the target has failed: nothing waits for it any more.
func (g *target) forgive() {
	if err := g.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{remove(stateKey(g.store, g.target))}}); err != nil {
		g.trouble("forget that a target failed", err)
		return
	}
	g.state = state{}
}

// result is what became of a delivery.
type result struct {
	of  Letter
	err error
}

// tell sends deliveries until one fails, and notes what became of them.
func (g *target) tell(page []Letter) {
	results := g.send(page)
	if g.ctx.Err() != nil {
		return // they are told again by who leads next
	}
	for i, r := range results {
		if i == 0 || r.of.ID > g.after {
			g.after = r.of.ID
		}
	}
	for g.leads() {
		err := g.settle(results)
		if err == nil {
			if g.state.Failures > 0 {
				g.giveUp(g.store, g.target, g.state.Reason)
			}
			return
		}
		if errors.Is(err, ostiary.ErrPrecondition) {
			return // somebody dropped one of them; the others are told again
		}
		g.trouble("note what became of deliveries", err)
	}
}

// send sends deliveries, as many at once as the window says, and returns what became of those that were begun.
// It begins no more once one has failed that is to be tried again.
func (g *target) send(page []Letter) []result {
	var mu sync.Mutex
	var results []result
	failed := false
	for len(page) > 0 {
		some := page[:min(g.window, len(page))]
		page = page[len(some):]
		var sending sync.WaitGroup
		for _, d := range some {
			sending.Go(func() {
				err := g.sendOne(d.Delivery)
				mu.Lock()
				defer mu.Unlock()
				results = append(results, result{d, err})
				failed = failed || err != nil && !errors.Is(err, ErrNoTarget) && !failure(err).Permanent
			})
		}
		sending.Wait()
		if failed || g.ctx.Err() != nil {
			g.window = 1
			break
		}
		g.window = min(2*g.window, windowSize)
	}
	return results
}

// sendOne sends a delivery once there is a place for it.
func (g *target) sendOne(d Delivery) error {
	places := g.places
	if g.state.Failures > 0 {
		places = g.probes
	}
	select {
	case <-g.ctx.Done():
		return g.ctx.Err()
	case places <- struct{}{}:
	}
	defer func() { <-places }()
	k := g.kinds[d.Kind]
	if k == nil {
		return &Refusal{Reason: "this release knows no such kind of delivery", Permanent: true}
	}
	return k.Send(g.ctx, d)
}

// settle removes the deliveries that are done with, and notes whether the target fails.
func (g *target) settle(results []result) error {
	now := g.o.Backend.Now()
	m := &ostiary.Mutation{}
	var outcomes []result
	var failing *Refusal
	var dying []result
	for _, r := range results {
		key := r.of.key()
		if r.err == nil || errors.Is(r.err, ErrNoTarget) {
			m.Documents = append(m.Documents, remove(key))
			outcomes = append(outcomes, r)
			continue
		}
		f := failure(r.err)
		if !f.Permanent {
			failing = f
			if now-r.of.QueuedNanos < int64(giveUpAfter) {
				g.try(r.of.ID, now)
				continue
			}
		}
		dying = append(dying, result{r.of, f})
	}
	if len(dying) > 0 {
		room := 0
		err := g.read(g.ctx, func(v identity.View) (err error) {
			room, err = g.letterRoom(v, g.store)
			return err
		})
		if err != nil {
			return err
		}
		if room < len(dying) {
			dying, failing = nil, &Refusal{Reason: "the store has no room for dead letters"}
		}
	}
	for _, r := range dying {
		m.Preconditions = append(m.Preconditions, at(r.of.document))
		m.Documents = append(m.Documents, remove(r.of.key()), r.of.die(now, r.err.Error()))
		outcomes = append(outcomes, r)
	}
	return g.fail(m, outcomes, failing)
}

// try notes that a delivery failed.
func (g *target) try(id string, now int64) {
	t, known := g.tried[id]
	if !known && len(g.tried) == maxTried {
		clear(g.tried)
	}
	t.nextNanos = now + int64(min(pause(t.failures, 0, g.o.Random), longestTrial))
	t.failures++
	g.tried[id] = t
}

// fail commits the outcomes with the state of the target: it fails, or does not.
func (g *target) fail(m *ostiary.Mutation, outcomes []result, failing *Refusal) error {
	next := state{}
	switch now := g.o.Backend.Now(); {
	case failing == nil && g.state.Failures > 0:
		m.Documents = append(m.Documents, remove(stateKey(g.store, g.target)))
	case failing != nil:
		next = g.state
		next.Form, next.Reason = bodyForm, failing.Reason
		if next.Failures == 0 {
			next.SinceNanos = now
		}
		next.NextNanos = now + int64(pause(next.Failures, failing.After, g.o.Random))
		next.Failures++
		m.Documents = append(m.Documents, put(stateKey(g.store, g.target), next))
	}
	return g.commit(m, outcomes, next)
}

func (g *target) commit(m *ostiary.Mutation, outcomes []result, next state) error {
	if len(m.Documents) > 0 {
		if err := g.propose(m); err != nil {
			return err
		}
	}
	g.state = next
	died := 0
	for _, r := range outcomes {
		delete(g.tried, r.of.ID)
		switch {
		case r.err == nil:
			g.observe(r.of.Kind, Taken)
		case errors.Is(r.err, ErrNoTarget):
			g.observe(r.of.Kind, Dropped)
		default:
			died++
			g.observe(r.of.Kind, Dead)
			g.o.Logger.Warn("delivery is a dead letter", "store", g.store, "target", g.target, "delivery", r.of.ID, "reason", r.err)
		}
	}
	g.add(g.store, g.target, -len(outcomes))
	g.buried(g.store, died)
	if next.Failures > 0 {
		kind, _, _ := strings.Cut(g.target, "/")
		g.observe(kind, Failed)
	}
	if next.Failures == 1 {
		g.o.Logger.Warn("target does not take deliveries", "store", g.store, "target", g.target, "reason", next.Reason)
	}
	return nil
}

// giveUp makes dead letters of what has waited too long for a target.
func (t *term) giveUp(store, target, reason string) {
	for t.leads() {
		now := t.o.Backend.Now()
		var old []Letter
		room := 0
		err := t.read(t.ctx, func(v identity.View) error {
			page, err := readQueue(v, store, target, "", givenUpAtOnce)
			bytes := 0
			for _, d := range page {
				if now-d.QueuedNanos < int64(giveUpAfter) {
					continue
				}
				if bytes += d.bytes(); bytes > bytesAtOnce && len(old) > 0 {
					break
				}
				old = append(old, d)
			}
			if err == nil && len(old) > 0 {
				room, err = t.letterRoom(v, store)
			}
			return err
		})
		if err == nil && (len(old) == 0 || room < len(old)) {
			return
		}
		m := &ostiary.Mutation{}
		for _, d := range old {
			m.Preconditions = append(m.Preconditions, at(d.document))
			m.Documents = append(m.Documents, remove(d.key()), d.die(now, reason))
		}
		if err == nil {
			err = t.propose(m)
		}
		if err != nil {
			t.trouble("give up deliveries", err)
			continue
		}
		for _, d := range old {
			t.observe(d.Kind, Dead)
		}
		t.add(store, target, -len(old))
		t.buried(store, len(old))
		t.o.Logger.Warn("deliveries waited too long and are dead letters", "store", store, "target", target, "deliveries", len(old))
	}
}

// readQueue returns the deliveries of a target after one.
func readQueue(v identity.View, store, target, after string, limit int) ([]Letter, error) {
	prefix := queuePrefix(store, target)
	return readLetters(v, deliveries, prefix, after, limit)
}

// countQueue counts the deliveries of a target that keep accepts, or all.
func countQueue(ctx context.Context, v identity.View, store, target string, keep func(Letter) bool) (n int, err error) {
	for after := ""; ; {
		page, err := readQueue(v, store, target, after, givenUpAtOnce)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return n, err
		}
		for _, d := range page {
			if keep == nil || keep(d) {
				n++
			}
		}
		if len(page) < givenUpAtOnce {
			return n, nil
		}
		after = page[len(page)-1].ID
	}
}
