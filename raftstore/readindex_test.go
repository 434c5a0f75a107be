package raftstore

import (
	"errors"
	"testing"
)

// TestQuestionThatConfirms: of three voters, one that asks in the leader's term is a quorum with it. Whoever
// has seen another term, has no vote, or is one of four, needs a round of heartbeats.
func TestQuestionThatConfirms(t *testing.T) {
	c := three(t)
	c.add(func(o *Options) { o.Learner = true })
	c.formed()
	c.write(0, 1)
	const learner, follower = 3, -1
	// asked puts a question to whoever leads, as one that stands so many terms later would.
	asked := func(by int, terms int64) (confirmed bool) {
		t.Helper()
		until(t, "no leader takes the question", func() error {
			leads := c.leader()
			leader, by := c.nodes[leads], by
			if by == follower {
				by = (leads + 1) % 3
			}
			if _, err := leader.leaderIndex(patient(t)); err != nil { // it settles the term
				return err
			}
			term := leader.raft.CurrentTerm()
			q := &indexQuestion{Node: string(c.nodes[by].id), Term: uint64(int64(term) + terms)}
			index, sure, err := leader.confirmedIndex(q)
			if err != nil {
				return err
			}
			if leader.raft.CurrentTerm() != term {
				return errors.New("leadership moves")
			}
			if confirmed = sure; sure && index == 0 {
				t.Error("the read index is 0")
			}
			return nil
		})
		return confirmed
	}
	for _, test := range []struct {
		name  string
		by    int
		terms int64
		want  bool
	}{
		{"a follower in the leader's term", follower, 0, true},
		{"a follower that has followed another leader", follower, 1, false},
		{"a follower that is behind", follower, -1, false},
		{"a learner", learner, 0, false},
	} {
		if got := asked(test.by, test.terms); got != test.want {
			t.Errorf("%s confirms the leadership: %t", test.name, got)
		}
	}
	promote := Change{Kind: ChangePromote, ID: string(c.nodes[learner].id)}
	if err := settled(t, func() error { return c.nodes[c.leader()].ChangeMembers(patient(t), promote) }); err != nil {
		t.Fatal(err)
	}
	if asked(follower, 0) || asked(learner, 0) {
		t.Error("two of four voters confirm the leadership")
	}
	for i := range c.nodes {
		if !c.holds(i, 1, linearizable) {
			t.Errorf("node %d misses the tuple", i)
		}
	}
}
