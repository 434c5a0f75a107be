package difftest

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// Every question, engine against oracle, one test a family.
func TestEngineEqualsOracle(t *testing.T) {
	for _, f := range append(families, monotone) {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			c := cases(f).Draw(t, "case").withStranger()
			w := drawWay(t)
			run := comparison{testCase: c, want: newJudge(c), got: newEngineBy(t.Context(), c, engine.Options{MaxDepth: deep}, w)}
			if d := run.run(); d != nil {
				t.Fatalf("%v%s: %v", c, w.name, d)
			}
		}))
	}
}

// At any depth limit an answer is the oracle's, or there is none.
func TestDepthLimit(t *testing.T) {
	for _, f := range []family{chains, families[0], families[3]} {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			c := cases(f).Draw(t, "case")
			limit := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 25}).Draw(t, "limit") // 0 is the default, which is 25
			w := drawWay(t)
			run := limited(c, newEngineBy(t.Context(), c, engine.Options{MaxDepth: limit}, w))
			if d := run.run(); d != nil {
				t.Fatalf("limit %d\n%v%s: %v", limit, c, w.name, d)
			}
		}))
	}
}

func limited(c testCase, got answerer) comparison {
	return comparison{testCase: c, want: newJudge(c), got: got,
		tolerate: func(err error) bool { return errors.Is(err, ostiary.ErrDepthExceeded) }}
}
