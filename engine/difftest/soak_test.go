package difftest

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/engine"
)

var (
	soakCases = flag.Int("ostiary.diff.cases", 100, "random cases that TestSoak compares")
	soakOnly  = flag.String("ostiary.diff.family", "", "the one family that TestSoak takes cases of; empty takes all in turn")
	soakSeed  = flag.Uint64("ostiary.diff.seed", 1, "seed of the first case of TestSoak; the next has the next")
)

// randomSource decides evenly by a seed.
type randomSource struct{ *rand.Rand }

func (s randomSource) intn(n int) int { return s.IntN(n) }

func (s randomSource) subset(n, atMost int) []int { return s.Perm(n)[:s.IntN(min(n, atMost)+1)] }

// TestSoak compares engine and oracle on many more cases than rapid does, drawn evenly, families in turn.
// Every third case is judged at a low depth limit, and chains at the default.
func TestSoak(t *testing.T) {
	fs := append(slices.Clone(families), monotone, chains)
	if *soakOnly != "" {
		fs = slices.DeleteFunc(fs, func(f family) bool { return f.name != *soakOnly })
	}
	if len(fs) == 0 {
		t.Fatalf("no family has the name %q", *soakOnly)
	}
	questions, tolerated, undefined := 0, 0, 0
	for i := range uint64(*soakCases) {
		seed := *soakSeed + i
		f := fs[seed%uint64(len(fs))]
		c := f.generate(randomSource{rand.New(rand.NewPCG(seed, 0))}).withStranger()
		limit := deep
		switch {
		case f.name == chains.name:
			limit = 0 // the default
		case seed/uint64(len(fs))%3 == 0:
			limit = 1 + int(seed%7)
		}
		w := engineWays[seed/uint64(2*len(fs))%uint64(len(engineWays))]
		w.seed = seed
		run := soakRun(t, c, limit, w)
		if d := run.run(); d != nil {
			small := shrink(c, func(smaller testCase) bool { return soakRun(t, smaller, limit, w).run().kind() == d.kind() })
			t.Errorf("family %s, %s, depth limit %d; repeat with -run TestSoak -ostiary.diff.cases 1 -ostiary.diff.seed %d -ostiary.diff.family %q\n%v%v",
				f.name, w.name, limit, seed, *soakOnly, small, soakRun(t, small, limit, w).run())
		}
		questions += run.questions
		tolerated += run.tolerated
		if hasUndefined(c) {
			undefined++
		}
	}
	t.Logf("%d cases, %d questions, %d of them past the depth limit; in %d cases something was undefined", *soakCases, questions, tolerated, undefined)
}

// soakRun compares at a depth limit. Only the one that no case reaches permits no error.
func soakRun(t *testing.T, c testCase, limit int, w way) *comparison {
	run := limited(c, newEngineBy(t.Context(), c, engine.Options{MaxDepth: limit}, w))
	if limit == deep {
		run.tolerate = nil
	}
	return &run
}

func hasUndefined(c testCase) bool {
	o := newJudge(c)
	for _, n := range c.nodes() {
		for _, s := range c.subjects() {
			if o.Undefined(n.object, n.relation, s) {
				return true
			}
		}
	}
	return false
}
