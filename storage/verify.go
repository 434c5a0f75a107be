package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// Verify reads the whole picture that the view is taken from and checks that every row can be decoded,
// that the tuple table, the reverse table and the owner table tell the same, and that both directions
// of the history do. The error is ostiary.ErrCorrupt and names the
// first row at fault, or is the context's. It takes about a microsecond a row.
func (v *View) Verify(ctx context.Context) error {
	err := verify(ctx, v.shared.snap)
	if err != nil {
		return fmt.Errorf("verify the view at revision %d: %w", v.Revision(), err)
	}
	return nil
}

func verify(ctx context.Context, r pebble.Reader) error {
	var tuples, grants int
	ofStores := map[string]uint64{}
	err := eachRow(ctx, r, tableTuple, func(key, value []byte) error {
		store, t, err := decodeTupleKey(key)
		if err != nil {
			return err
		}
		state, err := decodeTupleValue(key, value)
		if err != nil {
			return err
		}
		tuples++
		ofStores[store]++
		if err := demand(r, appendReverseKey(nil, store, t), value); err != nil {
			return err
		}
		for _, g := range state.grants {
			if !hasOwnerRow(g.Owner) {
				continue
			}
			grants++
			if err := demand(r, appendOwnerKey(nil, store, g.Owner, t), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Every row that the tuple table asks for is there. Equal numbers mean that there is no other.
	if err := demandCount(ctx, r, tableReverse, tuples); err != nil {
		return err
	}
	if err := demandCount(ctx, r, tableOwner, grants); err != nil {
		return err
	}
	if err := verifyCounts(ctx, r, ofStores); err != nil {
		return err
	}
	return verifyOthers(ctx, r)
}

// verifyCounts checks that the stores with a quota, and no others, have a count, and that it is right.
func verifyCounts(ctx context.Context, r pebble.Reader, tuples map[string]uint64) error {
	counted := 0
	err := eachRow(ctx, r, tableCount, func(key, value []byte) error {
		counted++
		store := string(key[1:])
		if n, _, err := readCount(r, store); err != nil || n != tuples[store] {
			return errors.Join(err, fmt.Errorf("store %q has %d tuples, and %d are counted: %w", store, tuples[store], n, ostiary.ErrCorrupt))
		}
		_, there, err := readDocument(r, ostiary.DocumentKey{Collection: ostiary.CollectionQuotas, Key: store})
		if err == nil && !there {
			err = fmt.Errorf("the tuples of store %q are counted, and it has no quota: %w", store, ostiary.ErrCorrupt)
		}
		return err
	})
	if err != nil {
		return err
	}
	quotas, err := countDocuments(r, ostiary.CollectionQuotas)
	if err == nil && quotas != counted {
		err = fmt.Errorf("%d stores have a quota, and the tuples of %d are counted: %w", quotas, counted, ostiary.ErrCorrupt)
	}
	return err
}

func verifyOthers(ctx context.Context, r pebble.Reader) error {
	if err := verifyRemembered(ctx, r); err != nil {
		return err
	}
	if err := verifyAudit(ctx, r); err != nil {
		return err
	}
	if err := verifyHistory(ctx, r); err != nil {
		return err
	}
	err := eachRow(ctx, r, tableChangelog, func(key, value []byte) error {
		if _, _, _, err := decodeChangelogKey(key); err != nil {
			return err
		}
		_, err := decodeChangeValue(key, value)
		return err
	})
	if err != nil {
		return err
	}
	return eachRow(ctx, r, tableDocument, func(key, value []byte) error {
		if _, err := decodeDocumentKey(key); err != nil {
			return err
		}
		_, _, err := decodeDocumentValue(key, value)
		return err
	})
}

// verifyHistory checks the history of tuples in both directions, the history of documents with its
// index, and the stamps.
func verifyHistory(ctx context.Context, r pebble.Reader) error {
	tuples, documents := 0, 0
	err := eachRow(ctx, r, tableHistory, func(key, value []byte) error {
		tuples++
		return verifyEndedTuple(r, key, value)
	})
	if err == nil {
		err = demandCount(ctx, r, tableReversed, tuples)
	}
	if err != nil {
		return err
	}
	err = eachRow(ctx, r, tableEnded, func(key, value []byte) error {
		documents++
		until, k, err := decodeEndedKey(key)
		if err != nil {
			return err
		}
		ended, closer, err := r.Get(appendHistoryKey(nil, appendDocumentKey(nil, k), until))
		if err != nil {
			return fmt.Errorf("history of document %q that ended at %d: %w: %w", k, until, err, ostiary.ErrCorrupt)
		}
		_, _, err = decodeDocumentValue(key, ended)
		return errors.Join(err, closer.Close())
	})
	if err == nil {
		err = demandCount(ctx, r, tableEarlier, documents)
	}
	if err != nil {
		return err
	}
	err = eachRow(ctx, r, tableCollected, func(key, value []byte) error {
		return keyError("collected", key, len(key) > 1 && len(value) == changelogTail)
	})
	if err != nil {
		return err
	}
	return eachRow(ctx, r, tableStamp, func(key, value []byte) error {
		_, _, err := decodeStamp(key, value)
		return err
	})
}

func verifyEndedTuple(r pebble.Reader, key, value []byte) error {
	current, until, err := decodeHistoryKey(tableTuple, key)
	if err != nil {
		return err
	}
	store, t, err := decodeTupleKey(current)
	if err != nil {
		return err
	}
	if _, err := decodeTupleValue(key, value); err != nil {
		return err
	}
	return demand(r, appendHistoryKey(nil, appendReverseKey(nil, store, t), until), value)
}

// eachRow calls f with every row of a table, until it returns an error.
func eachRow(ctx context.Context, r pebble.Reader, table byte, f func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{table}, UpperBound: []byte{table + 1}})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	row := 0
	for ok := it.First(); ok; ok = it.Next() {
		if err := checkContext(ctx, row); err != nil {
			return err
		}
		row++
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		if err := f(it.Key(), value); err != nil {
			return err
		}
	}
	return readError(it.Error())
}

// demand checks that key has exactly this value.
func demand(r pebble.Reader, key, want []byte) error {
	got, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return fmt.Errorf("key %.400x, which the tuple table asks for, is missing: %w", key, ostiary.ErrCorrupt)
	}
	if err != nil {
		return readError(err)
	}
	same := string(got) == string(want)
	if err := closer.Close(); err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("key %.400x differs from the tuple table: %w", key, ostiary.ErrCorrupt)
	}
	return nil
}

func demandCount(ctx context.Context, r pebble.Reader, table byte, want int) error {
	got := 0
	err := eachRow(ctx, r, table, func(_, _ []byte) error {
		got++
		return nil
	})
	if err == nil && got != want {
		err = fmt.Errorf("table %q has %d rows, and the tuple table asks for %d: %w", table, got, want, ostiary.ErrCorrupt)
	}
	return err
}
