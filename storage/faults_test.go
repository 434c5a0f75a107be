package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/ostiary/ostiary"
)

// faultyEntries is a log with tuples, filters, documents and refusals.
func faultyEntries() []Entry {
	rng := rand.New(rand.NewPCG(1, 2))
	var entries []Entry
	for index := uint64(1); index <= 40; index++ {
		m := &ostiary.Mutation{TimeNanos: int64(index)}
		for range 5 {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{
				Op: ostiary.TupleTouch, Store: testStore, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
				Tuple: ostiary.Tuple{
					Object:   ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(rng.IntN(20))},
					Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(rng.IntN(20))},
				},
			})
		}
		m.Documents = []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: "k"}, Body: fmt.Append(nil, index)}}
		if index%7 == 0 {
			m.Filters = []ostiary.FilterDelete{{Filter: ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "3"}}}}
		}
		if index%11 == 0 {
			m.Preconditions = []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: m.Documents[0].Key}}
		}
		entries = append(entries, Entry{Index: index, Term: 1, Mutation: m})
	}
	return entries
}

// runFaulty applies the entries in calls of four, with flushes and syncs between, until an error. It
// returns the highest index known to be durable.
func runFaulty(fs vfs.FS, entries []Entry, onFatal func(error)) (durable uint64, err error) {
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20, OnFatal: onFatal})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for i := 0; i < len(entries); i += 4 {
		if _, err := s.Apply(entries[i : i+4]); err != nil {
			return s.Durable(), err
		}
		switch i % 12 {
		case 4:
			err = s.Sync()
		case 8:
			err = s.guard.Run(s.db.Flush)
		}
		if err != nil {
			return s.Durable(), err
		}
	}
	return s.Durable(), nil
}

// TestWriteErrors fails one write of the disk after another, for good from there on and for once, and
// opens what is left: it is the state at some index, not below what was durable. Under -short it takes
// every seventh write: 7 shares no factor with the rhythm of applying, syncing and flushing.
func TestWriteErrors(t *testing.T) {
	entries := faultyEntries()
	step := int64(1)
	if testing.Short() {
		step = 7
	}
	for _, once := range []bool{false, true} {
		surfaced := 0
		for n := int64(0); ; n += step {
			var writes, injected atomic.Int64
			mem := vfs.NewCrashableMem()
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
					return nil
				}
				if at := writes.Add(1) - 1; at < n || once && at > n {
					return nil
				}
				injected.Add(1)
				return errorfs.ErrInjected
			}))
			var fatal atomic.Int64
			durable, err := runFaulty(fs, entries, func(error) { fatal.Add(1) })
			if injected.Load() == 0 {
				if err != nil {
					t.Fatalf("without a failed write: %v", err)
				}
				break // n is beyond the last write
			}
			if err != nil {
				surfaced++
			}
			if fatal.Load() > 1 {
				t.Errorf("write %d: OnFatal was called %d times", n, fatal.Load())
			}
			for _, kept := range []int{0, 100} {
				image := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(1, 1))})
				if err := checkPrefix(t, image, entries, durable); err != nil {
					t.Errorf("write %d failed (once: %v), %d %% of unsynced bytes kept: %v", n, once, kept, err)
				}
			}
		}
		t.Logf("once: %v: %d failures surfaced", once, surfaced)
		if surfaced < 20/int(step) {
			t.Errorf("once: %v: only %d failures surfaced as errors", once, surfaced)
		}
	}
}

// checkPrefix opens fs and compares its rows with those of the entries up to its apply index.
func checkPrefix(t *testing.T, fs vfs.FS, entries []Entry, durable uint64) error {
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer s.Close()
	index, _ := s.Applied()
	if index < durable {
		return fmt.Errorf("apply index %d, and %d was durable", index, durable)
	}
	want := openTest(t, vfs.NewMem())
	if _, err := want.Apply(entries[:index]); err != nil {
		return err
	}
	if got, want := dump(t, s), dump(t, want); got != want {
		return fmt.Errorf("at index %d the rows are\n%s\nand should be\n%s", index, got, want)
	}
	return viewOf(t, s).Verify(t.Context())
}

// TestFailedStoreRefuses: after a failure nothing answers as if all were well.
func TestFailedStoreRefuses(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errorfs.ErrInjected
		}
		return nil
	}))
	told := make(chan error, 1)
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20, OnFatal: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(faultyEntries()[:1]); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := s.Sync(); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("Sync: %v, want the injected error", err)
	}
	if err := <-told; !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("OnFatal was told %v, want the injected error", err)
	}
	broken.Store(false)
	if _, err := s.Apply(faultyEntries()[1:2]); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("Apply after the failure: %v, want the injected error", err)
	}
	if _, err := s.View(); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("View after the failure: %v, want the injected error", err)
	}
	if err := s.SetClusterID(ostiary.ClusterID{1}); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("SetClusterID after the failure: %v, want the injected error", err)
	}
	if index, _ := s.Applied(); s.Durable() > index {
		t.Errorf("durable %d, applied %d", s.Durable(), index)
	}
	if err := s.Close(); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("Close after the failure: %v, want the injected error", err)
	}
}
