package difftest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// Every check of a batch has the answer, or the error, that it has alone, in whatever order they come. One
// that alone is past the depth limit may be answered, and then rightly.
func TestBatchEqualsChecks(t *testing.T) {
	fs := append(slices.Clone(families), monotone, chains)
	answered, failed := 0, 0
	for i := range uint64(*soakCases) {
		seed := *soakSeed + i
		random := rand.New(rand.NewPCG(seed, 9))
		c := conditional(randomSource{random}, fs[seed%uint64(len(fs))].generate(randomSource{random}).withStranger())
		e := engine.New(engine.Options{MaxDepth: 1 + random.IntN(6), UserSteps: []int{-1, 0, 0, 1000}[random.IntN(4)]})
		p := engine.Compile(c.model)
		var r engine.Reader = engine.Overlay(engine.NewMemory(c.edges), c.contextual)
		if random.IntN(2) == 0 {
			r = engine.Overlay(newOpening(c.edges, seed), c.contextual)
		}
		right := newVerdicts(c)
		nodes, subjects := c.nodes(), c.subjects()
		b := e.Batch(p, r)
		for range 300 {
			n, s := nodes[random.IntN(len(nodes))], subjects[random.IntN(len(subjects))]
			q := engine.CheckQuery{Object: n.object, Relation: n.relation, Subject: s, Context: c.request}
			want, wantErr := e.Check(t.Context(), p, r, q)
			got, err := b.Check(t.Context(), q)
			switch {
			case got == want && (err == nil) == (wantErr == nil) && errors.Is(err, ostiary.ErrDepthExceeded) == errors.Is(wantErr, ostiary.ErrDepthExceeded):
				answered++
			case (err == nil) != (wantErr == nil):
				// One of the two came to the depth limit, and may then report a condition on the way instead.
				failed++
				sure := map[three]ostiary.Decision{allowed: ostiary.Allowed, denied: ostiary.Denied, either: ostiary.Denied}
				answer := got
				if err != nil {
					answer = want
				}
				if truth, known := sure[right.of(n.object, n.relation, s)]; !known || truth != answer {
					t.Fatalf("seed %d\n%v%v: alone %v, %v, in the batch %v, %v", seed, c, q, want, wantErr, got, err)
				}
			case err != nil && wantErr != nil:
				failed++ // the one at the depth limit, the other at a condition
			default:
				t.Fatalf("seed %d\n%v%v: alone %v, %v, in the batch %v, %v", seed, c, q, want, wantErr, got, err)
			}
		}
		b.Close()
	}
	t.Logf("%d checks with the same answer, %d with and without the depth limit", answered, failed)
	if 1000*failed > answered {
		t.Errorf("%d of %d checks differ at the depth limit", failed, answered)
	}
}
