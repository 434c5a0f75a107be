package difftest

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/ostiary/ostiary/engine"
)

var (
	soakCases = flag.Int("ostiary.diff.cases", 100, "random cases that TestSoak compares")
	soakSeed  = flag.Uint64("ostiary.diff.seed", 1, "seed of the first case of TestSoak; the next has the next")
)

// randomSource decides evenly by a seed.
type randomSource struct{ *rand.Rand }

func (s randomSource) intn(n int) int { return s.IntN(n) }

func (s randomSource) subset(n, atMost int) []int { return s.Perm(n)[:s.IntN(min(n, atMost)+1)] }

// TestSoak compares engine and oracle on many more cases than rapid does, drawn evenly, families in turn.
func TestSoak(t *testing.T) {
	fs := append(families, monotone, chains)
	questions, tolerated, undefined := 0, 0, 0
	for i := range uint64(*soakCases) {
		seed := *soakSeed + i
		f := fs[seed%uint64(len(fs))]
		c := f.generate(randomSource{rand.New(rand.NewPCG(seed, 0))})
		run := soakRun(t, f, c)
		if d := run.run(); d != nil {
			c = shrink(c, func(smaller testCase) bool {
				run := soakRun(t, f, smaller)
				return run.run().kind() == d.kind()
			})
			run := soakRun(t, f, c)
			t.Errorf("family %s; repeat with -run TestSoak -ostiary.diff.cases 1 -ostiary.diff.seed %d\n%v%v", f.name, seed, c, run.run())
		}
		questions += run.questions
		tolerated += run.tolerated
		if hasUndefined(c) {
			undefined++
		}
		if t.Failed() && i > 0 && testing.Short() {
			break
		}
	}
	t.Logf("%d cases, %d questions, %d of them past the depth limit; in %d cases something was undefined", *soakCases, questions, tolerated, undefined)
}

// soakRun compares with the default depth limit where chains are long, and with none that matters elsewhere.
func soakRun(t *testing.T, f family, c testCase) *comparison {
	if f.name == chains.name {
		run := limited(c, newEngine(t.Context(), c, engine.Options{}))
		return &run
	}
	c = c.withStranger()
	return &comparison{testCase: c, want: newJudge(c), got: newEngine(t.Context(), c, engine.Options{MaxDepth: deep})}
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
