package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary/raftstore"
)

// run goes through the plan's steps.
func (s *simulation) run() {
	for _, step := range s.steps {
		time.Sleep(step.after)
		n := s.leader()
		if step.node != theLeader {
			n = s.nodes[step.node]
		}
		other := s.nodes[step.other]
		if other == n {
			other = s.nodes[(n.id+1)%len(s.nodes)]
		}
		s.apply(step, n, other)
	}
}

// apply lets one thing happen. A step that finds nothing to do, as a restart of a node that runs, does
// nothing.
func (s *simulation) apply(step step, n, other *node) {
	s.note("%s: node %d, other %d, hard %t, amount %d", step.action, n.id, other.id, step.hard, step.amount)
	happened := true
	switch step.action {
	case cutBoth: // n, and with hard other too, on one side, all others on the other
		for _, m := range s.nodes {
			if m != n && !(step.hard && m == other) {
				s.cutOff(n, m, step.hard, other)
			}
		}
	case cutOneWay: // to or from all others
		for _, m := range s.nodes {
			switch {
			case m == n:
			case step.hard:
				s.net.setCut(n.id, m.id, true)
			default:
				s.net.setCut(m.id, n.id, true)
			}
		}
	case cutLink:
		s.net.setCut(n.id, other.id, true)
	case healAll: // and with hard, whoever was cut off loses the connections
		s.net.heal(step.hard)
	case slowDown: // up to 20 times as slow
		s.net.slow(s.delay * time.Duration(1+step.amount/5))
	case kill: // nothing unsynced is lost, since the machine goes on
		happened = n.life.Load() != nil
		s.crash(n, false, 100)
	case powerLoss:
		happened = n.life.Load() != nil
		s.crash(n, step.hard, step.amount)
	case blackout:
		for _, m := range s.nodes {
			s.crash(m, step.hard, step.amount)
		}
	case restart: // of all nodes that are down, or with hard of one
		happened = false
		for _, m := range s.nodes {
			if m.life.Load() == nil && (!step.hard || !happened) {
				s.start(m)
				happened = true
			}
		}
	case stopNode:
		happened = n.open() != nil
		s.stop(n)
	case jumpClock: // by up to an hour either way
		n.skew.Store(int64(time.Duration(step.amount-50) * 72 * time.Second))
	case transfer, promote, demote, removeNode, replaceNode:
		happened = s.change(step, n, other)
	}
	if happened {
		faults.count(step.action)
	}
}

// cutOff cuts n, and with hard other too, off from m.
func (s *simulation) cutOff(n, m *node, hard bool, other *node) {
	for _, side := range []*node{n, other} {
		if side == n || hard {
			s.net.setCut(side.id, m.id, true)
			s.net.setCut(m.id, side.id, true)
		}
	}
}

// change changes the members, through whichever node runs. It says whether the change was made.
func (s *simulation) change(step step, n, other *node) bool {
	store := n.open()
	if store == nil {
		return false
	}
	status, err := store.Status()
	if err != nil {
		return false
	}
	c := raftstore.Change{Kind: raftstore.ChangeRemove, ID: status.ID}
	switch step.action {
	case transfer:
		c = raftstore.Change{Kind: raftstore.ChangeTransfer}
		if to := other.open(); step.hard && to != nil {
			if status, err := to.Status(); err == nil {
				c.ID = status.ID
			}
		}
	case promote:
		c.Kind = raftstore.ChangePromote
	case demote:
		c.Kind = raftstore.ChangeDemote
	}
	via := store
	if o := other.open(); o != nil && !step.hard {
		via = o
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+10*step.amount)*time.Millisecond)
	defer cancel()
	if err := via.ChangeMembers(ctx, c); err != nil {
		s.note("  refused: %v", err)
		return false
	}
	if step.action == replaceNode {
		s.replace(n, step.hard)
	}
	return true
}

// replace puts an empty machine in the place of one that was removed.
func (s *simulation) replace(n *node, power bool) {
	s.crash(n, power, 0)
	n.fs, n.replaced = newDisk(), true
	s.start(n)
}

// recover heals everything, sets the clocks and starts what does not run.
func (s *simulation) recover() {
	s.note("everything heals")
	s.healed = time.Now()
	s.net.slow(s.delay)
	s.net.heal(s.random.IntN(2) == 0)
	for _, n := range s.nodes {
		n.skew.Store(0)
		if n.life.Load() == nil {
			s.start(n)
		}
	}
}

// readmitPatience is how long a node may be out of its healed cluster before an operator adds it again.
const readmitPatience = 5 * time.Second

// rejoin waits until every node serves and is a member. A node that was removed asks for its place when it
// starts, but for one that does not know that it was removed: that is added again, as an operator would.
func (s *simulation) rejoin() bool {
	return s.until("a node stays out", func() error {
		var out error
		for _, n := range s.nodes {
			if err := n.member(false); err != nil {
				out = errors.Join(out, fmt.Errorf("node %d: %w", n.id, err))
				s.readmit(n)
			}
		}
		return out
	})
}

// readmit adds a node that the leader does not know, and that had its time to ask for its place.
func (s *simulation) readmit(n *node) {
	leader, store := s.leader().open(), n.open()
	if leader == nil || store == nil || time.Since(n.life.Load().began) < readmitPatience || time.Since(s.healed) < readmitPatience {
		return
	}
	theirs, err := leader.Status()
	if err != nil || theirs.Role != "leader" {
		return
	}
	own, err := store.Status()
	if err != nil || slices.ContainsFunc(theirs.Members, func(m raftstore.Member) bool { return m.ID == own.ID }) {
		return
	}
	s.note("node %d stays out; it is added again", n.id)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = leader.ChangeMembers(ctx, raftstore.Change{Kind: raftstore.ChangeAdd, ID: own.ID, Address: addressOf(n.id)})
	if err != nil {
		s.note("  refused: %v", err)
	}
}
