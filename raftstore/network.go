package raftstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/ostiary/ostiary"
)

// network is what a node of a cluster has and a cluster of one without a port has not.
type network struct {
	port   *port
	peers  *peers
	server *grpc.Server
	// received is raft's transport.
	received *receiver
	notices  notices

	ctx     context.Context // ends when the node closes
	stop    context.CancelFunc
	running sync.WaitGroup

	// started is set when raft runs; before, calls are refused.
	started atomic.Bool
	// current is closed once this process has applied a commit index that it learned from a leader in
	// this run. Before, nothing may be read: a crash may have cost what storage had not synced.
	current chan struct{}
	// heard is when the newest read index was asked for that is applied here: everything acknowledged
	// before is in the views of this node.
	heard atomic.Pointer[time.Time]
	board board
	// drift is how far this node's clock is wrong, in nanoseconds; zero while it is right.
	drift atomic.Int64
	// version is the cluster's version as it was last looked at: it only grows.
	version atomic.Uint32
}

// joinReport is how often a node that waits to be a member, or to be current, says so.
const joinReport = 5 * time.Second

// openNetwork opens the cluster's port. Calls are refused until raft runs.
func (s *Store) openNetwork() error {
	if s.options.Addr == "" {
		if len(s.options.Join) > 0 || s.options.Expect > 0 || s.options.Learner {
			return errors.New("to join others a node needs an address for the cluster")
		}
		return nil
	}
	port, err := listen(s.options.Network, s.options.Addr, s.options.Advertise, s.options.Security, s.logger)
	if err != nil {
		return err
	}
	n := &network{port: port, current: make(chan struct{}), notices: notices{out: map[raft.ServerID]*commitNotice{}}, board: board{news: map[string]news{}, met: map[string]time.Time{}}}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.peers = newPeers(func(ctx context.Context, address string) (net.Conn, error) {
		conn, _, err := dial(ctx, port.network, port.security, address, kindCall, port.clusterID(), "")
		return conn, err
	})
	n.server = callServer(
		method("propose", s.takeProposal),
		method("read-index", s.takeReadIndex),
		method("committed", s.takeCommitted),
		method("status", s.takeStatus),
		method("change", s.takeChange),
		method("standing", s.takeStanding),
	)
	n.running.Go(func() { _ = n.server.Serve(callListener{port}) }) // ends with the port
	s.net = n
	s.leaderRead = &sharedIndex{ask: s.leaderIndex, base: n.ctx}
	s.anyRead = &sharedIndex{ask: s.askIndex, base: n.ctx}
	return nil
}

// serving returns an error until raft runs, and when the node has failed.
func (s *Store) serving() error {
	if err := s.failed(); err != nil {
		return err
	}
	if s.net != nil && !s.net.started.Load() {
		return fmt.Errorf("node is starting: %w", ostiary.ErrUnavailable)
	}
	return nil
}

// run starts what a node of a cluster does in the background.
func (s *Store) run() {
	s.net.started.Store(true)
	s.net.running.Go(s.becomeMember)
	s.net.running.Go(s.stayCurrent)
	s.net.running.Go(s.watch)
	s.net.running.Go(s.guardDisk)
}

// close ends everything but raft and the port, which raft closes.
func (n *network) close() {
	n.stop()
	n.server.Stop()
	n.peers.close()
}

// waitCurrent returns when this node may answer reads.
func (s *Store) waitCurrent(ctx context.Context) error {
	select {
	case <-s.net.current:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, maxReadWait)
	defer cancel()
	select {
	case <-s.net.current:
		return nil
	case <-s.dead:
		return s.failed()
	case <-s.net.ctx.Done():
		return fmt.Errorf("node is shutting down: %w", ostiary.ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("this node has not caught up with a leader since it started (%w): %w", ctx.Err(), ostiary.ErrUnavailable)
	}
}

// stayCurrent learns a commit index from a leader and waits until it is applied here, again and again.
func (s *Store) stayCurrent() {
	s.becomeCurrent()
	for s.net.ctx.Err() == nil {
		s.pause(s.hearingInterval())
		if _, err := s.hear(); err != nil {
			s.pause(leaderPause)
		}
	}
}

func (s *Store) becomeCurrent() {
	start, reported := time.Now(), time.Now()
	for s.net.ctx.Err() == nil {
		index, err := s.hear()
		if err == nil {
			close(s.net.current)
			s.logger.Info("caught up", "apply_index", index, "duration", time.Since(start))
			return
		}
		if s.net.ctx.Err() == nil && time.Since(reported) >= joinReport {
			reported = time.Now()
			applied, _ := s.storage.Applied()
			s.logger.Warn("not caught up with the cluster yet; reads are refused", "apply_index", applied, "known_index", index, "reason", err)
		}
		s.pause(leaderPause)
	}
}

func (s *Store) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.net.ctx.Done():
	}
}

// promotedKey is set, in the log's key-value table, once a node that joined has its vote. A vote that an
// operator takes away later it does not ask for again.
const promotedKey = "promoted"

// becomeMember makes sure that the cluster knows this node, at its address, and with a vote where it is
// to have one: it comes in as a learner and gets its vote when it has caught up, so that a node without
// data never counts for a quorum.
//
// Who was a member for sure and is none any more has been removed, and does not ask again before its next
// start: whoever removed it may have given its address to another node.
func (s *Store) becomeMember() {
	reported := time.Now()
	var was membership
	for s.net.ctx.Err() == nil {
		done, err := s.askMembership(&was)
		if done {
			return
		}
		if err != nil && s.net.ctx.Err() == nil && time.Since(reported) >= joinReport {
			reported = time.Now()
			s.logger.Warn("not a member of the cluster yet", "reason", err)
		}
		s.pause(5 * leaderPause)
	}
}

// membership is what a node has seen of its own.
type membership struct {
	since   uint64 // the end of the log when it was first seen; zero before
	settled bool   // it was committed once
}

// look takes note of whether this node is a member in its log, which ends at last and is committed up to
// commit, and says whether it was removed. What was never committed may vanish without that.
func (m *membership) look(member bool, last, commit uint64) (removed bool) {
	switch {
	case !member:
		removed = m.since > 0 && m.settled
		m.since = 0
	case m.since == 0:
		m.since = last
	case commit >= m.since:
		m.settled = true
	}
	return removed
}

// askMembership takes the next step and says whether it was the last.
func (s *Store) askMembership(was *membership) (done bool, err error) {
	commit := s.raft.CommitIndex()
	_, members, err := s.members()
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(members, func(m Member) bool { return m.ID == string(s.id) })
	if was.look(at >= 0, s.raft.LastIndex(), commit) {
		s.logger.Warn("this node was removed from the cluster; start it anew, with an empty folder, to have it back")
		return true, nil
	}
	if at < 0 || members[at].Address != s.net.port.advertise {
		err := s.askAll(Change{Kind: ChangeAdd, ID: string(s.id), Address: s.net.port.advertise, Release: s.options.release})
		was.settled = was.settled || err == nil
		return false, err
	}
	promoted, found, err := s.log.Value(promotedKey)
	if err != nil {
		return false, err
	}
	switch {
	case found && len(promoted) > 0, s.options.Learner && !members[at].Voter:
		return true, nil
	case members[at].Voter:
		return true, s.log.Set(promotedKey, []byte{1})
	}
	select {
	case <-s.net.current:
	case <-s.net.ctx.Done():
		return true, nil
	}
	return false, s.askAll(Change{Kind: ChangePromote, ID: string(s.id)})
}

// askAll asks the leader for a change, or where this node knows none, the nodes that it was told of.
func (s *Store) askAll(c Change) error {
	ctx, cancel := context.WithTimeout(s.net.ctx, changeTimeout)
	defer cancel()
	if s.raft.State() == raft.Leader {
		return s.changeHere(ctx, c)
	}
	addresses := s.options.Join
	if leader, _ := s.raft.LeaderWithID(); leader != "" {
		addresses = append([]string{string(leader)}, addresses...)
	}
	var failures []error
	for _, address := range addresses {
		if address == s.net.port.advertise {
			continue
		}
		conn, err := s.net.peers.reach(ctx, address)
		if err == nil {
			_, err = call[nothing](ctx, conn, "change", c)
		}
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return errors.New("no other node is known: name one to join")
	}
	return errors.Join(failures...)
}
