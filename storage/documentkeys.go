package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// DocumentKeys returns the keys of all documents, by collection and key. It passes over every one of them. Views of an
// older revision do not tell.
func (v *View) DocumentKeys(ctx context.Context) iter.Seq2[ostiary.DocumentKey, error] {
	return func(yield func(ostiary.DocumentKey, error) bool) {
		more := true
		err := v.eachDocumentKey(ctx, func(k ostiary.DocumentKey) bool {
			more = yield(k, nil)
			return more
		})
		if err != nil && more {
			yield(ostiary.DocumentKey{}, fmt.Errorf("read the keys of documents: %w", err))
		}
	}
}

func (v *View) eachDocumentKey(ctx context.Context, show func(ostiary.DocumentKey) bool) (err error) {
	if v.past {
		return errors.New("the view is of an older revision")
	}
	it, err := v.shared.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{tableDocument}, UpperBound: []byte{tableDocument + 1}})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := decodeDocumentKey(it.Key())
		if err != nil || !show(k) {
			return err
		}
	}
	return readError(it.Error())
}
