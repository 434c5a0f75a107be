package storage

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// TupleAlone sees what mutations of the same batch have staged, passes over grants that have expired, and is
// refused under a version at which another node may not know it.
func TestTupleAlone(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	one, two := tuple(t, "workspace:w#organization@organization:a"), tuple(t, "workspace:w#organization@organization:b")
	const now = 1_000
	touch := func(u ostiary.Tuple, expiry int64) *ostiary.Mutation {
		return &ostiary.Mutation{TimeNanos: now, Tuples: []ostiary.TupleChange{
			{Op: ostiary.TupleTouch, Store: "s", Tuple: u, Grant: ostiary.Grant{Owner: "api", ExpiryNanos: expiry}}}}
	}
	rest := func() *ostiary.Mutation {
		m := touch(tuple(t, "workspace:w#editor@user:u"), 0)
		m.RestOnAlone("s", one)
		return m
	}
	judge := func(name string, want bool, before ...*ostiary.Mutation) {
		t.Helper()
		entries := []Entry{}
		applied, term := s.Applied()
		for i, m := range append(before, rest()) {
			entries = append(entries, Entry{Index: applied + uint64(i) + 1, Term: max(term, 1), Mutation: m})
		}
		outcomes, err := s.Apply(entries)
		if err != nil {
			t.Fatal(err)
		}
		switch err := outcomes[len(outcomes)-1].Err; {
		case want && err != nil:
			t.Errorf("%s: refused: %v", name, err)
		case !want && !errors.Is(err, ostiary.ErrPrecondition):
			t.Errorf("%s: got %v, want it refused for its precondition", name, err)
		}
	}
	judge("nothing is there", false)
	judge("another is there", false, touch(two, 0))
	judge("both are there", false, touch(one, 0))
	judge("the other has expired", true, touch(two, now-1))
	judge("of another object and of another relation", true, touch(tuple(t, "workspace:x#organization@organization:b"), 0),
		touch(tuple(t, "workspace:w#viewer@user:v"), 0))
	judge("both in one batch with the question", false, touch(two, 0))
	judge("it has expired itself", false, touch(two, now-1), touch(one, now-1))

	old := rest()
	old.MinVersion = 1
	if o := applyOne(t, s, old); !errors.Is(o.Err, errInvalid) {
		t.Errorf("under an older version: got %v, want it refused as invalid", o.Err)
	}
}
