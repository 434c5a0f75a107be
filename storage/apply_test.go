package storage

import (
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

func TestApplyWriteReadDelete(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	r := mustApply(t, s, &ostiary.Mutation{TimeNanos: 7, Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann"),
		change1(t, ostiary.TupleCreate, "doc:1#viewer@user:*"),
		change1(t, ostiary.TupleCreate, "doc:1#viewer@group:eng#member"),
		change1(t, ostiary.TupleCreate, "doc:2#owner@user:ann"),
	}})
	if want := (ostiary.Receipt{Revision: 1, Changed: true, TimeNanos: 7}); r != want {
		t.Errorf("receipt %+v, want %+v", r, want)
	}
	before := viewOf(t, s)
	want := []string{"doc:1#viewer@user:*", "doc:1#viewer@group:eng#member", "doc:1#viewer@user:ann", "doc:2#owner@user:ann"}
	if got := tuplesOf(t, before, ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("tuples %q, want %q", got, want)
	}

	out := applyOne(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleDelete, "doc:1#viewer@user:ann"),
		change1(t, ostiary.TupleDelete, "doc:9#viewer@user:ann"),
	}})
	var te *ostiary.TupleError
	if !errors.Is(out.Err, ostiary.ErrTupleMissing) || !errors.As(out.Err, &te) || te.Part != "tuple" || te.Tuple != tuple(t, "doc:9#viewer@user:ann") {
		t.Errorf("delete of an absent tuple: %v", out.Err)
	}
	if got := tuplesOf(t, viewOf(t, s), ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("after a refused mutation: tuples %q, want %q", got, want)
	}

	mustApply(t, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{
		Filter: ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}},
	}}})
	if got := tuplesOf(t, viewOf(t, s), ostiary.Filter{Store: testStore}); !slices.Equal(got, want[:2]) {
		t.Errorf("after the filter delete: tuples %q, want %q", got, want[:2])
	}
	if got := tuplesOf(t, before, ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("the older view changed: tuples %q, want %q", got, want)
	}
}
