package engine

import (
	"context"
	"fmt"
	"math"

	"github.com/ostiary/ostiary"
)

// The defaults of Options.
const (
	DefaultMaxDepth = 25
	DefaultMaxReads = 1_000_000
	// DefaultMaxSetEntries is a few hundred megabytes of sets at most.
	DefaultMaxSetEntries = 5_000_000
)

// Options configures an Engine. The zero value is ready for use.
type Options struct {
	// MaxDepth bounds how many tuples to usersets or to other objects may lie between the object of a
	// question and the tuple that answers it. References to another relation of the same object are
	// free: the model bounds them. Zero means 25. What lies deeper is not searched; a question that
	// cannot be answered without it fails with ostiary.ErrDepthExceeded.
	MaxDepth int
	// MaxReads bounds the tuples that one question may read. Zero means 1,000,000. Above it the
	// question fails with ostiary.ErrTooBroad. What a Check reads from the user's side has the same
	// bound for itself, above which the object's side goes on alone.
	MaxReads int
	// MaxSetEntries bounds the entries that one list may put into the sets it is worked out from; an
	// entry that is put into two sets counts twice. Zero means 5,000,000. Above it the list fails with
	// ostiary.ErrTooBroad.
	MaxSetEntries int
	// UserSteps is how many tuples Check may read upward from the subject for each userset that it has met
	// on its way from the object. Zero leaves the choice to the engine. A positive number has Check walk
	// from the subject at the first userset, a negative one never. No number changes an answer; but a
	// question that fails with ostiary.ErrDepthExceeded by one may be answered by another.
	UserSteps int
	// MaxConditionCost bounds the cost of one evaluation of a condition, in the units of CEL's cost
	// model. Zero means condition.DefaultMaxCost.
	MaxConditionCost uint64
}

// Engine answers questions. It holds settings only and may be shared.
type Engine struct {
	maxDepth   int
	maxReads   int
	maxEntries int
	maxCost    uint64
	userFrom   int
	userSteps  int
}

// maxUserSteps is more than any question reads, and leaves room to multiply.
const maxUserSteps = 1 << 30

// New returns an engine.
func New(o Options) *Engine {
	e := &Engine{maxDepth: o.MaxDepth, maxReads: o.MaxReads, maxEntries: o.MaxSetEntries, maxCost: o.MaxConditionCost}
	switch e.userFrom = 1; {
	case o.UserSteps == 0:
		e.userFrom, e.userSteps = defaultUserFrom, defaultUserSteps
	default:
		e.userSteps = min(o.UserSteps, maxUserSteps)
	}
	if e.maxDepth == 0 {
		e.maxDepth = DefaultMaxDepth
	}
	e.maxDepth = min(e.maxDepth, math.MaxInt32-1) // depths are kept as 32 bits
	if e.maxReads == 0 {
		e.maxReads = DefaultMaxReads
	}
	if e.maxEntries == 0 {
		e.maxEntries = DefaultMaxSetEntries
	}
	return e
}

// level is how surely something holds. Errors, undefined recursion and branches beyond the depth limit
// are all maybe: "or" takes the greater, "and" the lesser, and "but not" turns the scale of what it
// subtracts, which is Kleene's logic of three values.
type level uint8

const (
	no level = iota
	maybe
	yes
)

func (l level) not() level { return yes - l }

// run is what the evaluation of one question shares: the reader, its bounds, and what went wrong. It
// belongs to one goroutine.
type run struct {
	ctx        context.Context
	reader     Reader
	maxDepth   int
	maxReads   int
	maxEntries int

	reads   int
	entries int // put into sets
	steps   int // entries of sets that were looked at
	// err ends the question at once: a failed read, a cancelled context, a bound. Every loop looks at it.
	err error
	// tooDeep and failed say what may lie behind a maybe. Without either, it is recursion through a
	// subtracted side.
	tooDeep bool
	failed  *ConditionError // the first condition that could not be evaluated

	conditions
	// noticed, where it is set, is told of each tuple with a condition that is judged.
	noticed func(ostiary.Edge, restriction, level)
	// meter, where it is set, measures what the leaves of rewrites cost; meterOnce: the first reading of each alone.
	meter     *meter
	meterOnce bool
}

func (e *Engine) newRun(ctx context.Context, p *Plan, r Reader, request map[string]any) run {
	return run{
		ctx: ctx, reader: r, maxDepth: e.maxDepth, maxReads: e.maxReads, maxEntries: e.maxEntries,
		conditions: conditions{plan: p, request: request, maxCost: e.maxCost},
	}
}

// pollEvery is how many reads, or entries of sets, may pass between two looks at the context: a tenth of
// a millisecond where reads come from disk.
const pollEvery = 64

// count notes one read and reports whether the question may go on.
func (r *run) count() bool { return r.countMany(1) }

// countMany notes reads and reports whether the question may go on.
func (r *run) countMany(n int) bool {
	before := r.reads
	r.reads += n
	switch {
	case r.err != nil:
		return false
	case r.reads > r.maxReads:
		r.err = fmt.Errorf("read more than %d tuples (the bound MaxReads); narrow the question or raise the bound: %w",
			r.maxReads, ostiary.ErrTooBroad)
		return false
	case r.reads/pollEvery != before/pollEvery:
		return r.alive()
	}
	return true
}

// step notes that one entry of a set was looked at and reports whether the question may go on.
func (r *run) step() bool {
	r.steps++
	if r.steps%pollEvery == 0 {
		return r.alive()
	}
	return r.err == nil
}

// grow notes that one entry is put into a set and reports whether the question may go on.
func (r *run) grow() bool { return r.growMany(1) }

func (r *run) growMany(n int) bool {
	r.entries += n
	if r.entries > r.maxEntries && r.err == nil {
		r.err = fmt.Errorf("put more than %d entries into sets (the bound MaxSetEntries); narrow the question or raise the bound: %w",
			r.maxEntries, ostiary.ErrTooBroad)
	}
	return r.step()
}

// alive looks at the context and reports whether the question may go on.
func (r *run) alive() bool {
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	return r.err == nil
}

// has returns the level of an exact tuple.
func (r *run) has(t ostiary.Tuple, allowed restriction) level {
	if !r.count() {
		return no
	}
	e, ok, err := r.reader.Has(r.ctx, t)
	if err != nil {
		r.err = fmt.Errorf("read %s: %w", t, err)
		return no
	}
	if !ok {
		return no
	}
	return r.judge(e, allowed)
}

// doubt returns the error behind an answer that is maybe, or nil when the doubt is nothing but
// recursion through a subtracted side, which denies.
func (r *run) doubt() error {
	switch {
	case r.err != nil:
		return r.err
	case r.failed != nil:
		return r.failed
	case r.tooDeep:
		return fmt.Errorf("more than %d tuples deep (the bound MaxDepth): %w", r.maxDepth, ostiary.ErrDepthExceeded)
	}
	return nil
}
