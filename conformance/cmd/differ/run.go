package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
)

type runSettings struct {
	seed, first uint64
	cases       int
	questions   int64
	limit       time.Duration
	perCase     int
	workers     int
	unexplained int
	conditions  bool
	verbose     bool
}

// runner runs cases until there were enough questions or differences.
type runner struct {
	runSettings
	servers
	next  atomic.Uint64 // number of the next case
	asked atomic.Int64

	mu      sync.Mutex
	summary *summary // guarded by mu
}

func newRunner(s runSettings, both servers) *runner {
	r := &runner{runSettings: s, servers: both, summary: newSummary(s.seed)}
	r.next.Store(s.first)
	return r
}

func (r *runner) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	start := time.Now()
	stopProgress := r.progress(start)
	errs := make(chan error, r.workers)
	for range r.workers {
		go func() { errs <- r.work(ctx) }()
	}
	var first error
	for range r.workers {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	stopProgress()
	r.summary.Seconds = time.Since(start).Seconds()
	return first
}

func (r *runner) work(ctx context.Context) error {
	for ctx.Err() == nil && r.more() {
		number := r.next.Add(1) - 1
		if r.cases > 0 && number >= r.first+uint64(r.cases) {
			return nil
		}
		if err := r.runCase(ctx, number); err != nil && ctx.Err() == nil {
			return fmt.Errorf("case %d: %w", number, err)
		}
	}
	return nil
}

func (r *runner) more() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary.Unexplained < r.unexplained && (r.cases > 0 || r.asked.Load() < r.questions)
}

// progress prints a line now and then until the function that it returns is called.
func (r *runner) progress(start time.Time) func() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(5 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				r.mu.Lock()
				n := r.asked.Load()
				fmt.Fprintf(os.Stderr, "%7d questions, %5.0f/s, %d cases, %d explained, %d unexplained differences\n",
					n, float64(n)/time.Since(start).Seconds(), r.summary.Cases, r.summary.explained(), r.summary.Unexplained)
				r.mu.Unlock()
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// runCase draws one scene and asks about it.
func (r *runner) runCase(ctx context.Context, number uint64) error {
	s := newScene(r.seed, number, r.conditions)
	c, err := r.newComparison(ctx)
	if err != nil {
		return err
	}
	defer r.count(func(s *summary) { s.Cases++ })
	write := wireModel(s.model)
	if s.IntN(8) == 0 {
		s.spoilModel(write)
	}
	now := state{model: s.model}
	ours, ok := r.compare(ctx, c, number, now, question{request: write})
	if !ok || ours.Code != 0 {
		return nil
	}
	for part := range slices.Chunk(s.tuples, 5) {
		if now, ok = r.write(ctx, c, number, now, question{request: &openfgav1.WriteRequest{Writes: &openfgav1.WriteRequestWrites{TupleKeys: part}}}); !ok {
			return nil
		}
	}
	for i := range r.perCase {
		if ctx.Err() != nil {
			return nil
		}
		q := s.question()
		if q.kind() == "Write" {
			if now, ok = r.write(ctx, c, number, now, q); !ok {
				return nil // what follows would differ for this reason
			}
			continue
		}
		r.compare(ctx, c, number, now, q)
		if i%6 == 0 {
			r.property(ctx, c, number, now, s)
		}
	}
	return nil
}

// write asks for a write, and returns what the store holds after it when both took it or both refused.
func (r *runner) write(ctx context.Context, c comparison, number uint64, now state, q question) (state, bool) {
	ours, ok := r.compare(ctx, c, number, now, q)
	if !ok || ours.Code != 0 {
		return now, ok
	}
	req := q.request.(*openfgav1.WriteRequest)
	same := func(k *openfgav1.TupleKey, object, relation, user string) bool {
		return k.GetObject() == object && k.GetRelation() == relation && k.GetUser() == user
	}
	tuples := slices.Clone(now.tuples)
	for _, d := range req.GetDeletes().GetTupleKeys() {
		tuples = slices.DeleteFunc(tuples, func(k *openfgav1.TupleKey) bool {
			return same(k, d.GetObject(), d.GetRelation(), d.GetUser())
		})
	}
	tuples = unique(append(tuples, req.GetWrites().GetTupleKeys()...))
	return state{model: now.model, tuples: tuples}, true
}

// compare asks a question and notes a difference. It reports whether the answers agree.
func (r *runner) compare(ctx context.Context, c comparison, number uint64, now state, q question) (ours answer, same bool) {
	ours, theirs := c.both(ctx, q)
	if ctx.Err() != nil {
		return ours, false
	}
	r.asked.Add(1)
	r.count(func(s *summary) { s.count(q, ours, theirs) })
	if r.verbose {
		fmt.Fprintf(os.Stderr, "case %d: %s %s\n  ostiary: %v\n  openfga: %v\n", number, q.kind(), jsonText(q.request), ours, theirs)
	}
	if ours.equal(theirs) {
		return ours, true
	}
	d := newDifference(number, now, q, ours, theirs)
	if d.Class = explain(ctx, c, now, q, ours, theirs); d.Class == "" && replayable(q, ours, theirs) {
		d.shrink(ctx, r.servers)
	}
	if ctx.Err() == nil {
		r.note(d)
	}
	return ours, false
}

// replayable reports whether a question can be asked about another store: changes are those of one store
// alone, a model is one question itself, and a server that is gone answers nothing.
func replayable(q question, ours, theirs answer) bool {
	gone := uint32(codes.Unavailable)
	return ours.Code != gone && theirs.Code != gone && q.kind() != "ReadChanges" && q.kind() != "WriteAuthorizationModel"
}

func (r *runner) property(ctx context.Context, c comparison, number uint64, now state, s *scene) {
	asked, q, problem := s.property(ctx, c.ours)
	if ctx.Err() != nil {
		return
	}
	r.count(func(s *summary) { s.PropertyLists++; s.PropertyChecks += asked - 1 })
	if problem != "" {
		d := newDifference(number, now, q, answer{Items: []string{problem}}, answer{})
		d.Kind = "property of " + d.Kind
		r.note(d)
	}
}

func (r *runner) count(change func(*summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r.summary)
}

func (r *runner) note(d *difference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.add(d)
	if d.Class == "" {
		fmt.Fprintln(os.Stderr, d.script(r.seed))
	}
}
