package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// CountChanges returns how many rows the changelog of a store has of one revision, whose mutation has changed
// tuples of no other store. It reads two of them. The error is ostiary.ErrRevisionGone where they are no longer
// kept.
func (v *View) CountChanges(store string, r ostiary.Revision) (n int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count changes of store %q at revision %d: %w", store, r, err)
		}
	}()
	collected, _, err := readCollected(v.shared.snap, store)
	if err != nil {
		return 0, err
	}
	if r <= collected {
		return 0, fmt.Errorf("the changelog is kept after revision %d: %w", collected, ostiary.ErrRevisionGone)
	}
	it, err := v.shared.snap.NewIter(&pebble.IterOptions{
		LowerBound: appendChangelogKey(nil, store, r, 0), UpperBound: appendChangelogKey(nil, store, r+1, 0)})
	if err != nil {
		return 0, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	if !it.First() {
		return 0, readError(it.Error())
	}
	_, _, first, err := decodeChangelogKey(it.Key())
	if err != nil || !it.Last() {
		return 0, errors.Join(err, readError(it.Error()))
	}
	_, _, last, err := decodeChangelogKey(it.Key())
	return int(last-first) + 1, err
}
