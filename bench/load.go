package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// timelineSlots bounds the points of the curve of throughput over time.
const timelineSlots = 200

// tally is what one worker saw in the measured part of a run.
type tally struct {
	parts    [2]partTally
	timeline []int64 // requests that ended in each slot
	errors   map[string]int64
	examples map[string]string // of each error
	items    int64             // questions, tuples or results
	allowed  int64
	checks   int64
	lag      *histogram // open loop: how late the generator itself was
	last     time.Time  // when the last request ended
}

type partTally struct {
	latency *histogram
	failed  int64
}

func newTally() *tally {
	t := &tally{timeline: make([]int64, timelineSlots), errors: map[string]int64{}, examples: map[string]string{}, lag: newHistogram()}
	for i := range t.parts {
		t.parts[i].latency = newHistogram()
	}
	return t
}

func (t *tally) merge(other *tally) {
	for i := range t.parts {
		t.parts[i].latency.merge(other.parts[i].latency)
		t.parts[i].failed += other.parts[i].failed
	}
	for i, n := range other.timeline {
		t.timeline[i] += n
	}
	for code, n := range other.errors {
		t.errors[code] += n
		t.examples[code] = other.examples[code]
	}
	t.items += other.items
	t.allowed += other.allowed
	t.checks += other.checks
	t.lag.merge(other.lag)
	if other.last.After(t.last) {
		t.last = other.last
	}
}

// window is the measured part of a run: what was due in it counts.
type window struct {
	from, until time.Time
	slot        time.Duration
}

// worker sends the requests of one source, one after the other.
type worker struct {
	protocol   Protocol
	connection connection
	next       source
	window     window
	tally      *tally

	current *request
	found   int   // results of the current answer
	fault   error // of reading it
}

// closedLoop sends the next request as soon as the last is answered.
func (w *worker) closedLoop(ctx context.Context) error {
	for {
		r, err := w.next()
		if r == nil || err != nil {
			return err
		}
		start := time.Now()
		if !start.Before(w.window.until) || ctx.Err() != nil {
			return nil
		}
		w.send(ctx, r, start)
	}
}

// openLoop sends a request for every time that it is told, whenever it gets to it. Latency counts from
// that time.
func (w *worker) openLoop(ctx context.Context, due <-chan time.Time) error {
	for at := range due {
		r, err := w.next()
		if r == nil || err != nil {
			return err
		}
		w.send(ctx, r, at)
	}
	return nil
}

// send makes one call and counts it when it was due in the measured part.
func (w *worker) send(ctx context.Context, r *request, due time.Time) {
	w.current, w.found, w.fault = r, 0, nil
	err := w.connection.call(ctx, r, w.read)
	end := time.Now()
	if due.Before(w.window.from) {
		return
	}
	t := w.tally
	t.last = end
	if err == nil && w.fault != nil {
		err = &callError{code: "answer", message: w.fault.Error()}
	}
	if err != nil {
		code := "other"
		var call *callError
		if errors.As(err, &call) {
			code = call.code
		}
		t.errors[code]++
		t.examples[code] = err.Error()
		t.parts[r.part].failed++
		return
	}
	t.parts[r.part].latency.record(end.Sub(due))
	if slot := int(end.Sub(w.window.from) / w.window.slot); slot < len(t.timeline) {
		t.timeline[slot]++
	}
	if r.items > 0 {
		t.items += int64(r.items)
	} else {
		t.items += int64(w.found)
	}
}

// read looks at an answer as far as a run needs it. The bytes are good until it returns.
func (w *worker) read(answer []byte) {
	switch m := w.current.method; m {
	case methodCheck:
		yes, err := w.protocol.allowed(answer)
		w.tally.checks++
		if yes {
			w.tally.allowed++
		}
		w.fault = err
	case methodBatchCheck:
		answered, allowed, err := w.protocol.batchOutcome(answer)
		w.tally.checks += int64(answered)
		w.tally.allowed += int64(allowed)
		w.fault = err
		if err == nil && answered != w.current.items {
			w.fault = fmt.Errorf("a batch of %d has %d answers", w.current.items, answered)
		}
	case methodListObjects, methodListUsers, methodStreamed:
		n, err := w.protocol.results(m, answer)
		w.found += n
		w.fault = errors.Join(w.fault, err)
	}
}

// pacer tells the workers when requests are due: the n-th one n/rate after the start. When no worker is
// free the times wait in the channel and lose nothing by it.
type pacer struct {
	rate  float64
	start time.Time
	until time.Time
	lag   *histogram // how late the pacer itself was, in the measured part
	from  time.Time
}

// maxWaiting bounds the requests that are due and that no worker has taken.
const maxWaiting = 1 << 16

func (p *pacer) run(ctx context.Context, due chan<- time.Time) {
	defer close(due)
	for n := 0; ; n++ {
		at := p.start.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
		if !at.Before(p.until) {
			return
		}
		for wait := time.Until(at); wait > 0; wait = time.Until(at) {
			pause(wait)
		}
		if !at.Before(p.from) {
			p.lag.record(time.Since(at))
		}
		select {
		case due <- at:
		case <-ctx.Done():
			return
		}
	}
}

// drive runs the workers to the end of the window and returns what they saw together.
func drive(ctx context.Context, workers []*worker, rate float64, start time.Time) (*tally, error) {
	total := newTally()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var working, pacing sync.WaitGroup
	var stopped atomic.Pointer[error]
	fail := func(err error) {
		if err != nil {
			stopped.CompareAndSwap(nil, &err)
			cancel()
		}
	}
	due := make(chan time.Time, maxWaiting)
	if rate > 0 {
		p := &pacer{rate: rate, start: start, from: workers[0].window.from, until: workers[0].window.until, lag: total.lag}
		pacing.Go(func() { p.run(ctx, due) })
	}
	for _, w := range workers {
		working.Go(func() {
			if rate > 0 {
				fail(w.openLoop(ctx, due))
			} else {
				fail(w.closedLoop(ctx))
			}
		})
	}
	working.Wait()
	cancel() // workers that have run out of requests leave the pacer alone
	pacing.Wait()
	for _, w := range workers {
		total.merge(w.tally)
	}
	if err := stopped.Load(); err != nil {
		return nil, *err
	}
	return total, nil
}
