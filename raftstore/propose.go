package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// enqueueTimeout bounds how long a mutation waits for a place in raft's queue.
const enqueueTimeout = 5 * time.Second

// Propose commits a mutation and returns when it is durable and applied here. A refusal (precondition,
// tuple exists, …) changes nothing and is the sentinel that the mutation's comments name.
//
// Cancelling ctx stops the wait and not the write: the error is then both ctx's and
// ostiary.ErrOutcomeUnknown. Propose does not change m.
func (s *Store) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ostiary.Receipt{}, fmt.Errorf("propose mutation: %w", err)
	}
	if err := s.failed(); err != nil {
		return ostiary.Receipt{}, err
	}
	command := appendCommand(nil, m)
	if len(command) > s.options.MaxMutationBytes {
		return ostiary.Receipt{}, fmt.Errorf("propose mutation of %d bytes: maxMutationBytes is %d: %w",
			len(command), s.options.MaxMutationBytes, ostiary.ErrTooBroad)
	}
	if err := s.disk.admit(); err != nil {
		return ostiary.Receipt{}, err
	}
	future := s.enqueue(command, m.TimeNanos)
	select {
	case result := <-await(future):
		return result.receipt, result.err
	case <-s.dead:
		return ostiary.Receipt{}, fmt.Errorf("wait for mutation: %w: %w", s.failed(), ostiary.ErrOutcomeUnknown)
	case <-ctx.Done():
		return ostiary.Receipt{}, fmt.Errorf("wait for mutation: %w: %w", ctx.Err(), ostiary.ErrOutcomeUnknown)
	}
}

// enqueue stamps the command and gives it to raft. One lock covers both, so that stamps grow in log
// order. The stamp is the latest of the proposer's time, this node's clock, and the stamps before it.
func (s *Store) enqueue(command []byte, proposed int64) raft.ApplyFuture {
	s.stamp.Lock()
	defer s.stamp.Unlock()
	s.stamp.last = max(s.stamp.last, proposed, s.Now())
	setStamp(command, s.stamp.last)
	return s.raft.Apply(command, enqueueTimeout)
}

type proposalResult struct {
	receipt ostiary.Receipt
	err     error
}

// await turns a future into a channel. Its goroutine ends when raft answers, which it does for every
// entry, also at shutdown.
func await(future raft.ApplyFuture) <-chan proposalResult {
	done := make(chan proposalResult, 1)
	go func() {
		if err := future.Error(); err != nil {
			done <- proposalResult{err: proposalError(err)}
			return
		}
		outcome, ok := future.Response().(storage.Outcome)
		if !ok {
			done <- proposalResult{err: fmt.Errorf("mutation was committed without an outcome: %w", ostiary.ErrOutcomeUnknown)}
			return
		}
		done <- proposalResult{receipt: outcome.Receipt, err: outcome.Err}
	}()
	return done
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
