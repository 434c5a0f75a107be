package raftstore

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// maxReadWait bounds how long a read waits for a revision when its context has no earlier deadline.
const maxReadWait = 3 * time.Second

// maxReadAhead is how far past the end of the log a revision may lie to be waited for. Nobody was given
// a token from further ahead; such a request fails at once instead of holding its place.
const maxReadAhead = 10_000

// View returns a view that is as new as f asks, or at the one revision that it asks for. The caller
// closes it.
//
// In a cluster a view that may be older than Options.MaxStaleness, or f.MaxStaleness, fails with
// ostiary.ErrStale. A revision that is not applied here within the deadline fails with ostiary.ErrRevisionNotYet, and one
// that is older than Options.HistoryRetention with ostiary.ErrRevisionGone. A
// linearizable read confirms that this node leads; in a cluster of one everything acknowledged is then
// in the newest view, since a write is acknowledged after it is published.
func (s *Store) View(ctx context.Context, f ostiary.Freshness) (*storage.View, error) {
	if err := s.failed(); err != nil {
		return nil, err
	}
	if s.net != nil {
		if err := s.waitCurrent(ctx); err != nil {
			return nil, err
		}
	}
	if f.Linearizable && s.net != nil {
		if err := s.waitReadIndex(ctx); err != nil {
			return nil, err
		}
	} else if f.Linearizable {
		if _, err := s.settle(ctx, func() error { return s.raft.VerifyLeader().Error() }); err != nil {
			return nil, fmt.Errorf("confirm leadership for a linearizable read: %w: %w", err, ostiary.ErrUnavailable)
		}
	}
	if err := s.waitApplied(ctx, max(f.AtLeast, f.At)); err != nil {
		return nil, err
	}
	if err := s.judgeAge(f); err != nil {
		return nil, err
	}
	if f.At != 0 {
		return s.storage.ViewAt(f.At)
	}
	return s.storage.View()
}

// waitReadIndex waits until everything that was acknowledged by now, wherever, is applied here.
func (s *Store) waitReadIndex(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxReadWait)
	defer cancel()
	index, err := s.anyRead.get(ctx)
	if err != nil {
		return fmt.Errorf("linearizable read: %w", err)
	}
	if reached, err := s.applied.wait(ctx, index); err != nil {
		return fmt.Errorf("linearizable read: the cluster stands at %d and this node at %d (%w): %w", index, reached, err, ostiary.ErrUnavailable)
	}
	return nil
}

func (s *Store) waitApplied(ctx context.Context, revision ostiary.Revision) error {
	if applied, _ := s.storage.Applied(); uint64(revision) <= applied {
		return nil
	}
	if last := s.log.LastIndex(); uint64(revision) > last+maxReadAhead {
		return fmt.Errorf("revision %d was asked for, and the log of this node ends at %d: %w", revision, last, ostiary.ErrRevisionNotYet)
	}
	ctx, cancel := context.WithTimeout(ctx, maxReadWait)
	defer cancel()
	reached, err := s.applied.wait(ctx, uint64(revision))
	if err != nil {
		return fmt.Errorf("revision %d was asked for, and this node stands at %d, %d behind (%w): %w",
			revision, reached, uint64(revision)-reached, err, ostiary.ErrRevisionNotYet)
	}
	return nil
}

// CacheStats counts what the storage's cache of edges was asked and what it holds.
func (s *Store) CacheStats() storage.CacheStats { return s.storage.CacheStats() }
