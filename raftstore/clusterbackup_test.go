package raftstore

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// TestClusterReserve: the disk of the node that leads decides which mutations are accepted, wherever they
// come in, and what takes away goes on there too. The other one is a learner, so that it never leads.
func TestClusterReserve(t *testing.T) {
	const reserve = 64 << 20
	c := newCluster(t)
	free := make([]atomic.Uint64, 2)
	var ahead atomic.Int64
	for i := range free {
		free[i].Store(10 * reserve)
		c.add(func(o *Options) {
			o.Learner = i > 0
			o.FS, o.MinFreeBytes = shrinkingDisk{vfs.NewMem(), &free[i]}, reserve
			o.Clock = func() time.Time { // each look is a new one
				return time.Now().Add(time.Duration(ahead.Add(1)) * diskInterval)
			}
		})
	}
	c.formed()
	for n := range 4 {
		c.write(0, n)
	}
	deletes := func(n int) *ostiary.Mutation {
		m := create(n)
		m.Tuples[0].Op = ostiary.TupleDelete
		return m
	}
	free[0].Store(reserve - 1)
	for i, n := range c.nodes {
		if _, err := n.Propose(patient(t), create(100)); !errors.Is(err, ostiary.ErrDiskFull) || errors.Is(err, ostiary.ErrOutcomeUnknown) {
			t.Errorf("a tuple through node %d while the leader's disk is short: got %v, want ErrDiskFull", i, err)
		}
		if _, err := n.Propose(patient(t), deletes(i)); err != nil {
			t.Errorf("a delete through node %d while the leader's disk is short: %v", i, err)
		}
	}
	free[0].Store(reserve/lastPart - 1)
	for i, n := range c.nodes {
		if _, err := n.Propose(patient(t), deletes(2)); !errors.Is(err, ostiary.ErrDiskFull) {
			t.Errorf("a delete through node %d into the last part of the leader's reserve: got %v, want ErrDiskFull", i, err)
		}
	}
	free[0].Store(10 * reserve)
	free[1].Store(0)
	if _, err := c.nodes[1].Propose(patient(t), create(100)); err != nil {
		t.Errorf("a tuple through a follower whose own disk is short: %v", err)
	}
	for n, want := range map[int]bool{0: false, 1: false, 2: true, 3: true, 100: true} {
		if got := c.holds(1, n, linearizable); got != want {
			t.Errorf("tuple %d is there: %v, want %v", n, got, want)
		}
	}
}

// TestClusterBackup: a node whose storage came as an image from another one makes the backup once it
// leads, and not before. What is restored from it opens as a cluster of one, gets an address, and others
// join it. There is one voter at a time, so that leadership stays where the test puts it.
func TestClusterBackup(t *testing.T) {
	c := newCluster(t)
	often := func(o *Options) {
		o.SnapshotEntries, o.TrailingEntries, o.SnapshotInterval = 16, 4, 10*time.Millisecond
	}
	first := c.add(often)
	c.formed()
	churn(t, first.Store, 0, 60)
	until(t, "the log is not truncated", func() error {
		if from := first.log.FirstIndex(); from <= 1 {
			return fmt.Errorf("it begins at %d", from)
		}
		return nil
	})
	second := c.add(func(o *Options) {
		often(o)
		o.Learner = true
	})
	c.formed()
	if folder, err := second.snapshots().folder(); err != nil || folder == firstFolder {
		t.Fatalf("the second node's storage lies in %q, error %v; the test tests nothing", folder, err)
	}
	var out bytes.Buffer
	if err := second.Backup(patient(t), BackupOptions{}, &out); !errors.Is(err, ostiary.ErrNotLeader) || out.Len() > 0 {
		t.Errorf("a backup of a follower: got %v and %d bytes, want ErrNotLeader and none", err, out.Len())
	}
	full := backupOf(t, first.Store, 0)
	for _, step := range []Change{
		{Kind: ChangePromote, ID: string(second.id)},
		{Kind: ChangeTransfer, ID: string(second.id)},
		{Kind: ChangeDemote, ID: string(first.id)},
	} {
		until(t, string(step.Kind), func() error { return second.ChangeMembers(patient(t), step) })
	}
	churn(t, second.Store, 60, 80)
	increment := backupOf(t, second.Store, manifestIn(t, full).Revision)

	fs := vfs.NewMem()
	done, err := Restore(t.Context(), RestoreOptions{Dir: "data", FS: fs, Sources: sources(full, increment)})
	if err != nil {
		t.Fatal(err)
	}
	alone := open(t, Options{Dir: "data", FS: fs})
	wantSameAnswers(t, alone, second.Store, 2, done.Revision)
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	again := newCluster(t)
	again.add(func(o *Options) { o.FS = fs })
	joined := again.add(nil)
	again.formed()
	again.write(1, 1000)
	if joined.ClusterID() != done.Cluster || !again.holds(1, 1000, linearizable) {
		t.Errorf("the node that joined is of cluster %x, restored was %x", joined.ClusterID(), done.Cluster)
	}
	wantSameAnswers(t, joined.Store, second.Store, 2, done.Revision)
}
