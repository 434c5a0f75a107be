package raftstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
)

// readable waits until a read of node i succeeds.
func (c *cluster) readable(i int, f ostiary.Freshness) {
	c.t.Helper()
	c.view(i, f).Close()
}

// refused waits until a read of node i fails with an error.
func (c *cluster) refused(i int, f ostiary.Freshness, want error) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("read at %+v of node %d is not refused", f, i), func() error {
		view, err := c.nodes[i].View(patient(c.t), f)
		if err == nil {
			view.Close()
			return errors.New("it is answered")
		}
		if !errors.Is(err, want) {
			return err
		}
		return nil
	})
}

// TestMaxStaleness: a node that has lost the others refuses default reads once they may be too old, and
// answers them again when it has caught up. Without a bound it goes on.
func TestMaxStaleness(t *testing.T) {
	c := newCluster(t)
	bound := func(o *Options) { o.MaxStaleness = 2 * time.Second }
	c.add(bound)
	c.add(nil)
	c.add(nil)
	c.formed()
	last := c.write(0, 1)
	c.readable(0, ostiary.Freshness{})
	c.readable(1, ostiary.Freshness{MaxStaleness: time.Minute})
	c.stop(2)
	c.stop(1)
	c.refused(0, ostiary.Freshness{}, ostiary.ErrStale)
	if err := c.nodes[0].Ready(); err == nil {
		t.Error("a node whose answers are too old is ready")
	}
	c.refused(0, ostiary.Freshness{AtLeast: last.Revision}, ostiary.ErrStale)
	c.refused(0, linearizable, ostiary.ErrUnavailable)
	c.readable(0, ostiary.Freshness{MaxStaleness: time.Hour})
	c.readable(0, ostiary.Freshness{At: last.Revision})
	c.start(2)
	c.readable(0, ostiary.Freshness{})
	// A node without a setting keeps answering, but for a read that brings its own bound.
	c.readable(2, ostiary.Freshness{})
	c.stop(0)
	c.refused(2, ostiary.Freshness{MaxStaleness: time.Second}, ostiary.ErrStale)
	c.readable(2, ostiary.Freshness{})
}
