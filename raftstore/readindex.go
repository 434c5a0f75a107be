package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// A linearizable read asks for a read index: who has applied that index sees every write that was
// acknowledged before the question. The leader captures its commit index, then makes sure with a quorum
// that it still leads, and answers with the highest entry at or below the captured index that the state
// machine sees: a wait for a no-op or a barrier, which the state machine never sees, would not end.
//
// Where two voters are a quorum, a question from one confirms as much as its answer to a heartbeat would: it
// says in which term that node stood after the reads came. While that was the leader's term, the two had not
// both followed another leader, and no third node was elected without one of them.

// indexQuestion asks for a read index.
type indexQuestion struct {
	// Node is who asks, and Term the term in which it stood when it began to ask. A release that sends
	// neither is answered after a round of heartbeats.
	Node string `json:"node,omitempty"`
	Term uint64 `json:"term,omitempty"`
}

// sharedIndex lets waiting reads share one question. A read never joins a question that was put before
// it came: it waits for the next.
type sharedIndex struct {
	ask func(context.Context) (uint64, error)

	base    context.Context // ends when the node closes
	running sync.WaitGroup

	mu   sync.Mutex
	next *indexRound // collects reads until the question before is answered
	busy bool
}

type indexRound struct {
	done  chan struct{} // closed after index and err are set
	index uint64
	err   error
}

// get returns a read index.
func (q *sharedIndex) get(ctx context.Context) (uint64, error) {
	q.mu.Lock()
	if err := q.base.Err(); err != nil {
		q.mu.Unlock()
		return 0, fmt.Errorf("node is shutting down: %w", ostiary.ErrUnavailable)
	}
	if q.next == nil {
		q.next = &indexRound{done: make(chan struct{})}
	}
	round := q.next
	if !q.busy {
		q.busy = true
		q.running.Go(q.run)
	}
	q.mu.Unlock()
	select {
	case <-round.done:
		return round.index, round.err
	case <-ctx.Done():
		return 0, fmt.Errorf("ask the leader for a read index: %w: %w", ctx.Err(), ostiary.ErrUnavailable)
	}
}

func (q *sharedIndex) run() {
	for {
		q.mu.Lock()
		round := q.next
		q.next = nil
		if round == nil {
			q.busy = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		ctx, cancel := context.WithTimeout(q.base, maxReadWait)
		round.index, round.err = q.ask(ctx)
		cancel()
		close(round.done)
	}
}

// leaderPause is how long to wait before looking for a leader again.
const leaderPause = 10 * time.Millisecond

// askIndex asks the leader, wherever it is, until it answers or ctx ends. To ask twice does no harm.
func (s *Store) askIndex(ctx context.Context) (uint64, error) {
	for {
		index, err := s.askIndexOnce(ctx)
		if err == nil {
			return index, nil
		}
		select {
		case <-time.After(leaderPause):
		case <-s.dead:
			return 0, s.failed()
		case <-ctx.Done():
			return 0, fmt.Errorf("ask the leader for a read index: %w: %w", err, ostiary.ErrUnavailable)
		}
	}
}

func (s *Store) askIndexOnce(ctx context.Context) (uint64, error) {
	conn, here, err := s.leader(ctx)
	if err != nil {
		return 0, err
	}
	if here {
		return s.leaderRead.get(ctx)
	}
	got, err := call[indexAnswer](ctx, conn, "read-index", indexQuestion{Node: string(s.id), Term: s.raft.CurrentTerm()})
	if err != nil {
		return 0, err
	}
	return got.Index, nil
}

// leaderIndex answers for a node that leads.
func (s *Store) leaderIndex(ctx context.Context) (uint64, error) {
	term, err := s.settleTerm(ctx)
	if err != nil {
		return 0, err
	}
	commit := s.raft.CommitIndex() // captured before the verification begins
	if _, err := s.settle(ctx, func() error { return s.raft.VerifyLeader().Error() }); err != nil {
		return 0, fmt.Errorf("confirm leadership: %w: %w", err, ostiary.ErrNotLeader)
	}
	if now := s.raft.CurrentTerm(); now != term {
		return 0, fmt.Errorf("confirm leadership: term %d has become %d: %w", term, now, ostiary.ErrNotLeader)
	}
	return s.visible(commit)
}

// confirmedIndex answers a question that itself confirms that this node leads, and says whether it does.
func (s *Store) confirmedIndex(q *indexQuestion) (index uint64, confirmed bool, err error) {
	term := s.raft.CurrentTerm()
	if q.Term != term || s.settledTerm.Load() != term || !s.isQuorum(raft.ServerID(q.Node)) {
		return 0, false, nil
	}
	commit := s.raft.CommitIndex()
	if s.raft.State() != raft.Leader || s.raft.CurrentTerm() != term {
		return 0, false, nil
	}
	index, err = s.visible(commit)
	return index, true, err
}

// isQuorum says whether this node and another are a majority of the voters.
func (s *Store) isQuorum(other raft.ServerID) bool {
	voters, both := 0, 0
	for _, server := range s.raft.GetConfiguration().Configuration().Servers {
		if server.Suffrage != raft.Voter {
			continue
		}
		voters++
		if server.ID == other || server.ID == s.id {
			both++
		}
	}
	return both == 2 && voters <= 3
}

// settleTerm makes sure that this leader has committed an entry of its own term, before which it does
// not know what the leader before it committed. It returns the term.
func (s *Store) settleTerm(ctx context.Context) (uint64, error) {
	term := s.raft.CurrentTerm()
	if s.raft.State() != raft.Leader {
		return 0, fmt.Errorf("this node does not lead: %w", ostiary.ErrNotLeader)
	}
	if s.settledTerm.Load() == term {
		return term, nil
	}
	if _, err := s.settle(ctx, func() error { return s.raft.Barrier(0).Error() }); err != nil {
		return 0, fmt.Errorf("commit an entry of term %d: %w: %w", term, err, ostiary.ErrNotLeader)
	}
	if now := s.raft.CurrentTerm(); now != term {
		return 0, fmt.Errorf("term %d has become %d: %w", term, now, ostiary.ErrNotLeader)
	}
	s.settledTerm.Store(term)
	return term, nil
}

// visible returns the highest index at or below commit whose entry the state machine sees. Where the log
// was truncated up to there, it is what storage has applied by now, which is no less.
func (s *Store) visible(commit uint64) (uint64, error) {
	logs := s.logs()
	for index := commit; index > 0; index-- {
		kind, err := logs.kind(index)
		if errors.Is(err, raft.ErrLogNotFound) {
			break
		}
		if err != nil {
			return 0, err
		}
		if kind == raft.LogCommand || kind == raft.LogConfiguration {
			return index, nil
		}
	}
	applied, _ := s.storage.Applied()
	return applied, nil
}
