package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore"
)

// simulation is one cluster in a bubble, and everything that happens to it.
type simulation struct {
	*plan
	net     *network
	random  *rand.Rand // of the goroutine that breaks things
	nodes   []*node
	lives   sync.WaitGroup // of goroutines that open and close nodes
	history history
	done    []string // what happened, for people
	begin   time.Time
	healed  time.Time

	// Tests of the checker plant faults: wrap, when not nil, changes what a node sees of its disk, and with
	// ignoresFreshness nodes answer every read from what they have.
	wrap             func(vfs.FS) vfs.FS
	ignoresFreshness bool

	mu       sync.Mutex
	failures []string
}

// node is a machine: its disk outlives what runs on it.
type node struct {
	id      int
	learner bool
	// replaced is set when the machine came in the place of one that was removed.
	replaced bool
	fs       *vfs.MemFS
	skew     atomic.Int64 // nanoseconds that its clock is ahead
	life     atomic.Pointer[life]
}

// life is one run of a node, from its start to its end.
type life struct {
	began time.Time
	node  *node
	store atomic.Pointer[raftstore.Store] // nil until it is open
	over  atomic.Bool
	end   context.CancelFunc
	floor ostiary.Revision // what was acknowledged anywhere before this life began
}

func newSimulation(p *plan) *simulation {
	s := &simulation{plan: p, net: newNetwork(p.seed, p.delay), random: rand.New(rand.NewPCG(p.seed, 2)), begin: time.Now()}
	for i := range p.voters + p.learners {
		s.nodes = append(s.nodes, &node{id: i, learner: i >= p.voters, fs: newDisk()})
	}
	return s
}

func newDisk() *vfs.MemFS { return vfs.NewCrashableMem() }

// fail records that something must not be.
func (s *simulation) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Sprintf("at %s: ", time.Since(s.begin))+fmt.Sprintf(format, args...))
}

// note records what happened.
func (s *simulation) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, fmt.Sprintf("%-12s ", time.Since(s.begin))+fmt.Sprintf(format, args...))
}

func (s *simulation) options(n *node, h *host) raftstore.Options {
	o := raftstore.Options{
		Dir: "data", FS: n.fs, MinFreeBytes: -1, CacheBytes: 1 << 20,
		Addr: addressOf(n.id), Network: h, Security: raftstore.Security{PlainText: true}, Learner: n.learner,
		ElectionTimeout: s.electionTimeout,
		SnapshotEntries: s.snapshotEntries, TrailingEntries: s.trailingEntries, SnapshotInterval: s.snapshotInterval,
		HistoryRetention: s.retention, CollectionInterval: 100 * time.Millisecond,
		Clock: func() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) },
	}
	if s.wrap != nil {
		o.FS = s.wrap(n.fs)
	}
	if n.id > 0 || n.replaced {
		for _, other := range s.nodes {
			o.Join = append(o.Join, addressOf(other.id))
		}
	}
	log := slog.DiscardHandler
	if os.Getenv("OSTIARY_TEST_LOG") != "" {
		log = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	o.Logger = slog.New(counting{log}).With("test_node", n.id)
	return o
}

// start begins a life of a node, which opens in the background.
func (s *simulation) start(n *node) {
	ctx, end := context.WithCancel(context.Background())
	l := &life{began: time.Now(), node: n, end: end, floor: s.history.acknowledged()}
	o := s.options(n, s.net.boot(n.id))
	o.OnFatal = func(err error) {
		if !l.over.Load() {
			s.fail("node %d cannot go on: %v", n.id, err)
		}
	}
	n.life.Store(l)
	s.lives.Go(func() {
		store, err := raftstore.Open(ctx, o)
		if err != nil {
			if !l.over.Load() {
				s.fail("node %d does not open: %v", n.id, err)
			}
			return
		}
		l.store.Store(store)
		<-ctx.Done()
		if err := store.Close(); err != nil && !l.over.Load() {
			s.fail("node %d does not close: %v", n.id, err)
		}
	})
}

// crash ends the life of a node without a word. Its disk keeps what was synced, and of the rest about
// the given percentage.
func (s *simulation) crash(n *node, power bool, keepPercent int) {
	l := n.life.Load()
	if l == nil {
		return
	}
	s.net.lose(n.id, power)
	l.over.Store(true)
	n.life.Store(nil)
	n.fs = n.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keepPercent, RNG: s.random})
	l.end()
}

// stop ends the life of a node in order, and waits.
func (s *simulation) stop(n *node) {
	l := n.life.Load()
	if l == nil {
		return
	}
	n.life.Store(nil)
	if store := l.store.Load(); store != nil {
		if err := store.Close(); err != nil {
			s.fail("node %d does not close: %v", n.id, err)
		}
	}
	l.over.Store(true)
	l.end()
	s.net.lose(n.id, false)
}

// leader returns a node that says that it leads, or any.
func (s *simulation) leader() *node {
	for _, n := range s.nodes {
		if store := n.open(); store != nil {
			if status, err := store.Status(); err == nil && status.Role == "leader" {
				return n
			}
		}
	}
	return s.nodes[s.random.IntN(len(s.nodes))]
}

// open returns the running node, or nil.
func (n *node) open() *raftstore.Store {
	if l := n.life.Load(); l != nil {
		return l.store.Load()
	}
	return nil
}

// maxWait bounds, in the bubble's time, how long a healed cluster may take for anything.
const maxWait = 2 * time.Minute

// until waits for something to hold.
func (s *simulation) until(what string, holds func() error) bool {
	deadline := time.Now().Add(maxWait)
	for {
		err := holds()
		if err == nil {
			return true
		}
		if time.Now().After(deadline) {
			s.fail("%s: %v", what, err)
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var (
	errDown     = errors.New("the node is down")
	errNoMember = errors.New("the node is no member")
)

// formed waits until every node is a member and, but for learners, has its vote, and the audit has begun.
func (s *simulation) formed() bool {
	for _, n := range s.nodes {
		ok := s.until(fmt.Sprintf("node %d does not become a member", n.id), func() error {
			return n.member(!n.learner)
		})
		if !ok {
			return false
		}
	}
	return s.until("the audit does not begin", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := s.leader().open().Propose(ctx, audited(&ostiary.Mutation{Principal: ostiary.Principal{Kind: "internal", Name: "audit"}}))
		return err
	})
}

// audited returns a mutation with which the audit begins, if it has not: the leader knows that every member keeps one.
func audited(m *ostiary.Mutation) *ostiary.Mutation {
	m.TimeNanos, m.MinVersion = time.Now().UnixNano(), ostiary.ReleaseAudit
	m.Documents = append(m.Documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: collection, Key: "audited"}, Body: []byte(m.Principal.Name)})
	return m
}

// member returns nil when the node serves and is a member, with a vote if asked for.
func (n *node) member(vote bool) error {
	store := n.open()
	if store == nil {
		return errDown
	}
	status, err := store.Status()
	if err != nil {
		return err
	}
	for _, m := range status.Members {
		switch {
		case m.ID != status.ID:
		case status.Fault != "":
			return errors.New(status.Fault)
		case m.Voter || !vote:
			return nil
		default:
			return errors.New("the node has no vote yet")
		}
	}
	return fmt.Errorf("%w: node %s, members %+v", errNoMember, status.ID, status.Members)
}
