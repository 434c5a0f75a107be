package raftstore

import (
	"context"
	"math"
	"time"

	"github.com/hashicorp/raft"
	autopilot "github.com/hashicorp/raft-autopilot"
)

// raft-autopilot removes members that are dead from the cluster, on the leader: those that have not
// answered for Options.DeadAfter. It removes no voter where fewer than Options.MinVoters would be left, nor
// half of the voters or more at a time. It gives nobody a vote: that is asked for by who is to have one.

// defaultMinVoters is how many voters the removal of dead members leaves.
const defaultMinVoters = 3

// pilot is what autopilot knows of the cluster.
type pilot struct{ *Store }

var (
	_ autopilot.ApplicationIntegration = pilot{}
	_ autopilot.Promoter               = pilot{}
)

// newAutopilot returns nil where dead members are to stay.
func (s *Store) newAutopilot() *autopilot.Autopilot {
	if s.net == nil || s.options.DeadAfter <= 0 {
		return nil
	}
	return autopilot.New(s.raft, pilot{s},
		autopilot.WithPromoter(pilot{s}), autopilot.WithLogger(raftLogger(s.options.Logger)),
		autopilot.WithUpdateInterval(2*s.options.watchInterval), autopilot.WithReconcileInterval(10*s.options.watchInterval))
}

// isDead reports whether a member has not answered for so long that it is to be removed.
func (s *Store) isDead(m Member) bool {
	return m.ID != string(s.id) && s.net.board.silence(m.ID) > s.options.DeadAfter
}

func (p pilot) AutopilotConfig() *autopilot.Config {
	return &autopilot.Config{
		CleanupDeadServers: true, MinQuorum: uint(p.options.MinVoters),
		LastContactThreshold: p.options.DeadAfter, MaxTrailingLogs: math.MaxUint64,
	}
}

// KnownServers returns the members, and which of them are dead.
func (p pilot) KnownServers() map[raft.ServerID]*autopilot.Server {
	_, members, err := p.members()
	if err != nil {
		return nil
	}
	servers := make(map[raft.ServerID]*autopilot.Server, len(members))
	for _, m := range members {
		server := &autopilot.Server{
			ID: raft.ServerID(m.ID), Name: m.ID, Address: raft.ServerAddress(m.Address), IsLeader: m.Leader,
			NodeStatus: autopilot.NodeAlive, RaftVersion: int(raft.ProtocolVersionMax),
		}
		if m.Voter {
			server.NodeType = autopilot.NodeVoter
		}
		if p.isDead(m) {
			server.NodeStatus = autopilot.NodeFailed
		}
		servers[server.ID] = server
	}
	return servers
}

// FetchServerStats returns the newest news of the members.
func (p pilot) FetchServerStats(_ context.Context, servers map[raft.ServerID]*autopilot.Server) map[raft.ServerID]*autopilot.ServerStats {
	stats := map[raft.ServerID]*autopilot.ServerStats{}
	add := func(s standing) {
		stats[raft.ServerID(s.ID)] = &autopilot.ServerStats{
			LastContact: time.Duration(s.ContactNanos), LastTerm: s.LastTerm, LastIndex: s.LastIndex,
		}
	}
	add(p.standing())
	p.net.board.mu.Lock()
	defer p.net.board.mu.Unlock()
	for id := range servers {
		if n, ok := p.net.board.news[string(id)]; ok {
			add(n.standing)
		}
	}
	return stats
}

func (pilot) NotifyState(*autopilot.State) {}

// RemoveFailedServer removes a member that is dead, as an operator would.
func (p pilot) RemoveFailedServer(server *autopilot.Server) {
	ctx, cancel := context.WithTimeout(p.net.ctx, changeTimeout)
	defer cancel()
	p.logger.Warn("removing a member that is dead", "node", string(server.ID), "address", string(server.Address),
		"silent_for", p.net.board.silence(string(server.ID)))
	if err := p.changeHere(ctx, Change{Kind: ChangeRemove, ID: string(server.ID)}); err != nil {
		p.logger.Warn("member not removed", "node", string(server.ID), "error", err)
	}
}

func (pilot) GetServerExt(*autopilot.Config, *autopilot.ServerState) any { return nil }

func (pilot) GetStateExt(*autopilot.Config, *autopilot.State) any { return nil }

func (pilot) GetNodeTypes(*autopilot.Config, *autopilot.State) map[raft.ServerID]autopilot.NodeType {
	return nil
}

func (pilot) CalculatePromotionsAndDemotions(*autopilot.Config, *autopilot.State) autopilot.RaftChanges {
	return autopilot.RaftChanges{}
}

func (pilot) FilterFailedServerRemovals(_ *autopilot.Config, _ *autopilot.State, failed *autopilot.FailedServers) *autopilot.FailedServers {
	return failed
}

func (pilot) IsPotentialVoter(kind autopilot.NodeType) bool { return kind == autopilot.NodeVoter }
