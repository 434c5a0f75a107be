package raftstore

import (
	"time"

	"github.com/hashicorp/raft"
)

// Picture is how a node stands in its cluster, for operators to look at. It holds no secrets. Indexes are of the log.
type Picture struct {
	NodeStatus
	Ready    bool `json:"ready"`
	Writable bool `json:"writable"`
	// FirstIndex is the oldest entry that is kept, SnapshotIndex what a raft snapshot stands for.
	FirstIndex    uint64 `json:"first_index"`
	SnapshotIndex uint64 `json:"snapshot_index"`
	// ApplyLag is how many entries are committed and not yet handed to the state machine.
	ApplyLag uint64 `json:"apply_lag_entries"`
	// LeaderContact is how long ago the leader was heard; nil on the leader, and while none was. CaughtUp is how long ago
	// this node had everything that was acknowledged then; nil: never in this run, or it is alone.
	LeaderContact *float64 `json:"leader_contact_seconds,omitempty"`
	CaughtUp      *float64 `json:"caught_up_seconds,omitempty"`
	// Enqueuing is set while a proposal waits for its place in the queue of the log.
	Enqueuing bool `json:"enqueuing"`
	// Peers are the other members, as this node knows them.
	Peers []Peer `json:"peers"`
}

// Peer is another member, as a node knows it.
type Peer struct {
	Member
	// Heard is how long ago it answered; nil: it did not in this run. What follows is from then.
	Heard     *float64 `json:"heard_seconds,omitempty"`
	LastIndex uint64   `json:"last_index"`
	// Lag is how many entries of this node's log it lacks.
	Lag uint64 `json:"lag_entries"`
	// ClockOffset is how far its clock is ahead at least, negative when it is behind.
	ClockOffset float64 `json:"clock_offset_seconds"`
	Release     uint32  `json:"release"`
}

// Picture returns how the node stands.
func (s *Store) Picture() (Picture, error) {
	status, err := s.Status()
	if err != nil {
		return Picture{}, err
	}
	p := Picture{NodeStatus: status, Ready: s.Ready() == nil, Writable: s.Writable() == nil,
		FirstIndex: s.log.FirstIndex(), SnapshotIndex: s.snapshotIndex(), Enqueuing: len(s.turn) > 0}
	p.ApplyLag = status.CommitIndex - min(status.CommitIndex, s.raft.AppliedIndex())
	if at := s.raft.LastContact(); s.raft.State() != raft.Leader && !at.IsZero() {
		p.LeaderContact = seconds(time.Since(at))
	}
	if s.net == nil {
		return p, nil
	}
	if s.net.heard.Load() != nil {
		p.CaughtUp = seconds(s.age())
	}
	s.net.board.mu.Lock()
	defer s.net.board.mu.Unlock()
	for _, m := range status.Members {
		if m.ID == status.ID {
			continue
		}
		peer := Peer{Member: m}
		if n, known := s.net.board.news[m.ID]; known {
			peer.Heard, peer.LastIndex, peer.Release = seconds(time.Since(n.heard)), n.LastIndex, n.Release
			peer.Lag = status.LastIndex - min(status.LastIndex, n.LastIndex)
			peer.ClockOffset = n.offset.Seconds()
		}
		p.Peers = append(p.Peers, peer)
	}
	return p, nil
}

func (s *Store) snapshotIndex() uint64 {
	all, err := s.snapshots().List()
	if err != nil || len(all) == 0 {
		return 0
	}
	return all[0].Index
}

func seconds(d time.Duration) *float64 {
	n := d.Seconds()
	return &n
}
