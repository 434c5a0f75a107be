package sim

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore"
)

// Scenes that random schedules find too rarely.

// TestTransferToANodeThatDoesNotAnswer: while raft 1.8.0 waits for the node that is to lead, the leader
// takes no writes, and it waits for as long as an exchange with that node may take, whatever it says of a
// timeout. A second transfer meanwhile may never end.
func TestTransferToANodeThatDoesNotAnswer(t *testing.T) {
	wrong := stage(t, nil, func(s *simulation) {
		leader := s.leader()
		away := s.nodes[(leader.id+2)%3]
		status, err := away.open().Status()
		if err != nil {
			s.fail("%v", err)
			return
		}
		s.net.setCut(leader.id, away.id, true)
		s.net.setCut(away.id, leader.id, true)
		s.persist(leader, operation{kind: put})
		for range 2 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			err := leader.open().ChangeMembers(ctx, raftstore.Change{Kind: raftstore.ChangeTransfer, ID: status.ID})
			cancel()
			if !errors.Is(err, ostiary.ErrUnavailable) {
				s.fail("a transfer to a node that does not answer ends with error %v", err)
			}
		}
		o := &operation{kind: put}
		s.ask(leader, o, time.Second)
		if o.err != nil {
			s.fail("the leader takes no writes: %v", o.err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := leader.open().ChangeMembers(ctx, raftstore.Change{Kind: raftstore.ChangeTransfer}); err != nil {
			s.fail("a transfer to whoever answers ends with error %v", err)
		}
	})
	for _, w := range wrong {
		t.Error(w)
	}
}

// TestCandidateThatTheVoterHasRemoved: a leader that is cut off removes a member in its own log alone. The
// others go on, and lose the third node. The two that are left are a majority of what is committed, and only
// the one that was to be removed has all of it: the other must vote for it, as raft 1.8.0 by itself does not.
func TestCandidateThatTheVoterHasRemoved(t *testing.T) {
	wrong := stage(t, nil, func(s *simulation) {
		old := s.leader()
		stays, removed := s.nodes[(old.id+1)%3], s.nodes[(old.id+2)%3]
		status, err := removed.open().Status()
		if err != nil {
			s.fail("%v", err)
			return
		}
		for _, other := range []*node{stays, removed} {
			s.net.setCut(old.id, other.id, true)
			s.net.setCut(other.id, old.id, true)
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.electionTimeout/2)
		err = old.open().ChangeMembers(ctx, raftstore.Change{Kind: raftstore.ChangeRemove, ID: status.ID})
		cancel()
		if err == nil {
			s.fail("a leader that is cut off removed a member")
		}
		if theirs, err := old.open().Status(); err != nil || len(theirs.Members) != 2 {
			s.fail("the leader's log has not removed the member: %+v, %v; the test tests nothing", theirs.Members, err)
		}
		s.persist(removed, operation{kind: put})
		s.crash(stays, false, 100)
		s.net.heal(true)
		for _, n := range []*node{old, removed} {
			s.until("the two nodes that are left do not go on", func() error {
				o := &operation{kind: put}
				s.ask(n, o, time.Second)
				return o.err
			})
		}
	})
	for _, w := range wrong {
		t.Error(w)
	}
}

// TestRemovedRightAfterItsVote: a node that has just got its vote looks once more whether it is a member. When
// it was removed before that look, it must not ask for its place: another node may have its address by now.
func TestRemovedRightAfterItsVote(t *testing.T) {
	wrong := stage(t, nil, func(s *simulation) {
		leader := s.leader()
		for _, n := range s.nodes {
			status, err := n.open().Status()
			if err != nil {
				s.fail("%v", err)
			}
			if n == leader || err != nil {
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			err = leader.open().ChangeMembers(ctx, raftstore.Change{Kind: raftstore.ChangeRemove, ID: status.ID})
			cancel()
			if err != nil {
				s.fail("node %d is not removed: %v", n.id, err)
			}
		}
		time.Sleep(time.Second)
		if status, err := leader.open().Status(); err != nil || len(status.Members) != 1 {
			s.fail("of three members two were removed, and now there are %+v, error %v", status.Members, err)
		}
	})
	for _, w := range wrong {
		t.Error(w)
	}
}
