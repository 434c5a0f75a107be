package raftstore

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
)

// TestMixedReleases: while a node is of an older release, what it cannot apply is refused with its name
// before it reaches the log; everything else goes on. When the node is upgraded it is accepted, and then
// the older release neither starts nor joins any more.
func TestMixedReleases(t *testing.T) {
	c := newCluster(t)
	for range 3 {
		c.add(func(o *Options) { o.watchInterval, o.release = 20*time.Millisecond, 1 })
	}
	c.formed()
	for i := range 2 {
		c.stop(i)
		c.nodes[i].options.release = 0
		c.start(i)
		c.formed()
	}
	c.write(2, 1)
	for i := range 2 {
		err := settledBut(t, "understands 1; upgrade it", func() error { _, err := c.nodes[i].Propose(patient(t), once(create(2), "k")); return err })
		if !errors.Is(err, ostiary.ErrUpgradePending) || !strings.Contains(err.Error(), string(c.nodes[2].id)) {
			t.Errorf("through node %d: got %v, want ErrUpgradePending with the older node", i, err)
		}
	}
	c.write(1, 3)
	c.stop(2)
	c.nodes[2].options.release = 0
	c.start(2)
	c.formed()
	until(t, "the write is not accepted", func() error {
		_, err := c.nodes[2].Propose(patient(t), once(create(2), "k"))
		return err
	})
	// A node that is down holds nothing up now.
	c.stop(2)
	until(t, "the write is not accepted", func() error {
		_, err := c.nodes[0].Propose(patient(t), once(create(4), "k4"))
		return err
	})
	older := c.nodes[2].options
	older.release = 1
	if s, err := Open(patient(t), older); err == nil || !strings.Contains(err.Error(), "the cluster is at version 3") {
		t.Errorf("an older release opened the folder: %v, %v", s, err)
	}
	join := Change{Kind: ChangeAdd, ID: "older", Address: "127.0.0.1:1", Release: 1}
	err := settled(t, func() error { return c.nodes[0].ChangeMembers(patient(t), join) })
	if !errors.Is(err, ostiary.ErrPrecondition) || !strings.Contains(err.Error(), "upgrade it first") {
		t.Errorf("an older release joins: got %v, want ErrPrecondition", err)
	}
	_, members, err := c.nodes[0].members()
	if err != nil || slices.ContainsFunc(members, func(m Member) bool { return m.ID == "older" }) {
		t.Errorf("members are %+v, %v", members, err)
	}
}
