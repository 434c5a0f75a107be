package storage

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestKnownDocuments: what is remembered of documents over batches is what the database holds, whatever
// refused mutations staged, and the history gets the bodies that were there.
func TestKnownDocuments(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	key := ostiary.DocumentKey{Collection: "store", Key: "a"}
	at := func(version ostiary.Revision) []ostiary.Precondition {
		return []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: key, Version: version}}
	}
	put := func(version ostiary.Revision, body string) Outcome {
		return applyOne(t, s, &ostiary.Mutation{Preconditions: at(version), Documents: []ostiary.DocumentChange{{Key: key, Body: []byte(body)}}})
	}
	refused := func(o Outcome) {
		t.Helper()
		if !errors.Is(o.Err, ostiary.ErrPrecondition) {
			t.Fatalf("outcome %+v, want it refused for its precondition", o)
		}
	}
	refused(put(1, "of a version that is not there"))
	first := put(0, "one").Receipt.Revision
	refused(put(0, "as if it were new"))
	// A low-water mark must stand alone.
	if o := applyOne(t, s, &ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: key, Body: []byte("no")}, Collection(0, "")}}); o.Err == nil {
		t.Fatal("a low-water mark with company was accepted")
	}
	second := put(first, "two").Receipt.Revision
	if second == 0 {
		t.Fatal("the document is not known at the version of its last change")
	}
	refused(put(first, "again"))
	mustApply(t, s, &ostiary.Mutation{Preconditions: at(second), Documents: []ostiary.DocumentChange{{Key: key, Delete: true}}})
	refused(put(second, "of a deleted one"))
	for revision, want := range map[ostiary.Revision]string{first: "one", second: "two"} {
		v, err := s.ViewAt(revision)
		if err != nil {
			t.Fatal(err)
		}
		d, ok, err := v.Document(key)
		v.Close()
		if err != nil || !ok || string(d.Body) != want || d.Version != revision {
			t.Errorf("at revision %d: %q at version %d, %v, %v; want %q", revision, d.Body, d.Version, ok, err, want)
		}
	}
}

// TestKnownDocumentsBounded: no more is remembered than the bound says.
func TestKnownDocumentsBounded(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	var documents []ostiary.DocumentChange
	for i := range maxKnownDocuments + 1 {
		documents = append(documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "store", Key: fmt.Sprint(i)}})
	}
	mustApply(t, s, &ostiary.Mutation{Documents: documents})
	if n := len(s.applier.overlay.documents); n > maxKnownDocuments {
		t.Errorf("%d documents are remembered, the bound is %d", n, maxKnownDocuments)
	}
	if got := len(s.applier.overlay.inBatch); got != 0 {
		t.Errorf("%d documents count as changed by a batch that is committed", got)
	}
}
