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

// TestEveryIOError lets the k-th write to the disk fail, for each k, and demands that the node either
// acknowledges a write that survives or stops with an error, and that a later start finds every
// acknowledged write. Nothing may be acknowledged after the failure.
func TestEveryIOError(t *testing.T) {
	for k := int32(0); k < 120; k += 3 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			failure := errorfs.ErrInjected.If(errorfs.And(errorfs.Writes, errorfs.OnIndex(k)))
			fs := errorfs.Wrap(mem, failure)
			acknowledged := writeUntilFailure(t, fs)
			back, err := Open(t.Context(), Options{Dir: "data", FS: mem.CrashClone(vfs.CrashCloneCfg{})})
			if err != nil && len(acknowledged) == 0 {
				return // the node never came up, and the folder is no node's
			}
			if err != nil {
				t.Fatalf("open after an I/O error: %v", err)
			}
			defer back.Close()
			for _, n := range acknowledged {
				if !has(t, back, tupleOf(n)) {
					t.Errorf("tuple %d was acknowledged and is gone", n)
				}
			}
		})
	}
}

func writeUntilFailure(t *testing.T, fs vfs.FS) (acknowledged []int) {
	t.Helper()
	var failed atomic.Bool
	s, err := Open(t.Context(), Options{Dir: "data", FS: fs, MinFreeBytes: -1, OnFatal: func(error) { failed.Store(true) }})
	if err != nil {
		return nil
	}
	defer s.Close()
	for n := range 20 {
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
