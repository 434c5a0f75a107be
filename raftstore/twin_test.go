package raftstore

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// TestCopiedFolder: a copy of a member's data folder does not become a second node of its id, neither by
// itself nor when the leader is told of it. A folder that has moved starts.
func TestCopiedFolder(t *testing.T) {
	c := three(t)
	c.write(0, 1)
	odd := (c.leader() + 1) % 3
	c.stop(odd)
	copied := vfs.NewMem()
	if ok, err := vfs.Clone(c.nodes[odd].options.FS, copied, "data", "data"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	c.start(odd)
	c.formed()
	o := c.nodes[odd].options
	o.FS, o.Addr = copied, "127.0.0.1:0"
	until(t, "a copy of the folder is not refused", func() error {
		s, err := Open(patient(t), o)
		if err == nil {
			s.Close()
			return errors.New("it started")
		}
		if !strings.Contains(err.Error(), "copies of one data folder") {
			return err
		}
		return nil
	})
	move := Change{Kind: ChangeAdd, ID: string(c.nodes[odd].id), Address: "127.0.0.1:1"}
	for _, lead := range []bool{false, true} {
		if lead { // the same for the leader itself
			move.ID = string(c.nodes[c.leader()].id)
		}
		err := settledBut(t, "copies of one data folder", func() error { return c.nodes[odd].ChangeMembers(patient(t), move) })
		if !errors.Is(err, ostiary.ErrExists) {
			t.Errorf("move a node that runs: got %v, want ErrExists", err)
		}
	}
	c.stop(odd)
	o.Addr = "127.0.0.1:0" // the copy alone is a node that has moved
	moved := &clusterNode{options: o}
	c.nodes[odd] = moved
	c.start(odd)
	c.formed()
	if !c.holds(odd, 1, linearizable) {
		t.Error("the node that has moved misses a tuple")
	}
}

// TestWrongJoinAddress: the error names the address and what is wrong with it, and nothing is begun.
func TestWrongJoinAddress(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{Dir: "data", FS: fs, Addr: "127.0.0.1:0", Security: Security{PlainText: true}, MinFreeBytes: -1}
	for join, want := range map[string]string{
		"127.0.0.1:1":      "refused",
		"nobody.invalid:1": "nobody.invalid",
	} {
		o.Join = []string{join}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		s, err := Open(ctx, o)
		cancel()
		if err == nil {
			s.Close()
			t.Fatalf("a node that joins nobody at %q started", join)
		}
		if !strings.Contains(err.Error(), join) || !strings.Contains(err.Error(), want) {
			t.Errorf("join %q: got %v, want the address and %q", join, err, want)
		}
	}
	// With the right address the same folder is as good as new.
	c := newCluster(t)
	c.add(nil)
	c.add(func(o *Options) { o.FS = fs })
	c.formed()
}

// TestImageCutOff: half an image changes nothing, whether the stream ends or is cancelled, and the next
// one is taken.
func TestImageCutOff(t *testing.T) {
	source, target := openMem(t), openMem(t)
	for n := range 50 {
		if _, err := source.Propose(t.Context(), create(n)); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := target.storage.Applied()
	image, err := source.images.make()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(image)
	if err := errors.Join(err, image.Close()); err != nil {
		t.Fatal(err)
	}
	receive := func(part []byte, end func(*snapshotSink) error) error {
		sink := target.snapshots().create(raft.SnapshotVersionMax, 1000, 1, raft.Configuration{}, 0)
		if _, err := sink.Write(part); err != nil {
			return err
		}
		return end(sink)
	}
	if err := receive(data[:len(data)/2], (*snapshotSink).Close); !errors.Is(err, ostiary.ErrCorrupt) {
		t.Errorf("half an image: got %v, want ErrCorrupt", err)
	}
	if err := receive(data[:len(data)/2], (*snapshotSink).Cancel); err != nil {
		t.Error(err)
	}
	if got := target.images.received(); got != nil {
		t.Errorf("half an image waits to be installed: %+v", got)
	}
	if now, _ := target.storage.Applied(); now != before {
		t.Errorf("half an image moved the apply index from %d to %d", before, now)
	}
	if _, err := target.Propose(t.Context(), create(1)); err != nil {
		t.Errorf("write after half an image: %v", err)
	}
	if err := receive(data, (*snapshotSink).Close); err != nil {
		t.Errorf("a whole image: %v", err)
	}
	if got := target.images.received(); got == nil {
		t.Error("a whole image does not wait to be installed")
	}
}
