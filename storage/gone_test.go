package storage

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

const connector = "scim:c/groups/members"

// fillGroups gives "group:big" many members of a connector, and "group:small" and each of the members
// something that stays. Everything lies in tables.
func fillGroups(t testing.TB, s *Store, members int) {
	t.Helper()
	for from := 0; from < members; from += 1000 {
		m := &ostiary.Mutation{}
		for i := from; i < min(from+1000, members); i++ {
			user := fmt.Sprintf("user:u%06d", i)
			m.Tuples = append(m.Tuples,
				granted(t, ostiary.TupleTouch, "group:big#member@"+user, ostiary.Grant{Owner: connector}),
				granted(t, ostiary.TupleTouch, fmt.Sprintf("doc:d%06d#viewer@user:busy", i), ostiary.Grant{Owner: connector}),
				change1(t, ostiary.TupleTouch, fmt.Sprintf("doc:d%06d#viewer@%s", i, user)))
		}
		m.Tuples = append(m.Tuples, change1(t, ostiary.TupleTouch, "group:small#member@user:busy"))
		mustApply(t, s, m)
	}
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
}

// steps returns how many rows and tombstones Pebble passes to read what an object or a subject has left.
func steps(t testing.TB, s *Store, prefix []byte) (steps, rows int) {
	t.Helper()
	it, err := s.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	end := prefixEnd(prefix)
	for state := it.SeekGEWithLimit(prefix, end); state == pebble.IterValid; state = it.NextWithLimit(end) {
		rows++
	}
	stats := it.Stats()
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return max(stats.ForwardStepCount[pebble.InternalIterCall], int(stats.InternalStats.PointCount)), rows
}

// TestRevokedIsNotPassed deletes what a connector has granted: all members of a group, all documents of a
// user. Who then reads the group, or the user, does not pass what is gone; what stays stays.
func TestRevokedIsNotPassed(t *testing.T) {
	const members = 3000
	for _, tt := range []struct {
		name   string
		filter ostiary.Filter
	}{
		{"owner", ostiary.Filter{Store: testStore, Owner: connector}},
		{"type of object", ostiary.Filter{Store: testStore, Object: ostiary.ObjectRef{Type: "doc"}}},
		{"subject", ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "busy"}}},
		{"subject and relation", ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "busy"}, Relation: "viewer"}},
		{"object", ostiary.Filter{Store: testStore, Object: ostiary.ObjectRef{Type: "group", ID: "big"}}},
	} {
		t.Run("filter="+tt.name, func(t *testing.T) {
			s := openTest(t, vfs.NewMem())
			fillGroups(t, s, members)
			var want []string
			for st, err := range viewOf(t, s).Tuples(t.Context(), ostiary.Filter{Store: testStore}, nil) {
				if err != nil {
					t.Fatal(err)
				}
				if !matches(&tt.filter, st) {
					want = append(want, fmt.Sprint(st.Tuple))
				}
			}
			mustApply(t, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{Filter: tt.filter}}})
			prefixes := map[string][]byte{
				"the group":   appendObjectPrefix(nil, testStore, ostiary.ObjectRef{Type: "group", ID: "big"}),
				"the user":    appendSubjectPrefix(nil, testStore, ostiary.SubjectRef{Type: "user", ID: "busy"}),
				"a document":  appendObjectPrefix(nil, testStore, ostiary.ObjectRef{Type: "doc", ID: "d000007"}),
				"one member":  appendSubjectPrefix(nil, testStore, ostiary.SubjectRef{Type: "user", ID: "u000007"}),
				"small group": appendObjectPrefix(nil, testStore, ostiary.ObjectRef{Type: "group", ID: "small"}),
			}
			for name, prefix := range prefixes {
				if steps, rows := steps(t, s, prefix); steps > 2*rows+20 {
					t.Errorf("%s: %d rows are left, and Pebble takes %d steps to read them", name, rows, steps)
				}
			}
			v := viewOf(t, s)
			if got := tuplesOf(t, v, ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
				t.Errorf("%d tuples are left, want %d", len(got), len(want))
			}
			if err := v.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRevokedAmongOthers deletes every other member of a group, and then 3,000 in a row: the ones apart are deleted
// one by one, and who reads the group passes none of the others.
func TestRevokedAmongOthers(t *testing.T) {
	const apart, row = 2000, 3000
	s := openTest(t, vfs.NewMem())
	m := &ostiary.Mutation{}
	var want []string
	for i := range apart + row {
		text, owner := fmt.Sprintf("group:big#member@user:u%06d", i), connector
		if i < apart && i%2 == 0 {
			owner, want = ostiary.OwnerAPI, append(want, text)
		}
		m.Tuples = append(m.Tuples, granted(t, ostiary.TupleTouch, text, ostiary.Grant{Owner: owner}))
	}
	mustApply(t, s, m)
	if err := s.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{Filter: ostiary.Filter{Store: testStore, Owner: connector}}}})
	v := viewOf(t, s)
	if got := tuplesOf(t, v, ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("%d tuples are left, want %d", len(got), len(want))
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	missed := 2 * blindRuns * minRangeDelete
	if steps, rows := steps(t, s, appendObjectPrefix(nil, testStore, ostiary.ObjectRef{Type: "group", ID: "big"})); steps > 2*(rows+apart/2+missed) {
		t.Errorf("%d rows are left, and Pebble takes %d steps to read them", rows, steps)
	}
}

// BenchmarkRevoked reads a group right after 100,000 members of it, granted by a connector, were deleted
// by its owner, and the user who lost as many documents, beside a group that nothing happened to.
func BenchmarkRevoked(b *testing.B) {
	s := openBench(b)
	fillGroups(b, s, 100_000)
	mustApply(b, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{Filter: ostiary.Filter{Store: testStore, Owner: connector}}}})
	v := viewOf(b, s)
	for _, q := range []struct {
		name string
		ask  func(r *Reader) error
	}{
		{"group=revoked", func(r *Reader) error {
			_, err := r.ObjectEdges(b.Context(), ostiary.ObjectRef{Type: "group", ID: "big"})
			return err
		}},
		{"group=small", func(r *Reader) error {
			_, err := r.ObjectEdges(b.Context(), ostiary.ObjectRef{Type: "group", ID: "small"})
			return err
		}},
		{"user=revoked", func(r *Reader) error {
			return firstError(r.Objects(b.Context(), ostiary.SubjectRef{Type: "user", ID: "busy"}, "doc", "viewer"))
		}},
		{"user=other", func(r *Reader) error {
			return firstError(r.Objects(b.Context(), ostiary.SubjectRef{Type: "user", ID: "u000007"}, "doc", "viewer"))
		}},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				r := v.Reader(testStore, 1)
				if err := q.ask(r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
