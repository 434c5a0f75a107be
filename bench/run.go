package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
)

// Options configures Run. Target, Workload, Stores and Operation are required.
type Options struct {
	Target    Target
	Workload  *workload.Workload
	Stores    []Store // as Seed returned them
	Operation Operation

	// Concurrency is how many requests are under way at once; in an open loop, at most. Zero means 16,
	// and 256 in an open loop.
	Concurrency int
	// Connections is how many connections carry them over gRPC. Zero means one for every request that is
	// under way, and 16 in an open loop. Over HTTP every request under way has one of its own.
	Connections int
	// Rate is the requests that fall due each second. Zero means a closed loop: each worker sends as soon
	// as it has its answer.
	Rate float64
	// Warmup is how long the load runs before it is measured, Duration how long it is measured.
	Warmup, Duration time.Duration
	// Pool is how many different questions are asked. Zero means 200,000 checks or 1,000 lists.
	Pool int
	// Batch is the checks in a BatchCheck. Zero means 50.
	Batch int
	// Prefill is the tuples that are written before a delete run. Zero means 200,000.
	Prefill int
	// Digest is how many questions are asked before the run to tell whether servers agree. Zero means
	// 2,000 checks or 20 lists, negative none.
	Digest int
	// Named asks one of the workload's named questions instead of drawn ones.
	Named string
	// Linearizable asks for checks at HIGHER_CONSISTENCY.
	Linearizable bool
	// Seed draws the questions. New tuples do not depend on it: they differ from run to run.
	Seed uint64
	// ServerPIDs are the server's processes, where they run on this machine; their children count too.
	ServerPIDs []int
	// MetricsURL is where the server's own histogram of Ostiary's metrics can be read; empty means that
	// it is not looked at.
	MetricsURL string
	// Progress is told what goes on; nil tells nobody.
	Progress func(text string)
}

// The defaults of Options.
const (
	defaultConcurrency     = 16
	defaultOpenConcurrency = 256
	defaultOpenConnections = 16
	defaultPool            = 200_000
	defaultLists           = 1000
	defaultBatch           = 50
	defaultPrefill         = 200_000
	defaultDigest          = 2000
	defaultListDigest      = 20
)

// grace is how long after the measured time an answer is waited for.
const grace = 15 * time.Second

func (o *Options) fill() error {
	set := func(value *int, otherwise int) {
		if *value == 0 {
			*value = otherwise
		}
	}
	lists := o.Operation == OpList || o.Operation == OpStreamed || o.Operation == OpListUsers
	if o.Rate > 0 {
		set(&o.Concurrency, defaultOpenConcurrency)
		set(&o.Connections, min(defaultOpenConnections, o.Concurrency))
	} else {
		set(&o.Concurrency, defaultConcurrency)
		set(&o.Connections, o.Concurrency)
	}
	if o.Target.Protocol == HTTP {
		o.Connections = o.Concurrency
	}
	if lists {
		set(&o.Pool, defaultLists)
		set(&o.Digest, defaultListDigest)
	} else {
		set(&o.Pool, defaultPool)
		set(&o.Digest, defaultDigest)
	}
	set(&o.Batch, defaultBatch)
	set(&o.Prefill, defaultPrefill)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, count := range []struct {
		name  string
		value int
	}{{"concurrency", o.Concurrency}, {"connections", o.Connections}, {"pool", o.Pool}, {"batch", o.Batch}, {"prefill", o.Prefill}} {
		if count.value < 1 {
			fault("%s %d is less than 1", count.name, count.value)
		}
	}
	if o.Rate < 0 || o.Rate > 10_000_000 {
		fault("rate %v is not between 0 and 10,000,000 a second", o.Rate)
	}
	if o.Warmup < 0 || o.Duration <= 0 {
		fault("warm-up %s is negative or duration %s not positive", o.Warmup, o.Duration)
	}
	if len(o.Stores) != o.Workload.Stores {
		fault("%d stores are given for a workload of %d", len(o.Stores), o.Workload.Stores)
	}
	return errors.Join(faults...)
}

// Run puts a load on a server that Seed has prepared and reports what it saw. An error is a fault of the
// run as a whole; requests that fail are counted in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	report := newReport(&o)
	sources, err := o.prepare(ctx, report)
	if err != nil {
		return nil, err
	}
	workers, closeAll, err := o.connect(ctx, sources)
	if err != nil {
		return nil, err
	}
	defer closeAll()

	if o.Rate > 0 { // the pacer sits in a system call most of the time, and that must not cost a core
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1))
	}
	runtime.GC() // what was prepared is not to be cleaned up after in the run
	o.Progress(fmt.Sprintf("measuring %s for %s after %s of warm-up", o.Operation, o.Duration, o.Warmup))
	start := time.Now()
	from := start.Add(o.Warmup)
	until := from.Add(o.Duration)
	for _, w := range workers {
		w.window = window{from: from, until: until, slot: report.slot()}
	}
	ctx, cancel := context.WithDeadlineCause(ctx, until.Add(grace), errors.New("the run is over"))
	defer cancel()
	before := make(chan usage, 1)
	timer := time.AfterFunc(time.Until(from), func() { before <- o.usage(ctx) })
	total, err := drive(ctx, workers, o.Rate, start)
	after := o.usage(ctx)
	if timer.Stop() {
		before <- after // it ended within the warm-up
	}
	if err != nil {
		return nil, err
	}
	return report, report.fill(&o, total, from, <-before, after)
}

// usage is what the server and the machine have done up to a moment.
type usage struct {
	cpu    cpuTimes
	inside buckets
	err    error // of reading inside
}

func (o *Options) usage(ctx context.Context) usage {
	u := usage{cpu: readCPU(o.ServerPIDs)}
	if o.MetricsURL != "" {
		u.inside, u.err = readInside(ctx, o.MetricsURL, o.Operation.method().fullName())
	}
	return u
}

// prepare makes a source of requests for every worker.
func (o *Options) prepare(ctx context.Context, report *Report) ([]source, error) {
	sources := make([]source, o.Concurrency)
	share := func(p pool, err error) ([]source, error) {
		if err == nil && len(p.requests) == 0 {
			err = errors.New("there is nothing to ask")
		}
		if err != nil {
			return nil, err
		}
		for i := range sources {
			sources[i] = p.source(i, len(sources))
		}
		return sources, nil
	}
	switch o.Operation {
	case OpCheck, OpCheckHit, OpCheckMiss, OpBatchCheck, OpMixed:
		questions, err := o.checks(ctx, report)
		if err != nil {
			return nil, err
		}
		if o.Operation == OpBatchCheck {
			return share(o.batchPool(questions))
		}
		if _, err := share(encodePool(questions, o.checkRequest)); err != nil || o.Operation != OpMixed {
			return sources, err
		}
		for i := range sources {
			writes := o.writeSource(o.Workload.Questions(newTupleSeed(i)), 1, partWrite)
			sources[i] = mix(sources[i], writes, rand.New(rand.NewPCG(o.Seed, uint64(i))))
		}
		return sources, nil
	case OpList, OpStreamed, OpListUsers:
		questions, err := o.lists(ctx, report)
		if err != nil {
			return nil, err
		}
		return share(encodePool(questions, o.listRequest))
	case OpWrite, OpWrite100:
		n := 1
		if o.Operation == OpWrite100 {
			n = 100
		}
		for i := range sources {
			sources[i] = o.writeSource(o.Workload.Questions(newTupleSeed(i)), n, partMain)
		}
		return sources, nil
	case OpDelete:
		return sources, o.prefill(ctx, sources)
	}
	return nil, fmt.Errorf("operation %q is unknown", o.Operation)
}

// newTupleSeed returns a seed for one worker's new tuples that no earlier run has used.
func newTupleSeed(worker int) uint64 { return uint64(time.Now().UnixNano())<<12 | uint64(worker&0xfff) }

// prefill writes the tuples that a delete run deletes.
func (o *Options) prefill(ctx context.Context, sources []source) error {
	o.Progress(fmt.Sprintf("writing %d tuples to delete", o.Prefill))
	shares := make([][]placed, len(sources))
	questions := o.Workload.Questions(newTupleSeed(0))
	tuples := make([]placed, o.Prefill)
	for i := range tuples {
		store, e := questions.NewTuple()
		tuples[i] = placed{store, e}
		shares[i%len(shares)] = append(shares[i%len(shares)], tuples[i])
	}
	all := func(yield func(int, ostiary.Edge) bool) {
		for _, t := range tuples {
			if !yield(t.store, t.edge) {
				return
			}
		}
	}
	for i := range sources {
		sources[i] = o.deleteSource(shares[i])
	}
	return writeAll(ctx, o.Target, o.Stores, all, func(int) {})
}

// connect opens the connections and makes a worker for every source. Each connection has answered once
// when it returns.
func (o *Options) connect(ctx context.Context, sources []source) (workers []*worker, closeAll func(), err error) {
	connections := make([]connection, o.Connections)
	closeAll = func() {
		for _, c := range connections {
			if c != nil {
				_ = c.close()
			}
		}
	}
	probe, err := o.checkRequest(o.Workload.Questions(o.Seed).Check())
	if err != nil {
		return nil, nil, err
	}
	for i := range connections {
		if connections[i], err = o.Target.dial(); err == nil {
			err = connections[i].call(ctx, probe, func([]byte) {})
		}
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("ask %s a first question: %w", o.Target.Address, err)
		}
	}
	for i, next := range sources {
		workers = append(workers, &worker{
			protocol: o.Target.Protocol, connection: connections[i%len(connections)], next: next, tally: newTally(),
		})
	}
	return workers, closeAll, nil
}

// checks draws the questions of a run, and sorts them into hits and misses where the run needs it.
func (o *Options) checks(ctx context.Context, report *Report) ([]workload.Question, error) {
	drawn := o.Workload.Questions(o.Seed)
	questions := make([]workload.Question, o.Pool)
	for i := range questions {
		questions[i] = drawn.Check()
	}
	if o.Named != "" {
		named, ok := o.Workload.Named(o.Named)
		if !ok {
			return nil, fmt.Errorf("workload %s has no question called %q", o.Workload.Name, o.Named)
		}
		questions = []workload.Question{named}
	}
	report.Questions.Pool = len(questions)
	sorted := o.Operation == OpCheckHit || o.Operation == OpCheckMiss
	ask := questions
	if !sorted {
		ask = questions[:min(max(o.Digest, 0), len(questions))]
	}
	if len(ask) == 0 {
		return questions, nil
	}
	o.Progress(fmt.Sprintf("asking %d questions once, to know their answers", len(ask)))
	answers, err := o.classify(ctx, ask)
	if err != nil {
		return nil, err
	}
	report.Questions.digestChecks(ask, answers, o.Digest)
	if !sorted {
		return questions, nil
	}
	var wanted []workload.Question
	for i, q := range questions {
		if answers[i] == (o.Operation == OpCheckHit) {
			wanted = append(wanted, q)
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("none of %d questions is one for %s: draw more (pool)", len(questions), o.Operation)
	}
	report.Questions.Pool = len(wanted)
	return wanted, nil
}

// lists draws the questions for lists, and looks at the answers of a few.
func (o *Options) lists(ctx context.Context, report *Report) ([]workload.Question, error) {
	drawn := o.Workload.Questions(o.Seed)
	questions := make([]workload.Question, o.Pool)
	for i := range questions {
		if o.Operation == OpListUsers {
			questions[i] = drawn.ListUsers()
		} else {
			questions[i] = drawn.ListObjects()
		}
	}
	if o.Named != "" {
		named, ok := o.Workload.Named(o.Named)
		if !ok {
			return nil, fmt.Errorf("workload %s has no question called %q", o.Workload.Name, o.Named)
		}
		questions = []workload.Question{named}
	}
	report.Questions.Pool = len(questions)
	ask := questions[:min(max(o.Digest, 0), len(questions))]
	if len(ask) == 0 {
		return questions, nil
	}
	lists, err := o.listOnce(ctx, ask)
	if err != nil {
		return nil, err
	}
	report.Questions.digestLists(ask, lists)
	return questions, nil
}

// How questions are asked before a run: gently, because a peer that is slow cold runs into its own
// deadline, and again when it does.
const (
	classifyBatch    = 25
	classifyAttempts = 5
)

// classify asks every question once, in batches.
func (o *Options) classify(ctx context.Context, questions []workload.Question) ([]bool, error) {
	answers := make([]bool, len(questions))
	err := inParallel(ctx, batchesOf(questions, classifyBatch), func(ctx context.Context, c connection, batch []int) error {
		message, err := batchMessage(o.Stores, pick(questions, batch))
		if err != nil {
			return err
		}
		r, err := o.Target.encode(methodBatchCheck, message, len(batch))
		if err != nil {
			return err
		}
		for attempt := 1; ; attempt++ {
			var some []bool
			var readErr error
			err := c.call(ctx, r, func(data []byte) { some, readErr = o.Target.batch(data, len(batch)) })
			if err = errors.Join(err, readErr); err == nil {
				for i, index := range batch {
					answers[index] = some[i]
				}
				return nil
			}
			if attempt == classifyAttempts || ctx.Err() != nil {
				return fmt.Errorf("ask which questions are allowed, %d times: %w", attempt, err)
			}
		}
	}, o.Target)
	return answers, err
}

// listOnce asks each list once and returns its results as texts.
func (o *Options) listOnce(ctx context.Context, questions []workload.Question) ([][]string, error) {
	lists := make([][]string, len(questions))
	err := withConnection(o.Target, func(c connection) error {
		for i, q := range questions {
			var err error
			if o.Operation == OpListUsers {
				lists[i], err = listUsersOnce(ctx, o.Target, c, o.Stores, q)
			} else {
				lists[i], err = listObjectsOnce(ctx, o.Target, c, o.Stores, q)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return lists, err
}

func listObjectsOnce(ctx context.Context, t Target, c connection, stores []Store, q workload.Question) ([]string, error) {
	message, err := listObjectsMessage(stores, q)
	if err != nil {
		return nil, err
	}
	answer := &openfgav1.ListObjectsResponse{}
	err = t.roundTrip(ctx, c, methodListObjects, message, answer)
	return answer.GetObjects(), err
}

func listUsersOnce(ctx context.Context, t Target, c connection, stores []Store, q workload.Question) ([]string, error) {
	message, err := listUsersMessage(stores, q)
	if err != nil {
		return nil, err
	}
	answer := &openfgav1.ListUsersResponse{}
	if err := t.roundTrip(ctx, c, methodListUsers, message, answer); err != nil {
		return nil, err
	}
	var users []string
	for _, user := range answer.GetUsers() {
		switch {
		case user.GetObject() != nil:
			users = append(users, user.GetObject().GetType()+":"+user.GetObject().GetId())
		case user.GetWildcard() != nil:
			users = append(users, user.GetWildcard().GetType()+":*")
		case user.GetUserset() != nil:
			set := user.GetUserset()
			users = append(users, set.GetType()+":"+set.GetId()+"#"+set.GetRelation())
		}
	}
	return users, nil
}
