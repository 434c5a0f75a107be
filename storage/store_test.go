package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/internal/guard"
)

func TestNewerFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open("db", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFormat(s.db, formatVersion+1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open("db", Options{FS: fs})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("version %d", formatVersion+1)) || !strings.Contains(err.Error(), fmt.Sprintf("version %d", formatVersion)) {
		t.Errorf("a database of a newer format: %v, want an error that names both versions", err)
	}
}

func TestForeignDatabaseIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebble.Open("db", &pebble.Options{FS: fs, FormatMajorVersion: pebbleFormat, Logger: guard.New(slog.New(slog.DiscardHandler), ostiary.ErrCorrupt, nil).Logger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("x"), []byte("y"), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("db", Options{FS: fs}); !errors.Is(err, ostiary.ErrCorrupt) {
		t.Errorf("a database of something else: %v, want ErrCorrupt", err)
	}
}

func TestClusterID(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openTest(t, fs)
	if id, ok := s.ClusterID(); ok {
		t.Errorf("a new database has cluster id %x", id)
	}
	id := ostiary.ClusterID{1, 2, 3}
	if err := s.SetClusterID(id); err != nil {
		t.Fatal(err)
	}
	if err := s.SetClusterID(id); err != nil {
		t.Errorf("the same id again: %v", err)
	}
	if err := s.SetClusterID(ostiary.ClusterID{9}); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("another id: %v, want ErrExists", err)
	}
	again := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	if got, ok := again.ClusterID(); !ok || got != id {
		t.Errorf("after power loss the cluster id is %x, %v", got, ok)
	}
}

func TestDurable(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openTest(t, fs)
	write := func() {
		mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann")}})
	}
	survives := func() uint64 {
		index, _ := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{})).Applied()
		return index
	}
	write()
	if got := s.Durable(); got != 0 {
		t.Errorf("durable %d after an unsynced write, want 0", got)
	}
	if err := s.Sync(); err != nil || s.Durable() != 1 || survives() != 1 {
		t.Errorf("after Sync: %v, durable %d, %d survives, want 1", err, s.Durable(), survives())
	}
	write()
	write()
	if err := s.db.Flush(); err != nil || s.Durable() != 3 || survives() != 3 {
		t.Errorf("after a flush: %v, durable %d, %d survives, want 3", err, s.Durable(), survives())
	}
	write()
	if err := s.Checkpoint("copy"); err != nil {
		t.Fatal(err)
	}
	if s.Durable() != 4 || survives() != 4 {
		t.Errorf("after a checkpoint: durable %d, %d survives, want 4", s.Durable(), survives())
	}
	if err := s.Checkpoint("copy"); err == nil {
		t.Error("a checkpoint into a folder that exists: no error")
	}
	write() // a checkpoint that failed is no failure of the database
	index, term := openCheckpoint(t, fs).Applied()
	if index != 4 || term != 1 {
		t.Errorf("the checkpoint is at index %d of term %d, want 4 of 1", index, term)
	}
}

func openCheckpoint(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	c, err := Open("copy", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestSkippedEntries: entries that are applied already have no effect and a receipt.
func TestSkippedEntries(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	entries := []Entry{
		{Index: 4, Term: 2, Mutation: &ostiary.Mutation{TimeNanos: 9, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")}}},
		{Index: 5, Term: 2},
		{Index: 6, Term: 3, Mutation: &ostiary.Mutation{TimeNanos: 3}},
	}
	first, err := s.Apply(entries)
	if err != nil {
		t.Fatal(err)
	}
	if first[2].Receipt != (ostiary.Receipt{Revision: 6, TimeNanos: 9}) {
		t.Errorf("a mutation of an earlier time: %+v, want the stamp before it", first[2].Receipt)
	}
	before := dump(t, s)
	again, err := s.Apply(entries)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range again {
		if o.Err != nil || o.Receipt != (ostiary.Receipt{Revision: ostiary.Revision(entries[i].Index)}) {
			t.Errorf("entry %d again: %+v", entries[i].Index, o)
		}
	}
	if index, term := s.Applied(); index != 6 || term != 3 || dump(t, s) != before {
		t.Errorf("after a replay: index %d, term %d, rows changed: %v", index, term, dump(t, s) != before)
	}
}

func firstError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestDamagedRows flips bytes of stored rows. Whoever reads one is told, as is Verify.
func TestDamagedRows(t *testing.T) {
	ann := tuple(t, "doc:1#viewer@user:ann")
	doc := ostiary.DocumentKey{Collection: "c", Key: "k"}
	ctx := t.Context()
	tests := []struct {
		name string
		key  []byte
		read func(v *View) error
	}{
		{"tuple", appendTupleKey(nil, testStore, ann), func(v *View) error { _, _, err := v.Tuple(testStore, ann); return err }},
		{"tuple, by a reader", appendTupleKey(nil, testStore, ann), func(v *View) error { _, _, err := v.Reader(testStore, 0).Has(ctx, ann); return err }},
		{"tuple, in a sequence", appendTupleKey(nil, testStore, ann), func(v *View) error {
			return firstError(v.Reader(testStore, 0).Subjects(ctx, ann.Object, ann.Relation))
		}},
		{"reverse", appendReverseKey(nil, testStore, ann), func(v *View) error {
			return firstError(v.Reader(testStore, 0).Objects(ctx, ann.Subject, "doc", "viewer"))
		}},
		{"document", appendDocumentKey(nil, doc), func(v *View) error { _, _, err := v.Document(doc); return err }},
		{"changelog", appendChangelogKey(nil, testStore, 1, 0), func(v *View) error {
			return firstError(v.Changes(ctx, testStore, 0, 0))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, vfs.NewMem())
			mustApply(t, s, &ostiary.Mutation{
				Tuples:    []ostiary.TupleChange{change1(t, ostiary.TupleCreate, ann.String())},
				Documents: []ostiary.DocumentChange{{Key: doc, Body: []byte("x")}},
			})
			if err := tt.read(viewOf(t, s)); err != nil {
				t.Fatalf("before the damage: %v", err)
			}
			if err := s.db.Set(tt.key, []byte{0x7f, 1, 2}, nil); err != nil {
				t.Fatal(err)
			}
			s.publish(s.progress())
			v := viewOf(t, s)
			if err := tt.read(v); !errors.Is(err, ostiary.ErrCorrupt) {
				t.Errorf("read: %v, want ErrCorrupt", err)
			}
			if err := v.Verify(ctx); !errors.Is(err, ostiary.ErrCorrupt) {
				t.Errorf("Verify: %v, want ErrCorrupt", err)
			}
		})
	}
}

// TestVerifyFindsDifferences: rows that can be decoded and do not agree.
func TestVerifyFindsDifferences(t *testing.T) {
	ann, bob := tuple(t, "doc:1#viewer@user:ann"), tuple(t, "doc:1#viewer@user:bob")
	other := appendTupleValue(nil, tupleState{grants: plainGrants, created: 99})
	tests := []struct {
		name string
		do   func(db *pebble.DB) error
	}{
		{"a reverse row is missing", func(db *pebble.DB) error { return db.Delete(appendReverseKey(nil, testStore, ann), nil) }},
		{"a reverse row differs", func(db *pebble.DB) error { return db.Set(appendReverseKey(nil, testStore, ann), other, nil) }},
		{"a reverse row too many", func(db *pebble.DB) error { return db.Set(appendReverseKey(nil, testStore, bob), other, nil) }},
		{"a tuple row is missing", func(db *pebble.DB) error { return db.Delete(appendTupleKey(nil, testStore, ann), nil) }},
		{"an owner row is missing", func(db *pebble.DB) error { return db.Delete(appendOwnerKey(nil, testStore, connector, ann), nil) }},
		{"an owner row too many", func(db *pebble.DB) error { return db.Set(appendOwnerKey(nil, testStore, "x", ann), nil, nil) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, vfs.NewMem())
			mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
				change1(t, ostiary.TupleCreate, ann.String()), granted(t, ostiary.TupleCreate, ann.String(), ostiary.Grant{Owner: connector}),
			}})
			if err := tt.do(s.db); err != nil {
				t.Fatal(err)
			}
			s.publish(s.progress())
			if err := viewOf(t, s).Verify(context.Background()); !errors.Is(err, ostiary.ErrCorrupt) {
				t.Errorf("Verify: %v, want ErrCorrupt", err)
			}
		})
	}
}

// TestDamagedMeta: a database whose progress cannot be read does not open.
func TestDamagedMeta(t *testing.T) {
	for _, key := range [][]byte{metaFormat, metaCluster, metaApplied, metaClock} {
		fs := vfs.NewMem()
		s, err := Open("db", Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, s, &ostiary.Mutation{})
		if err := errors.Join(s.SetClusterID(ostiary.ClusterID{1}), s.db.Set(key, []byte{1}, pebble.Sync), s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("db", Options{FS: fs}); !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("meta key %x of one byte: %v, want ErrCorrupt", key, err)
		}
	}
}

// TestFlippedBitInPebbleLog: damage in the unflushed part of the database is found at open, not taken
// for its end. It is what the flush in createFormat is for.
func TestFlippedBitInPebbleLog(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openTest(t, fs)
	body := make([]byte, 8<<10)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range body {
		body[i] = byte(rng.Uint32())
	}
	for i := range 40 {
		mustApply(t, s, &ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "c", Key: fmt.Sprint(i)}, Body: body}}})
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	image := fs.CrashClone(vfs.CrashCloneCfg{})
	names, err := image.List("db")
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, name := range names {
		data, err := image.UnsafeGetFileDataBuffer("db/" + name)
		if strings.HasSuffix(name, ".log") && err == nil && len(data) > 200<<10 {
			data[100<<10] ^= 4
			flipped++
		}
	}
	if flipped != 1 {
		t.Fatalf("flipped a bit in %d logs among %q", flipped, names)
	}
	if _, err := Open("db", Options{FS: image}); !errors.Is(err, ostiary.ErrCorrupt) {
		t.Errorf("open: %v, want ErrCorrupt", err)
	}
}

// TestCacheBesideMemTables: large memtables leave the block cache its size, so that most of what was read
// is found there when it is read again.
func TestCacheBesideMemTables(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	body := make([]byte, 4<<10)
	rng := rand.New(rand.NewPCG(1, 1))
	key := func(i int) ostiary.DocumentKey { return ostiary.DocumentKey{Collection: "c", Key: fmt.Sprint(i)} }
	const documents, read = 10_000, 2_000
	for first := 0; first < documents; first += 100 {
		m := &ostiary.Mutation{}
		for i := range 100 {
			for j := range body {
				body[j] = byte(rng.Uint32())
			}
			m.Documents = append(m.Documents, ostiary.DocumentChange{Key: key(first + i), Body: slices.Clone(body)})
		}
		mustApply(t, s, m)
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	v := viewOf(t, s)
	pass := func() (misses int64) {
		before := s.db.Metrics().BlockCache.Misses
		for i := range read {
			if _, ok, err := v.Document(key(i)); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		return s.db.Metrics().BlockCache.Misses - before
	}
	// A compaction in the background may replace tables between two passes; with a cache that the
	// memtables have emptied, every pass would miss every document.
	pass()
	misses := pass()
	for tries := 0; misses > read/4 && tries < 50; tries++ {
		time.Sleep(20 * time.Millisecond)
		misses = pass()
	}
	if misses > read/4 {
		t.Errorf("reading %d documents again missed the cache %d times", read, misses)
	}
}
