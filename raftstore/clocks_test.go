package raftstore

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
)

// clocked returns a formed cluster whose nodes' clocks can be set.
func clocked(t *testing.T) (*cluster, []*atomic.Int64) {
	c := newCluster(t)
	var shifts []*atomic.Int64
	for range 3 {
		shift := &atomic.Int64{}
		shifts = append(shifts, shift)
		c.add(func(o *Options) {
			o.Clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
			o.watchInterval = 20 * time.Millisecond
		})
	}
	c.formed()
	return c, shifts
}

// wrong waits until a node says that its clock is.
func (c *cluster) wrong(i int, want string) {
	c.t.Helper()
	until(c.t, "a node whose clock is wrong is ready", func() error {
		err := c.nodes[i].Ready()
		if err == nil || !strings.Contains(err.Error(), want) {
			return errors.Join(errors.New("it says"), err)
		}
		return nil
	})
}

// TestClocksAnHourApart: a node whose clock is an hour off is not ready, does not lead, and its time does
// not get into the log. When it is set right the node serves again.
func TestClocksAnHourApart(t *testing.T) {
	c, shifts := clocked(t)
	c.write(0, 1)
	odd := (c.leader() + 1) % 3
	shifts[odd].Store(int64(time.Hour))
	c.wrong(odd, "1h0m0s ahead of")
	m := create(2)
	m.TimeNanos = c.nodes[odd].Now()
	err := settledBut(t, "clock of the node where it came in", func() error { _, err := c.nodes[odd].Propose(patient(t), m); return err })
	if !errors.Is(err, ostiary.ErrUnavailable) {
		t.Errorf("a write stamped an hour ahead: got %v, want ErrUnavailable", err)
	}
	if receipt := c.write((odd+1)%3, 3); time.Unix(0, receipt.TimeNanos).After(time.Now().Add(30 * time.Minute)) {
		t.Errorf("a write is stamped %s", time.Unix(0, receipt.TimeNanos))
	}
	if c.holds((odd+1)%3, 2, linearizable) {
		t.Error("a refused write took effect")
	}
	shifts[odd].Store(0)
	c.formed()
	// The same with the leader, which is then the one that is wrong.
	odd = c.leader()
	shifts[odd].Store(-int64(time.Hour))
	c.wrong(odd, "1h0m0s behind")
	until(t, "a node whose clock is wrong leads", func() error {
		if now := c.leader(); now == odd {
			return errors.New("it leads")
		}
		return nil
	})
	c.write((odd+1)%3, 4)
	c.write(odd, 5) // its own time is behind: the leader's counts
	for i := range c.nodes {
		if i != odd {
			until(t, "the others are not ready", c.nodes[i].Ready)
		}
	}
	shifts[odd].Store(0)
	c.formed()
}

// settledBut repeats f until its error holds a text.
func settledBut(t *testing.T, text string, f func() error) (err error) {
	t.Helper()
	until(t, "the error does not come", func() error {
		if err = f(); err == nil || !strings.Contains(err.Error(), text) {
			return errors.Join(errors.New("it is"), err)
		}
		return nil
	})
	return err
}

func TestOffset(t *testing.T) {
	for _, test := range []struct{ nanos, asked, answered, want int64 }{
		{5, 0, 10, 0}, {0, 0, 10, 0}, {10, 0, 10, 0}, {11, 0, 10, 1}, {-3, 0, 10, -3},
	} {
		if got := offsetOf(test.nanos, test.asked, test.answered); int64(got) != test.want {
			t.Errorf("a clock that showed %d between %d and %d is off by %d, want %d", test.nanos, test.asked, test.answered, got, test.want)
		}
	}
}
