package raftstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// Member is one node of a cluster, as its configuration has it.
type Member struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	// Voter is false for a learner, which follows the log and has no say.
	Voter  bool `json:"voter"`
	Leader bool `json:"leader"`
}

// NodeStatus is what a node says of itself.
type NodeStatus struct {
	Cluster string `json:"cluster"`
	ID      string `json:"id"`
	Address string `json:"address"`
	// Role is leader, follower, learner or candidate.
	Role string `json:"role"`
	Term uint64 `json:"term"`
	// LeaderID and LeaderAddress are empty while no leader is known.
	LeaderID      string `json:"leader_id"`
	LeaderAddress string `json:"leader_address"`
	LastIndex     uint64 `json:"last_index"`
	CommitIndex   uint64 `json:"commit_index"`
	ApplyIndex    uint64 `json:"apply_index"`
	// Fault says why the node does not serve; empty when it does.
	Fault   string   `json:"fault,omitempty"`
	Members []Member `json:"members"`
}

// Status returns what this node says of itself.
func (s *Store) Status() (NodeStatus, error) {
	if err := s.failed(); err != nil {
		return NodeStatus{}, err
	}
	_, members, err := s.members()
	if err != nil {
		return NodeStatus{}, err
	}
	applied, _ := s.storage.Applied()
	address, id := s.raft.LeaderWithID()
	status := NodeStatus{
		Cluster: hex.EncodeToString(s.cluster[:]), ID: string(s.id), Role: "candidate", Term: s.raft.CurrentTerm(),
		LeaderID: string(id), LeaderAddress: string(address),
		LastIndex: s.raft.LastIndex(), CommitIndex: s.raft.CommitIndex(), ApplyIndex: applied, Members: members,
	}
	if s.net != nil {
		status.Address = s.net.port.advertise
	}
	switch s.raft.State() {
	case raft.Leader:
		status.Role = "leader"
	case raft.Follower:
		status.Role = "learner"
		for _, m := range members {
			if m.ID == status.ID && m.Voter {
				status.Role = "follower"
			}
		}
	}
	if err := s.Ready(); err != nil {
		status.Fault = err.Error()
	}
	return status, nil
}

// Leads reports whether this node leads, as far as it knows. It is cheap.
func (s *Store) Leads() bool { return s.raft.State() == raft.Leader }

// Role returns leader, follower, learner or candidate; a node alone leads.
func (s *Store) Role() string {
	status, err := s.Status()
	if err != nil {
		return "candidate"
	}
	return status.Role
}

// members returns the newest configuration and its index.
func (s *Store) members() (index uint64, members []Member, err error) {
	future := s.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return 0, nil, fmt.Errorf("read the cluster's members: %w", err)
	}
	_, leader := s.raft.LeaderWithID()
	for _, server := range future.Configuration().Servers {
		members = append(members, Member{
			ID: string(server.ID), Address: string(server.Address),
			Voter: server.Suffrage == raft.Voter, Leader: server.ID == leader,
		})
	}
	return future.Index(), members, nil
}

// ChangeKind says what a Change does to the members.
type ChangeKind string

// The kinds of change.
const (
	// ChangeAdd adds a learner, or gives a member another address.
	ChangeAdd ChangeKind = "add"
	// ChangeRemove takes a member out.
	ChangeRemove ChangeKind = "remove"
	// ChangePromote gives a learner a vote.
	ChangePromote ChangeKind = "promote"
	// ChangeDemote takes a member's vote.
	ChangeDemote ChangeKind = "demote"
	// ChangeTransfer lets another voter lead: that of ID, or the one that is furthest when ID is empty.
	ChangeTransfer ChangeKind = "transfer"
)

// Change is one change of the members of a cluster.
type Change struct {
	Kind    ChangeKind `json:"kind"`
	ID      string     `json:"id"`
	Address string     `json:"address,omitempty"` // ChangeAdd
	// Release is the release number of a node that adds itself. Zero says nothing.
	Release uint32 `json:"release,omitempty"`
	// Passed is set when one node passes the change on to another, which does not do so again.
	Passed bool `json:"passed,omitempty"`
}

// changeTimeout bounds how long a change may wait for its place and for raft.
const changeTimeout = 10 * time.Second

// ChangeMembers changes the members, through the leader wherever it is. A change that stands already is
// a success. The last voter can be neither removed nor demoted: ostiary.ErrPrecondition.
func (s *Store) ChangeMembers(ctx context.Context, c Change) error {
	_, err := s.takeChange(ctx, &c)
	return err
}

func (s *Store) takeChange(ctx context.Context, c *Change) (*nothing, error) {
	if err := s.serving(); err != nil {
		return nil, err
	}
	if s.raft.State() == raft.Leader {
		return &nothing{}, s.changeHere(ctx, *c)
	}
	if c.Passed || s.net == nil {
		return nil, fmt.Errorf("change members: this node does not lead: %w", ostiary.ErrNotLeader)
	}
	conn, here, err := s.leader(ctx)
	if err != nil || here {
		return nil, fmt.Errorf("change members: %w", errors.Join(err, ostiary.ErrNotLeader))
	}
	passed := *c
	passed.Passed = true
	return call[nothing](ctx, conn, "change", passed)
}

func (s *Store) changeHere(ctx context.Context, c Change) error {
	index, members, err := s.members()
	if err != nil {
		return err
	}
	action, err := s.judgeChange(c, index, members)
	if err == nil && s.net != nil {
		err = s.judgeMove(ctx, c, members)
	}
	if err != nil {
		return fmt.Errorf("%s node %q: %w", c.Kind, c.ID, err)
	}
	switch {
	case action == nil && c.Kind == ChangeTransfer:
		return nil
	case action == nil: // it stands in the log, and whoever asks relies on it
		action = func() raft.Future { return s.raft.Barrier(changeTimeout) }
	case c.Kind == ChangeTransfer:
		to, err := s.successor(ctx, c.ID, members)
		if err != nil {
			return fmt.Errorf("%s node %q: %w", c.Kind, c.ID, err)
		}
		action = func() raft.Future {
			return s.raft.LeadershipTransferToServer(raft.ServerID(to.ID), raft.ServerAddress(to.Address))
		}
		fallthrough
	default:
		s.logger.Info("members change", "kind", string(c.Kind), "node", c.ID, "address", c.Address)
	}
	_, err = s.settle(ctx, func() error { return action().Error() })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		err = ostiary.ErrNotLeader
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	default:
		err = fmt.Errorf("%w: %w", err, ostiary.ErrUnavailable)
	}
	return fmt.Errorf("%s node %q: %w", c.Kind, c.ID, err)
}

// judgeChange returns what to ask of raft, or nil when the change stands already.
func (s *Store) judgeChange(c Change, index uint64, members []Member) (func() raft.Future, error) {
	var at *Member
	voters := 0
	for i := range members {
		if members[i].ID == c.ID {
			at = &members[i]
		}
		if members[i].Voter {
			voters++
		}
	}
	if at == nil && c.Kind != ChangeAdd && (c.Kind != ChangeTransfer || c.ID != "") {
		return nil, fmt.Errorf("no member has this id: %w", ostiary.ErrNotFound)
	}
	id := raft.ServerID(c.ID)
	switch c.Kind {
	case ChangeAdd:
		return s.judgeAdd(c, at, index, members)
	case ChangePromote:
		if at.Voter {
			return nil, nil
		}
		return func() raft.Future { return s.raft.AddVoter(id, raft.ServerAddress(at.Address), index, changeTimeout) }, nil
	case ChangeDemote:
		if !at.Voter {
			return nil, nil
		}
		if err := s.judgeLoss(*at, voters); err != nil {
			return nil, err
		}
		return func() raft.Future { return s.raft.DemoteVoter(id, index, changeTimeout) }, nil
	case ChangeRemove:
		if err := s.judgeLoss(*at, voters); err != nil {
			return nil, err
		}
		return func() raft.Future { return s.raft.RemoveServer(id, index, changeTimeout) }, nil
	case ChangeTransfer:
		return s.judgeTransfer(at, voters)
	}
	return nil, fmt.Errorf("no change is called %q", c.Kind)
}

func (s *Store) judgeAdd(c Change, at *Member, index uint64, members []Member) (func() raft.Future, error) {
	if c.ID == "" || c.Address == "" {
		return nil, fmt.Errorf("a member needs an id and an address; got %q and %q: %w", c.ID, c.Address, ostiary.ErrPrecondition)
	}
	for _, m := range members {
		if m.Address == c.Address && m.ID != c.ID {
			return nil, fmt.Errorf("node %s has the address %q already; remove that member first: %w", m.ID, c.Address, ostiary.ErrExists)
		}
	}
	if version, _, err := s.clusterVersion(); err != nil || c.Release != 0 && c.Release < version {
		return nil, errors.Join(err, fmt.Errorf("the cluster is at version %d, and the node's release understands %d; upgrade it first: %w",
			version, c.Release, ostiary.ErrPrecondition))
	}
	id, address := raft.ServerID(c.ID), raft.ServerAddress(c.Address)
	switch {
	case at != nil && at.Address == c.Address:
		return nil, nil
	case at != nil && at.Voter:
		return func() raft.Future { return s.raft.AddVoter(id, address, index, changeTimeout) }, nil
	}
	return func() raft.Future { return s.raft.AddNonvoter(id, address, index, changeTimeout) }, nil
}

// judgeLoss refuses what would leave a cluster that nobody can lead.
func (s *Store) judgeLoss(m Member, voters int) error {
	switch {
	case m.Voter && voters == 1:
		return fmt.Errorf("it is the last voter, and without one nothing can be written any more: %w", ostiary.ErrPrecondition)
	case m.ID == string(s.id):
		return fmt.Errorf("it leads; transfer the leadership first: %w", ostiary.ErrPrecondition)
	}
	return nil
}

func (s *Store) judgeTransfer(to *Member, voters int) (func() raft.Future, error) {
	switch {
	case to == nil && voters == 1:
		return nil, fmt.Errorf("there is no other voter: %w", ostiary.ErrPrecondition)
	case to != nil && to.ID == string(s.id):
		return nil, nil
	case to != nil && !to.Voter:
		return nil, fmt.Errorf("it is a learner; promote it first: %w", ostiary.ErrPrecondition)
	}
	return func() raft.Future { return s.raft.LeadershipTransfer() }, nil
}

// maxTransferLag is how many entries a node may lack to be given the leadership.
const maxTransferLag = 1024

// successor returns the voter of an id, or for none the one that is furthest, which answers now and is not
// far behind. While raft waits for a node that does not follow, it takes no writes, and in 1.8.0 it may
// wait for ever.
func (s *Store) successor(ctx context.Context, id string, members []Member) (best Member, err error) {
	ctx, cancel := context.WithTimeout(ctx, watchInterval)
	defer cancel()
	var (
		asking   sync.WaitGroup
		mu       sync.Mutex // guards what follows, and best
		furthest uint64
		failures []error
	)
	for _, m := range members {
		if !m.Voter || m.ID == string(s.id) || id != "" && m.ID != id {
			continue
		}
		asking.Go(func() {
			conn, err := s.net.peers.reach(ctx, m.Address)
			var got *standing
			if err == nil {
				got, err = call[standing](ctx, conn, "standing", watchQuestion{})
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, err)
			} else if best.ID == "" || got.LastIndex > furthest {
				best, furthest = m, got.LastIndex
			}
		})
	}
	asking.Wait()
	switch last := s.log.LastIndex(); {
	case best.ID == "":
		return best, fmt.Errorf("it does not answer: %w: %w", errors.Join(failures...), ostiary.ErrUnavailable)
	case furthest+maxTransferLag < last:
		return best, fmt.Errorf("its log ends at %d and the leader's at %d; wait until it has caught up: %w", furthest, last, ostiary.ErrUnavailable)
	}
	return best, nil
}

func (s *Store) takeStatus(context.Context, *nothing) (*NodeStatus, error) {
	if err := s.serving(); err != nil {
		return nil, err
	}
	status, err := s.Status()
	return &status, err
}
