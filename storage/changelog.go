package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// Changes yields the rows of a store's changelog that come after the row (after, afterSeq), oldest
// first. Sequences of a revision begin at 0: (r, math.MaxUint32) asks for what came after revision
// r, and (0, 0) for everything that is kept. Rows below the low-water mark of the history are
// collected; to go on from a place after which one was fails with ostiary.ErrRevisionGone.
//
// The sequence ends after it has yielded an error. Changes may be kept.
func (v *View) Changes(ctx context.Context, store string, after ostiary.Revision, afterSeq uint32) iter.Seq2[ostiary.Change, error] {
	return func(yield func(ostiary.Change, error) bool) {
		more := true
		err := v.scanChanges(ctx, store, after, afterSeq, func(c ostiary.Change) bool {
			more = yield(c, nil)
			return more
		})
		if err != nil && more {
			yield(ostiary.Change{}, fmt.Errorf("read changes of store %q after revision %d: %w", store, after, err))
		}
	}
}

func (v *View) scanChanges(ctx context.Context, store string, after ostiary.Revision, afterSeq uint32, yield func(ostiary.Change) bool) (err error) {
	low, err := readLow(v.shared.snap)
	if err != nil {
		return err
	}
	collected, collectedSeq, err := readCollected(v.shared.snap, store)
	if err != nil {
		return err
	}
	lower := append(appendChangelogKey(nil, store, after, afterSeq), 0) // the smallest key above it
	switch {
	case after == 0:
		lower = appendChangelogKey(nil, store, low, 0) // what is below may be collected in part
	case after < collected, after == collected && afterSeq < collectedSeq:
		return fmt.Errorf("the changelog of the store is kept after revision %d: %w", collected, ostiary.ErrRevisionGone)
	}
	upper := appendChangelogKey(nil, store, v.Revision()+1, 0)
	if string(lower) >= string(upper) {
		return nil
	}
	it, err := v.shared.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	rows := 0
	for ok := it.First(); ok; ok = it.Next() {
		if err := checkContext(ctx, rows); err != nil {
			return err
		}
		rows++
		c, err := decodeChange(it)
		if err != nil {
			return err
		}
		if !yield(c) {
			return nil
		}
	}
	return readError(it.Error())
}

func decodeChange(it *pebble.Iterator) (ostiary.Change, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return ostiary.Change{}, readError(err)
	}
	_, revision, sequence, err := decodeChangelogKey(it.Key())
	if err != nil {
		return ostiary.Change{}, err
	}
	c, err := decodeChangeValue(it.Key(), value)
	if err != nil {
		return ostiary.Change{}, err
	}
	return ostiary.Change{
		Revision: revision, Sequence: sequence, Op: c.op, Tuple: c.tuple, Grant: c.grant,
		TimeNanos: c.timeNanos, Principal: c.principal,
	}, nil
}

// contextRows is how many rows an iteration reads between two looks at its context.
const contextRows = 1024

// checkContext returns the context's error at every contextRows-th row, the first included.
func checkContext(ctx context.Context, row int) error {
	if row%contextRows == 0 {
		return ctx.Err()
	}
	return nil
}
