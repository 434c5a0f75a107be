package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

func quotaOf(store string, tuples uint64) *ostiary.Mutation {
	m := &ostiary.Mutation{}
	m.SetQuota(store, &ostiary.Quota{Tuples: tuples})
	return m
}

// within returns a mutation of testStore that rests on its quota.
func within(changes ...ostiary.TupleChange) *ostiary.Mutation {
	m := &ostiary.Mutation{Tuples: changes}
	m.RestOnQuota(testStore)
	return m
}

func wantCount(t *testing.T, s *Store, want uint64) {
	t.Helper()
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if n, counted, err := v.CountedTuples(testStore); err != nil || !counted || n != want {
		t.Errorf("got %d, %v, %v, want %d", n, counted, err, want)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func docTuple(t *testing.T, op ostiary.TupleOp, id int) ostiary.TupleChange {
	return granted(t, op, fmt.Sprintf("doc:%d#viewer@user:ann", id), ostiary.Grant{Owner: ostiary.OwnerAPI})
}

// TestQuota: what would leave more tuples than the quota is refused whole; what takes away never is, nor what does not
// rest on the quota.
func TestQuota(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{docTuple(t, ostiary.TupleTouch, 1), docTuple(t, ostiary.TupleTouch, 2)}})
	mustApply(t, s, within(docTuple(t, ostiary.TupleTouch, 3))) // without a quota everything is within it
	if _, counted, err := viewOf(t, s).CountedTuples(testStore); err != nil || counted {
		t.Errorf("a store without a quota is counted: %v, %v", counted, err)
	}
	mustApply(t, s, quotaOf(testStore, 4))
	wantCount(t, s, 3)
	before := dump(t, s)
	out := applyOne(t, s, within(docTuple(t, ostiary.TupleTouch, 4), docTuple(t, ostiary.TupleTouch, 5)))
	if !errors.Is(out.Err, ostiary.ErrQuota) {
		t.Fatalf("got %v", out.Err)
	}
	if withoutMeta(dump(t, s)) != withoutMeta(before) {
		t.Error("a mutation that is refused changed something")
	}
	mustApply(t, s, within(docTuple(t, ostiary.TupleTouch, 4)))
	mustApply(t, s, within(docTuple(t, ostiary.TupleTouch, 4)))                                      // there already
	mustApply(t, s, within(docTuple(t, ostiary.TupleDelete, 4), docTuple(t, ostiary.TupleTouch, 6))) // one for another
	wantCount(t, s, 4)
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{docTuple(t, ostiary.TupleTouch, 7), docTuple(t, ostiary.TupleTouch, 8)}})
	wantCount(t, s, 6)
	mustApply(t, s, within(docTuple(t, ostiary.TupleDelete, 7))) // still above
	if out := applyOne(t, s, within(docTuple(t, ostiary.TupleTouch, 9))); !errors.Is(out.Err, ostiary.ErrQuota) {
		t.Errorf("got %v", out.Err)
	}
	mustApply(t, s, quotaOf(testStore, 6))
	mustApply(t, s, within(docTuple(t, ostiary.TupleTouch, 9)))
	wantCount(t, s, 6)
	end := &ostiary.Mutation{}
	end.SetQuota(testStore, nil)
	mustApply(t, s, end)
	mustApply(t, s, within(docTuple(t, ostiary.TupleTouch, 10)))
	if err := viewOf(t, s).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestQuotaIsValidated: what could not be counted exactly, or not by every node, is refused.
func TestQuotaIsValidated(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	old, mixed, odd := quotaOf(testStore, 1), quotaOf(testStore, 1), quotaOf(testStore, 1)
	old.MinVersion = 2
	mixed.Tuples = append(mixed.Tuples, docTuple(t, ostiary.TupleTouch, 1))
	filtered := quotaOf(testStore, 1)
	filtered.Filters = append(filtered.Filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: testStore}})
	odd.Documents[0].Body = []byte("7")
	rests := within()
	rests.MinVersion = 2
	for name, m := range map[string]*ostiary.Mutation{"an old version": old, "with tuples": mixed, "with a filter": filtered, "no quota": odd, "rests on it in an old version": rests} {
		if out := applyOne(t, s, m); !errors.Is(out.Err, errInvalid) {
			t.Errorf("%s: got %v", name, out.Err)
		}
	}
}

// TestQuotaAfterRestart: the count goes on where it stood, and a store that has a quota and no count, as after a restore,
// is counted when it is opened.
func TestQuotaAfterRestart(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs)
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{docTuple(t, ostiary.TupleTouch, 1)}})
	mustApply(t, s, quotaOf(testStore, 2))
	mustApply(t, s, within(docTuple(t, ostiary.TupleTouch, 2)))
	for _, lost := range []bool{false, true} {
		if lost {
			if err := s.db.Delete(appendCountKey(nil, testStore), pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, fs)
		wantCount(t, s, 2)
		if out := applyOne(t, s, within(docTuple(t, ostiary.TupleTouch, 3))); !errors.Is(out.Err, ostiary.ErrQuota) {
			t.Errorf("got %v", out.Err)
		}
	}
}

// TestQuotaAmongOthers: the first quota of a store counts the tuples of it alone, those of entries that come with it in
// one call of Apply too; later ones, and the end, go on from there.
func TestQuotaAmongOthers(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	index, term := s.Applied()
	next := func(all ...*ostiary.Mutation) {
		t.Helper()
		var entries []Entry
		for _, m := range all {
			index++
			entries = append(entries, Entry{Index: index, Term: max(term, 1), Mutation: m})
		}
		outcomes, err := s.Apply(entries)
		for _, o := range outcomes {
			err = errors.Join(err, o.Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	touch := func(store string, id int) *ostiary.Mutation {
		c := docTuple(t, ostiary.TupleTouch, id)
		c.Store = store
		return &ostiary.Mutation{Tuples: []ostiary.TupleChange{c}}
	}
	end := &ostiary.Mutation{}
	end.SetQuota(testStore, nil)
	neighbours := []string{testStore + "0", testStore + "zzz", testStore[:len(testStore)-1]}
	for _, other := range neighbours {
		next(touch(other, 1))
	}
	next(touch(testStore, 1), touch(testStore, 2), quotaOf(testStore, 2), touch(testStore, 3))
	wantCount(t, s, 3)
	next(touch(testStore, 4), quotaOf(testStore, 9), touch(testStore, 5))
	wantCount(t, s, 5)
	next(touch(testStore, 6), end, touch(testStore, 7), quotaOf(testStore, 9), touch(testStore, 8))
	wantCount(t, s, 8)
}

// TestManyQuotas: however many stores have quotas, the counts of all are there after a restart.
func TestManyQuotas(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs)
	store := func(i int) string { return fmt.Sprintf("%s%05d", testStore, i) }
	for i := 0; i < 2*quotasPerRead; i += 500 {
		m := &ostiary.Mutation{}
		for n := range 500 {
			m.SetQuota(store(i+n), &ostiary.Quota{Tuples: 0})
		}
		mustApply(t, s, m)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs)
	for _, i := range []int{0, quotasPerRead - 1, quotasPerRead, 2*quotasPerRead - 1} {
		c := docTuple(t, ostiary.TupleTouch, 1)
		c.Store = store(i)
		m := &ostiary.Mutation{Tuples: []ostiary.TupleChange{c}}
		m.RestOnQuota(store(i))
		if out := applyOne(t, s, m); !errors.Is(out.Err, ostiary.ErrQuota) {
			t.Errorf("store %d takes a tuple beyond its quota: %v", i, out.Err)
		}
	}
}

// TestQuotaCounts: the count is right after every kind of change, however entries are cut into calls of Apply, also where
// the quota begins or ends among them.
func TestQuotaCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, quotaOf(testStore, 12))
	ops := []ostiary.TupleOp{ostiary.TupleCreate, ostiary.TupleTouch, ostiary.TupleTouch, ostiary.TupleDelete, ostiary.TupleRelease}
	owners := []string{ostiary.OwnerAPI, "rule:1"}
	refused := 0
	for range 60 {
		var entries []Entry
		index, term := s.Applied()
		for n := range 1 + random.IntN(4) {
			m := &ostiary.Mutation{}
			switch random.IntN(10) {
			case 0:
				m.SetQuota(testStore, nil)
			case 1, 2:
				m.SetQuota(testStore, &ostiary.Quota{Tuples: 12})
			}
			if len(m.Documents) > 0 {
				entries = append(entries, Entry{Index: index + uint64(n) + 1, Term: max(term, 1), Mutation: m})
				continue
			}
			if random.IntN(4) > 0 {
				m.RestOnQuota(testStore)
			}
			for range random.IntN(5) {
				c := granted(t, ops[random.IntN(len(ops))], fmt.Sprintf("doc:%d#viewer@user:%d", random.IntN(5), random.IntN(5)),
					ostiary.Grant{Owner: owners[random.IntN(2)]})
				c.IfExists, c.IfMissing = true, true
				m.Tuples = append(m.Tuples, c)
			}
			if random.IntN(4) == 0 {
				m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: testStore,
					Object: ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(random.IntN(5))}}})
			}
			entries = append(entries, Entry{Index: index + uint64(n) + 1, Term: max(term, 1), Mutation: m})
		}
		outcomes, err := s.Apply(entries)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if errors.Is(o.Err, ostiary.ErrQuota) {
				refused++
			}
		}
		if err := viewOf(t, s).Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the test shows less than it should")
	}
}
