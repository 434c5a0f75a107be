package raftstore

import (
	"slices"

	"github.com/hashicorp/raft"
)

// A node must vote by term and log alone: whose vote counts is for the candidate's configuration to say. Raft
// 1.8.0 also refuses a candidate that is no voter in the voter's own newest configuration, which may never
// have been committed: a leader that was cut off while it removed a member then refuses that member for ever,
// and where nobody else has all that is committed, no node can lead again. So raft is told that a voter asks.
// That a member which was really removed gets a majority is ruled out by its log: it lacks its removal, which
// a majority has.

// admit lets raft judge a candidate that is no voter in this node's newest configuration.
func (r *receiver) admit(header *raft.RPCHeader) {
	servers := r.configuration()
	voter := func(s raft.Server) bool { return s.Suffrage == raft.Voter }
	if slices.ContainsFunc(servers, func(s raft.Server) bool { return voter(s) && s.ID == raft.ServerID(header.ID) }) {
		return
	}
	if at := slices.IndexFunc(servers, voter); at >= 0 {
		header.ID = []byte(servers[at].ID) // it decides nothing but this: the vote is for the address
	}
}

// configuration returns the newest members, or nothing while raft starts.
func (s *Store) configuration() []raft.Server {
	if !s.net.started.Load() {
		return nil
	}
	return s.raft.GetConfiguration().Configuration().Servers
}
