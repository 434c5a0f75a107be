package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary"
)

// maxLeaderWait bounds how long a mutation waits for somebody to lead.
const maxLeaderWait = 5 * time.Second

// leader returns a connection to the node that leads, or here true when it is this one. It does not wait
// for an election: the error is ostiary.ErrUnavailable.
func (s *Store) leader(ctx context.Context) (conn *grpc.ClientConn, here bool, err error) {
	if err := s.failed(); err != nil {
		return nil, false, err
	}
	if s.raft.State() == raft.Leader {
		return nil, true, nil
	}
	address, id := s.raft.LeaderWithID()
	if address == "" || id == s.id {
		return nil, false, fmt.Errorf("no leader is known to this node: %w", ostiary.ErrUnavailable)
	}
	conn, err = s.net.peers.reach(ctx, string(address))
	return conn, false, err
}

// route commits a mutation, which command encodes, here or through the leader. A mutation is passed on once: only an answer that
// says that nothing was written lets it try again.
func (s *Store) route(ctx context.Context, m *ostiary.Mutation, command []byte) (ostiary.Receipt, error) {
	finding, cancel := context.WithTimeout(ctx, maxLeaderWait)
	defer cancel()
	for {
		receipt, err := s.routeOnce(ctx, finding, m, command)
		if err == nil || !errors.Is(err, errNothingSent) {
			return receipt, err
		}
		select {
		case <-time.After(leaderPause):
		case <-s.dead:
			return receipt, s.failed()
		case <-finding.Done():
			return receipt, fmt.Errorf("propose mutation: %w", err)
		}
	}
}

// errNothingSent says that a mutation has changed nothing and may be proposed again.
var errNothingSent = errors.New("nothing was written")

func (s *Store) routeOnce(ctx, finding context.Context, m *ostiary.Mutation, command []byte) (ostiary.Receipt, error) {
	conn, here, err := s.leader(finding)
	switch {
	case err != nil:
		return ostiary.Receipt{}, fmt.Errorf("%w: %w", err, errNothingSent)
	case here:
		receipt, err := s.proposeHere(ctx, m, command)
		return receipt, notLeading(err)
	}
	receipt, err := call[ostiary.Receipt](tellTrace(ctx), conn, "propose", &proposal{nanos: m.TimeNanos, command: command})
	var remote *remoteError
	switch {
	case err == nil:
		// The writer's next read here should see it. That this node lags does not undo the write.
		_, _ = s.applied.wait(finding, uint64(receipt.Revision))
		return *receipt, nil
	case errors.As(err, &remote):
		return ostiary.Receipt{}, notLeading(err)
	}
	return ostiary.Receipt{}, fmt.Errorf("pass the mutation on to the leader: %w: %w", err, ostiary.ErrOutcomeUnknown)
}

// notLeading marks the refusal of a node that does not lead.
func notLeading(err error) error {
	if errors.Is(err, ostiary.ErrNotLeader) && !errors.Is(err, ostiary.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %w", err, errNothingSent)
	}
	return err
}

// takeProposal answers another node that passes a mutation on. It is not passed on a second time. Bytes
// that this release cannot apply must not reach the log.
func (s *Store) takeProposal(ctx context.Context, p *proposal) (*ostiary.Receipt, error) {
	ctx, span := s.takeTrace(ctx, "propose for a follower")
	defer span.End()
	if err := s.serving(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ostiary.ErrNotLeader)
	}
	mutation, err := decodeCommand(p.command)
	if err != nil {
		return nil, fmt.Errorf("take a mutation from another node: %w", err)
	}
	if mutation.MinVersion > releaseNumber {
		return nil, fmt.Errorf("take a mutation from another node: it needs release number %d and this is %d; upgrade this node: %w",
			mutation.MinVersion, releaseNumber, ostiary.ErrUnavailable)
	}
	mutation.TimeNanos = p.nanos // the command holds a later one where its node stamped it in vain
	receipt, err := s.proposeHere(ctx, mutation, p.command)
	return &receipt, err
}

func (s *Store) takeReadIndex(ctx context.Context, q *indexQuestion) (*indexAnswer, error) {
	if err := s.serving(); err != nil {
		return nil, err
	}
	if s.raft.State() != raft.Leader {
		return nil, fmt.Errorf("this node does not lead: %w", ostiary.ErrNotLeader)
	}
	index, confirmed, err := s.confirmedIndex(q)
	if !confirmed {
		index, err = s.leaderRead.get(ctx)
	}
	return &indexAnswer{Index: index}, err
}
