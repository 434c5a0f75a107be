package engine_test

import (
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/readertest"
)

func TestMemory(t *testing.T) {
	readertest.Run(t, func(_ testing.TB, edges []ostiary.Edge) engine.Reader { return engine.NewMemory(edges) })
}

// Every way to split tuples between the two layers must look like one reader.
func TestOverlay(t *testing.T) {
	for name, layer := range map[string]func(i int) bool{
		"all below":   func(int) bool { return false },
		"all above":   func(int) bool { return true },
		"alternating": func(i int) bool { return i%2 == 0 },
		"few above":   func(i int) bool { return i%17 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			readertest.Run(t, func(_ testing.TB, edges []ostiary.Edge) engine.Reader {
				var base, top []ostiary.Edge
				for i, e := range edges {
					if layer(i) {
						top = append(top, e)
					} else {
						base = append(base, e)
					}
				}
				return engine.Overlay(engine.NewMemory(base), top)
			})
		})
	}
}

func TestOverlayStandsInForEqualTuples(t *testing.T) {
	p := plan(typ("user"), typ("doc", relation("viewer", this(), "user, user with c")))
	base := engine.NewMemory(edges(t, "doc:1#viewer@user:ann|c doc:1#viewer@user:bob"))
	check(t, p, engine.Overlay(base, edges(t, "doc:1#viewer@user:ann doc:1#viewer@user:bob|c")), map[string]string{
		"doc:1#viewer@user:ann": "allowed",
		"doc:1#viewer@user:bob": ostiary.ErrConditionUndecided.Error(),
	})
}
