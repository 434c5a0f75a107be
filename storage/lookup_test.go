package storage

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestLookUp asks for tuples in memtables and in tables of the lowest level, at the newest revision and
// at an older one.
func TestLookUp(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, create(t, "doc:1#viewer@user:ann", 0))
	mustApply(t, s, create(t, "doc:1#viewer@user:bob", 0))
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleDelete, "doc:1#viewer@user:ann"), change1(t, ostiary.TupleCreate, "doc:1#viewer@user:cid"),
	}})
	asked := []ostiary.Tuple{
		tuple(t, "doc:1#viewer@user:cid"), tuple(t, "doc:1#viewer@user:an"), tuple(t, "doc:1#viewer@user:bob"), tuple(t, "doc:1#viewer@user:ann"),
	}
	before, err := s.ViewAt(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(before.Close)
	for _, tt := range []struct {
		view *View
		want []int
	}{{viewOf(t, s), []int{0, 2}}, {before, []int{2, 3}}} {
		var got []int
		err := tt.view.LookUp(t.Context(), testStore, asked, func(i int, st ostiary.StoredTuple) bool {
			single, there, err := tt.view.Tuple(testStore, asked[i])
			if err != nil || !there || single.Created != st.Created || single.Tuple != st.Tuple {
				t.Errorf("%q at revision %d: %+v, and alone %+v, %v, %v", asked[i], tt.view.Revision(), st, single, there, err)
			}
			got = append(got, i)
			return true
		})
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("at revision %d: found %v, %v; want %v", tt.view.Revision(), got, err, tt.want)
		}
	}

	v, calls := viewOf(t, s), 0
	if err := v.LookUp(t.Context(), testStore, asked, func(int, ostiary.StoredTuple) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("told to stop: %d calls, %v", calls, err)
	}
	nothing := func(int, ostiary.StoredTuple) bool { return true }
	if err := v.LookUp(t.Context(), testStore, []ostiary.Tuple{{}}, nothing); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("an empty tuple: %v", err)
	}
	if err := v.LookUp(t.Context(), "a\x00b", asked, nothing); err == nil || !strings.Contains(err.Error(), "NUL") {
		t.Errorf("a store with NUL: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.LookUp(ctx, testStore, asked, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
