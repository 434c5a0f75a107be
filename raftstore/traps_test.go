package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/wal"
)

// TestReadIndexIsSeenByTheStateMachine: a new leader begins its term with entries that the state machine
// never sees; a read that waited for the bare commit index would hang.
func TestReadIndexIsSeenByTheStateMachine(t *testing.T) {
	c := three(t)
	c.write(0, 1)
	for range 3 {
		old := c.leader()
		err := settled(t, func() error { return c.nodes[old].ChangeMembers(patient(t), Change{Kind: ChangeTransfer}) })
		if err != nil {
			t.Fatal(err)
		}
		until(t, "leadership does not move", func() error {
			if c.leader() == old {
				return errors.New("it stays")
			}
			return nil
		})
		for i := range c.nodes {
			if !c.holds(i, 1, linearizable) {
				t.Errorf("node %d misses the tuple", i)
			}
		}
	}
	var leader *clusterNode
	var index uint64
	err := settled(t, func() (err error) {
		leader = c.nodes[c.leader()]
		index, err = leader.leaderIndex(patient(t))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := leader.logs().kind(index); err != nil || kind != raft.LogCommand && kind != raft.LogConfiguration {
		t.Errorf("the read index %d is of an entry of kind %v, error %v", index, kind, err)
	}
	if commit := leader.raft.CommitIndex(); commit <= index {
		t.Errorf("the commit index %d is not past the read index %d; the test tests nothing", commit, index)
	}
}

// TestSnapshotOverUncommittedEntries: a leader without followers takes entries that are never committed,
// more than the others commit meanwhile. When it is back it gets a snapshot below the end of its log, and
// must go on from there, not get it again and again.
func TestSnapshotOverUncommittedEntries(t *testing.T) {
	c := newCluster(t)
	const leads = 4 * testElectionTimeout // for so long the leader takes entries, however busy the machine is
	for range 3 {
		c.add(func(o *Options) {
			o.SnapshotEntries, o.TrailingEntries, o.SnapshotInterval = 16, 4, 10*time.Millisecond
			o.ElectionTimeout, o.watchInterval = leads, 10*time.Millisecond
		})
	}
	c.formed()
	for n := range 20 {
		c.write(n%3, n)
	}
	cut := c.leader()
	others := []int{(cut + 1) % 3, (cut + 2) % 3}
	var stopping sync.WaitGroup
	for _, i := range others {
		stopping.Go(func() { c.stop(i) })
	}
	stopping.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), leads)
	var lost sync.WaitGroup
	for n := range 400 {
		lost.Go(func() {
			if _, err := c.nodes[cut].Propose(ctx, create(10_000+n)); err == nil {
				t.Errorf("write %d was acknowledged without a quorum", n)
			}
		})
	}
	lost.Wait()
	cancel()
	end := c.nodes[cut].log.LastIndex()
	c.stop(cut)
	for _, i := range others {
		c.start(i)
	}
	for n := 20; n < 120; n++ {
		c.write(others[n%2], n)
	}
	for _, i := range others {
		tries := 0
		until(t, "the log is not truncated", func() error {
			if tries++; tries%20 == 0 { // it is truncated when it grows
				c.write(i, 100_000*(i+1)+tries)
			}
			index, _, err := c.nodes[i].snapshots().newest()
			if err == nil && c.nodes[i].log.FirstIndex() < 60 {
				err = fmt.Errorf("node %d's snapshot is at %d and its log begins at %d", i, index, c.nodes[i].log.FirstIndex())
			}
			return err
		})
	}
	if last := c.nodes[others[0]].log.LastIndex(); last >= end {
		t.Fatalf("the others' log ends at %d, past the %d of the node that was cut off; the test tests nothing", last, end)
	}
	c.start(cut)
	c.formed()
	c.write(cut, 5000)
	// Images alone would keep its state new, again and again: it must follow the log. A few writes do not
	// reach the end of what it had.
	follows := false
	for n := 0; n < 8 && !follows; n++ {
		c.write(cut, 6000+n)
		for wait := 0; wait < 1200 && !follows; wait++ {
			ours := c.nodes[cut].log.LastIndex()
			follows = ours > 0 && ours >= c.nodes[c.leader()].log.LastIndex()
			time.Sleep(5 * time.Millisecond)
		}
	}
	if !follows {
		t.Errorf("the node's log ends at %d and the leader's at %d", c.nodes[cut].log.LastIndex(), c.nodes[c.leader()].log.LastIndex())
	}
	for n := range 120 {
		if !c.holds(cut, n, linearizable) {
			t.Errorf("tuple %d is missing", n)
		}
	}
	if folder, err := c.nodes[cut].snapshots().folder(); err != nil || folder == firstFolder {
		t.Errorf("storage lies in %q, error %v; no snapshot was installed and the test tests nothing", folder, err)
	}
	if c.holds(cut, 10_399, linearizable) {
		t.Error("an entry that was never committed took effect")
	}
}

// TestLogOlderThanInstalledSnapshot: a crash right after a snapshot was installed leaves the log from
// before, which does not lead up to it. It is dropped, and the node goes on behind the snapshot.
func TestLogOlderThanInstalledSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: fs, MinFreeBytes: -1})
	for n := range 5 {
		if _, err := s.Propose(t.Context(), create(n)); err != nil {
			t.Fatal(err)
		}
	}
	applied, _ := s.storage.Applied()
	id := s.id
	s.Close()
	log, err := wal.Open(filepath.Join("data", "log"), wal.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	meta := raft.SnapshotMeta{
		Version: 1, ID: "9-1000", Index: 1000, Term: 9, ConfigurationIndex: 1,
		Configuration: raft.Configuration{Servers: []raft.Server{{ID: id, Address: raft.ServerAddress(id)}}},
	}
	value, err := json.Marshal(storedSnapshot{Meta: meta, Marker: appendMarker(nil, applied)})
	if err := errors.Join(err, log.Set(snapshotKey, value), log.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: "data", FS: fs, MinFreeBytes: -1})
	receipt, err := s.Propose(t.Context(), create(100))
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Revision <= 1000 || s.log.FirstIndex() <= 1000 {
		t.Errorf("the write has revision %d and the log begins at %d; both belong behind the snapshot at 1000", receipt.Revision, s.log.FirstIndex())
	}
}

// TestImageLeftovers: folders of a crash in the middle of a transfer are removed, and a folder whose log
// is lost is refused, whatever number its storage has.
func TestImageLeftovers(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: fs, MinFreeBytes: -1})
	if _, err := s.Propose(t.Context(), create(1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, folder := range []string{"data/storage-1", "data/image-3", "data/storage-old"} {
		if err := fs.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, Options{Dir: "data", FS: fs, MinFreeBytes: -1})
	if !has(t, s, tupleOf(1)) {
		t.Error("the tuple is gone")
	}
	s.Close()
	names, err := fs.List("data")
	if err != nil || len(names) != 3 { // log, storage, and what is none of ours
		t.Errorf("the data folder holds %q, error %v", names, err)
	}
	if err := errors.Join(fs.Rename("data/storage", "data/storage-1"), fs.RemoveAll("data/log")); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), Options{Dir: "data", FS: fs, MinFreeBytes: -1}); !errors.Is(err, ostiary.ErrCorrupt) {
		if err == nil {
			s.Close()
		}
		t.Errorf("got error %v, want ErrCorrupt", err)
	}
	if names, err := fs.List("data/storage-1"); err != nil || len(names) == 0 {
		t.Errorf("the storage was removed: %q, error %v", names, err)
	}
}
