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
			run := comparison{testCase: c, want: newJudge(c), got: newEngine(t.Context(), c, engine.Options{MaxDepth: deep})}
			if d := run.run(); d != nil {
				t.Fatalf("%v%v", c, d)
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
			run := limited(c, newEngine(t.Context(), c, engine.Options{MaxDepth: limit}))
			if d := run.run(); d != nil {
				t.Fatalf("limit %d\n%v%v", limit, c, d)
			}
		}))
	}
}

func limited(c testCase, got answerer) comparison {
	return comparison{testCase: c, want: newJudge(c), got: got,
		tolerate: func(err error) bool { return errors.Is(err, ostiary.ErrDepthExceeded) }}
}
