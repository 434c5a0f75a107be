package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// plan is everything about a simulation that follows from its seed.
type plan struct {
	seed uint64

	voters, learners int
	clients, ops     int
	electionTimeout  time.Duration
	delay            time.Duration // of the network
	snapshotEntries  uint64
	trailingEntries  uint64
	snapshotInterval time.Duration
	retention        time.Duration // of history; negative keeps all
	steps            []step
}

// step is one thing that happens.
type step struct {
	after  time.Duration // since the step before
	action action
	node   int // of the nodes, or theLeader
	other  int // where two are concerned
	hard   bool
	amount int
}

type action string

// The actions. What node, other, hard and amount mean is said in apply.
const (
	cutBoth     action = "partition"
	cutOneWay   action = "one-way partition"
	cutLink     action = "one-way cut of one link"
	healAll     action = "heal"
	slowDown    action = "delay"
	kill        action = "crash of a process"
	powerLoss   action = "power loss"
	blackout    action = "power loss everywhere"
	restart     action = "restart"
	stopNode    action = "orderly stop"
	transfer    action = "leadership transfer"
	promote     action = "promotion"
	demote      action = "demotion"
	removeNode  action = "removal"
	replaceNode action = "replacement by an empty node"
	jumpClock   action = "jump of a clock"
)

// theLeader stands for whichever node leads when the step happens.
const theLeader = -1

// weights say how often each action is drawn.
var weights = []struct {
	action action
	weight int
}{
	{cutBoth, 12}, {cutOneWay, 10}, {cutLink, 8}, {healAll, 20}, {slowDown, 5},
	{kill, 8}, {powerLoss, 10}, {blackout, 2}, {restart, 18}, {stopNode, 4},
	{transfer, 6}, {promote, 6}, {demote, 4}, {removeNode, 3}, {replaceNode, 4}, {jumpClock, 3},
}

func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &plan{
		seed: seed, voters: 3, learners: r.IntN(2),
		clients: 3, ops: 20 + r.IntN(20),
		electionTimeout:  time.Duration(50+r.IntN(150)) * time.Millisecond,
		delay:            time.Duration(1+r.IntN(4000)) * time.Microsecond,
		snapshotEntries:  uint64(4 + r.IntN(40)),
		trailingEntries:  uint64(1 + r.IntN(8)),
		snapshotInterval: time.Duration(5+r.IntN(100)) * time.Millisecond,
		retention:        -1,
	}
	if r.IntN(4) == 0 {
		p.voters = 5
	}
	if r.IntN(5) == 0 {
		p.retention = time.Duration(1+r.IntN(300)) * time.Millisecond
	}
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	for range 6 + r.IntN(14) {
		s := step{
			after: time.Duration(r.IntN(250)) * time.Millisecond,
			node:  r.IntN(p.voters + p.learners), hard: r.IntN(2) == 0, amount: r.IntN(101),
		}
		s.other = (s.node + 1 + r.IntN(p.voters+p.learners-1)) % (p.voters + p.learners)
		if r.IntN(3) == 0 {
			s.node = theLeader
		}
		at := r.IntN(total)
		for _, w := range weights {
			if at -= w.weight; at < 0 {
				s.action = w.action
				break
			}
		}
		p.steps = append(p.steps, s)
	}
	return p
}

func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d voters, %d learners, %d clients with %d operations each, election timeout %s, delay %s, "+
		"raft snapshot after %d entries every %s, %d trailing, retention %s\n", p.seed, p.voters, p.learners, p.clients, p.ops,
		p.electionTimeout, p.delay, p.snapshotEntries, p.snapshotInterval, p.trailingEntries, p.retention)
	for _, s := range p.steps {
		node := fmt.Sprint("node ", s.node)
		if s.node == theLeader {
			node = "the leader"
		}
		fmt.Fprintf(&b, "  +%-6s %s: %s, other %d, hard %t, amount %d\n", s.after, s.action, node, s.other, s.hard, s.amount)
	}
	return b.String()
}
