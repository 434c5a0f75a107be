package raftstore

import (
	"context"
	"testing"
	"time"
)

// TestNewNodeCatchesUpUnderWrites: while writes go on and the log is truncated all the time, a new node
// gets an image that takes longer than the log would last, and then what follows it. It must not get one
// image after another.
func TestNewNodeCatchesUpUnderWrites(t *testing.T) {
	c := newCluster(t)
	often := func(o *Options) {
		o.SnapshotEntries, o.TrailingEntries, o.SnapshotInterval, o.ImageRate = 16, 4, 10*time.Millisecond, 1<<20
	}
	first := c.add(often)
	c.formed()
	for n := range 100 {
		c.write(0, n)
	}
	until(t, "the log is not truncated", func() error { return first.begunAfter(1) })
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan int, 1)
	go func() {
		n := 1000
		for ; ctx.Err() == nil; n++ {
			if _, err := first.Propose(t.Context(), create(n)); err != nil && !wandering(err) {
				t.Errorf("write %d: %v", n, err)
				break
			}
		}
		stopped <- n
	}()
	c.add(often)
	c.formed() // which takes a vote, and that it is current
	stop()
	last := <-stopped - 1
	if sent := first.images.outward; sent > 2 {
		t.Errorf("%d images were sent to one node", sent)
	}
	for _, n := range []int{0, 99, 1000, last} {
		if !c.holds(1, n, linearizable) {
			t.Errorf("the new node misses tuple %d", n)
		}
	}
}
