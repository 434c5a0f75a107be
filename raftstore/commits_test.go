package raftstore

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
)

// TestCommitIsTold: a follower and a learner see a lone write although raft itself would tell them in an hour.
func TestCommitIsTold(t *testing.T) {
	c := newCluster(t)
	for i := range 4 {
		c.add(func(o *Options) { o.Learner, o.commitTimeout = i == 3, time.Hour })
	}
	c.formed()
	for n := range 4 {
		receipt := c.write(n, n)
		for i := range c.nodes {
			if !c.holds(i, n, ostiary.Freshness{AtLeast: receipt.Revision}) {
				t.Errorf("node %d misses tuple %d", i, n)
			}
		}
	}
}

// TestNoticesThatSayNothing: what is older than the term or the commit index of a node, or speaks of another
// entry than it has, changes nothing.
func TestNoticesThatSayNothing(t *testing.T) {
	c := three(t)
	receipt := c.write(0, 1)
	for i := range c.nodes {
		c.holds(i, 1, ostiary.Freshness{AtLeast: receipt.Revision})
	}
	leads := c.leader()
	leader, follower := c.nodes[leads], c.nodes[(leads+1)%3]
	index, term := uint64(receipt.Revision), leader.raft.CurrentTerm()
	for name, n := range map[string]*commitNotice{
		"one of a term before":   {Leader: string(follower.id), Address: follower.options.Addr, Term: 1, Index: index, EntryTerm: term},
		"an entry that is not":   {Leader: string(leader.id), Address: leader.options.Addr, Term: term, Index: index + 1000, EntryTerm: term},
		"an entry of no leader":  {Leader: string(leader.id), Address: leader.options.Addr, Term: term, Index: follower.log.LastIndex() + 1, EntryTerm: term + 9},
		"what is long committed": {Leader: string(leader.id), Address: leader.options.Addr, Term: term, Index: 1, EntryTerm: 1},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _ = follower.takeCommitted(ctx, n) // whether it is an error is no matter
		cancel()
		if got := follower.raft.CommitIndex(); got >= index+1000 {
			t.Errorf("%s: the commit index is %d", name, got)
		}
		if _, id := follower.raft.LeaderWithID(); id == follower.id {
			t.Errorf("%s: the node takes itself for the leader", name)
		}
	}
	c.write(leads, 2)
	if !c.holds((leads+1)%3, 2, linearizable) {
		t.Error("the follower misses a tuple")
	}
}
