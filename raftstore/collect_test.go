package raftstore

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// TestRetention: a revision can be read until the retention has passed and what it ended is collected,
// and what is within the retention can be read for longer.
func TestRetention(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	s := open(t, Options{
		Dir: "data", FS: vfs.NewMem(), HistoryRetention: time.Hour, CollectionInterval: time.Hour, // called by hand
		Clock: func() time.Time { return time.Unix(0, now.Load()) },
	})
	propose := func(op ostiary.TupleOp) ostiary.Revision {
		t.Helper()
		m := create(1)
		m.Tuples[0].Op = op
		receipt, err := s.Propose(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		now.Add(int64(40 * time.Minute))
		return receipt.Revision
	}
	first := propose(ostiary.TupleCreate)
	second := propose(ostiary.TupleDelete)
	third := propose(ostiary.TupleCreate)

	hasAt := func(r ostiary.Revision) (bool, error) {
		t.Helper()
		v, err := s.View(t.Context(), ostiary.Freshness{At: r})
		if err != nil {
			return false, err
		}
		defer v.Close()
		if v.Revision() != r {
			t.Errorf("view at revision %d says that it is at %d", r, v.Revision())
		}
		_, found, err := v.Tuple(testStore, tupleOf(1))
		return found, err
	}
	for r, want := range map[ostiary.Revision]bool{first: true, second: false, third: true} {
		if got, err := hasAt(r); err != nil || got != want {
			t.Errorf("before the collection, tuple at revision %d: %v, %v, want %v", r, got, err, want)
		}
	}
	if err := s.collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := hasAt(first); !errors.Is(err, ostiary.ErrRevisionGone) {
		t.Errorf("tuple at revision %d, two hours old: %v, want ErrRevisionGone", first, err)
	}
	for r, want := range map[ostiary.Revision]bool{second: false, third: true} {
		if got, err := hasAt(r); err != nil || got != want {
			t.Errorf("after the collection, tuple at revision %d: %v, %v, want %v", r, got, err, want)
		}
	}
	before, _ := s.storage.Applied()
	if err := s.collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, _ := s.storage.Applied(); after != before {
		t.Errorf("a collection without anything to collect moved the apply index from %d to %d", before, after)
	}
}

// TestCollectorRuns: the collector works by itself.
func TestCollectorRuns(t *testing.T) {
	s := open(t, Options{Dir: "data", FS: vfs.NewMem(), HistoryRetention: time.Nanosecond, CollectionInterval: time.Millisecond})
	first, err := s.Propose(t.Context(), create(1))
	if err != nil {
		t.Fatal(err)
	}
	m := create(1)
	m.Tuples[0].Op = ostiary.TupleDelete
	if _, err := s.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	until(t, "nothing is collected", func() error {
		v, err := s.View(t.Context(), ostiary.Freshness{At: first.Revision})
		if errors.Is(err, ostiary.ErrRevisionGone) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
		return fmt.Errorf("revision %d can be read", first.Revision)
	})
}
