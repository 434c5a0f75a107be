package raftstore

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestDeadMembersAreRemoved: one that does not answer is removed, as long as enough voters are left; then
// no more, however many are dead.
func TestDeadMembersAreRemoved(t *testing.T) {
	c := newCluster(t)
	for i := range 5 {
		c.add(func(o *Options) {
			o.watchInterval, o.DeadAfter, o.MinVoters = 20*time.Millisecond, 3*time.Second, 3
			o.Learner = i == 4
		})
	}
	c.formed()
	ids := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		ids[i] = string(n.id)
	}
	lead := c.leader()
	var others []int
	for i := range 4 {
		if i != lead {
			others = append(others, i)
		}
	}
	members := func() []Member {
		_, members, err := c.nodes[lead].members()
		if err != nil {
			t.Fatal(err)
		}
		return members
	}
	removed := func(i int) {
		t.Helper()
		until(t, fmt.Sprintf("node %d is not removed", i), func() error {
			if now := members(); slices.ContainsFunc(now, func(m Member) bool { return m.ID == ids[i] }) {
				return fmt.Errorf("members are %+v", now)
			}
			return nil
		})
	}
	c.stop(4)
	c.stop(others[0])
	removed(4) // the learner
	removed(others[0])
	if len(members()) != 3 {
		t.Fatalf("members are %+v, want three", members())
	}
	c.stop(others[1])
	until(t, "the node is not seen to be dead", func() error {
		for _, m := range members() {
			if m.ID == ids[others[1]] && c.nodes[lead].isDead(m) {
				return nil
			}
		}
		return fmt.Errorf("members are %+v", members())
	})
	time.Sleep(500 * time.Millisecond) // more than two rounds of autopilot
	if len(members()) != 3 {
		t.Errorf("members are %+v: fewer voters than the minimum", members())
	}
	c.write(lead, 1)
	c.start(others[1])
	until(t, "the node that was back is not ready", c.nodes[others[1]].Ready)
}
