package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// Backend is the replicated store. It is safe for concurrent use.
type Backend = identity.Backend

// Outcomes of attempts at deliveries, for an Observer.
const (
	Taken   = "taken"
	Failed  = "failed"  // to be tried again
	Dead    = "dead"    // given up
	Dropped = "dropped" // there is no such target any more
)

// Outcomes lists the outcomes of attempts.
func Outcomes() []string { return []string{Taken, Failed, Dead, Dropped} }

// Observer is told of deliveries. It is safe for concurrent use.
type Observer interface {
	Delivered(kind, outcome string)
}

// Options configures New. Backend, Identity and Leads are required.
type Options struct {
	Backend  Backend
	Identity *identity.Service
	// Leads says whether this node leads. It is asked many times a second.
	Leads    func() bool
	Kinds    []Kind
	Logger   *slog.Logger // nil discards
	Observer Observer     // nil: nobody
	// After is time.After where it is nil. Random returns a number from 0 to below its argument; nil: a random
	// one.
	After  func(time.Duration) <-chan time.Time
	Random func(int64) int64
	Bounds Bounds
}

// Bounds bounds what waits. What is zero has its default.
type Bounds struct {
	PerTarget int // deliveries that wait for a target; 100,000
	PerStore  int // and in a store, beside a little for each target; 500,000
	Letters   int // dead letters of a store; 500,000
}

func (b Bounds) withDefaults() Bounds {
	fill := func(n *int, otherwise int) {
		if *n == 0 {
			*n = otherwise
		}
	}
	fill(&b.PerTarget, 100_000)
	fill(&b.PerStore, 500_000)
	fill(&b.Letters, 500_000)
	return b
}

const (
	// lookEvery is how often the worker looks for events; less often where a look takes long.
	lookEvery = 25 * time.Millisecond
	// scanEvery is how often it looks for queues that it does not know of: those that an operator refills.
	scanEvery = 250 * time.Millisecond
	// troubleEvery is how long it waits when the store does not take what it proposes.
	troubleEvery = 250 * time.Millisecond
	// atOnce bounds the deliveries under way, and probesAtOnce those under way to targets that were not
	// reached when they were asked last.
	atOnce       = 128
	probesAtOnce = 64
)

// principal is whose changes of the outbox are.
var principal = ostiary.Principal{Kind: "internal", Name: "outbox"}

// Worker makes deliveries of events and sends them, while its node leads. Make one with New.
type Worker struct {
	o     Options
	kinds map[string]Kind
	// places and probes hold one for each delivery under way.
	places, probes chan struct{}
}

// New returns a worker that Run will run.
func New(o Options) *Worker {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Random == nil {
		o.Random = rand.Int64N
	}
	o.Logger = o.Logger.With("component", "outbox")
	o.Bounds = o.Bounds.withDefaults()
	w := &Worker{o: o, kinds: map[string]Kind{}, places: make(chan struct{}, atOnce), probes: make(chan struct{}, probesAtOnce)}
	for _, k := range o.Kinds {
		w.kinds[k.Name()] = k
	}
	return w
}

// Run works until ctx ends.
func (w *Worker) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if w.o.Leads() {
			w.lead(ctx)
		}
		sleep(ctx, lookEvery)
	}
}

// term is the work of one time as leader.
type term struct {
	*Worker
	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	targets map[string]*target // that have a goroutine, by store and target
	counts  counts
	letters map[string]letterCount // by store
	later   map[string]int64       // events that could not be routed, and when to try again; of dispatch alone
}

// lead works until the node leads no more.
func (w *Worker) lead(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	t := &term{Worker: w, ctx: ctx, end: cancel, targets: map[string]*target{}, letters: map[string]letterCount{}, later: map[string]int64{}}
	defer t.work.Wait()
	defer cancel()
	for t.leads() {
		if err := t.count(); err == nil {
			break
		} else {
			t.trouble("count what waits", err)
		}
	}
	var scanned time.Time
	for t.leads() {
		began := time.Now()
		if began.Sub(scanned) >= scanEvery {
			if err := t.scan(); err != nil {
				t.trouble("look for deliveries", err)
				continue
			}
			scanned = began
		}
		more, err := t.dispatch()
		if err != nil {
			t.trouble("make deliveries of events", err)
			continue
		}
		if !more {
			sleep(ctx, max(lookEvery, 10*time.Since(began))) // it passes by what was removed
		}
	}
}

// leads reports whether the node leads still. Once it does not, the term has ended for all of its goroutines, also
// where the node leads again a moment later: what one of them has left the others would take for looked after.
func (t *term) leads() bool {
	if !t.o.Leads() {
		t.end()
	}
	return t.ctx.Err() == nil
}

// trouble waits after an error of the store.
func (t *term) trouble(what string, err error) {
	if t.ctx.Err() != nil {
		return
	}
	level := slog.LevelWarn
	if errors.Is(err, ostiary.ErrNotLeader) || errors.Is(err, ostiary.ErrPrecondition) || errors.Is(err, ostiary.ErrUnavailable) {
		level = slog.LevelDebug // it goes on, here or elsewhere
	}
	t.o.Logger.Log(t.ctx, level, "outbox waits", "while", what, "error", err)
	sleep(t.ctx, troubleEvery)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// propose commits a mutation of documents.
func (t *term) propose(m *ostiary.Mutation) error {
	m.TimeNanos, m.Principal = t.o.Backend.Now(), principal
	_, err := t.o.Backend.Propose(t.ctx, m)
	return err
}

// read runs f over this node's newest view. The leader's has all that it has committed.
func (w *Worker) read(ctx context.Context, f func(v identity.View) error) error {
	v, err := w.o.Backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return err
	}
	defer v.Close()
	return f(v)
}

func (t *term) observe(kind, outcome string) {
	if t.o.Observer != nil {
		t.o.Observer.Delivered(kind, outcome)
	}
}
