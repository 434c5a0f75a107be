package storage

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// countingCursor counts the rows on which a cursor stood.
type countingCursor struct {
	cursor
	rows int
}

func (c *countingCursor) SeekGEWithLimit(key, limit []byte) pebble.IterValidityState {
	return c.count(c.cursor.SeekGEWithLimit(key, limit))
}

func (c *countingCursor) NextWithLimit(limit []byte) pebble.IterValidityState {
	return c.count(c.cursor.NextWithLimit(limit))
}

func (c *countingCursor) count(state pebble.IterValidityState) pebble.IterValidityState {
	if state == pebble.IterValid {
		c.rows++
	}
	return state
}

// A filter by object and subject reads a row or two of each relation, whatever the number of subjects and of
// objects, now and in the past.
func TestFilterByObjectAndSubject(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	relations := []string{"editor", "owner", "viewer"}
	m := &ostiary.Mutation{}
	for i := range 1000 {
		for _, relation := range relations {
			m.Tuples = append(m.Tuples, change1(t, ostiary.TupleCreate, fmt.Sprintf("doc:1#%s@user:%04d", relation, i)))
		}
		m.Tuples = append(m.Tuples, change1(t, ostiary.TupleCreate, fmt.Sprintf("doc:1#zoned@group:%04d#member", i)),
			change1(t, ostiary.TupleCreate, fmt.Sprintf("doc:other%04d#viewer@user:0500", i)))
	}
	past := mustApply(t, s, m).Revision
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleDelete, "doc:1#owner@user:0500"), change1(t, ostiary.TupleCreate, "doc:1#zoned@user:0500"),
	}})
	old, err := s.ViewAt(past)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	object, subject := ostiary.ObjectRef{Type: "doc", ID: "1"}, ostiary.SubjectRef{Type: "user", ID: "0500"}
	for _, tc := range []struct {
		name  string
		view  *View
		f     ostiary.Filter
		after string
		want  []string
		rows  int
	}{
		{name: "one tuple", view: viewOf(t, s), f: ostiary.Filter{Relation: "viewer"}, want: []string{"doc:1#viewer@user:0500"}, rows: 1},
		{name: "one tuple, gone", view: viewOf(t, s), f: ostiary.Filter{Relation: "owner"}},
		{name: "one tuple, past", view: old, f: ostiary.Filter{Relation: "owner"}, want: []string{"doc:1#owner@user:0500"}, rows: 1},
		{name: "one tuple, of an owner", view: viewOf(t, s), f: ostiary.Filter{Relation: "viewer", Owner: "scim"}, rows: 1},
		{name: "one tuple, of another type", view: viewOf(t, s), f: ostiary.Filter{Relation: "viewer", ObjectType: "folder"}, rows: 1},
		{name: "one tuple, after it", view: viewOf(t, s), f: ostiary.Filter{Relation: "viewer"}, after: "doc:1#viewer@user:0500"},
		{name: "every relation", view: viewOf(t, s), rows: 12,
			want: []string{"doc:1#editor@user:0500", "doc:1#viewer@user:0500", "doc:1#zoned@user:0500"}},
		{name: "every relation, past", view: old, rows: 12,
			want: []string{"doc:1#editor@user:0500", "doc:1#owner@user:0500", "doc:1#viewer@user:0500"}},
		{name: "every relation, after one", view: viewOf(t, s), after: "doc:1#editor@user:0500", rows: 12,
			want: []string{"doc:1#viewer@user:0500", "doc:1#zoned@user:0500"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.f.Store, tc.f.Object, tc.f.Subject = testStore, object, subject
			var after *ostiary.Tuple
			if tc.after != "" {
				parsed := tuple(t, tc.after)
				after = &parsed
			}
			it, err := tc.view.newCursor(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			counting := &countingCursor{cursor: it}
			plan := planScan(tc.f)
			var got []string
			err = plan.read(t.Context(), tc.view.shared.snap, counting, after, func(st ostiary.StoredTuple) bool {
				got = append(got, st.Tuple.String())
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := it.Close(); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if counting.rows > tc.rows {
				t.Errorf("read %d rows, want at most %d", counting.rows, tc.rows)
			}
		})
	}
}
