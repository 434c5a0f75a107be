package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// audited is a mutation that the audit records.
func audited(m *ostiary.Mutation) *ostiary.Mutation {
	m.MinVersion = ostiary.ReleaseAudit
	m.Principal = ostiary.Principal{Kind: "preshared", Name: "ann"}
	m.RequestID, m.Method, m.Origin, m.Store = "r1", "/openfga.v1.OpenFGAService/Write", "192.0.2.7:4711", testStore
	return m
}

func writeAudited(t testing.TB, s *Store, n int) ostiary.Receipt {
	t.Helper()
	return mustApply(t, s, audited(&ostiary.Mutation{
		TimeNanos: int64(n), Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, fmt.Sprintf("doc:%d#viewer@user:ann", n))},
	}))
}

// auditRows returns copies of all rows.
func auditRows(t testing.TB, v *View) (rows []audit.Row) {
	t.Helper()
	for r, err := range v.AuditRows(t.Context(), audit.Place{}, false) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, audit.Row{Key: append([]byte(nil), r.Key...), Value: append([]byte(nil), r.Value...)})
	}
	return rows
}

// verifyByHand is the verifier of docs/format/audit.md: it shares no code with package audit. It returns the key of
// the first row that does not follow, or nil.
func verifyByHand(rows []audit.Row) []byte {
	var previous [32]byte
	var lastKey string
	for i, r := range rows {
		kind, body := r.Key[9], r.Value[:len(r.Value)-32]
		stored := [32]byte(r.Value[len(r.Value)-32:])
		switch {
		case (kind == 0) != (i == 0), i > 0 && string(r.Key) <= lastKey:
			return r.Key
		case kind == 0 && body[1] == 2: // what was before it was deleted
		case sha256.Sum256(append(append(append([]byte(nil), previous[:]...), r.Key...), body...)) != stored:
			return r.Key
		}
		previous, lastKey = stored, string(r.Key)
	}
	return nil
}

func TestAuditOfAMutation(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:0#viewer@user:old")}})
	if rows := auditRows(t, viewOf(t, s)); len(rows) != 0 {
		t.Fatalf("%d rows before any mutation asked for an audit", len(rows))
	}
	m := audited(&ostiary.Mutation{
		TimeNanos: 77,
		Tuples: []ostiary.TupleChange{
			{Op: ostiary.TupleCreate, Store: testStore, Tuple: tuple(t, "doc:1#viewer@group:eng#member"), Grant: ostiary.Grant{Owner: "rule:1", Condition: "office", Context: []byte(`{"ip":"10.0.0.1"}`)}},
			change1(t, ostiary.TupleDelete, "doc:0#viewer@user:old"),
		},
		Documents: []ostiary.DocumentChange{
			{Key: ostiary.DocumentKey{Collection: "model/" + testStore, Key: "M"}, Body: []byte("secret body")},
			{Key: ostiary.DocumentKey{Collection: "gone", Key: "never there"}, Delete: true},
		},
	})
	r := mustApply(t, s, m)
	rows := auditRows(t, viewOf(t, s))
	if len(rows) != 2 || verifyByHand(rows) != nil {
		t.Fatalf("%d rows, of which %x is broken", len(rows), verifyByHand(rows))
	}
	got, err := audit.Decode(rows[1].Key, rows[1].Value)
	if err != nil {
		t.Fatal(err)
	}
	want := audit.Entry{
		Place: audit.Place{Revision: r.Revision, Kind: audit.Change}, Hash: got.Hash, Digest: got.Digest, TimeNanos: 77,
		Principal: m.Principal, RequestID: "r1", Method: m.Method, Origin: m.Origin, Store: testStore,
		Counts: audit.Counts{TuplesWritten: 1, TuplesDeleted: 1, DocumentsPut: 1},
		Items: []audit.Item{
			{Kind: audit.TupleWritten, Name: "doc:1#viewer@group:eng#member", Owner: "rule:1", Condition: "office"},
			{Kind: audit.TupleDeleted, Name: "doc:0#viewer@user:old"},
			{Kind: audit.DocumentPut, Name: "model/" + testStore + "/M"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if text := string(rows[1].Value); strings.Contains(text, "secret") || strings.Contains(text, "10.0.0.1") {
		t.Error("the row holds a value")
	}
	// What changes nothing, and what is refused, leaves no row.
	mustApply(t, s, audited(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleRelease, Store: testStore, Tuple: tuple(t, "doc:9#viewer@user:x"), Grant: ostiary.Grant{Owner: "api"}}}}))
	if out := applyOne(t, s, audited(&ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleDelete, "doc:9#viewer@user:x")}})); out.Err == nil {
		t.Fatal("a tuple that is not there was deleted")
	}
	// From the first on every mutation has one, whatever it needs.
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:2#viewer@user:ann")}})
	if rows := auditRows(t, viewOf(t, s)); len(rows) != 3 || verifyByHand(rows) != nil {
		t.Errorf("%d rows, not 3", len(rows))
	}
}

// TestAuditDigest: the digest of a row is that of the rows of the changelog, as docs/format/audit.md has it.
func TestAuditDigest(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	r := mustApply(t, s, audited(&ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleTouch, "doc:2#viewer@user:ann"), change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann"),
	}}))
	v := viewOf(t, s)
	sum := sha256.New()
	err := eachRow(t.Context(), v.shared.snap, tableChangelog, func(key, value []byte) error {
		for _, part := range [][]byte{key, value} {
			sum.Write(binary.AppendUvarint(nil, uint64(len(part))))
			sum.Write(part)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	row, found, err := v.AuditAt(audit.Place{Revision: r.Revision, Kind: audit.Change})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	e, err := audit.Decode(row.Key, row.Value)
	if err != nil {
		t.Fatal(err)
	}
	if want := audit.Hash(sum.Sum(nil)); e.Digest != want {
		t.Errorf("digest %s, not %s", e.Digest, want)
	}
}

// TestAuditTampering: whatever is done to a row in the database, verification says at which row the chain breaks, and
// so does a verifier that shares no code with ours.
func TestAuditTampering(t *testing.T) {
	const rows = 8
	fs := vfs.NewMem()
	s := openTest(t, fs)
	for n := range rows {
		writeAudited(t, s, n+1)
	}
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := auditRows(t, viewOf(t, s))
	set := func(key, value []byte) {
		t.Helper()
		if err := s.db.Set(key, value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	restore := func() {
		t.Helper()
		if err := s.db.DeleteRange([]byte{audit.Table}, appendAuditEnd(nil), pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		for _, r := range good {
			set(r.Key, r.Value)
		}
	}
	demand := func(what string, broken []byte) {
		t.Helper()
		v := newestPicture(t, s)
		err := v.Verify(t.Context())
		var at *audit.BreakError
		if !errors.As(err, &at) || !errors.Is(err, ostiary.ErrCorrupt) {
			t.Fatalf("%s: got %v, want a break", what, err)
		}
		if got := audit.AppendKey(nil, at.Place); string(got) != string(broken) {
			t.Errorf("%s: broken at %x, not at %x", what, got, broken)
		}
		if by := verifyByHand(auditRows(t, v)); string(by) != string(broken) {
			t.Errorf("%s: by hand it is broken at %x, not at %x", what, by, broken)
		}
		restore()
	}
	for i := 1; i < len(good); i++ { // the first is the beginning
		r := good[i]
		flipped := append([]byte(nil), r.Value...)
		flipped[10]++ // in the principal
		set(r.Key, flipped)
		demand("flip", r.Key)
		rehashed := append([]byte(nil), r.Value...)
		rehashed[10]++
		seal := sha256.Sum256(append(append(append([]byte(nil), good[i-1].Value[len(good[i-1].Value)-32:]...), r.Key...), rehashed[:len(rehashed)-32]...))
		copy(rehashed[len(rehashed)-32:], seal[:])
		if i+1 < len(good) {
			set(r.Key, rehashed)
			demand("flip with a new hash", good[i+1].Key)
			if err := s.db.Delete(r.Key, pebble.NoSync); err != nil {
				t.Fatal(err)
			}
			demand("delete", good[i+1].Key)
			set(r.Key, good[i+1].Value)
			set(good[i+1].Key, r.Value)
			demand("swap", r.Key)
		}
		forged := append([]byte(nil), r.Key...)
		forged[9] = byte(audit.Restored)
		key, value, _ := audit.RestoredRow(audit.Hash{}, &audit.Entry{Place: audit.Place{Revision: ostiary.Revision(binary.BigEndian.Uint64(r.Key[1:])), Kind: audit.Restored}})
		if string(key) != string(forged) {
			t.Fatalf("key %x, not %x", key, forged)
		}
		set(key, value)
		demand("insert", key)
	}
	if err := s.db.Delete(good[0].Key, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	demand("delete the beginning", good[1].Key)
	// Rows from the end leave a chain, which a head that was kept elsewhere tells from the whole one.
	if err := s.db.Delete(good[rows].Key, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	v := newestPicture(t, s)
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	head, found, err := v.AuditHead()
	if want, _ := audit.HashOf(good[rows-1].Value); err != nil || !found || head.Hash != want {
		t.Errorf("head %v, %v, %v", head, found, err)
	}
}

// newestPicture returns a view of what the database holds now, whoever wrote it.
func newestPicture(t testing.TB, s *Store) *View {
	t.Helper()
	s.publish(s.progress())
	return viewOf(t, s)
}

// TestAuditGoesOnAfterRestart: a database that is opened again goes on with its chain.
func TestAuditGoesOnAfterRestart(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs)
	writeAudited(t, s, 1)
	writeAudited(t, s, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs)
	writeAudited(t, s, 3)
	v := viewOf(t, s)
	if rows := auditRows(t, v); len(rows) != 4 || verifyByHand(rows) != nil {
		t.Errorf("%d rows, of which %x is broken", len(rows), verifyByHand(rows))
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAuditTrim: the oldest rows go by an entry of the log, what is left can be verified, and not when more is taken
// away from its front.
func TestAuditTrim(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	for n := range 6 {
		writeAudited(t, s, 10*(n+1))
	}
	v := viewOf(t, s)
	below, more, err := v.AuditTrimmable(35)
	if err != nil || !more {
		t.Fatal(below, more, err)
	}
	before := auditRows(t, v)
	trim := func(r ostiary.Revision, nanos int64) {
		t.Helper()
		mustApply(t, s, &ostiary.Mutation{MinVersion: ostiary.ReleaseAudit, TimeNanos: nanos, Documents: []ostiary.DocumentChange{AuditTrim(r)}})
	}
	trim(below, 61)
	v = viewOf(t, s)
	rows := auditRows(t, v)
	if len(rows) != 1+3+1 || verifyByHand(rows) != nil || v.Verify(t.Context()) != nil {
		t.Fatalf("%d rows, by hand broken at %x, %v", len(rows), verifyByHand(rows), v.Verify(t.Context()))
	}
	if string(rows[1].Key) != string(before[4].Key) {
		t.Errorf("the first row that is left is %x, not %x", rows[1].Key, before[4].Key)
	}
	if below, more, err := v.AuditTrimmable(35); more || err != nil {
		t.Errorf("more to delete below %d, %v", below, err)
	}
	trim(below, 62) // deletes nothing and breaks nothing
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Error(err)
	}
	last, _, err := viewOf(t, s).AuditHead()
	if err != nil {
		t.Fatal(err)
	}
	trim(last.Revision+1, 63) // all but its own row
	if rows := auditRows(t, viewOf(t, s)); len(rows) != 2 || verifyByHand(rows) != nil {
		t.Errorf("%d rows", len(rows))
	}
	writeAudited(t, s, 70)
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Error(err)
	}
	// Somebody who takes a row away himself, and begins the chain behind it, is found out.
	rows = auditRows(t, viewOf(t, s))
	head, _ := audit.HashOf(rows[1].Value)
	place, err := audit.PlaceOf(rows[1].Key)
	if err != nil {
		t.Fatal(err)
	}
	key, value := audit.Trimmed(audit.Head{Place: place, Hash: head})
	b := s.db.NewBatch()
	if err := errors.Join(b.DeleteRange([]byte{audit.Table}, rows[2].Key, nil), b.Set(key, value, nil), b.Commit(pebble.NoSync)); err != nil {
		t.Fatal(err)
	}
	var broken *audit.BreakError
	if err := newestPicture(t, s).Verify(t.Context()); !errors.As(err, &broken) || broken.Revision != place.Revision {
		t.Errorf("got %v, want a break at revision %d", err, place.Revision)
	}
}

func TestAuditTrimRefused(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	writeAudited(t, s, 1)
	alone := AuditTrim(1)
	for name, m := range map[string]*ostiary.Mutation{
		"older release": {Documents: []ostiary.DocumentChange{alone}},
		"company":       {MinVersion: ostiary.ReleaseAudit, Documents: []ostiary.DocumentChange{alone, {Key: ostiary.DocumentKey{Collection: "a", Key: "b"}}}},
		"tuples":        {MinVersion: ostiary.ReleaseAudit, Documents: []ostiary.DocumentChange{alone}, Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann")}},
		"future":        {MinVersion: ostiary.ReleaseAudit, Documents: []ostiary.DocumentChange{AuditTrim(100)}},
		"deletion":      {MinVersion: ostiary.ReleaseAudit, Documents: []ostiary.DocumentChange{{Key: alone.Key, Delete: true}}},
		"no body":       {MinVersion: ostiary.ReleaseAudit, Documents: []ostiary.DocumentChange{{Key: alone.Key}}},
	} {
		if out := applyOne(t, s, m); out.Err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestAuditDoesNotDependOnCuts: however entries are cut into batches, the rows are the same.
func TestAuditDoesNotDependOnCuts(t *testing.T) {
	var entries []Entry
	for n := range 12 {
		m := audited(&ostiary.Mutation{TimeNanos: int64(n), Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, fmt.Sprintf("doc:%d#viewer@user:ann", n%5))}})
		switch n {
		case 4:
			m.Filters = []ostiary.FilterDelete{{Filter: ostiary.Filter{Store: testStore, Object: ostiary.ObjectRef{Type: "doc", ID: "1"}}}}
		case 7:
			m = &ostiary.Mutation{MinVersion: ostiary.ReleaseAudit, Documents: []ostiary.DocumentChange{AuditTrim(4)}}
		case 9:
			m.Tuples[0].Op = ostiary.TupleCreate // refused: it is there
			m.Tuples[0].Grant.Condition = "other"
		}
		entries = append(entries, Entry{Index: uint64(n + 1), Term: 1, Mutation: m})
	}
	var want []audit.Row
	for _, size := range []int{12, 1, 5} {
		s := openTest(t, vfs.NewMem())
		for from := 0; from < len(entries); from += size {
			if _, err := s.Apply(entries[from:min(from+size, len(entries))]); err != nil {
				t.Fatal(err)
			}
		}
		rows := auditRows(t, viewOf(t, s))
		if want == nil {
			want = rows
		}
		if !reflect.DeepEqual(rows, want) || verifyByHand(rows) != nil {
			t.Errorf("cut at %d: other rows", size)
		}
	}
}
