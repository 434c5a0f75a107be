package raftstore

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Every node of a cluster asks every other one, each second, how it stands. Raft itself does not tell: what
// follows from it are which entries of the log a node still needs (needed), whose clock is right
// (clocks.go), which kinds of change every node can apply (version.go) and which nodes are dead
// (autopilot.go).

const (
	// watchInterval is how often the others are asked, and how long an answer may take.
	watchInterval = time.Second
	// newsPatience is how old news may be to say that a node is there.
	newsPatience = 3 * time.Second
)

// watchQuestion is what a node asks of another.
type watchQuestion struct{}

// standing is how a node stands, in its own words.
type standing struct {
	ID        string `json:"id"`
	Release   uint32 `json:"release"`
	Nanos     int64  `json:"nanos"` // its clock
	LastIndex uint64 `json:"last_index"`
	LastTerm  uint64 `json:"last_term"`
	// ContactNanos is how long ago it heard from the leader; zero on the leader.
	ContactNanos int64 `json:"contact_nanos"`
}

// news is what a node knows of another one.
type news struct {
	standing
	heard      time.Time // when the answer came
	progressed time.Time // when it was last seen to come nearer, or to lack nothing
	// offset is how far its clock is ahead of ours at least, negative when it is behind: what the time that
	// the question took can explain is left out.
	offset time.Duration
}

// board is the newest news of every other member, by id.
type board struct {
	mu   sync.Mutex
	news map[string]news
	met  map[string]time.Time // when a member was first seen among them
}

// silence returns how long ago a member last answered, or was first seen.
func (b *board) silence(id string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, known := b.met[id]
	if n := b.news[id]; n.heard.After(last) {
		last = n.heard
	}
	if !known {
		return 0
	}
	return time.Since(last)
}

// put replaces what is known of a node. Asked and answered are the times by our clock, end is the last
// index of our log.
func (b *board) put(s standing, asked, answered int64, end uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	next := news{standing: s, heard: now, progressed: now}
	if s.Nanos != 0 {
		next.offset = offsetOf(s.Nanos, asked, answered)
	}
	if old, ok := b.news[s.ID]; ok && s.LastIndex <= old.LastIndex && s.LastIndex < end {
		next.progressed = old.progressed
	}
	b.news[s.ID] = next
}

// offsetOf returns how far a clock that showed nanos at some time between two times of ours is off at
// least.
func offsetOf(nanos, asked, answered int64) time.Duration {
	switch {
	case nanos > answered:
		return time.Duration(nanos - answered)
	case nanos < asked:
		return time.Duration(nanos - asked)
	}
	return 0
}

// keep notes who is a member and forgets everybody else.
func (b *board) keep(members []Member) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[string]bool{}
	for _, m := range members {
		known[m.ID] = true
		if _, met := b.met[m.ID]; !met {
			b.met[m.ID] = time.Now()
		}
	}
	for id := range b.met {
		if !known[id] {
			delete(b.met, id)
			delete(b.news, id)
		}
	}
}

// watch asks the others until the node closes.
func (s *Store) watch() {
	pilot := s.newAutopilot()
	if pilot != nil {
		defer func() { <-pilot.Stop() }()
	}
	for s.net.ctx.Err() == nil {
		if members := s.lookAround(); members != nil {
			s.lookAtClocks(members)
			s.tend()
		}
		switch leads := s.raft.State() == raft.Leader; {
		case pilot != nil && leads:
			pilot.Start(s.net.ctx)
		case pilot != nil:
			<-pilot.Stop()
		}
		s.pause(s.options.watchInterval)
	}
}

// lookAround asks every other member once, and returns the members.
func (s *Store) lookAround() []Member {
	_, members, err := s.members()
	if err != nil {
		return nil // raft is shutting down
	}
	s.net.board.keep(members)
	ctx, cancel := context.WithTimeout(s.net.ctx, watchInterval)
	defer cancel()
	var asking sync.WaitGroup
	for _, m := range members {
		if m.ID != string(s.id) {
			asking.Go(func() { s.lookAt(ctx, m) })
		}
	}
	asking.Wait()
	return members
}

func (s *Store) lookAt(ctx context.Context, m Member) {
	conn, err := s.net.peers.reach(ctx, m.Address)
	if err != nil {
		return // what is known of it grows old
	}
	asked := s.options.Clock().UnixNano()
	got, err := call[standing](ctx, conn, "standing", watchQuestion{})
	answered := s.options.Clock().UnixNano()
	switch {
	case status.Code(err) == codes.Unimplemented:
		// A release from before this question: all that is known is that it is one.
		s.net.board.put(standing{ID: m.ID, Release: 1}, asked, answered, 0)
	case err == nil && got.ID == m.ID:
		s.net.board.put(*got, asked, answered, s.log.LastIndex())
	}
}

func (s *Store) takeStanding(context.Context, *watchQuestion) (*standing, error) {
	if err := s.serving(); err != nil {
		return nil, err
	}
	now := s.standing()
	return &now, nil
}

// standing is how this node stands.
func (s *Store) standing() standing {
	now := standing{ID: string(s.id), Release: s.options.release, Nanos: s.options.Clock().UnixNano(), LastIndex: s.raft.LastIndex()}
	if s.raft.State() != raft.Leader {
		now.ContactNanos = int64(time.Since(s.raft.LastContact()))
	}
	now.LastTerm, _ = strconv.ParseUint(s.raft.Stats()["last_log_term"], 10, 64)
	return now
}
