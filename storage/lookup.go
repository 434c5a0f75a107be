package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// LookUp looks for tuples of a store and calls found with the place and the stored form of each that is
// there, in the order of tuples, until it returns false. Expired grants are among those found.
//
// Many at once cost less than a third of as many calls of Tuple (go test ./storage -bench LookUp).
func (v *View) LookUp(ctx context.Context, store string, tuples []ostiary.Tuple, found func(i int, t ostiary.StoredTuple) bool) error {
	if !isPart(store) {
		return fmt.Errorf("look for tuples: store %q is empty or holds NUL", store)
	}
	if err := v.lookUp(ctx, store, tuples, found); err != nil {
		return fmt.Errorf("look for %d tuples of store %q: %w", len(tuples), store, err)
	}
	return nil
}

func (v *View) lookUp(ctx context.Context, store string, tuples []ostiary.Tuple, found func(int, ostiary.StoredTuple) bool) (err error) {
	it, err := v.probe(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	var key []byte
	for i, t := range tuples {
		if err := errors.Join(checkContext(ctx, i), validateTuple(t)); err != nil {
			return err
		}
		key = appendTupleKey(key[:0], store, t)
		state, err := probeTuple(it, key)
		if err != nil {
			return err
		}
		if state.present() && !found(i, owned(state.stored(t))) {
			return nil
		}
	}
	return nil
}

// probe returns a cursor for questions after exact keys.
func (v *View) probe(ctx context.Context) (cursor, error) {
	if v.past {
		return newPastCursor(ctx, v.shared.snap, v.at)
	}
	return newProbe(v.shared.snap)
}

// newProbe returns an iterator for questions after exact keys most of which are not there. Such a key is
// answered by the bloom filters, those of the lowest level included, which Pebble leaves out unless it
// is told: there they halve the cost of a question (go test ./storage -bench LookUp).
func newProbe(r pebble.Reader) (*pebble.Iterator, error) {
	it, err := r.NewIter(&pebble.IterOptions{UseL6Filters: true})
	return it, readError(err)
}

// probeTuple returns the state at a key of the tuple table.
func probeTuple(it cursor, key []byte) (tupleState, error) {
	if !it.SeekPrefixGE(key) || string(it.Key()) != string(key) {
		return tupleState{}, readError(it.Error())
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return tupleState{}, readError(err)
	}
	return decodeTupleValue(key, value)
}
