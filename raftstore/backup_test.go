package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore/backup"
	"github.com/ostiary/ostiary/storage"
)

// backupOf returns a backup of s.
func backupOf(t testing.TB, s *Store, since ostiary.Revision) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Backup(context.Background(), BackupOptions{Since: since, Cluster: s.ClusterID(), Release: "test"}, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sources(files ...[]byte) (out []BackupSource) {
	for i, data := range files {
		out = append(out, BackupSource{Name: fmt.Sprintf("file %d", i+1),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }})
	}
	return out
}

// restored restores files into a new folder and opens it.
func restored(t testing.TB, o RestoreOptions) (*Store, Restored) {
	t.Helper()
	fs := vfs.NewMem()
	o.Dir, o.FS = "restored", fs
	done, err := Restore(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, Options{Dir: "restored", FS: fs}), done
}

func manifestIn(t testing.TB, data []byte) backup.Manifest {
	t.Helper()
	m, _, err := backup.Peek(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// churn writes, replaces and deletes tuples and documents.
func churn(t testing.TB, s *Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		m := create(n % 20)
		m.Principal = ostiary.Principal{Kind: "preshared", Name: fmt.Sprint(n)}
		m.Tuples[0].Op = ostiary.TupleTouch
		if n%3 == 1 {
			m.Tuples[0].Op = ostiary.TupleRelease
		}
		m.Tuples[0].Grant.Condition = []string{"", "office"}[n%2]
		m.Documents = []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: fmt.Sprint(n % 7)},
			Delete: n%5 == 0, Body: fmt.Append(nil, n)}}
		if _, err := s.Propose(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// answers is everything that a view says at a revision: tuples in both directions, documents, changes, time.
type answers struct {
	Tuples, Reverse []ostiary.StoredTuple
	Documents       []ostiary.Document
	Changes         []ostiary.Change
	TimeNanos       int64
}

func answersOf(t testing.TB, s *Store, at ostiary.Revision) (a answers) {
	t.Helper()
	v, err := s.View(context.Background(), ostiary.Freshness{At: at})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for st, err := range v.Tuples(context.Background(), ostiary.Filter{Store: testStore}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		a.Tuples = append(a.Tuples, st)
	}
	byUser := ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}}
	for st, err := range v.Tuples(context.Background(), byUser, nil) {
		if err != nil {
			t.Fatal(err)
		}
		a.Reverse = append(a.Reverse, st)
	}
	if a.Documents, err = v.Documents("store", "", 100, false); err != nil {
		t.Fatal(err)
	}
	for c, err := range v.Changes(context.Background(), testStore, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		a.Changes = append(a.Changes, c)
	}
	if a.TimeNanos, err = v.TimeNanos(); err != nil {
		t.Fatal(err)
	}
	return a
}

// wantSameAnswers compares two nodes at every revision from low to high.
func wantSameAnswers(t testing.TB, got, want *Store, low, high ostiary.Revision) {
	t.Helper()
	for r := low; r <= high; r++ {
		if a, b := answersOf(t, got, r), answersOf(t, want, r); !reflect.DeepEqual(a, b) {
			t.Fatalf("at revision %d the restored node says\n%+v\nand the original\n%+v", r, a, b)
		}
	}
}

func newest(s *Store) ostiary.Revision {
	index, _ := s.storage.Applied()
	return ostiary.Revision(index)
}

func TestRestoreEqualsOriginal(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 60)
	back, done := restored(t, RestoreOptions{Sources: sources(backupOf(t, s, 0))})
	if back.ClusterID() == s.ClusterID() || done.Cluster != back.ClusterID() || done.From != s.ClusterID() {
		t.Errorf("cluster ids: original %x, restored %x, said %+v", s.ClusterID(), back.ClusterID(), done)
	}
	token := ostiary.NewToken(s.ClusterID(), done.Revision)
	if _, err := token.Revision(back.ClusterID()); !errors.Is(err, ostiary.ErrTokenInvalid) {
		t.Errorf("a token of the old cluster: got %v, want ErrTokenInvalid", err)
	}
	wantSameAnswers(t, back, s, 2, done.Revision)
}

// TestRestoreAnyRevision restores a chain of a full backup and increments to each revision that it covers.
func TestRestoreAnyRevision(t *testing.T) {
	s := openMem(t)
	var files [][]byte
	since := ostiary.Revision(0)
	for i := range 4 {
		churn(t, s, 15*i, 15*(i+1))
		files = append(files, backupOf(t, s, since))
		since = manifestIn(t, files[i]).Revision
	}
	shuffled := sources(files[2], files[0], files[3], files[1])
	for to := ostiary.Revision(3); to <= since; to += 11 {
		back, done := restored(t, RestoreOptions{Sources: shuffled, ToRevision: to})
		if done.Revision != to {
			t.Fatalf("restored %d, asked for %d", done.Revision, to)
		}
		wantSameAnswers(t, back, s, max(2, to-5), to)
		back.Close()
	}
	back, done := restored(t, RestoreOptions{Sources: shuffled})
	if done.Revision != since || done.Used != 4 {
		t.Errorf("without a target: got %+v, want revision %d of 4 backups", done, since)
	}
	wantSameAnswers(t, back, s, 2, since)
}

// TestRestoreAnyTime: the state at a time is that of the newest revision with an earlier stamp.
func TestRestoreAnyTime(t *testing.T) {
	var mu sync.Mutex
	clock := time.Unix(10_000, 0)
	tick := func() time.Time { mu.Lock(); defer mu.Unlock(); clock = clock.Add(time.Millisecond); return clock }
	s := open(t, Options{Dir: "data", FS: vfs.NewMem(), Clock: tick, HistoryRetention: -1})
	churn(t, s, 0, 10)
	full := backupOf(t, s, 0)
	churn(t, s, 10, 20)
	increment := backupOf(t, s, manifestIn(t, full).Revision)
	end := manifestIn(t, increment)
	v, err := s.View(t.Context(), ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	low := storage.Collection(end.Revision-3, testStore)
	if _, err := s.Propose(t.Context(), &ostiary.Mutation{Documents: []ostiary.DocumentChange{low}}); err != nil {
		t.Fatal(err)
	}
	collected := backupOf(t, s, 0)
	from := firstStamp(t, v)
	for nanos := from; nanos <= end.TakenNanos; nanos += (end.TakenNanos - from) / 9 {
		want, err := v.RevisionAt(nanos)
		if err != nil {
			t.Fatal(err)
		}
		back, done := restored(t, RestoreOptions{Sources: sources(full, increment), ToNanos: nanos})
		if want = min(want, end.Revision); done.Revision != want {
			t.Errorf("at time %d: restored revision %d, want %d", nanos, done.Revision, want)
		}
		back.Close()
	}
	for name, test := range map[string]struct {
		source []BackupSource
		nanos  int64
		want   error
	}{
		"later than the backups": {sources(full, increment), end.TakenNanos + 1, ostiary.ErrRevisionNotYet},
		"before the backups":     {sources(full, increment), 1, ostiary.ErrRevisionGone},
		"before the mark":        {sources(collected), from, ostiary.ErrRevisionGone},
	} {
		_, err := Restore(t.Context(), RestoreOptions{Dir: "x", FS: vfs.NewMem(), Sources: test.source, ToNanos: test.nanos})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// firstStamp returns the time of the oldest change.
func firstStamp(t *testing.T, v *storage.View) int64 {
	t.Helper()
	for change, err := range v.Changes(t.Context(), testStore, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		return change.TimeNanos
	}
	t.Fatal("there is no change")
	return 0
}

// TestBackupUnderWrites takes backups while eight clients write pairs of tuples: each backup holds both of
// a pair or neither, everything acknowledged before it began, and nothing of what came later.
func TestBackupUnderWrites(t *testing.T) {
	s := openMem(t)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[int]bool{}
	for c := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				n := 2 * (c*1_000_000 + i)
				m := create(n)
				m.Tuples = append(m.Tuples, create(n+1).Tuples...)
				if _, err := s.Propose(context.Background(), m); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[n] = true
				mu.Unlock()
			}
		})
	}
	var since ostiary.Revision
	var files [][]byte
	seen := 0
	for range 4 {
		until(t, "the writers do not get on", func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acknowledged) < seen+20 {
				return fmt.Errorf("%d writes", len(acknowledged))
			}
			seen = len(acknowledged)
			return nil
		})
		mu.Lock()
		var before []int
		for n := range acknowledged {
			before = append(before, n)
		}
		mu.Unlock()
		files = append(files, backupOf(t, s, since))
		since = manifestIn(t, files[len(files)-1]).Revision
		back, _ := restored(t, RestoreOptions{Sources: sources(files...)})
		there := map[ostiary.Tuple]bool{}
		a := answersOf(t, back, since)
		for _, st := range a.Tuples {
			there[st.Tuple] = true
			if st.Created > since {
				t.Errorf("backup of revision %d holds a tuple of %d", since, st.Created)
			}
		}
		for _, n := range before {
			if !there[tupleOf(n)] {
				t.Fatalf("tuple %d was acknowledged before the backup of revision %d and is not in it", n, since)
			}
		}
		for _, st := range a.Tuples {
			var n int
			fmt.Sscan(st.Tuple.Object.ID, &n)
			if !there[tupleOf(n^1)] {
				t.Fatalf("backup of revision %d holds half of a write", since)
			}
		}
		back.Close()
	}
	close(stop)
	writers.Wait()
	back, _ := restored(t, RestoreOptions{Sources: sources(files...)})
	wantSameAnswers(t, back, s, since, since)
}

// TestWritesGoOn: a restored node writes after its revision, restarts, and can be backed up again.
func TestWritesGoOn(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 40)
	to := newest(s) - 15
	fs := vfs.NewMem()
	if _, err := Restore(t.Context(), RestoreOptions{Dir: "restored", FS: fs, Sources: sources(backupOf(t, s, 0)), ToRevision: to}); err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: "restored", FS: fs, SnapshotEntries: 16, SnapshotInterval: 5 * time.Millisecond}
	back := open(t, o)
	churn(t, back, 100, 140)
	receipt, err := back.Propose(t.Context(), create(1000))
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Revision <= to {
		t.Errorf("a write after a restore to revision %d got %d", to, receipt.Revision)
	}
	changes := answersOf(t, back, newest(back)).Changes
	for i, c := range changes[1:] {
		if c.Revision < changes[i].Revision || c.Revision > to && c.Principal.Kind == "preshared" && len(c.Principal.Name) < 3 {
			t.Errorf("change %+v is left of what the restore undid", c)
		}
	}
	cluster := back.ClusterID()
	if err := back.Close(); err != nil {
		t.Fatal(err)
	}
	back = open(t, o)
	if back.ClusterID() != cluster || !has(t, back, tupleOf(1000)) {
		t.Error("a restart of the restored node lost its cluster id or its write")
	}
	wantSameAnswers(t, back, s, 2, to)
	again, _ := restored(t, RestoreOptions{Sources: sources(backupOf(t, back, 0))})
	wantSameAnswers(t, again, back, 2, newest(again))
}

func TestBackupRefusals(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 30)
	now := newest(s)
	low := now - 10
	if _, err := s.Propose(t.Context(), &ostiary.Mutation{Documents: []ostiary.DocumentChange{storage.Collection(low, testStore)}}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		o    BackupOptions
		want error
	}{
		"collected":       {BackupOptions{Since: low - 1}, ostiary.ErrRevisionGone},
		"future":          {BackupOptions{Since: now + 1000}, ostiary.ErrRevisionNotYet},
		"nothing new":     {BackupOptions{Since: now + 1}, ostiary.ErrPrecondition},
		"another cluster": {BackupOptions{Since: now, Cluster: ostiary.ClusterID{1}}, ostiary.ErrTokenInvalid},
	} {
		var out bytes.Buffer
		if err := s.Backup(t.Context(), test.o, &out); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: %d bytes were written", name, out.Len())
		}
	}
	if err := s.Backup(t.Context(), BackupOptions{}, brokenPipe{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a broken pipe: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ctx, BackupOptions{}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestRestorePlans names backups that do not make a chain, and targets that they do not cover.
func TestRestorePlans(t *testing.T) {
	s, other := openMem(t), openMem(t)
	churn(t, s, 0, 20)
	full := backupOf(t, s, 0)
	a := manifestIn(t, full).Revision
	churn(t, s, 20, 40)
	first := backupOf(t, s, a)
	b := manifestIn(t, first).Revision
	churn(t, s, 40, 60)
	second := backupOf(t, s, b)
	churn(t, other, 0, 90)
	foreign := backupOf(t, other, 0)
	foreignIncrement := backupOf(t, other, a)
	for name, test := range map[string]struct {
		o    RestoreOptions
		want string
	}{
		"none":            {RestoreOptions{}, "name a full one"},
		"no full":         {RestoreOptions{Sources: sources(first, second)}, "name the full backup"},
		"gap":             {RestoreOptions{Sources: sources(full, second)}, "is missing"},
		"twice":           {RestoreOptions{Sources: sources(full, first, first)}, "both end at revision"},
		"two full":        {RestoreOptions{Sources: sources(full, backupOf(t, s, 0))}, "both full"},
		"two clusters":    {RestoreOptions{Sources: sources(full, foreignIncrement)}, "backups of one cluster"},
		"two full ones":   {RestoreOptions{Sources: sources(full, foreign)}, "backups of one cluster"},
		"revision beyond": {RestoreOptions{Sources: sources(full, first), ToRevision: b + 1}, "reach to revision"},
		"both targets":    {RestoreOptions{Sources: sources(full), ToRevision: 1, ToNanos: 1}, "name one"},
		"no backup":       {RestoreOptions{Sources: sources([]byte("PK\x03\x04"))}, "too short"},
		"time beyond":     {RestoreOptions{Sources: sources(full), ToNanos: math.MaxInt64}, "reach to"},
	} {
		fs := vfs.NewMem()
		test.o.Dir, test.o.FS = "restored", fs
		_, err := Restore(t.Context(), test.o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if names, _ := fs.List("restored"); len(names) > 0 {
			t.Errorf("%s: left %v", name, names)
		}
	}
}
