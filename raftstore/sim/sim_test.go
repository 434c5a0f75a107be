package sim

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed to simulate")
	howMany   = flag.Int("seeds", 0, "how many seeds to simulate; 0 means 200, or 20 with the race detector")
)

// TestSchedules simulates many seeds.
func TestSchedules(t *testing.T) {
	seeds := *howMany
	isSet := false
	flag.Visit(func(f *flag.Flag) { isSet = isSet || f.Name == "seed" })
	switch {
	case seeds > 0:
	case isSet:
		seeds = 1
	case raceDetector:
		seeds = 20
	default:
		seeds = 200
	}
	for i := range seeds {
		p := newPlan(*firstSeed + uint64(i))
		if !t.Run(fmt.Sprint("seed=", p.seed), func(t *testing.T) { simulate(t, p) }) {
			break
		}
		if *howMany > 0 && (i+1)%1000 == 0 {
			fmt.Printf("%s: %d seeds\n", time.Now().Format(time.TimeOnly), i+1)
		}
	}
	t.Log(faults.String())
	if *howMany > 0 {
		fmt.Print(faults.String())
	}
}

// maxLife bounds, in the bubble's time, a whole simulation.
const maxLife = time.Hour

// bubble runs f in fake time, and what f leaves behind until it has ended: attempts to connect, say. When a
// transfer of leadership to a node that does not follow is tried again, raft 1.8.0 may leave two goroutines
// behind for ever, even when it is shut down, and it answers nothing of what stands in its queue when it is
// shut down. Those are let go.
func bubble(t *testing.T, f func()) {
	t.Helper()
	raftLeft := false
	defer func() {
		if failure := recover(); failure != nil {
			if err, ok := failure.(error); !ok || !raftLeft || !strings.Contains(err.Error(), "blocked goroutines remain") {
				panic(failure)
			}
		}
	}()
	synctest.Test(t, func(*testing.T) {
		f()
		time.Sleep(maxWait)
		if raftLeft = onlyRaft(); raftLeft {
			faults.note("raft left goroutines behind")
		}
	})
}

// onlyRaft says whether the goroutines that are left in this bubble are those of leadership transfers, and
// those that wait for an answer of raft.
func onlyRaft() bool {
	stacks := make([]byte, 1<<20)
	goroutines := strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
	own := bubbleName.FindString(goroutines[0])
	left := false
	for _, g := range goroutines[1:] {
		switch {
		case bubbleName.FindString(g) != own:
		case strings.Contains(g, "raft.(*Raft).leadershipTransfer("), strings.Contains(g, "raft.(*Raft).leaderLoop.func2("),
			strings.Contains(g, "raft.(*deferError).Error(") && strings.Contains(g, "raftstore.(*Store).settle.func1("):
			left = true
		case strings.Contains(g, "synctest.Run("), strings.Contains(g, "testing.testingSynctestTest("), strings.Contains(g, "synctest.testingSynctestTest("):
		default:
			return false
		}
	}
	return left
}

var bubbleName = regexp.MustCompile(`synctest bubble [0-9]+`)

// maxShown bounds how many operations a failure shows.
const maxShown = 150

// simulate runs a plan and checks it.
func simulate(t *testing.T, p *plan) {
	t.Helper()
	report := func(s *simulation, wrong []string) {
		if len(wrong) > 0 {
			t.Errorf("%s\n\n%s\nwhat happened:\n%s\n\nrepeat with: go test ./raftstore/sim -run TestSchedules -seed %d -count 20",
				strings.Join(wrong, "\n"), p, strings.Join(s.done, "\n"), p.seed)
			operations := s.history.operations
			for _, o := range operations[max(0, len(operations)-maxShown):] {
				t.Log(o)
			}
		}
	}
	var s *simulation
	var took effects
	bubble(t, func() {
		s = newSimulation(p)
		lived := make(chan struct{})
		go func() {
			defer close(lived)
			took = s.live()
		}()
		select {
		case <-lived:
		case <-time.After(maxLife):
			// Something waits for ever. The bubble would go on for ever too.
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			panic(fmt.Sprintf("the simulation does not end\n\n%s\n%s\n\n%s", p, strings.Join(s.done, "\n"), stacks))
		}
	})
	if len(s.failures) > 0 {
		report(s, s.failures)
		return
	}
	report(s, check(s.history.operations, took))
	faults.ran(s)
}

// live goes through the whole life of the cluster and returns what took effect in it.
func (s *simulation) live() effects {
	defer s.finish()
	for _, n := range s.nodes {
		s.start(n)
	}
	if !s.formed() {
		return nil
	}
	s.note("the cluster is formed")
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range s.clients {
		clients.Go(func() { s.client(i, stop) })
	}
	s.run()
	close(stop)
	clients.Wait()
	s.recover()
	if !s.rejoin() || !s.progress() {
		return nil
	}
	return s.effects()
}

// finish ends all nodes.
func (s *simulation) finish() {
	s.net.heal(true)
	for _, n := range s.nodes {
		if l := n.life.Load(); l != nil {
			l.end()
		}
	}
	ended := make(chan struct{})
	go func() {
		s.lives.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(maxWait):
		s.fail("a node does not end")
	}
}

// progress writes and reads through every node, and waits until all have the same state.
func (s *simulation) progress() bool {
	for i, n := range s.nodes {
		ok := s.until(fmt.Sprintf("node %d takes no write", n.id), func() error {
			return s.demand(n, &operation{kind: put, key: i % registers})
		})
		if !ok {
			return false
		}
	}
	for _, n := range s.nodes {
		ok := s.until(fmt.Sprintf("node %d answers no linearizable read", n.id), func() error {
			return s.demand(n, &operation{kind: read, freshness: ostiary.Freshness{Linearizable: true}})
		})
		if !ok {
			return false
		}
	}
	return s.until("the nodes do not come to the same state", s.converge)
}

// demand asks a node of the healed cluster, and sees to it that the node is a member when it fails.
func (s *simulation) demand(n *node, o *operation) error {
	o.client = s.clients
	s.ask(n, o, 5*time.Second)
	if o.err != nil {
		s.readmit(n)
	}
	return o.err
}

// converge returns nil when all nodes stand at the same revision, and has then recorded a read of each with
// its digest.
func (s *simulation) converge() error {
	var reads []*operation
	for _, n := range s.nodes {
		o := &operation{kind: read, hashed: true}
		if err := s.demand(n, o); err != nil {
			return fmt.Errorf("node %d: %w", n.id, err)
		}
		reads = append(reads, o)
	}
	for _, o := range reads {
		if o.revision != reads[0].revision {
			return fmt.Errorf("node %d stands at %d and node %d at %d", reads[0].node, reads[0].revision, o.node, o.revision)
		}
	}
	return nil
}

// effects asks the healed cluster what took effect, lets storage check itself, and compares the chains of the audit.
func (s *simulation) effects() effects {
	took := effects{}
	heads := map[ostiary.Revision]audit.Head{}
	for _, n := range s.nodes {
		view, err := n.open().View(context.Background(), ostiary.Freshness{})
		if err != nil {
			s.fail("node %d: %v", n.id, err)
			return nil
		}
		defer view.Close()
		if err := view.Verify(context.Background()); err != nil {
			s.fail("node %d: %v", n.id, err)
		}
		head, found, err := view.AuditHead()
		if err != nil {
			s.fail("node %d: %v", n.id, err)
		}
		if !found { // every node has taken a write
			s.fail("node %d: the audit is empty at revision %d", n.id, view.Revision())
		}
		if other, seen := heads[view.Revision()]; seen && other != head {
			s.fail("node %d: the audit ends with %s at revision %d, and that of another node with %s", n.id, head, view.Revision(), other)
		}
		heads[view.Revision()] = head
		if n.id > 0 {
			continue
		}
		for _, o := range s.history.operations {
			if o.kind == read {
				continue
			}
			mark, found, err := view.Tuple(store, markOf(o.id))
			if err != nil {
				s.fail("node %d: %v", n.id, err)
			}
			if found {
				took[o.id] = mark.Created
			}
		}
	}
	return took
}

// faults counts, over all simulations, what happened.
var faults = tally{actions: map[action]int{}, results: map[string]int{}, messages: map[string]int{}}

type tally struct {
	mu          sync.Mutex
	actions     map[action]int
	results     map[string]int
	messages    map[string]int
	simulations int
}

func (f *tally) count(a action) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.actions[a]++
}

func (f *tally) note(message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages[message]++
}

func (f *tally) ran(s *simulation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.simulations++
	for _, o := range s.history.operations {
		kind := "write"
		switch {
		case o.kind == read && o.freshness.Linearizable:
			kind = "linearizable read"
		case o.kind == read && o.freshness.AtLeast > 0:
			kind = "read at a token"
		case o.kind == read:
			kind = "local read"
		}
		f.results[kind+" "+string(o.result)]++
	}
}

func (f *tally) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d simulations\n", f.simulations)
	for _, a := range slices.Sorted(maps.Keys(f.actions)) {
		fmt.Fprintf(&b, "%8d %s\n", f.actions[a], a)
	}
	for _, r := range slices.Sorted(maps.Keys(f.results)) {
		fmt.Fprintf(&b, "%8d %s\n", f.results[r], r)
	}
	for _, m := range slices.Sorted(maps.Keys(f.messages)) {
		fmt.Fprintf(&b, "%8d %s\n", f.messages[m], m)
	}
	return b.String()
}

// counting is a log that counts its messages, over all simulations: it tells what the faults led to.
type counting struct{ slog.Handler }

func (c counting) Enabled(context.Context, slog.Level) bool { return true }

func (c counting) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		faults.note("log: " + r.Message)
	}
	if c.Handler.Enabled(ctx, r.Level) {
		return c.Handler.Handle(ctx, r)
	}
	return nil
}

func (c counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return counting{c.Handler.WithAttrs(attrs)}
}

func (c counting) WithGroup(name string) slog.Handler { return counting{c.Handler.WithGroup(name)} }
