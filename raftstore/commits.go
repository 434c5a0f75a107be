package raftstore

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A follower applies an entry when it hears that it is committed, which raft tells it with the next entry, or
// after Config.CommitTimeout. For a lone write that would be a wait, or many messages that say nothing. So the
// leader tells its followers as soon as it has applied the last entry of its log. What a follower hears it
// gives to its raft in the form of a message without entries, as the leader's raft would have sent it later.
// Nothing depends on it but time: a follower that is told nothing hears it after commitTimeout.

// commitNotice says that everything up to an entry is committed.
type commitNotice struct {
	// Leader and Address are who says so, and Term is the term in which it leads.
	Leader  string `json:"leader"`
	Address string `json:"address"`
	Term    uint64 `json:"term"`
	// Index and EntryTerm are those of the entry.
	Index     uint64 `json:"index"`
	EntryTerm uint64 `json:"entry_term"`
}

// noticeTimeout bounds how long a notice may take, and how long it waits for the entry that it speaks of.
const (
	noticeTimeout = time.Second
	noticePoll    = time.Millisecond
)

// notices are on their way, at most one to each follower, by its id. The next one waits, and only the newest
// of them.
type notices struct {
	mu  sync.Mutex
	out map[raft.ServerID]*commitNotice // nil: one is on its way and none waits
}

// tellCommit tells the followers that entries up to last are committed, when this node leads and no entry
// follows that would tell them. It is called by the state machine and waits for nothing.
func (s *Store) tellCommit(last *raft.Log) {
	if s.net == nil || !s.net.started.Load() || s.raft.State() != raft.Leader {
		return
	}
	notice, ok := s.commitNotice(last)
	if !ok {
		return
	}
	for _, server := range s.configuration() {
		if server.ID != s.id {
			s.sendNotice(server, notice)
		}
	}
}

// commitNotice returns what is to be told.
func (s *Store) commitNotice(last *raft.Log) (*commitNotice, bool) {
	term := s.raft.CurrentTerm()
	index := s.raft.CommitIndex()
	if index < last.Index || index != s.raft.LastIndex() {
		return nil, false
	}
	n := &commitNotice{Leader: string(s.id), Address: s.net.port.advertise, Term: term, Index: index, EntryTerm: last.Term}
	if index > last.Index { // an entry that the state machine does not see is the last one
		var entry raft.Log
		if err := s.logs().GetLog(index, &entry); err != nil {
			return nil, false
		}
		n.EntryTerm = entry.Term
	}
	// The term before and after: while it stood still, this node led in it.
	return n, s.raft.State() == raft.Leader && s.raft.CurrentTerm() == term
}

func (s *Store) sendNotice(to raft.Server, n *commitNotice) {
	out := &s.net.notices
	out.mu.Lock()
	defer out.mu.Unlock()
	if _, busy := out.out[to.ID]; busy {
		out.out[to.ID] = n
		return
	}
	out.out[to.ID] = nil
	s.net.running.Go(func() {
		for n != nil && s.net.ctx.Err() == nil {
			s.deliver(to, n)
			n = out.next(to.ID)
		}
	})
}

// next returns the notice that waits for a follower, or nil, and then none is on its way any more.
func (o *notices) next(to raft.ServerID) *commitNotice {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.out[to]
	if n == nil {
		delete(o.out, to)
	} else {
		o.out[to] = nil
	}
	return n
}

func (s *Store) deliver(to raft.Server, n *commitNotice) {
	ctx, cancel := context.WithTimeout(s.net.ctx, noticeTimeout)
	defer cancel()
	conn, err := s.net.peers.reach(ctx, string(to.Address))
	if err == nil {
		_, err = call[nothing](ctx, conn, "committed", n)
	}
	if err != nil {
		s.logger.Debug("follower not told of a commit; it hears later", "node", string(to.ID), "index", n.Index, "reason", err)
	}
}

// takeCommitted passes a notice on to raft, once the entry that it speaks of is in this node's log.
func (s *Store) takeCommitted(ctx context.Context, n *commitNotice) (*nothing, error) {
	if err := s.serving(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	for !s.hasEntry(n.Index, n.EntryTerm) {
		select {
		case <-time.After(noticePoll):
		case <-s.net.ctx.Done():
			return nil, s.failed()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.raft.CommitIndex() >= n.Index {
		return &nothing{}, nil
	}
	answer := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{RespChan: answer, Command: &raft.AppendEntriesRequest{
		RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(n.Leader), Addr: []byte(n.Address)},
		Term:         n.Term,
		PrevLogEntry: n.Index, PrevLogTerm: n.EntryTerm, LeaderCommitIndex: n.Index,
	}}
	select {
	case s.net.received.rpcs <- rpc:
	case <-s.net.ctx.Done():
		return nil, s.failed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case got := <-answer:
		return &nothing{}, got.Error
	case <-s.net.ctx.Done():
		return nil, s.failed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hasEntry says whether the log of this node holds an entry of a term, or something that is committed there.
func (s *Store) hasEntry(index, term uint64) bool {
	if s.raft.CommitIndex() >= index {
		return true
	}
	var entry raft.Log
	return s.log.LastIndex() >= index && s.logs().GetLog(index, &entry) == nil && entry.Term == term
}
