package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"pgregory.net/rapid"
)

// savedRows are the rows of one backup, and what its database was at.
type savedRows struct {
	rows  []Row
	built Built
}

// saveRows takes a backup of the newest view, of what changed after since where that is not zero.
func saveRows(t testing.TB, s *Store, since ostiary.Revision) (savedRows, error) {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	low, err := v.LowWater()
	if err != nil {
		t.Fatal(err)
	}
	nanos, err := v.TimeNanos()
	if err != nil {
		t.Fatal(err)
	}
	saved := savedRows{built: Built{Revision: v.Revision(), Term: v.Term(), ClockNanos: nanos, Low: low}}
	keep := func(r Row) error {
		r.Key, r.Value = slices.Clone(r.Key), slices.Clone(r.Value)
		saved.rows = append(saved.rows, r)
		return nil
	}
	if since == 0 {
		err = v.BackupRows(context.Background(), keep)
	} else {
		err = v.BackupRowsSince(context.Background(), since, keep)
	}
	return saved, err
}

// build makes a database of backups at a revision and opens it.
func build(t testing.TB, saved []savedRows, to ostiary.Revision) *Store {
	t.Helper()
	fs := vfs.NewMem()
	b, err := NewBuilder("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range saved {
		for _, r := range part.rows {
			if err := b.Add(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	built := saved[len(saved)-1].built
	built.Cluster = ostiary.ClusterID{7}
	if err := errors.Join(b.Finish(context.Background(), built, to), b.Close()); err != nil {
		t.Fatal(err)
	}
	s, err := Open("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := s.ClusterID(); !ok || id != built.Cluster {
		t.Fatalf("cluster %x, want %x", id, built.Cluster)
	}
	return s
}

// TestBuildAgainstModel applies random entries, takes a full backup and increments at random places,
// builds a database of them at a random revision that they cover, and compares it with the model at that
// revision: every question of every surface, of that revision and of older ones.
func TestBuildAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		entries, states, _, _ := drawLog(rt)
		s := mustOpen(rt, vfs.NewMem())
		defer s.Close()
		s.applier.maxCollected = rapid.IntRange(1, 20).Draw(rt, "max collected")
		var saved []savedRows
		for next := 0; next < len(entries); {
			n := rapid.IntRange(1, len(entries)-next).Draw(rt, "cut")
			if _, err := s.Apply(entries[next : next+n]); err != nil {
				rt.Fatal(err)
			}
			next += n
			if len(saved) == 0 {
				full, err := saveRows(t, s, 0)
				if err != nil {
					rt.Fatal(err)
				}
				saved = append(saved, full)
				continue
			}
			saved = saveIncrement(rt, t, s, saved, states[next-1])
		}
		restoreAndCompare(rt, t, saved, states)
	})
}

// saveIncrement adds what changed since the last backup, or since a revision before it.
func saveIncrement(rt *rapid.T, t *testing.T, s *Store, saved []savedRows, now *model) []savedRows {
	last := saved[len(saved)-1].built.Revision
	since := last - ostiary.Revision(rapid.Uint64Range(0, min(3, uint64(last)-1)).Draw(rt, "overlap"))
	part, err := saveRows(t, s, since)
	if since < now.low {
		if !errors.Is(err, ostiary.ErrRevisionGone) {
			rt.Fatalf("increment since %d below the low-water mark %d: %v, want ErrRevisionGone", since, now.low, err)
		}
		return saved
	}
	if err != nil {
		rt.Fatal(err)
	}
	return append(saved, part)
}

func restoreAndCompare(rt *rapid.T, t *testing.T, saved []savedRows, states []*model) {
	end := saved[len(saved)-1].built
	lowest := max(end.Low, 1)
	to := end.Revision - ostiary.Revision(rapid.Uint64Range(0, uint64(end.Revision-lowest)).Draw(rt, "back"))
	back := build(t, saved, to)
	defer back.Close()
	if index, _ := back.Applied(); index != uint64(to) {
		rt.Fatalf("restored to %d, applied %d", to, index)
	}
	v, err := back.View()
	if err != nil {
		rt.Fatal(err)
	}
	if err := v.Verify(context.Background()); err != nil {
		rt.Fatal(err)
	}
	v.Close()
	wantNothingAfter(rt, back, to)
	var then []*model
	for _, m := range states {
		if m.index <= uint64(to) {
			c := m.clone()
			c.low, c.keys = end.Low, nil
			then = append(then, c)
		}
	}
	at := stateAt(then, to).clone()
	at.index, at.low, at.keys = uint64(to), end.Low, nil // idempotency keys are in no backup
	compareWithModel(rt, back, at)
	comparePast(rt, back, append(then, at))
}

// wantNothingAfter looks for rows that a revision after to left: writes that go on would meet them.
func wantNothingAfter(t *rapid.T, s *Store, to ostiary.Revision) {
	at := func(table byte, revisionOf func(key, value []byte) (ostiary.Revision, error)) {
		err := eachRow(context.Background(), s.db, table, func(key, value []byte) error {
			r, err := revisionOf(key, value)
			if err == nil && r > to {
				err = fmt.Errorf("row %x of revision %d was left", key, r)
			}
			return err
		})
		if err != nil {
			t.Fatalf("restored to %d: %v", to, err)
		}
	}
	at(tableChangelog, func(key, _ []byte) (ostiary.Revision, error) {
		_, r, _, err := decodeChangelogKey(key)
		return r, err
	})
	at(tableStamp, func(key, value []byte) (ostiary.Revision, error) {
		r, _, err := decodeStamp(key, value)
		return r, err
	})
	at(tableEnded, func(key, _ []byte) (ostiary.Revision, error) {
		r, _, err := decodeEndedKey(key)
		return r, err
	})
	at(tableHistory, func(key, _ []byte) (ostiary.Revision, error) {
		_, _, r, err := decodeEndedTuple(key)
		return r, err
	})
	at(tableTuple, sinceOf)
	at(tableDocument, sinceOf)
}

// withoutKeys leaves out of a dump what is remembered of idempotency keys.
func withoutKeys(dump string) string {
	kept := ""
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "69") && !strings.HasPrefix(line, "6a") && !strings.HasPrefix(line, "6d06") {
			kept += line
		}
	}
	return kept
}

// TestRestoredEqualsOriginal compares every row of a database with those of the one built of its backup,
// but for idempotency keys: none of a client's retries outlives the restore.
func TestRestoredEqualsOriginal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		entries, _, _, _ := drawLog(rt)
		s := mustOpen(rt, vfs.NewMem())
		defer s.Close()
		if err := s.SetClusterID(ostiary.ClusterID{7}); err != nil {
			rt.Fatal(err)
		}
		if _, err := s.Apply(entries); err != nil {
			rt.Fatal(err)
		}
		full, err := saveRows(t, s, 0)
		if err != nil {
			rt.Fatal(err)
		}
		back := build(t, []savedRows{full}, full.built.Revision)
		defer back.Close()
		if got, want := dump(t, back), withoutKeys(dump(t, s)); got != want {
			rt.Fatalf("restored rows are\n%s\nand were\n%s", got, want)
		}
	})
}

// TestIncrementFollowsChanges: an increment holds what changed and not what stayed.
func TestIncrementFollowsChanges(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	for i := range 100 {
		mustApply(t, s, &ostiary.Mutation{TimeNanos: int64(i), Tuples: []ostiary.TupleChange{
			change1(t, ostiary.TupleCreate, fmt.Sprintf("doc:%d#viewer@user:ann", i))}})
	}
	part, err := saveRows(t, s, 98)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(part.rows), 2*3; got != want { // changelog, tuple, stamp of each
		t.Errorf("increment of two tuples: got %d rows, want %d", got, want)
	}
	v := viewOf(t, s)
	if err := v.BackupRowsSince(t.Context(), 101, func(Row) error { return nil }); !errors.Is(err, ostiary.ErrRevisionNotYet) {
		t.Errorf("increment since a later revision: got %v, want ErrRevisionNotYet", err)
	}
	past, err := s.ViewAt(50)
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	if err := past.BackupRows(t.Context(), func(Row) error { return nil }); err == nil {
		t.Error("a backup was taken of a view of an older revision")
	}
}

// TestBuilderRefuses: what no backup holds is refused, and a folder that holds a database.
func TestBuilderRefuses(t *testing.T) {
	fs := vfs.NewMem()
	b, err := NewBuilder("db", Options{FS: fs, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Row{
		"no key":                {},
		"meta":                  {Key: metaApplied, Value: make([]byte, 16)},
		"derived":               {Key: appendReverseKey(nil, testStore, tuple(t, "doc:1#viewer@user:ann"))},
		"tuple without value":   {Key: appendTupleKey(nil, testStore, tuple(t, "doc:1#viewer@user:ann"))},
		"tuple cut short":       {Key: appendTupleKey(nil, testStore, tuple(t, "doc:1#viewer@user:ann"))[:12], Value: []byte{0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
		"deletion of a history": {Delete: true, Key: appendStampKey(nil, 3)},
		"deletion with a value": {Delete: true, Key: appendDocumentKey(nil, ostiary.DocumentKey{Collection: "c", Key: "k"}), Value: []byte{1}},
	} {
		if err := b.Add(r); !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
	if err := b.Finish(t.Context(), Built{Revision: 5, Low: 3}, 2); err == nil {
		t.Error("finished below the low-water mark")
	}
	if err := b.Finish(t.Context(), Built{Revision: 5, Low: 3}, 6); err == nil {
		t.Error("finished above the rows")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewBuilder("db", Options{FS: fs, CacheBytes: 1 << 20}); err == nil {
		t.Error("built over a database")
	}
}
