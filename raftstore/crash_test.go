package raftstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ostiary/ostiary"
)

// TestPowerLossAfterEveryWrite takes an image of the disk as a power loss would leave it (unsynced data
// kept or lost at random) after every acknowledged write, opens it, and looks for everything that was
// acknowledged by then.
func TestPowerLossAfterEveryWrite(t *testing.T) {
	const writes = 60
	fs := vfs.NewCrashableMem()
	s := open(t, Options{Dir: "data", FS: fs, SnapshotEntries: 16})
	random := rand.New(rand.NewPCG(1, 2))
	for n := range writes {
		if _, err := s.Propose(t.Context(), create(n)); err != nil {
			t.Fatal(err)
		}
		image := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		acknowledgedSurvive(t, image, n+1)
	}
}

func acknowledgedSurvive(t *testing.T, image vfs.FS, writes int) {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: "data", FS: image})
	if err != nil {
		t.Fatalf("open after a power loss behind write %d: %v", writes, err)
	}
	defer s.Close()
	for n := range writes {
		if !has(t, s, tupleOf(n)) {
			t.Fatalf("power loss behind write %d lost tuple %d", writes, n)
		}
	}
}

// TestPowerLossUnderLoad does the same while eight clients write, so that the image is taken in the
// middle of batches. Only what was acknowledged before the image was taken must be there.
func TestPowerLossUnderLoad(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, Options{Dir: "data", FS: fs, SnapshotEntries: 64})
	const clients, each = 8, 40
	var acknowledged [clients]atomic.Int64
	var writers sync.WaitGroup
	for c := range clients {
		writers.Go(func() {
			for i := range each {
				if _, err := s.Propose(t.Context(), create(c*each+i)); err != nil {
					t.Error(err)
					return
				}
				acknowledged[c].Store(int64(i + 1))
			}
		})
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		var known [clients]int64
		for c := range clients {
			known[c] = acknowledged[c].Load()
		}
		image := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		back, err := Open(t.Context(), Options{Dir: "data", FS: image})
		if err != nil {
			t.Fatal(err)
		}
		for c := range clients {
			for i := range known[c] {
				if n := c*each + int(i); !has(t, back, tupleOf(n)) {
					t.Errorf("a power loss lost tuple %d, which was acknowledged", n)
				}
			}
		}
		back.Close()
	}
	writers.Wait()
}

// TestEveryIOError lets the k-th write to the disk, or the k-th read of it, fail, for each k that there is, on
// an empty folder and on one that a node has left. The node either acknowledges a write that survives or stops
// with an error, never says of an acknowledged tuple that it is not there, and a later start finds them all.
func TestEveryIOError(t *testing.T) {
	left := vfs.NewCrashableMem()
	before := writeUntilFailure(t, left, 0)
	if len(before) == 0 {
		t.Fatal("nothing was written")
	}
	step := int32(1)
	if testing.Short() {
		step = 7
	}
	for name, calls := range map[string]errorfs.Predicate{"write": errorfs.Writes, "read": errorfs.Reads} {
		for folder, acknowledged := range map[string][]int{"an empty folder": nil, "one that is there": before} {
			t.Run(name+" of "+folder, func(t *testing.T) {
				t.Parallel()
				k := int32(0)
				for ; failsOnce(t, left, acknowledged, errorfs.And(calls, errorfs.OnIndex(k)), fmt.Sprint(name, " ", k)); k += step {
				}
				if k < 20 {
					t.Errorf("only %d calls were there to fail", k)
				}
			})
		}
	}
}

// failsOnce runs a node on an empty folder, or where it holds acknowledged tuples on one that a node has left,
// and lets one call fail. It reports whether that call came.
func failsOnce(t *testing.T, left *vfs.MemFS, acknowledged []int, when errorfs.Predicate, name string) (came bool) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	if len(acknowledged) > 0 {
		mem = left.CrashClone(vfs.CrashCloneCfg{})
	}
	var fired atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !when.Evaluate(op) {
			return nil
		}
		fired.Store(true)
		return errorfs.ErrInjected
	}))
	acknowledged = append(slices.Clone(acknowledged), writeUntilFailure(t, fs, len(acknowledged))...)
	back, err := Open(t.Context(), Options{Dir: "data", FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		if len(acknowledged) > 0 {
			t.Fatalf("%s: open after an I/O error: %v", name, err)
		}
		return fired.Load() // the node never came up, and the folder is no node's
	}
	defer back.Close()
	for _, n := range acknowledged {
		if !has(t, back, tupleOf(n)) {
			t.Errorf("%s: tuple %d was acknowledged and is gone", name, n)
		}
	}
	return fired.Load()
}

// writeUntilFailure opens a folder that holds the tuples below first, and writes those after it until one
// write fails.
func writeUntilFailure(t *testing.T, fs vfs.FS, first int) (acknowledged []int) {
	t.Helper()
	var failed atomic.Bool
	s, err := Open(t.Context(), Options{Dir: "data", FS: fs, MinFreeBytes: -1, OnFatal: func(error) { failed.Store(true) }})
	if err != nil {
		return nil
	}
	defer s.Close()
	for n := range first {
		if there, err := holds(s, tupleOf(n)); err == nil && !there {
			t.Errorf("tuple %d was acknowledged before, and the node says that it is not there", n)
		}
	}
	for n := first; n < first+20; n++ {
		_, err := s.Propose(t.Context(), create(n))
		if err == nil {
			acknowledged = append(acknowledged, n)
			continue
		}
		if !slices.ContainsFunc([]error{ostiary.ErrUnavailable, ostiary.ErrOutcomeUnknown, ostiary.ErrNotLeader},
			func(sentinel error) bool { return errors.Is(err, sentinel) }) {
			t.Errorf("after an I/O error a write fails with %v", err)
		}
		if !failed.Load() {
			t.Errorf("write %d failed with %v and OnFatal was not called", n, err)
		}
		break
	}
	return acknowledged
}
