package storage

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestShredLeavesNoHistory deletes a document of a collection that is to be shredded, and one of another:
// a view of the revision before shows the other alone. IDENTITY g.0 rule 13.
func TestShredLeavesNoHistory(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	key := ostiary.DocumentKey{Collection: ostiary.ShredPrefix + "k", Key: "ann"}
	other := ostiary.DocumentKey{Collection: "k", Key: "ann"}
	put := func(body string) ostiary.Revision {
		t.Helper()
		return mustApply(t, s, &ostiary.Mutation{Documents: []ostiary.DocumentChange{
			{Key: key, Body: []byte(body)}, {Key: other, Body: []byte(body)},
		}}).Revision
	}
	put("first")
	before := put("second")
	at := func(r ostiary.Revision) *View {
		t.Helper()
		v, err := s.ViewAt(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	counts := func(v *View, want int) {
		t.Helper()
		for _, collection := range []string{key.Collection, other.Collection} {
			n, err := v.CountDocuments(collection)
			if err != nil {
				t.Fatal(err)
			}
			if n != want {
				t.Errorf("%q holds %d documents at revision %d, want %d", collection, n, v.Revision(), want)
			}
		}
	}
	counts(at(before), 1)
	mustApply(t, s, &ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: key, Delete: true}, {Key: other, Delete: true}}})
	counts(viewOf(t, s), 0)
	v := at(before)
	if d, ok, err := v.Document(other); err != nil || !ok || string(d.Body) != "second" {
		t.Errorf("the other document at revision %d: %q, %v, %v", before, d.Body, ok, err)
	}
	if d, ok, err := v.Document(key); err != nil || ok {
		t.Errorf("the deleted key can be read at revision %d: %q, %v", before, d.Body, err)
	}
	if n, err := v.CountDocuments(other.Collection); err != nil || n != 1 {
		t.Errorf("the other collection holds %d documents at revision %d, %v", n, before, err)
	}
	// No row of the database holds what was in it.
	it, err := s.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if k := it.Key(); k[0] == tableEarlier && len(k) > 3 && string(k[1:3]) == "sh" {
			t.Errorf("the history holds %q", k)
		}
	}
}
