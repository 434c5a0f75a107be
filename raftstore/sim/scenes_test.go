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
