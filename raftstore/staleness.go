package raftstore

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary"
)

// A node of a cluster knows how old its views may be, since it asks the leader for a read index all the
// time. Everything that was acknowledged before the question is in its views once that index is applied.
// (What raft knows, when it last heard from a leader, says nothing: heartbeats arrive where entries do not.)

// hearInterval is how often the leader is asked, without a setting that needs it more often.
const hearInterval = time.Second

func (s *Store) hearingInterval() time.Duration {
	if bound := s.options.MaxStaleness; bound > 0 {
		return min(hearInterval, bound/4)
	}
	return hearInterval
}

// hear asks the leader for a read index, waits until it is applied here, and returns it.
func (s *Store) hear() (index uint64, err error) {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(s.net.ctx, joinReport)
	defer cancel()
	if index, err = s.anyRead.get(ctx); err != nil {
		return 0, err
	}
	if _, err := s.applied.wait(ctx, index); err != nil {
		return index, err
	}
	s.net.heard.Store(&asked)
	return index, nil
}

// age returns how long ago the newest moment is of which everything acknowledged before is applied here.
func (s *Store) age() time.Duration {
	heard := s.net.heard.Load()
	if heard == nil {
		return time.Duration(1<<63 - 1)
	}
	return time.Since(*heard)
}

// judgeAge refuses a view that may be older than is asked for.
func (s *Store) judgeAge(f ostiary.Freshness) error {
	bound := cmp.Or(f.MaxStaleness, s.options.MaxStaleness)
	if s.net == nil || bound <= 0 || f.Linearizable || f.At != 0 {
		return nil
	}
	if age := s.age(); age > bound {
		return fmt.Errorf("this node last caught up with a leader %s ago, and answers may be %s old at most; ask another node: %w",
			age.Round(time.Millisecond), bound, ostiary.ErrStale)
	}
	return nil
}
