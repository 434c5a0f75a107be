package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// scan is how the tuples of a filter are found: one range of one table, and whether all tuples in it
// match.
type scan struct {
	filter       ostiary.Filter
	table        byte // tableTuple, tableReverse or tableOwner
	lower, upper []byte
	covered      bool // every row of the range matches; otherwise each is compared with the filter
	hops         bool // the range holds an object, and of each of its relations only one row can match
}

// planScan chooses the narrowest range for a filter.
func planScan(f ostiary.Filter) scan {
	s := scan{filter: f}
	hasSubject := f.Subject != (ostiary.SubjectRef{})
	anyUserset := f.Subject.Relation == ostiary.AnyRelation
	switch {
	case f.Object.ID != "":
		s.table = tableTuple
		s.lower = appendObjectPrefix(nil, f.Store, f.Object)
		if f.Relation != "" {
			s.lower = appendPart(s.lower, f.Relation)
		}
		s.covered = !hasSubject && f.Owner == "" && f.ObjectType == ""
		if hasSubject && !anyUserset && f.Relation != "" { // one row at most
			s.lower = appendTupleKey(nil, f.Store, ostiary.Tuple{Object: f.Object, Relation: f.Relation, Subject: f.Subject})
			s.upper = append(slices.Clone(s.lower), 0)
			return s
		}
		s.hops = hasSubject && !anyUserset
	case anyUserset:
		s.table = tableReverse
		s.lower = appendUsersetsPrefix(nil, f.Store, f.Subject.Object())
		s.covered = f.Owner == "" && f.Object.Type == "" && f.ObjectType == "" && f.Relation == ""
	case hasSubject:
		s.table = tableReverse
		s.lower = appendSubjectPrefix(nil, f.Store, f.Subject)
		objectType := f.ObjectType
		if objectType == "" {
			objectType = f.Object.Type
		}
		s.covered = f.Owner == "" && (f.Object.Type == "" || f.Object.Type == objectType)
		s.narrow(objectType, f.Relation)
	case f.Owner != "" && hasOwnerRow(f.Owner):
		s.table = tableOwner
		s.lower = appendOwnerPrefix(nil, f.Store, f.Owner)
		s.covered = f.Object == (ostiary.ObjectRef{}) && f.Relation == ""
		s.narrow(f.ObjectType, "")
	case f.Object.Type != "":
		s.table = tableTuple
		s.lower = appendObjectPrefix(nil, f.Store, f.Object)
		s.covered = f.Relation == "" && f.ObjectType == "" && f.Owner == ""
	default:
		s.table = tableTuple
		s.lower = appendStorePrefix(nil, tableTuple, f.Store)
		s.covered = f.Relation == "" && f.Owner == ""
		s.narrow(f.ObjectType, "")
	}
	s.upper = prefixEnd(s.lower)
	return s
}

// all returns s without the comparison of rows: the caller compares.
func (s scan) all() scan {
	s.covered = true
	return s
}

// narrow appends an object type and a relation to the prefix where they are given.
func (s *scan) narrow(objectType, relation string) {
	if objectType == "" {
		s.covered = s.covered && relation == ""
		return
	}
	s.lower = appendPart(s.lower, objectType)
	if relation != "" {
		s.lower = appendPart(s.lower, relation)
	}
}

// key returns the key of t in the table that s reads.
func (s *scan) key(t ostiary.Tuple) []byte {
	switch s.table {
	case tableReverse:
		return appendReverseKey(nil, s.filter.Store, t)
	case tableOwner:
		return appendOwnerKey(nil, s.filter.Store, s.filter.Owner, t)
	}
	return appendTupleKey(nil, s.filter.Store, t)
}

// reads returns the table that s reads.
func (s *scan) reads() tables {
	switch s.table {
	case tableReverse:
		return inReverses
	case tableOwner:
		return inOwners
	}
	return inTuples
}

// matches reports whether a tuple of the filter's store matches the filter.
func matches(f *ostiary.Filter, t ostiary.StoredTuple) bool {
	switch {
	case f.Object.Type != "" && t.Object.Type != f.Object.Type,
		f.Object.ID != "" && t.Object.ID != f.Object.ID,
		f.ObjectType != "" && t.Object.Type != f.ObjectType,
		f.Relation != "" && t.Relation != f.Relation,
		f.Subject != (ostiary.SubjectRef{}) && !isOf(f.Subject, t.Subject),
		f.Owner != "" && grantOf(t.Grants, f.Owner) < 0:
		return false
	}
	return true
}

// isOf reports whether a subject is the one of a filter, or one of its usersets.
func isOf(wanted, s ostiary.SubjectRef) bool {
	if wanted.Relation == ostiary.AnyRelation {
		return s.IsUserset() && s.Object() == wanted.Object()
	}
	return s == wanted
}

// grantOf returns the place of an owner's grant, or -1.
func grantOf(grants []ostiary.Grant, owner string) int {
	return slices.IndexFunc(grants, func(g ostiary.Grant) bool { return g.Owner == owner })
}

// scanTuples yields what s finds, in the order of its table, after the tuple after where it is not
// nil. The grants that are yielded must not be changed. It ends without error when yield returns
// false.
func scanTuples(ctx context.Context, r pebble.Reader, s scan, after *ostiary.Tuple, yield func(ostiary.StoredTuple) bool) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: s.lower, UpperBound: s.upper})
	if err != nil {
		return readError(err)
	}
	err = s.read(ctx, r, it, after, yield)
	return errors.Join(err, readError(it.Close()))
}

// scanTuples yields the tuples of a filter as they stood at the view's revision.
func (v *View) scanTuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple, yield func(ostiary.StoredTuple) bool) error {
	s := planScan(f)
	if !v.past {
		return scanTuples(ctx, v.shared.snap, s, after, yield)
	}
	if s.table == tableOwner { // which has no history; its order is that of the tuple table
		s = scan{filter: f, table: tableTuple, lower: appendStorePrefix(nil, tableTuple, f.Store)}
		s.narrow(f.ObjectType, "")
		s.upper, s.covered = prefixEnd(s.lower), false
	}
	it, err := newPastCursor(ctx, v.shared.snap, v.at)
	if err != nil {
		return err
	}
	err = s.read(ctx, v.shared.snap, it, after, yield)
	return errors.Join(err, readError(it.Close()))
}

// read yields what s finds by a cursor. r is where the owner table's tuples are looked up.
func (s *scan) read(ctx context.Context, r pebble.Reader, it cursor, after *ostiary.Tuple, yield func(ostiary.StoredTuple) bool) (err error) {
	lower := s.lower
	if after != nil {
		if above := append(s.key(*after), 0); string(above) > string(lower) {
			lower = above
		}
	}
	if string(lower) >= string(s.upper) {
		return nil
	}
	var owned cursor // where the tuples of rows of the owner table are looked up
	if s.table == tableOwner {
		if owned, err = newProbe(r); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, readError(owned.Close())) }()
	}
	rows := 0
	for state := it.SeekGEWithLimit(lower, s.upper); state == pebble.IterValid; {
		if err := checkContext(ctx, rows); err != nil {
			return err
		}
		rows++
		t, err := s.decode(owned, it)
		if err != nil {
			return err
		}
		if (s.covered || matches(&s.filter, t)) && !yield(t) {
			return nil
		}
		if s.hops {
			state = it.SeekGEWithLimit(s.hop(t.Tuple), s.upper)
		} else {
			state = it.NextWithLimit(s.upper)
		}
	}
	return readError(it.Error())
}

// hop returns where to go on after a row: at the one row of its relation that can match, or behind the
// relation where the row is that one or comes after it.
func (s *scan) hop(at ostiary.Tuple) []byte {
	wanted := at
	wanted.Subject = s.filter.Subject
	here, only := appendTupleKey(nil, s.filter.Store, at), appendTupleKey(nil, s.filter.Store, wanted)
	if string(here) < string(only) {
		return only
	}
	return prefixEnd(appendPart(appendObjectPrefix(nil, s.filter.Store, at.Object), at.Relation))
}

// decode returns the tuple of the row at which it stands.
func (s *scan) decode(owned, it cursor) (ostiary.StoredTuple, error) {
	if s.table == tableOwner {
		return s.decodeOwned(owned, it.Key())
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return ostiary.StoredTuple{}, readError(err)
	}
	decodeKey := decodeTupleKey
	if s.table == tableReverse {
		decodeKey = decodeReverseKey
	}
	_, t, err := decodeKey(it.Key())
	if err != nil {
		return ostiary.StoredTuple{}, err
	}
	state, err := decodeTupleValue(it.Key(), value)
	return state.stored(t), err
}

// decodeOwned follows a row of the owner table to its tuple.
func (s *scan) decodeOwned(owned cursor, key []byte) (ostiary.StoredTuple, error) {
	store, owner, t, err := decodeOwnerKey(key)
	if err != nil {
		return ostiary.StoredTuple{}, err
	}
	state, err := probeTuple(owned, appendTupleKey(nil, store, t))
	if err != nil {
		return ostiary.StoredTuple{}, err
	}
	if grantOf(state.grants, owner) < 0 {
		return ostiary.StoredTuple{}, fmt.Errorf("owner key %.400x has no grant in the tuple table: %w", key, ostiary.ErrCorrupt)
	}
	return state.stored(t), nil
}

// readTuple returns the state at a key of the tuple table.
func readTuple(r pebble.Reader, key []byte) (tupleState, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return tupleState{}, nil
	}
	if err != nil {
		return tupleState{}, readError(err)
	}
	state, err := decodeTupleValue(key, value)
	return state, errors.Join(err, closer.Close())
}
