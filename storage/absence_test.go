package storage

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// create makes a mutation that creates one tuple which its proposer saw absent at a revision.
func create(t testing.TB, text string, seen ostiary.Revision) *ostiary.Mutation {
	return &ostiary.Mutation{Observed: seen, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, text)}}
}

// TestObservedAbsence: what the proposer saw absent is read again only where it may have been written
// since, and the answer is that of a read. TestApplyAgainstModel says the same of random entries.
func TestObservedAbsence(t *testing.T) {
	const ann, bob = "doc:1#viewer@user:ann", "doc:1#viewer@user:bob"
	tests := []struct {
		name    string
		before  []*ostiary.Mutation // from revision 1 on
		seen    ostiary.Revision
		reopen  bool
		trusted int
		err     error
	}{
		{"nothing was written since", []*ostiary.Mutation{create(t, bob, 0)}, 1, false, 1, nil},
		{"others were written since", []*ostiary.Mutation{{}, create(t, bob, 0)}, 1, false, 1, nil},
		{"it was written since", []*ostiary.Mutation{{}, create(t, ann, 0)}, 1, false, 0, ostiary.ErrTupleExists},
		{"it was written and deleted since", []*ostiary.Mutation{
			{}, create(t, ann, 0), {Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleDelete, ann)}},
		}, 1, false, 0, nil},
		{"it was deleted before", []*ostiary.Mutation{
			create(t, ann, 0), {Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleDelete, ann)}},
		}, 2, false, 1, nil},
		{"it was deleted by a filter before", []*ostiary.Mutation{
			create(t, ann, 0), {Filters: []ostiary.FilterDelete{{Filter: ostiary.Filter{Store: testStore, Subject: tuple(t, ann).Subject}}}},
		}, 2, false, 1, nil},
		{"a refused mutation would have written it", []*ostiary.Mutation{
			{}, {Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, ann), change1(t, ostiary.TupleDelete, bob)}},
		}, 1, false, 1, nil},
		{"nobody looked", []*ostiary.Mutation{{}}, 0, false, 0, nil},
		{"a look into the future", []*ostiary.Mutation{{}}, 9, false, 0, nil},
		{"a restart lies between", []*ostiary.Mutation{create(t, bob, 0)}, 1, true, 0, nil},
		{"a restart lies between, and it was written", []*ostiary.Mutation{{}, create(t, ann, 0)}, 1, true, 0, ostiary.ErrTupleExists},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openTest(t, fs)
			for _, m := range tt.before {
				applyOne(t, s, m)
			}
			if tt.reopen {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openTest(t, fs)
			}
			s.applier.overlay.absence.trusted = 0
			if out := applyOne(t, s, create(t, ann, tt.seen)); !errors.Is(out.Err, tt.err) {
				t.Errorf("outcome %v, want %v", out.Err, tt.err)
			}
			if got := s.applier.overlay.absence.trusted; got != tt.trusted {
				t.Errorf("trusted %d looks, want %d", got, tt.trusted)
			}
			if err := viewOf(t, s).Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestObservedWithinBatch: an entry sees the entries before it in the same batch, whatever its proposer
// saw.
func TestObservedWithinBatch(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	applyOne(t, s, &ostiary.Mutation{})
	var entries []Entry
	for i := range uint64(3) {
		entries = append(entries, Entry{Index: 2 + i, Term: 1, Mutation: create(t, fmt.Sprintf("doc:%d#viewer@user:ann", i/2), 1)})
	}
	out, err := s.Apply(entries)
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil || !errors.Is(out[1].Err, ostiary.ErrTupleExists) || out[2].Err != nil {
		t.Errorf("outcomes %v, want the second refused", out)
	}
}
