package raftstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary"
)

func TestMain(m *testing.M) {
	killChildMain()
	restoreChildMain()
	os.Exit(m.Run())
}

const testStore = "01TEST"

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openMem(t testing.TB) *Store {
	t.Helper()
	return open(t, Options{Dir: "data", FS: vfs.NewMem()})
}

func tupleOf(n int) ostiary.Tuple {
	return ostiary.Tuple{
		Object: ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(n)}, Relation: "viewer",
		Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
	}
}

func create(n int) *ostiary.Mutation {
	return &ostiary.Mutation{
		Principal: ostiary.Principal{Kind: "internal"},
		Tuples: []ostiary.TupleChange{{Op: ostiary.TupleCreate, Store: testStore, Tuple: tupleOf(n),
			Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}},
	}
}

func has(t testing.TB, s *Store, tuple ostiary.Tuple) bool {
	t.Helper()
	found, err := holds(s, tuple)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// holds is has for a node that may fail to answer.
func holds(s *Store, tuple ostiary.Tuple) (bool, error) {
	view, err := s.View(context.Background(), ostiary.Freshness{})
	if err != nil {
		return false, err
	}
	defer view.Close()
	_, found, err := view.Tuple(testStore, tuple)
	return found, err
}

func TestProposeAndRead(t *testing.T) {
	s := openMem(t)
	first, err := s.Propose(t.Context(), create(1))
	if err != nil {
		t.Fatal(err)
	}
	if !has(t, s, tupleOf(1)) {
		t.Error("an acknowledged tuple is not in the next view")
	}
	second, err := s.Propose(t.Context(), create(2))
	if err != nil {
		t.Fatal(err)
	}
	if second.Revision <= first.Revision {
		t.Errorf("revisions %d, %d do not grow", first.Revision, second.Revision)
	}
	if second.TimeNanos < first.TimeNanos || first.TimeNanos == 0 {
		t.Errorf("stamps %d, %d go back", first.TimeNanos, second.TimeNanos)
	}
	view, err := s.View(t.Context(), ostiary.Freshness{AtLeast: second.Revision, Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if view.Revision() < second.Revision {
		t.Errorf("view is at revision %d, asked for %d", view.Revision(), second.Revision)
	}
}

func TestRefusedMutationChangesNothing(t *testing.T) {
	s := openMem(t)
	if _, err := s.Propose(t.Context(), create(1)); err != nil {
		t.Fatal(err)
	}
	m := create(2)
	m.Tuples = append(m.Tuples, create(1).Tuples...)
	_, err := s.Propose(t.Context(), m)
	if !errors.Is(err, ostiary.ErrTupleExists) {
		t.Errorf("got error %v, want ErrTupleExists", err)
	}
	if has(t, s, tupleOf(2)) {
		t.Error("a refused mutation left a tuple behind")
	}
}

func TestStampsNeverGoBack(t *testing.T) {
	clock := time.Unix(2000, 0)
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: fs, Clock: now})
	first, err := s.Propose(t.Context(), create(1))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	clock = time.Unix(1000, 0)
	mu.Unlock()
	second, err := s.Propose(t.Context(), create(2))
	if err != nil {
		t.Fatal(err)
	}
	if second.TimeNanos < first.TimeNanos {
		t.Errorf("stamp went back from %d to %d", first.TimeNanos, second.TimeNanos)
	}
	if s.Now() < first.TimeNanos {
		t.Errorf("request time %d is before the newest stamp %d", s.Now(), first.TimeNanos)
	}
	s.Close()
	s = open(t, Options{Dir: "data", FS: fs, Clock: now})
	third, err := s.Propose(t.Context(), create(3))
	if err != nil {
		t.Fatal(err)
	}
	if third.TimeNanos < first.TimeNanos {
		t.Errorf("after a restart the stamp went back from %d to %d", first.TimeNanos, third.TimeNanos)
	}
}

func TestCancelled(t *testing.T) {
	s := openMem(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Propose(ctx, create(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if has(t, s, tupleOf(1)) {
		t.Error("a mutation whose request was cancelled before it was proposed took effect")
	}
}

func TestReadWaitsForRevision(t *testing.T) {
	s := openMem(t)
	receipt, err := s.Propose(t.Context(), create(1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = s.View(ctx, ostiary.Freshness{AtLeast: receipt.Revision + 100})
	if !errors.Is(err, ostiary.ErrRevisionNotYet) ||
		!strings.Contains(err.Error(), fmt.Sprintf("revision %d was asked for, and this node stands at %d, 100 behind", receipt.Revision+100, receipt.Revision)) {
		t.Errorf("got error %v, want ErrRevisionNotYet that says what was asked for and where the node stands", err)
	}
	// Far past the end of the log there is nothing to wait for, however long the deadline.
	if _, err := s.View(context.WithoutCancel(t.Context()), ostiary.Freshness{AtLeast: 1 << 62}); !errors.Is(err, ostiary.ErrRevisionNotYet) || !strings.Contains(err.Error(), "ends at") {
		t.Errorf("got error %v, want ErrRevisionNotYet that says where the log ends", err)
	}
	done := make(chan error, 1)
	go func() {
		view, err := s.View(t.Context(), ostiary.Freshness{AtLeast: receipt.Revision + 1})
		if err == nil {
			view.Close()
		}
		done <- err
	}()
	if _, err := s.Propose(t.Context(), create(2)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a read that waited for the next revision: %v", err)
	}
}

func TestBounds(t *testing.T) {
	s := open(t, Options{Dir: "data", FS: vfs.NewMem(), MaxMutationBytes: 100})
	m := create(1)
	m.RequestID = strings.Repeat("x", 200)
	if _, err := s.Propose(t.Context(), m); !errors.Is(err, ostiary.ErrTooBroad) || !strings.Contains(err.Error(), "maxMutationBytes") {
		t.Errorf("got error %v, want ErrTooBroad that names maxMutationBytes", err)
	}
}

// fullDisk is a file system whose disk says that it has little room.
type fullDisk struct {
	vfs.FS
	free uint64
}

func (d fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 30}, nil
}

func TestFullDiskRefusesWritesAndServesReads(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: mem})
	if _, err := s.Propose(t.Context(), create(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, Options{Dir: "data", FS: fullDisk{FS: mem, free: 1 << 20}})
	_, err := s.Propose(t.Context(), create(2))
	if !errors.Is(err, ostiary.ErrDiskFull) || !strings.Contains(err.Error(), "reserve") {
		t.Errorf("got error %v, want ErrDiskFull that names the reserve", err)
	}
	if !has(t, s, tupleOf(1)) || has(t, s, tupleOf(2)) {
		t.Error("below the reserve the state must stay readable and unchanged")
	}
}

func TestReopen(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: fs, SnapshotEntries: 16, SnapshotInterval: 5 * time.Millisecond})
	cluster := s.ClusterID()
	for n := range 200 {
		if _, err := s.Propose(t.Context(), create(n)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "no raft snapshot is taken", func() error {
		_, marker, err := s.snapshots().newest()
		if err == nil && marker == 0 {
			err = errors.New("there is none")
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: "data", FS: fs})
	if s.ClusterID() != cluster {
		t.Error("cluster id changed over a restart")
	}
	for n := range 200 {
		if !has(t, s, tupleOf(n)) {
			t.Fatalf("tuple %d is gone after a restart", n)
		}
	}
	if _, err := s.Propose(t.Context(), create(1000)); err != nil {
		t.Errorf("write after a restart: %v", err)
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
}

// TestIdleRestarts: every start adds entries to the log that storage never applies. A raft snapshot may
// truncate the log behind them, past the storage's apply index, and the node must still open.
func TestIdleRestarts(t *testing.T) {
	o := Options{Dir: "data", FS: vfs.NewMem(), SnapshotEntries: 1, SnapshotInterval: 5 * time.Millisecond, TrailingEntries: 4}
	var first uint64 // of the log, at the end of the start before
	for i := range 20 {
		s := open(t, o)
		if i == 0 {
			if _, err := s.Propose(t.Context(), create(1)); err != nil {
				t.Fatal(err)
			}
		}
		// The truncation of this start may be over before Open returns, so compare with the start before.
		until(t, fmt.Sprintf("start %d truncates nothing", i), func() error {
			if i > 10 && s.log.FirstIndex() == first {
				return fmt.Errorf("the log begins at %d", first)
			}
			return nil
		})
		first = s.log.FirstIndex()
		if !has(t, s, tupleOf(1)) {
			t.Fatalf("start %d lost the tuple", i)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// hungDisk lets every sync of the log wait while it hangs.
type hungDisk struct {
	vfs.FS
	hang *atomic.Pointer[chan struct{}]
}

type hungFile struct {
	vfs.File
	hang *atomic.Pointer[chan struct{}]
}

func (d hungDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return hungFile{f, d.hang}, err
}

func (f hungFile) wait() {
	if until := f.hang.Load(); until != nil {
		<-*until
	}
}

func (f hungFile) Sync() error     { f.wait(); return f.File.Sync() }
func (f hungFile) SyncData() error { f.wait(); return f.File.SyncData() }
func (f hungFile) SyncTo(n int64) (bool, error) {
	f.wait()
	return f.File.SyncTo(n)
}

// TestDeadlinesHoldWhileTheDiskHangs: more writers than raft's queue holds, and linearizable readers,
// all return by their deadline although nothing can be committed.
func TestDeadlinesHoldWhileTheDiskHangs(t *testing.T) {
	var hang atomic.Pointer[chan struct{}]
	s := open(t, Options{Dir: "data", FS: hungDisk{vfs.NewMem(), &hang}, MinFreeBytes: -1})
	until := make(chan struct{})
	hang.Store(&until)
	defer func() { hang.Store(nil); close(until) }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var clients sync.WaitGroup
	for n := range maxAppendEntries + 100 {
		clients.Go(func() {
			if _, err := s.Propose(ctx, create(n)); err == nil {
				t.Errorf("write %d was acknowledged by a disk that hangs", n)
			}
		})
	}
	clients.Go(func() {
		view, err := s.View(ctx, ostiary.Freshness{Linearizable: true})
		if err == nil {
			view.Close()
		}
	})
	clients.Wait() // the test's own time-out is the failure
}

// TestOpenEndsWithItsContext: a start that has much to apply again can be interrupted.
func TestOpenEndsWithItsContext(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: fs})
	if _, err := s.Propose(t.Context(), create(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Open(ctx, Options{Dir: "data", FS: fs}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, error %v, want context.Canceled", s, err)
	}
}

// TestFoldersThatDoNotFit: half of a data folder must not answer.
func TestFoldersThatDoNotFit(t *testing.T) {
	fill := func(fs vfs.FS) {
		s := open(t, Options{Dir: "data", FS: fs})
		for n := range 10 {
			if _, err := s.Propose(t.Context(), create(n)); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
	}
	for _, test := range []struct {
		name   string
		damage func(fs vfs.FS) error
	}{
		{"log lost", func(fs vfs.FS) error { return fs.RemoveAll("data/log") }},
		{"storage of another cluster", func(fs vfs.FS) error {
			other := vfs.NewMem()
			fill(other)
			if err := fs.RemoveAll("data/storage"); err != nil {
				return err
			}
			_, err := vfs.Clone(other, fs, "data/storage", "data/storage")
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := vfs.NewMem()
			fill(fs)
			if err := test.damage(fs); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Options{Dir: "data", FS: fs})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, ostiary.ErrCorrupt) {
				t.Errorf("got error %v, want ErrCorrupt", err)
			}
		})
	}
	t.Run("storage lost, log whole", func(t *testing.T) {
		fs := vfs.NewMem()
		fill(fs)
		if err := fs.RemoveAll("data/storage"); err != nil {
			t.Fatal(err)
		}
		s := open(t, Options{Dir: "data", FS: fs})
		for n := range 10 {
			if !has(t, s, tupleOf(n)) {
				t.Errorf("tuple %d was not applied again from the log", n)
			}
		}
	})
}

// TestCloseLeavesNoGoroutines looks at a node that has not failed. One that has failed keeps the
// goroutines of a Pebble that must not go on; its process ends.
func TestCloseLeavesNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := openMem(t)
	for n := range 20 {
		if _, err := s.Propose(t.Context(), create(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

func TestClosedStoreRefuses(t *testing.T) {
	s := openMem(t)
	s.Close()
	if _, err := s.Propose(t.Context(), create(1)); !errors.Is(err, ostiary.ErrUnavailable) {
		t.Errorf("write: got error %v, want ErrUnavailable", err)
	}
	if _, err := s.View(t.Context(), ostiary.Freshness{}); !errors.Is(err, ostiary.ErrUnavailable) {
		t.Errorf("read: got error %v, want ErrUnavailable", err)
	}
}
