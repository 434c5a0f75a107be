package raftstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// cluster is several nodes in one process, over loopback TCP with certificates.
type cluster struct {
	t         *testing.T
	authority *Authority
	nodes     []*clusterNode
}

type clusterNode struct {
	*Store
	options Options
}

// testElectionTimeout is generous: the race detector and other tests take their share of the machine.
const testElectionTimeout = 500 * time.Millisecond

// patience bounds every wait of these tests.
const patience = 60 * time.Second

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	authority, err := NewAuthority(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, authority: authority}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.stop(i)
		}
	})
	return c
}

// security issues a certificate of an authority to one node.
func security(t *testing.T, authority *Authority) Security {
	t.Helper()
	certificate, key, err := authority.Issue("node", "127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := Security{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), CAFile: filepath.Join(dir, "ca.pem")}
	for name, data := range map[string][]byte{s.CertFile: certificate, s.KeyFile: key, s.CAFile: authority.Certificate()} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// add starts a new node. The first begins the cluster, the others join it.
func (c *cluster) add(change func(*Options)) *clusterNode {
	c.t.Helper()
	o := Options{
		Dir: "data", FS: vfs.NewMem(), Addr: "127.0.0.1:0", Security: security(c.t, c.authority),
		ElectionTimeout: testElectionTimeout, MinFreeBytes: -1, OnFatal: func(err error) { c.t.Error(err) },
	}
	if os.Getenv("OSTIARY_TEST_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("test_node", len(c.nodes))
	}
	if len(c.nodes) > 0 {
		o.Join = []string{c.nodes[0].options.Addr}
	}
	if change != nil {
		change(&o)
	}
	n := &clusterNode{options: o}
	c.nodes = append(c.nodes, n)
	c.start(len(c.nodes) - 1)
	return n
}

func (c *cluster) start(i int) {
	c.t.Helper()
	n := c.nodes[i]
	until(c.t, fmt.Sprintf("open node %d", i), func() (err error) {
		n.Store, err = Open(patient(c.t), n.options)
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) { // by some other process, for a moment
			c.t.Fatalf("open node %d: %v", i, err)
		}
		return err
	})
	s := n.Store
	n.options.Addr = s.net.port.advertise // the same after a restart
}

func (c *cluster) stop(i int) {
	c.t.Helper()
	if c.nodes[i].Store == nil {
		return
	}
	if err := c.nodes[i].Close(); err != nil {
		c.t.Errorf("close node %d: %v", i, err)
	}
	c.nodes[i].Store = nil
}

// until waits for something to become true.
func until(t *testing.T, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// formed waits until every running node is ready and has the vote that it is to have.
func (c *cluster) formed() {
	c.t.Helper()
	for i, n := range c.nodes {
		if n.Store == nil {
			continue
		}
		until(c.t, fmt.Sprintf("node %d does not become a member", i), func() error {
			status, err := n.Status()
			if err != nil {
				return err
			}
			at := slices.IndexFunc(status.Members, func(m Member) bool { return m.ID == status.ID })
			switch {
			case status.Fault != "":
				return errors.New(status.Fault)
			case at < 0 || status.Members[at].Voter == n.options.Learner:
				return fmt.Errorf("members are %+v", status.Members)
			}
			return nil
		})
	}
}

// three returns a formed cluster of three voters.
func three(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t)
	for range 3 {
		c.add(nil)
	}
	c.formed()
	return c
}

// leader returns which running node leads.
func (c *cluster) leader() int {
	c.t.Helper()
	leader := -1
	until(c.t, "nobody leads", func() error {
		for i, n := range c.nodes {
			if n.Store == nil {
				continue
			}
			if status, err := n.Status(); err == nil && status.Role == "leader" {
				leader = i
				return nil
			}
		}
		return errors.New("no leader")
	})
	return leader
}

// write creates a tuple through a node, again while the node says that nothing was written.
func (c *cluster) write(i, n int) ostiary.Receipt {
	c.t.Helper()
	var receipt ostiary.Receipt
	until(c.t, fmt.Sprintf("write %d through node %d", n, i), func() (err error) {
		receipt, err = c.nodes[i].Propose(patient(c.t), create(n))
		if errors.Is(err, ostiary.ErrTupleExists) { // a write before whose outcome was unknown
			view := c.view(i, linearizable)
			receipt.Revision = view.Revision()
			view.Close()
			return nil
		}
		return err
	})
	return receipt
}

// revoke deletes a tuple through a node, as write creates one.
func (c *cluster) revoke(i, n int) {
	c.t.Helper()
	m := create(n)
	m.Tuples[0].Op = ostiary.TupleDelete
	until(c.t, fmt.Sprintf("revocation %d through node %d", n, i), func() error {
		_, err := c.nodes[i].Propose(patient(c.t), m)
		if errors.Is(err, ostiary.ErrTupleMissing) {
			return nil // a revocation before whose outcome was unknown
		}
		return err
	})
}

// view returns a view of node i, again while leadership moves.
func (c *cluster) view(i int, f ostiary.Freshness) *storage.View {
	c.t.Helper()
	var view *storage.View
	until(c.t, fmt.Sprintf("view at %+v of node %d", f, i), func() (err error) {
		view, err = c.nodes[i].View(patient(c.t), f)
		return err
	})
	return view
}

// wandering says whether an error tells of a leadership that moves, as it may on a busy machine.
func wandering(err error) bool {
	return errors.Is(err, ostiary.ErrUnavailable) || errors.Is(err, ostiary.ErrNotLeader) || errors.Is(err, ostiary.ErrOutcomeUnknown)
}

// settled repeats what fails because leadership moves, and returns its error once that is another one, or
// none.
func settled(t *testing.T, f func() error) (err error) {
	t.Helper()
	until(t, "leadership does not settle", func() error {
		if err = f(); wandering(err) {
			return err
		}
		return nil
	})
	return err
}

// holds says whether node i shows a tuple to a read of some freshness.
func (c *cluster) holds(i, n int, f ostiary.Freshness) bool {
	c.t.Helper()
	view := c.view(i, f)
	defer view.Close()
	_, found, err := view.Tuple(testStore, tupleOf(n))
	if err != nil {
		c.t.Fatalf("read %d on node %d: %v", n, i, err)
	}
	return found
}

var linearizable = ostiary.Freshness{Linearizable: true}

// TestClusterWritesAndReads: a write through any node is seen at once by a linearizable read of any
// node, and by a read at its token; a revocation is too.
func TestClusterWritesAndReads(t *testing.T) {
	c := three(t)
	learner := c.add(func(o *Options) { o.Learner = true })
	c.formed()
	if status, err := learner.Status(); err != nil || status.Role != "learner" {
		t.Errorf("status of the learner is %+v, error %v", status, err)
	}
	for n := range 12 {
		writer := n % len(c.nodes)
		receipt := c.write(writer, n)
		for reader := range c.nodes {
			if !c.holds(reader, n, linearizable) {
				t.Errorf("a linearizable read of node %d misses tuple %d, acknowledged by node %d", reader, n, writer)
			}
			if !c.holds(reader, n, ostiary.Freshness{AtLeast: receipt.Revision}) {
				t.Errorf("node %d misses tuple %d at its token", reader, n)
			}
		}
		if !c.holds(writer, n, ostiary.Freshness{}) {
			t.Errorf("node %d does not see its own write %d", writer, n)
		}
	}
	for n := range 12 {
		writer := (n + 1) % len(c.nodes)
		c.revoke(writer, n)
		for reader := range c.nodes {
			if c.holds(reader, n, linearizable) {
				t.Errorf("tuple %d is seen by node %d after its revocation was acknowledged", n, reader)
			}
		}
	}
}

// TestClusterRefusals: what the leader refuses looks the same on a follower.
func TestClusterRefusals(t *testing.T) {
	c := three(t)
	c.write(0, 1)
	for i, n := range c.nodes {
		err := settled(t, func() error { _, err := n.Propose(patient(t), create(1)); return err })
		var tuple *ostiary.TupleError
		if !errors.Is(err, ostiary.ErrTupleExists) || !errors.As(err, &tuple) || tuple.Tuple != tupleOf(1) {
			t.Errorf("node %d: got error %v (tuple error %+v), want ErrTupleExists of the tuple", i, err, tuple)
		}
		m := create(2)
		m.Preconditions = []ostiary.Precondition{{Kind: ostiary.TupleAbsent, Store: testStore, Tuple: tupleOf(1)}}
		var precondition *ostiary.PreconditionError
		err = settled(t, func() error { _, err := n.Propose(patient(t), m); return err })
		if !errors.As(err, &precondition) {
			t.Errorf("node %d: got error %v, want a *PreconditionError", i, err)
		}
	}
}

// TestClusterLosesItsLeader: while clients write through the nodes that stay, the leader stops; nothing
// acknowledged is lost, and the node catches up when it is back.
func TestClusterLosesItsLeader(t *testing.T) {
	c := three(t)
	lost := c.leader()
	var writers sync.WaitGroup
	var mu sync.Mutex
	var acknowledged []int
	stop := make(chan struct{})
	for i, n := range c.nodes {
		if i == lost {
			continue
		}
		store := n.Store
		writers.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				number := i*100_000 + k
				_, err := store.Propose(patient(t), create(number))
				if err == nil {
					mu.Lock()
					acknowledged = append(acknowledged, number)
					mu.Unlock()
				} else if !wandering(err) {
					t.Errorf("write %d: %v", number, err)
				}
			}
		})
	}
	enough := func(more int) {
		t.Helper()
		mu.Lock()
		goal := len(acknowledged) + more
		mu.Unlock()
		until(t, "writes do not go on", func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acknowledged) < goal {
				return fmt.Errorf("%d of %d", len(acknowledged), goal)
			}
			return nil
		})
	}
	enough(50)
	c.stop(lost)
	enough(50)
	if now := c.leader(); now == lost {
		t.Errorf("node %d leads and is stopped", now)
	}
	close(stop)
	writers.Wait()
	c.start(lost)
	c.formed()
	for i := range c.nodes {
		view := c.view(i, linearizable)
		for _, n := range acknowledged {
			if _, found, err := view.Tuple(testStore, tupleOf(n)); err != nil || !found {
				t.Errorf("node %d lost tuple %d, which was acknowledged (error %v)", i, n, err)
			}
		}
		view.Close()
	}
}

// TestClusterInstallsSnapshots: a node that was away while the log was truncated, and one that is new,
// get the state as an image. Views that were open before stay as they were.
func TestClusterInstallsSnapshots(t *testing.T) {
	c := newCluster(t)
	often := func(o *Options) {
		o.SnapshotEntries, o.TrailingEntries, o.SnapshotInterval = 16, 4, 10*time.Millisecond
	}
	for range 3 {
		c.add(often)
	}
	c.formed()
	for n := range 30 {
		c.write(n%3, n)
	}
	away := (c.leader() + 1) % 3
	c.stop(away)
	end := c.nodes[(away+1)%3].log.LastIndex()
	for n := 30; n < 200; n++ {
		c.write((away+1+n%2)%3, n)
	}
	for _, i := range []int{(away + 1) % 3, (away + 2) % 3} {
		// For a while the log waits for the node that is away, and it is truncated only when it grows.
		more := 10_000 * (i + 1)
		until(t, "the log is not truncated", func() error {
			c.write(i, more)
			more++
			return c.nodes[i].begunAfter(end + 1)
		})
	}
	c.start(away)
	fresh := c.add(often)
	c.formed()
	for _, i := range []int{away, 3} {
		for n := range 200 {
			if !c.holds(i, n, linearizable) {
				t.Errorf("node %d misses tuple %d", i, n)
			}
		}
		if folder, err := c.nodes[i].snapshots().folder(); err != nil || folder == firstFolder {
			t.Errorf("node %d's storage lies in %q, error %v; no image was installed", i, folder, err)
		}
	}
	c.write(3, 1000)
	// A restart finds the folder that was put in place, and nothing of the others.
	c.stop(3)
	c.start(3)
	c.formed()
	if !c.holds(3, 1000, linearizable) || !c.holds(3, 1, linearizable) {
		t.Error("after a restart the new node misses tuples")
	}
	names, err := fresh.options.FS.List("data")
	if err != nil || slices.Contains(names, firstFolder) {
		t.Errorf("the data folder holds %q, error %v", names, err)
	}
}

// TestMembers: promote, demote, transfer, remove, and what is refused.
func TestMembers(t *testing.T) {
	c := newCluster(t)
	first := c.add(nil)
	c.formed()
	if err := first.ChangeMembers(patient(t), Change{Kind: ChangeRemove, ID: string(first.id)}); !errors.Is(err, ostiary.ErrPrecondition) || !strings.Contains(err.Error(), "last voter") {
		t.Errorf("remove the last voter: got error %v", err)
	}
	second := c.add(nil)
	c.formed()
	ask := func(kind ChangeKind, id string) error {
		return settled(t, func() error { return second.ChangeMembers(patient(t), Change{Kind: kind, ID: id}) })
	}
	if err := ask(ChangeRemove, "nobody"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("remove an unknown node: got error %v, want ErrNotFound", err)
	}
	taken := Change{Kind: ChangeAdd, ID: "other", Address: second.net.port.advertise}
	if err := settled(t, func() error { return first.ChangeMembers(patient(t), taken) }); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("add a node at a taken address: got error %v, want ErrExists", err)
	}
	if err := ask(ChangeTransfer, string(second.id)); err != nil {
		t.Errorf("transfer: %v", err)
	}
	until(t, "leadership does not move", func() error {
		if status, err := second.Status(); err != nil || status.Role != "leader" {
			return fmt.Errorf("%+v, error %v", status, err)
		}
		return nil
	})
	if err := ask(ChangeDemote, string(first.id)); err != nil {
		t.Fatal(err)
	}
	if err := ask(ChangeDemote, string(second.id)); !errors.Is(err, ostiary.ErrPrecondition) {
		t.Errorf("demote the last voter: got error %v, want ErrPrecondition", err)
	}
	// The learner still passes writes on and sees them.
	c.write(0, 1)
	if !c.holds(0, 1, linearizable) {
		t.Error("a learner misses its own write")
	}
	// A vote that was taken stays taken over a restart.
	c.stop(0)
	c.start(0)
	until(t, "not ready", func() error { return first.Ready() })
	if status, err := first.Status(); err != nil || status.Role != "learner" {
		t.Errorf("status after a restart is %+v, error %v", status, err)
	}
	if err := ask(ChangeRemove, string(first.id)); err != nil {
		t.Fatal(err)
	}
	_, members, err := second.members()
	if err != nil || len(members) != 1 {
		t.Errorf("members are %+v, error %v", members, err)
	}
}

// TestExpect: three new nodes that name each other form one cluster, whichever comes first.
func TestExpect(t *testing.T) {
	c := newCluster(t)
	var addresses []string
	for range 3 { // ports that are free now
		p, err := listen(tcp{}, "127.0.0.1:0", "", Security{PlainText: true}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, p.advertise)
		p.close()
	}
	var starting sync.WaitGroup
	for _, address := range addresses {
		o := Options{
			Dir: "data", FS: vfs.NewMem(), Addr: address, Security: security(t, c.authority), Join: addresses, Expect: 3,
			ElectionTimeout: testElectionTimeout, MinFreeBytes: -1, OnFatal: func(err error) { t.Error(err) },
		}
		n := &clusterNode{options: o}
		c.nodes = append(c.nodes, n)
		starting.Go(func() {
			s, err := Open(patient(t), o)
			if err != nil {
				t.Error(err)
				return
			}
			n.Store = s
		})
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	c.formed()
	c.write(2, 1)
	for i := range c.nodes {
		if !c.holds(i, 1, linearizable) {
			t.Errorf("node %d is not of the cluster", i)
		}
	}
}

// TestForeigners: a certificate of another authority, another cluster's node, and plain text are refused
// and change nothing.
func TestForeigners(t *testing.T) {
	c := newCluster(t)
	first := c.add(nil)
	c.formed()
	address := first.net.port.advertise
	refused := func(name string, o Options, want string) {
		t.Helper()
		o.Dir, o.FS, o.Addr, o.Join, o.MinFreeBytes = "data", vfs.NewMem(), "127.0.0.1:0", []string{address}, -1
		wait := time.Second
		until(t, name, func() error {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			wait *= 2 // on a busy machine the time may be over before a refusal is heard
			s, err := Open(ctx, o)
			if err == nil {
				s.Close()
				t.Fatalf("%s: the node is in", name)
			}
			if !strings.Contains(err.Error(), want) {
				return fmt.Errorf("got error %w, want one that says %q", err, want)
			}
			return nil
		})
	}
	foreign, err := NewAuthority(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	refused("foreign certificate", Options{Security: security(t, foreign)}, "certificate")
	refused("plain text", Options{Security: Security{PlainText: true}}, "hello")
	refused("no certificate", Options{}, "certificate")
	// The server refuses too, whatever the caller believes.
	config, err := security(t, foreign).config(nil)
	if err != nil {
		t.Fatal(err)
	}
	config.base.InsecureSkipVerify = true
	if conn, _, err := dial(t.Context(), tcp{}, config, address, kindCall, first.cluster, ""); err == nil {
		conn.Close()
		t.Error("a caller with a foreign certificate was welcome")
	}
	config.base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	for _, kind := range []byte{kindCall, kindRaft} {
		if conn, _, err := dial(t.Context(), tcp{}, config, address, kind, first.cluster, ""); err == nil {
			conn.Close()
			t.Errorf("a caller without a certificate was welcome, %c", kind)
		}
	}
	own, err := security(t, c.authority).config(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{kindCall, kindRaft} {
		if conn, _, err := dial(t.Context(), tcp{}, own, address, kind, ostiary.ClusterID{1}, ""); !errors.Is(err, errForeign) || !strings.Contains(err.Error(), "of cluster") {
			if err == nil {
				conn.Close()
			}
			t.Errorf("another cluster's id, %c: got error %v", kind, err)
		}
	}
	if _, members, err := first.members(); err != nil || len(members) != 1 {
		t.Errorf("members are %+v, error %v", members, err)
	}
}

// TestNoReadBeforeTheLeaderIsHeard: a node that is back, and hears of no leader, answers nothing.
func TestNoReadBeforeTheLeaderIsHeard(t *testing.T) {
	c := three(t)
	c.write(0, 1)
	for i := range c.nodes {
		c.stop(i)
	}
	c.start(0)
	for _, f := range []ostiary.Freshness{{}, linearizable, {AtLeast: 1}} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		view, err := c.nodes[0].View(ctx, f)
		cancel()
		if err == nil {
			view.Close()
		}
		if !errors.Is(err, ostiary.ErrUnavailable) {
			t.Errorf("read at %+v: got error %v, want ErrUnavailable", f, err)
		}
	}
	var told interface{ Reason() string }
	if err := c.nodes[0].Ready(); !errors.Is(err, ostiary.ErrUnavailable) || !errors.As(err, &told) || !strings.HasPrefix(told.Reason(), "node ") || strings.Contains(told.Reason(), ":") {
		t.Errorf("ready: got error %v, want ErrUnavailable and a reason for anybody", err)
	}
	c.start(1)
	if !c.holds(0, 1, ostiary.Freshness{}) {
		t.Error("the acknowledged tuple is gone")
	}
}

// TestAloneBecomesCluster: the data folder of a cluster of one gets an address and others join it; it
// does not open as if it were alone any more.
func TestAloneBecomesCluster(t *testing.T) {
	fs := vfs.NewMem()
	alone := open(t, Options{Dir: "data", FS: fs, MinFreeBytes: -1})
	if _, err := alone.Propose(t.Context(), create(1)); err != nil {
		t.Fatal(err)
	}
	alone.Close()
	c := newCluster(t)
	c.add(func(o *Options) { o.FS = fs })
	c.add(nil)
	c.formed()
	if !c.holds(1, 1, linearizable) {
		t.Error("the tuple from before is not on the node that joined")
	}
	c.stop(1)
	c.stop(0)
	for i, n := range c.nodes {
		s, err := Open(patient(t), Options{Dir: "data", FS: n.options.FS, MinFreeBytes: -1})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "cluster") {
			t.Errorf("node %d opened alone: error %v", i, err)
		}
	}
}

func TestClusterLeavesNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := three(t)
	c.write(1, 1)
	for i := range c.nodes {
		c.stop(i)
	}
	goleak.VerifyNone(t, before)
}

// begunAfter returns an error while the log holds an entry at or below index.
func (n *clusterNode) begunAfter(index uint64) error {
	if first := n.log.FirstIndex(); first <= index {
		return fmt.Errorf("the log begins at %d", first)
	}
	return nil
}
