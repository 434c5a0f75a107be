package storage

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestDocumentsChanged changes documents and tuples in turn: the revision that a view names moves with
// documents alone, whatever becomes of the mutation, and an older view says that it does not know.
func TestDocumentsChanged(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs)
	changed := func() ostiary.Revision {
		t.Helper()
		v := viewOf(t, s)
		r, ok := v.DocumentsChanged()
		if !ok || r > v.Revision() {
			t.Fatalf("got %d, %v at revision %d", r, ok, v.Revision())
		}
		return r
	}
	put := func(version ostiary.Revision) *ostiary.Mutation {
		key := ostiary.DocumentKey{Collection: "c", Key: "k"}
		return &ostiary.Mutation{
			Preconditions: []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: key, Version: version}},
			Documents:     []ostiary.DocumentChange{{Key: key, Body: []byte("x")}},
		}
	}
	first := mustApply(t, s, put(0)).Revision
	if got := changed(); got != first {
		t.Errorf("got %d after a document at %d", got, first)
	}
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")}})
	if got := changed(); got != first {
		t.Errorf("got %d after a tuple, want %d", got, first)
	}
	if out := applyOne(t, s, put(0)); out.Err == nil {
		t.Fatal("a mutation with a false precondition was accepted")
	}
	if got := changed(); got != first {
		t.Errorf("got %d after a refusal, want %d", got, first)
	}
	// Two entries of one batch: the later one, without documents, must not hide the one before it.
	index, _ := s.Applied()
	_, err := s.Apply([]Entry{
		{Index: index + 1, Term: 1, Mutation: put(first)},
		{Index: index + 2, Term: 1, Mutation: &ostiary.Mutation{
			Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:bob")},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := changed(); got != ostiary.Revision(index+1) {
		t.Errorf("got %d after a batch, want %d", got, index+1)
	}
	past, err := s.ViewAt(first)
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	if r, ok := past.DocumentsChanged(); ok {
		t.Errorf("a view of an older revision says %d", r)
	}
}

// TestDocumentsChangedAtOpen opens a store again: what changed before is not known, so the revision is
// that of the open.
func TestDocumentsChangedAtOpen(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, &ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "c", Key: "k"}, Body: []byte("x")}}})
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	v := viewOf(t, openTest(t, fs))
	if r, ok := v.DocumentsChanged(); !ok || r != v.Revision() {
		t.Errorf("got %d, %v after an open at revision %d", r, ok, v.Revision())
	}
}
