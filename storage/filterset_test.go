package storage

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// fillSessions gives one person two tuples of an owner in each of many organizations, and returns the filters
// that take them.
func fillSessions(t testing.TB, s *Store, organizations int) []ostiary.FilterDelete {
	t.Helper()
	var filters []ostiary.FilterDelete
	m := &ostiary.Mutation{}
	for i := range organizations {
		g := ostiary.Grant{Owner: fmt.Sprintf("session:o%05d/u1", i)}
		m.Tuples = append(m.Tuples,
			granted(t, ostiary.TupleTouch, fmt.Sprintf("session:o%05d/s#subject@user:u1", i), g),
			granted(t, ostiary.TupleTouch, fmt.Sprintf("organization:o%05d#live@session:o%05d/s#subject", i, i), g))
		filters = append(filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: testStore, Owner: g.Owner}})
	}
	mustApply(t, s, m)
	return filters
}

// TestManyFilters deletes by very many filters in one mutation, and changes as many tuples after it. What it
// costs is in proportion to the tuples, not to tuples times filters.
func TestManyFilters(t *testing.T) {
	const organizations = 500
	s := openTest(t, vfs.NewMem())
	filters := fillSessions(t, s, organizations)
	filters = append(filters, filters...)                                            // the second time they find nothing
	for _, relation := range []string{"subject", "actor", "parent", "live", "any"} { // another form
		filters = append(filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: testStore, Relation: relation,
			Subject: ostiary.SubjectRef{Type: "user", ID: "u1"}}})
	}
	work := &ostiary.Mutation{Filters: filters}
	for i := range organizations {
		work.Tuples = append(work.Tuples, change1(t, ostiary.TupleTouch, fmt.Sprintf("organization:o%05d#seen@user:u1", i)))
	}
	index, _ := s.Applied()
	m := &mutation{Mutation: work, applier: &s.applier, revision: ostiary.Revision(index + 1), stamp: 1, batch: s.db.NewBatch()}
	if err := m.apply(); err != nil {
		t.Fatal(err)
	}
	if err := m.batch.Close(); err != nil {
		t.Fatal(err)
	}
	s.applier.index, s.applier.term = index+1, 1
	if err := s.applier.commit(s); err != nil {
		t.Fatal(err)
	}
	if tuples := 3 * organizations; m.filtered.asked > 4*tuples+len(filters) {
		t.Errorf("%d filters and %d tuples: %d filters were looked for", len(filters), tuples, m.filtered.asked)
	}
	var want []string
	for _, c := range work.Tuples {
		want = append(want, c.Tuple.String())
	}
	if got := tuplesOf(t, viewOf(t, s), ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("%d tuples are left, such as %.5q, want %d", len(got), got, len(want))
	}
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// BenchmarkManyFilters applies one mutation with a filter for each organization of one person.
func BenchmarkManyFilters(b *testing.B) {
	for _, organizations := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("filters=%d", organizations), func(b *testing.B) {
			s := openBench(b)
			for b.Loop() {
				b.StopTimer()
				m := &ostiary.Mutation{Filters: fillSessions(b, s, organizations)}
				b.StartTimer()
				mustApply(b, s, m)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*organizations), "ns/filter")
		})
	}
}
