package raftstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// enqueueTimeout bounds how long a mutation waits for a place in raft's queue.
const enqueueTimeout = 5 * time.Second

// Propose commits a mutation and returns when it is durable and applied here. A refusal (precondition,
// tuple exists, …) changes nothing and is the sentinel that the mutation's comments name.
//
// Cancelling ctx stops the wait and not the write: the error is then both ctx's and
// ostiary.ErrOutcomeUnknown. Propose does not change m.
func (s *Store) Propose(ctx context.Context, m *ostiary.Mutation) (_ ostiary.Receipt, failure error) {
	ctx, end := within(ctx, "propose")
	defer func() { end(failure) }()
	if err := ctx.Err(); err != nil {
		return ostiary.Receipt{}, fmt.Errorf("propose mutation: %w", err)
	}
	if err := s.failed(); err != nil {
		return ostiary.Receipt{}, err
	}
	m, err := s.named(ctx, m)
	if err != nil {
		return ostiary.Receipt{}, err
	}
	command := newCommand(m)
	if len(command) > s.options.MaxMutationBytes {
		return ostiary.Receipt{}, fmt.Errorf("propose mutation of %d bytes: maxMutationBytes is %d: %w",
			len(command), s.options.MaxMutationBytes, ostiary.ErrTooBroad)
	}
	if s.net != nil {
		return s.route(ctx, m, command)
	}
	return s.proposeHere(ctx, m, command)
}

// proposeHere commits a mutation, which command encodes, as the leader. The leader's disk is the one that
// is judged, wherever the mutation came in.
func (s *Store) proposeHere(ctx context.Context, m *ostiary.Mutation, command []byte) (ostiary.Receipt, error) {
	if err := s.disk.admit(m); err != nil {
		return ostiary.Receipt{}, err
	}
	if err := s.judgeStamp(m.TimeNanos); err != nil {
		return ostiary.Receipt{}, err
	}
	if err := s.judgeVersion(ctx, m); err != nil {
		return ostiary.Receipt{}, err
	}
	s.proposing.Add(1)
	defer s.proposing.Add(-1)
	future, err := s.enqueue(ctx, command, m.TimeNanos)
	if err != nil {
		return ostiary.Receipt{}, err
	}
	var outcome applied
	settled, err := s.settle(ctx, func() (err error) {
		outcome, err = outcomeOf(future)
		return err
	})
	switch {
	case !settled:
		return ostiary.Receipt{}, fmt.Errorf("wait for mutation: %w: %w", err, ostiary.ErrOutcomeUnknown)
	case err != nil:
		return ostiary.Receipt{}, err
	}
	traceApply(ctx, outcome)
	return outcome.Receipt, outcome.Err
}

// enqueue stamps the command and gives it to raft. One turn covers both, so that stamps grow in log
// order. The stamp is the latest of the proposer's time, this node's clock, and the stamps before it.
// While raft's queue is full (its disk hangs) a request waits for its turn no longer than its ctx, and
// in its turn no longer than ctx's deadline; an error says that nothing was proposed.
func (s *Store) enqueue(ctx context.Context, command []byte, proposed int64) (raft.ApplyFuture, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("propose mutation: wait for a place in the queue: %w", ctx.Err())
	case <-s.dead:
		return nil, s.failed()
	}
	timeout := enqueueTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil || timeout <= 0 {
		return nil, fmt.Errorf("propose mutation: wait for a place in the queue: %w", cmp.Or(err, context.DeadlineExceeded))
	}
	s.lastStamp = max(s.lastStamp, proposed, s.Now())
	setStamp(command, s.lastStamp)
	return s.raft.Apply(command, timeout), nil
}

// outcomeOf waits for what became of an entry.
func outcomeOf(future raft.ApplyFuture) (applied, error) {
	if err := future.Error(); err != nil {
		return applied{}, proposalError(err)
	}
	outcome, ok := future.Response().(applied)
	if !ok {
		return applied{}, fmt.Errorf("mutation was committed without an outcome: %w", ostiary.ErrOutcomeUnknown)
	}
	return outcome, nil
}

// proposalError maps raft's errors. Only those that raft gives before an entry is in the log say that
// nothing was written.
func proposalError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return fmt.Errorf("propose mutation: %w", ostiary.ErrNotLeader)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("propose mutation: no place in the queue within %s: %w", enqueueTimeout, ostiary.ErrUnavailable)
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("propose mutation: leadership is being transferred: %w", ostiary.ErrUnavailable)
	}
	return fmt.Errorf("propose mutation: %w: %w", err, ostiary.ErrOutcomeUnknown)
}

// Now returns the time that requests are judged by, in nanoseconds since 1970 UTC: the later of this
// node's clock and the newest stamp that it applied, so that a node whose clock is behind does not
// bring back what has expired.
func (s *Store) Now() int64 {
	return max(s.options.Clock().UnixNano(), s.storage.Clock())
}
