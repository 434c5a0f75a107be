package storage

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestRowsThatWait applies mutations that change the same documents again and again, and delete many tuples by a
// filter, with different bounds of what waits, and compares the bytes of all rows.
func TestRowsThatWait(t *testing.T) {
	type bounds struct{ waiting, reorder int }
	want := ""
	for _, b := range []bounds{{maxWaitingBytes, reorderBytes}, {1, 1}, {300, 1}, {300, 1 << 20}, {1 << 20, 1}, {5_000, 2_000}} {
		s := openTest(t, vfs.NewMem())
		s.applier.maxWaitingBytes, s.applier.reorderBytes = b.waiting, b.reorder
		create, change, remove := &ostiary.Mutation{TimeNanos: 1}, &ostiary.Mutation{TimeNanos: 2}, &ostiary.Mutation{TimeNanos: 3}
		for i := range 100 {
			create.Tuples = append(create.Tuples, ostiary.TupleChange{
				Store: "s", Op: ostiary.TupleTouch, Grant: ostiary.Grant{Owner: "many"},
				Tuple: ostiary.Tuple{
					Object: ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(i)}, Relation: "viewer",
					Subject: ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(i * 7 % 10)},
				},
			})
			key := ostiary.DocumentKey{Collection: "c", Key: fmt.Sprint(i * 13 % 20)}
			create.Documents = append(create.Documents, ostiary.DocumentChange{Key: key, Body: fmt.Append(nil, "first", i)})
			change.Documents = append(change.Documents, ostiary.DocumentChange{Key: key, Delete: i%3 == 0, Body: fmt.Append(nil, "second", i)})
			remove.Documents = append(remove.Documents, ostiary.DocumentChange{Key: key, Delete: (i/20+i)%2 == 0})
		}
		remove.Filters = []ostiary.FilterDelete{{Filter: ostiary.Filter{Store: "s", Owner: "many"}}}
		for i, m := range []*ostiary.Mutation{create, change, remove} {
			out, err := s.Apply([]Entry{{Index: uint64(i + 1), Term: 1, Mutation: m}})
			if err != nil || out[0].Err != nil {
				t.Fatal(err, out)
			}
		}
		v, err := s.View()
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			d, there, err := v.Document(ostiary.DocumentKey{Collection: "c", Key: fmt.Sprint(i)})
			if err != nil || there != (i%2 == 1) || len(d.Body) > 0 {
				t.Errorf("bounds %v: document %d is %v, %v; want the last change, which deletes those of even numbers", b, i, d, err)
			}
		}
		v.Close()
		got := dump(t, s)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("bounds %v: the rows are others than without bounds", b)
		}
	}
}
