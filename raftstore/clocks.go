package raftstore

import (
	"fmt"
	"time"

	"github.com/ostiary/ostiary"
)

// Stamps of the log, and with them the expiry of grants, follow the leader's clock. Every node compares its
// clock with those of the voters (watch.go): an answer brings the other clock's time, and what the time
// between question and answer can explain is no difference. A node whose clock differs from those of most
// is not ready, takes no writes as the leader, and hands its leadership over. Where as many agree as
// disagree, the leader is right.

// defaultMaxClockDrift is how far two clocks may be apart.
const defaultMaxClockDrift = 5 * time.Second

// clockNews is how old news may be to tell of a clock.
const clockNews = 10 * time.Second

// lookAtClocks judges this node's clock by what is known of the others.
func (s *Store) lookAtClocks(members []Member) {
	bound := s.options.MaxClockDrift
	if bound < 0 {
		return
	}
	agree, against, leaderDisagrees := 1, 0, false // this one agrees with itself
	var worst time.Duration
	s.net.board.mu.Lock()
	for _, m := range members {
		n, ok := s.net.board.news[m.ID]
		if !ok || !m.Voter || n.Nanos == 0 || time.Since(n.heard) > clockNews {
			continue
		}
		if n.offset.Abs() <= bound {
			agree++
			continue
		}
		against++
		leaderDisagrees = leaderDisagrees || m.Leader
		if n.offset.Abs() > worst.Abs() {
			worst = n.offset
		}
	}
	s.net.board.mu.Unlock()
	if against < agree || against == agree && !leaderDisagrees {
		if s.net.drift.Swap(0) != 0 {
			s.logger.Info("this node's clock agrees with the others again")
		}
		return
	}
	if s.net.drift.Swap(int64(-worst)) == 0 {
		s.logger.Warn("this node's clock differs from those of most voters", "drift", -worst, "bound", bound)
	}
}

// judgeClock returns an error while this node's clock is wrong.
func (s *Store) judgeClock() error {
	if s.net == nil {
		return nil
	}
	drift := time.Duration(s.net.drift.Load())
	if drift == 0 {
		return nil
	}
	way := "ahead of"
	if drift < 0 {
		way = "behind"
	}
	return fmt.Errorf("this node's clock is %s %s those of most voters, and may be off by %s; set it: %w",
		drift.Abs().Round(time.Millisecond), way, s.options.MaxClockDrift, ostiary.ErrUnavailable)
}

// judgeStamp refuses, on the leader, to stamp with a clock that is wrong: its own, or that of the node
// where the mutation came in. A stamp that is too late could not be taken back.
func (s *Store) judgeStamp(proposed int64) error {
	if err := s.judgeClock(); err != nil {
		return fmt.Errorf("propose mutation: %w: %w", err, ostiary.ErrNotLeader)
	}
	if s.net == nil || s.options.MaxClockDrift < 0 || proposed == 0 {
		return nil
	}
	if ahead := time.Duration(proposed - s.Now()); ahead > s.options.MaxClockDrift {
		return fmt.Errorf("propose mutation: the clock of the node where it came in is %s ahead of the leader's, and may be off by %s; set it: %w",
			ahead.Round(time.Millisecond), s.options.MaxClockDrift, ostiary.ErrUnavailable)
	}
	return nil
}
