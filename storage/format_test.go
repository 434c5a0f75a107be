package storage

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestMigrateOwnerRows opens a database of version 2, which had rows in the owner table for the grants of
// Write, in two stores.
func TestMigrateOwnerRows(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs)
	ann := change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")
	other := ann
	other.Store = "another store"
	theirs := granted(t, ostiary.TupleCreate, "doc:1#viewer@user:ann", ostiary.Grant{Owner: connector})
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{ann, other, theirs}})
	want := dump(t, s)
	for _, store := range []string{testStore, other.Store} {
		if err := s.db.Set(appendOwnerKey(nil, store, ostiary.OwnerAPI, ann.Tuple), nil, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeFormat(s.db, 2); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs)
	if got := dump(t, s); got != want {
		t.Errorf("after the migration the rows are\n%s\nand should be\n%s", got, want)
	}
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
