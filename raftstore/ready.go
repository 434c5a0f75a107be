package raftstore

import (
	"fmt"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// waiting is why a node that is sound does not serve now. Its reason may be told to anybody: it names no address,
// no file and no cause of a fault.
type waiting struct{ error }

func (w waiting) Unwrap() error { return w.error }

// Reason is the error without the words of its sentinel.
func (w waiting) Reason() string {
	text := w.Error()
	for _, sentinel := range []error{ostiary.ErrUnavailable, ostiary.ErrStale} {
		text = strings.TrimSuffix(text, ": "+sentinel.Error())
	}
	return text
}

// Ready returns nil while the node serves, and otherwise an error that says why it does not. It has a method
// Reason where the node is sound and waits for others, or its clock is wrong.
func (s *Store) Ready() error {
	if err := s.failed(); err != nil {
		return err
	}
	if s.net != nil {
		if err := s.readyInCluster(); err != nil {
			return waiting{err}
		}
		return nil
	}
	if s.raft.State() != raft.Leader {
		return fmt.Errorf("node does not lead its cluster of one: %w", ostiary.ErrUnavailable)
	}
	return nil
}

// readyInCluster judges a node that has not failed.
func (s *Store) readyInCluster() error {
	if !s.net.started.Load() {
		return fmt.Errorf("node is starting: %w", ostiary.ErrUnavailable)
	}
	select {
	case <-s.net.current:
	default:
		if taken := s.images.taken.Load(); taken > 0 {
			return fmt.Errorf("node is receiving an image of the leader's storage, %d MiB so far: %w", taken>>20, ostiary.ErrUnavailable)
		}
		return fmt.Errorf("node has not caught up with a leader since it started: %w", ostiary.ErrUnavailable)
	}
	if leader, _ := s.raft.LeaderWithID(); leader == "" {
		return fmt.Errorf("node knows no leader: %w", ostiary.ErrUnavailable)
	}
	if err := s.judgeClock(); err != nil {
		return err
	}
	return s.judgeAge(ostiary.Freshness{})
}
