package raftstore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// entriesOf verifies the chain of a store and returns its entries.
func entriesOf(t testing.TB, s *Store) (entries []audit.Entry) {
	t.Helper()
	v, err := s.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var chain audit.Chain
	for row, err := range v.AuditRows(t.Context(), audit.Place{}, false) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := chain.Add(row.Key, row.Value)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if err := chain.End(); err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestAuditNamesTheCall: what the context says of the call is in the row, within bounds, and nothing where it says nothing.
func TestAuditNamesTheCall(t *testing.T) {
	s := openMem(t)
	long := string(make([]byte, 1000))
	ctx := ostiary.WithCall(t.Context(), &ostiary.Call{Method: "M", Origin: "192.0.2.7:1", Store: long})
	m := create(1)
	if _, err := s.Propose(ctx, m); err != nil {
		t.Fatal(err)
	}
	if m.Method != "" || m.MinVersion != 0 {
		t.Errorf("the caller's mutation was changed: %+v", m)
	}
	if _, err := s.Propose(t.Context(), create(2)); err != nil {
		t.Fatal(err)
	}
	entries := entriesOf(t, s)
	if len(entries) != 3 || entries[1].Method != "M" || entries[1].Origin != "192.0.2.7:1" || len(entries[1].Store) != maxCallBytes {
		t.Errorf("got %+v", entries)
	}
	if e := entries[2]; e.Method != "" || e.Origin != "" || e.Store != create(2).Tuples[0].Store {
		t.Errorf("got %+v", e)
	}
}

// TestAuditRetention: rows that are older than the retention go, the rest is a chain, and where nothing is old nothing is
// written.
func TestAuditRetention(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	s := open(t, Options{
		Dir: "data", FS: vfs.NewMem(), HistoryRetention: -1, AuditRetention: 48 * time.Hour, CollectionInterval: time.Hour, // called by hand
		Clock: func() time.Time { return time.Unix(0, now.Load()) },
	})
	for n := range 3 {
		if _, err := s.Propose(t.Context(), create(n)); err != nil {
			t.Fatal(err)
		}
		now.Add(int64(20 * time.Hour))
	}
	if err := s.trimAudit(t.Context()); err != nil { // the first is 60 hours old
		t.Fatal(err)
	}
	entries := entriesOf(t, s)
	if len(entries) != 4 || !entries[0].Trimmed || entries[3].Items[len(entries[3].Items)-1].Kind != audit.RowsDeleted {
		t.Errorf("got %+v", entries)
	}
	if err := s.trimAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := entriesOf(t, s); len(again) != len(entries) {
		t.Errorf("%d rows, not %d", len(again), len(entries))
	}
}

// TestAuditSurvivesRestore: a restore goes on with the chain, after a row that says what was restored, from whole backups
// and increments, to the end and to an older revision, before and after rows were deleted.
func TestAuditSurvivesRestore(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	s := open(t, Options{
		Dir: "data", FS: vfs.NewMem(), HistoryRetention: -1, AuditRetention: 48 * time.Hour, CollectionInterval: time.Hour,
		Clock: func() time.Time { return time.Unix(0, now.Load()) },
	})
	write := func(n int) (last ostiary.Revision) {
		t.Helper()
		r, err := s.Propose(t.Context(), create(n))
		if err != nil {
			t.Fatal(err)
		}
		now.Add(int64(20 * time.Hour))
		return r.Revision
	}
	for n := range 3 {
		write(n)
	}
	full := backupOf(t, s, 0)
	middle := write(3)
	write(4)
	increment := backupOf(t, s, manifestIn(t, full).Revision)
	if err := s.trimAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(5)
	last := backupOf(t, s, manifestIn(t, increment).Revision)
	trimmed := backupOf(t, s, 0)
	for name, test := range map[string]struct {
		files [][]byte
		to    ostiary.Revision
	}{
		"full": {[][]byte{full}, 0}, "increment": {[][]byte{full, increment}, 0}, "older": {[][]byte{full, increment}, middle},
		"increment after a deletion": {[][]byte{full, increment, last}, 0}, "full after a deletion": {[][]byte{trimmed}, 0},
	} {
		again, what := restored(t, RestoreOptions{Sources: sources(test.files...), ToRevision: test.to})
		entries := entriesOf(t, again)
		link := entries[len(entries)-1]
		if link.Kind != audit.Restored || link.From != s.ClusterID() || link.To != what.Cluster || link.Revision != what.Revision {
			t.Errorf("%s: the last row is %+v", name, link)
		}
		if (link.Dropped != audit.Hash{}) != (test.to != 0) {
			t.Errorf("%s: dropped %s", name, link.Dropped)
		}
		if _, err := again.Propose(t.Context(), create(100)); err != nil {
			t.Fatal(err)
		}
		if more := entriesOf(t, again); len(more) != len(entries)+1 {
			t.Errorf("%s: %d rows after a write, not %d", name, len(more), len(entries)+1)
		}
	}
}
