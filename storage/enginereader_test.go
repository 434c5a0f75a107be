package storage

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/readertest"
)

// TestEngineReader runs the engine's conformance suite for readers.
func TestEngineReader(t *testing.T) {
	readertest.Run(t, func(t testing.TB, edges []ostiary.Edge) engine.Reader {
		s := openTest(t, vfs.NewMem())
		m := &ostiary.Mutation{}
		for _, e := range edges {
			grants := e.Conditions
			if len(grants) == 0 {
				grants = plainGrants
			}
			for _, g := range grants {
				m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: testStore, Tuple: e.Tuple, Grant: g})
			}
		}
		mustApply(t, s, m)
		return viewOf(t, s).Reader(testStore, 0)
	})
}
