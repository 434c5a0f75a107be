package sim

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// These tests prove that the checker can fail: each plants a fault in a cluster, or in a history, and
// demands that it is found.

// quiet is a plan in which nothing happens by itself.
func quiet() *plan {
	return &plan{
		seed: 1, voters: 3, electionTimeout: 100 * time.Millisecond, delay: time.Millisecond,
		snapshotEntries: 1000, trailingEntries: 100, snapshotInterval: time.Second, retention: -1,
	}
}

// stage runs a scene in a cluster of three and returns what is found wrong.
func stage(t *testing.T, change func(*simulation), scene func(*simulation)) (wrong []string) {
	t.Helper()
	bubble(t, func() {
		s := newSimulation(quiet())
		if change != nil {
			change(s)
		}
		for _, n := range s.nodes {
			s.start(n)
		}
		var took effects
		if s.formed() {
			scene(s)
			s.recover()
			if s.rejoin() && s.progress() {
				took = s.effects()
			}
		}
		s.finish()
		if wrong = s.failures; len(wrong) == 0 {
			wrong = check(s.history.operations, took)
		}
	})
	return wrong
}

// persist writes through a node until it is acknowledged.
func (s *simulation) persist(n *node, o operation) bool {
	return s.until("write", func() error {
		next := o
		s.ask(n, &next, time.Second)
		return next.err
	})
}

// isolated is a scene in which a node cannot know what the others write, and is asked for it.
func isolated(s *simulation) {
	leader := s.leader()
	cut := s.nodes[(leader.id+1)%3]
	for _, n := range s.nodes {
		if n != cut {
			s.net.setCut(n.id, cut.id, true)
			s.net.setCut(cut.id, n.id, true)
		}
	}
	s.persist(leader, operation{kind: put})
	s.persist(leader, operation{kind: create})
	s.ask(cut, &operation{client: 1, kind: read, freshness: ostiary.Freshness{Linearizable: true}}, time.Second)
}

func TestNothingIsWrong(t *testing.T) {
	if wrong := stage(t, nil, isolated); len(wrong) > 0 {
		t.Errorf("of a cluster without a fault the checker says %q", wrong)
	}
}

// TestLocalReadsAsLinearizable plants nodes that answer linearizable reads from what they have.
func TestLocalReadsAsLinearizable(t *testing.T) {
	wrong := stage(t, func(s *simulation) {
		s.ignoresFreshness = true
	}, isolated)
	for _, want := range []string{"C1: a linearizable read misses", "C1: register 0 is not linearizable", "C1: flag 0 is not linearizable"} {
		if !slices.ContainsFunc(wrong, func(w string) bool { return strings.HasPrefix(w, want) }) {
			t.Errorf("the checker does not say %q but %q", want, wrong)
		}
	}
}

// TestDisksThatLieAboutSync plants disks that acknowledge what they do not keep.
func TestDisksThatLieAboutSync(t *testing.T) {
	var lying atomic.Bool
	wrong := stage(t, func(s *simulation) {
		s.wrap = func(fs vfs.FS) vfs.FS { return liar{fs, &lying} }
	}, func(s *simulation) {
		s.persist(s.nodes[0], operation{kind: put})
		lying.Store(true)
		for range 5 {
			s.persist(s.nodes[0], operation{kind: put})
		}
		for _, n := range s.nodes {
			s.crash(n, false, 0)
		}
		lying.Store(false)
	})
	if !slices.ContainsFunc(wrong, func(w string) bool { return strings.HasPrefix(w, "C5: an acknowledged write is lost") }) {
		t.Errorf("the checker does not say that a write is lost but %q", wrong)
	}
}

// liar is a file system that syncs nothing while it is lying.
type liar struct {
	vfs.FS
	lying *atomic.Bool
}

func (l liar) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return l.wrap(l.FS.Create(name, category))
}

func (l liar) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	return l.wrap(l.FS.OpenReadWrite(name, category, options...))
}

func (l liar) ReuseForWrite(before, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return l.wrap(l.FS.ReuseForWrite(before, name, category))
}

func (l liar) OpenDir(name string) (vfs.File, error) { return l.wrap(l.FS.OpenDir(name)) }

func (l liar) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return lyingFile{f, l.lying}, nil
}

type lyingFile struct {
	vfs.File
	lying *atomic.Bool
}

func (f lyingFile) Sync() error {
	if f.lying.Load() {
		return nil
	}
	return f.File.Sync()
}

func (f lyingFile) SyncData() error {
	if f.lying.Load() {
		return nil
	}
	return f.File.SyncData()
}

func (f lyingFile) SyncTo(length int64) (fullSync bool, err error) {
	if f.lying.Load() {
		return true, nil
	}
	return f.File.SyncTo(length)
}

// TestAuditThatDiverges plants a change that one node alone has applied: its power fails, with which its storage, but not
// its log, loses the last writes, and another takes the place of the first of them.
func TestAuditThatDiverges(t *testing.T) {
	wrong := stage(t, nil, func(s *simulation) {
		odd := s.nodes[(s.leader().id+1)%3]
		s.stop(odd) // its storage has now what stands so far
		s.start(odd)
		if !s.rejoin() {
			return
		}
		for range 3 {
			s.persist(s.leader(), operation{kind: put})
		}
		if !s.until("the nodes do not come to the same state", s.converge) {
			return
		}
		s.crash(odd, true, 0)
		if err := applyAlone(odd); err != nil {
			s.fail("apply what no other node does: %v", err)
		}
	})
	if !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, "and that of another node with") }) {
		t.Errorf("the checker does not say that the chains of the audit differ but %q", wrong)
	}
}

// applyAlone makes a node that is down apply, in the place of the entry that comes next in its log, another one.
func applyAlone(n *node) (err error) {
	store, err := storage.Open("data/storage", storage.Options{FS: n.fs})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	index, term := store.Applied()
	outcomes, err := store.Apply([]storage.Entry{{
		Index: index + 1, Term: term, Mutation: audited(&ostiary.Mutation{Principal: ostiary.Principal{Kind: "internal", Name: "nobody else"}}),
	}})
	if err != nil {
		return err
	}
	return errors.Join(outcomes[0].Err, store.Sync())
}

// TestBrokenHistories checks a history that is right, and then the same with one thing wrong.
func TestBrokenHistories(t *testing.T) {
	for _, test := range []struct {
		rule   string // empty: nothing is wrong
		change func(h []*operation, took effects)
	}{
		{"", func([]*operation, effects) {}},
		{"C1: register 0", func(h []*operation, _ effects) { h[2].seen.registers[0], h[2].revision = 0, 10 }},
		{"C1: a linearizable read misses", func(h []*operation, _ effects) { h[2].revision = 10 }},
		{"C1: flag 0", func(h []*operation, _ effects) { h[5].seen.flags[0] = false }},
		{"C2", func(h []*operation, _ effects) { h[3].freshness.AtLeast = 14 }},
		{"C3", func(h []*operation, _ effects) { h[3].seen.registers[1] = 1 }},
		{"C4", func(h []*operation, _ effects) { h[3].digest[0]++ }},
		{"C5: an acknowledged write is lost", func(_ []*operation, took effects) { delete(took, 5) }},
		{"C5: a write took effect at revision 15", func(_ []*operation, took effects) { took[5] = 15 }},
		{"C5: a write that was refused", func(h []*operation, _ effects) { h[1].result = nothing }},
		{"C5: a write without a condition", func(h []*operation, took effects) { h[1].result = refused; delete(took, 2) }},
		{"C5: two writes", func(_ []*operation, took effects) { took[5] = 11 }},
		{"C5: time goes back", func(h []*operation, _ effects) { h[4].receipt.TimeNanos = 1 }},
		{"C6: reads of one node go back", func(h []*operation, _ effects) { h[5].revision = 10 }},
		{"C6: a read misses", func(h []*operation, _ effects) { h[0].life.floor = 12 }},
	} {
		t.Run(test.rule, func(t *testing.T) {
			l := &life{}
			written := state{registers: [registers]int{2, 0}}
			set := written
			set.flags[0] = true
			h := []*operation{
				{kind: read, result: done, revision: 10, life: l, call: 1, back: 2},
				{kind: put, result: done, receipt: ostiary.Receipt{Revision: 11, TimeNanos: 5}, call: 3, back: 4},
				{kind: read, result: done, revision: 11, seen: written, life: l, call: 5, back: 6, freshness: ostiary.Freshness{Linearizable: true}, hashed: true},
				{kind: read, result: done, revision: 11, seen: written, life: &life{}, call: 7, back: 8, freshness: ostiary.Freshness{AtLeast: 11}, hashed: true},
				{kind: create, result: done, receipt: ostiary.Receipt{Revision: 13, TimeNanos: 6}, call: 9, back: 10},
				{kind: read, result: done, revision: 14, seen: set, life: l, call: 11, back: 12, freshness: ostiary.Freshness{Linearizable: true}},
			}
			for i, o := range h {
				o.id = i + 1
			}
			took := effects{2: 11, 5: 13}
			test.change(h, took)
			wrong := check(h, took)
			if test.rule == "" && len(wrong) > 0 || test.rule != "" && !slices.ContainsFunc(wrong, func(w string) bool { return strings.HasPrefix(w, test.rule) }) {
				t.Errorf("the checker says %q", wrong)
			}
		})
	}
}
