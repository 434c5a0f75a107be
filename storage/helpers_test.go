package storage

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

const testStore = "01TESTSTORE"

// openTest opens a store on fs, and closes it at the end of the test where that was not done before.
func openTest(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// viewOf returns the newest view, closed at the end of the test.
func viewOf(t testing.TB, s *Store) *View {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func tuple(t testing.TB, text string) ostiary.Tuple {
	t.Helper()
	parsed, err := ostiary.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// change makes a tuple change of the owner "api".
func change1(t testing.TB, op ostiary.TupleOp, text string) ostiary.TupleChange {
	t.Helper()
	return ostiary.TupleChange{Op: op, Store: testStore, Tuple: tuple(t, text), Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}
}

// applyOne applies one mutation at the next index and returns its outcome.
func applyOne(t testing.TB, s *Store, m *ostiary.Mutation) Outcome {
	t.Helper()
	index, _ := s.Applied()
	out, err := s.Apply([]Entry{{Index: index + 1, Term: 1, Mutation: m}})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// mustApply is applyOne for a mutation that is accepted.
func mustApply(t testing.TB, s *Store, m *ostiary.Mutation) ostiary.Receipt {
	t.Helper()
	out := applyOne(t, s, m)
	if out.Err != nil {
		t.Fatalf("mutation refused: %v", out.Err)
	}
	return out.Receipt
}

// tuplesOf returns the texts of the tuples that a filter finds.
func tuplesOf(t testing.TB, v *View, f ostiary.Filter) []string {
	t.Helper()
	var texts []string
	for st, err := range v.Tuples(t.Context(), f, nil) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, fmt.Sprint(st.Tuple))
	}
	return texts
}
