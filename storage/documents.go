package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// Document returns a document, and false where there is none. The caller may keep its body.
func (v *View) Document(key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	d, ok, err := v.document(key)
	if err != nil {
		return ostiary.Document{}, false, fmt.Errorf("read document %q: %w", key, err)
	}
	return d, ok, nil
}

// DocumentsChanged returns a revision, at or below that of the view, after which no document has changed,
// and false for a view of an older revision. Views of one Store that return the same show the same
// documents.
func (v *View) DocumentsChanged() (ostiary.Revision, bool) {
	return ostiary.Revision(v.shared.documents), !v.past
}

func (v *View) document(key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	if !v.past {
		return readDocument(v.shared.snap, key)
	}
	row := appendDocumentKey(nil, key)
	value, err := pastGet(context.Background(), v.shared.snap, v.at, row)
	if err != nil || value == nil {
		return ostiary.Document{Key: key}, false, err
	}
	d, err := decodeDocument(row, value)
	return d, err == nil, err
}

// decodeDocument returns the document of a row.
func decodeDocument(row, value []byte) (ostiary.Document, error) {
	key, err := decodeDocumentKey(row)
	if err != nil {
		return ostiary.Document{}, err
	}
	version, body, err := decodeDocumentValue(row, value)
	return ostiary.Document{Key: key, Version: version, Body: slices.Clone(body)}, err
}

func readDocument(r pebble.Reader, key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	d := ostiary.Document{Key: key}
	ok, err := getDocument(r, key, func(version ostiary.Revision, body []byte) {
		d.Version, d.Body = version, slices.Clone(body)
	})
	return d, ok, err
}

// probeDocument shows a document to f, as getDocument does, by an iterator for questions after exact keys.
func probeDocument(it *pebble.Iterator, row []byte, f func(version ostiary.Revision, body []byte)) (bool, error) {
	if !it.SeekPrefixGE(row) || string(it.Key()) != string(row) {
		return false, readError(it.Error())
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return false, readError(err)
	}
	version, body, err := decodeDocumentValue(row, value)
	if err == nil {
		f(version, body)
	}
	return err == nil, err
}

// readDocumentState is readDocument without the body.
func readDocumentState(r pebble.Reader, key ostiary.DocumentKey) (documentState, error) {
	var s documentState
	ok, err := getDocument(r, key, func(version ostiary.Revision, _ []byte) { s.version = version })
	s.exists = ok
	return s, err
}

// getDocument shows a document to f, which may not keep the body.
func getDocument(r pebble.Reader, key ostiary.DocumentKey, f func(version ostiary.Revision, body []byte)) (bool, error) {
	row := appendDocumentKey(nil, key)
	value, closer, err := r.Get(row)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readError(err)
	}
	version, body, err := decodeDocumentValue(row, value)
	if err == nil {
		f(version, body)
	}
	return err == nil, errors.Join(err, closer.Close())
}

// Documents returns up to limit documents of a collection in the order of their keys, or against it,
// that come after afterKey; with an empty afterKey, from the start. A limit of zero or less returns
// none. The caller may keep the bodies.
func (v *View) Documents(collection, afterKey string, limit int, descending bool) ([]ostiary.Document, error) {
	var docs []ostiary.Document
	var err error
	if v.past {
		docs, err = pastDocuments(v.shared.snap, v.at, collection, afterKey, limit, descending)
	} else {
		docs, err = listDocuments(v.shared.snap, collection, afterKey, limit, descending)
	}
	if err != nil {
		return nil, fmt.Errorf("list documents of %q: %w", collection, err)
	}
	return docs, nil
}

// CountDocuments returns how many documents a collection holds. It passes over their keys.
func (v *View) CountDocuments(collection string) (int, error) {
	if v.past {
		n, err := countPastDocuments(v.shared.snap, v.at, collection)
		if err != nil {
			return 0, fmt.Errorf("count documents of %q: %w", collection, err)
		}
		return n, nil
	}
	n, err := countDocuments(v.shared.snap, collection)
	if err != nil {
		return 0, fmt.Errorf("count documents of %q: %w", collection, err)
	}
	return n, nil
}

func countDocuments(r pebble.Reader, collection string) (n int, err error) {
	lower, upper := documentRange(collection, "", false)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return 0, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, readError(it.Error())
}

func countPastDocuments(r pebble.Reader, at ostiary.Revision, collection string) (n int, err error) {
	lower, upper := documentRange(collection, "", false)
	c, err := newPastCursor(context.Background(), r, at)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, readError(c.Close())) }()
	for state := c.SeekGEWithLimit(lower, upper); state == pebble.IterValid; state = c.NextWithLimit(upper) {
		n++
	}
	return n, c.Error()
}

func listDocuments(r pebble.Reader, collection, afterKey string, limit int, descending bool) (docs []ostiary.Document, err error) {
	lower, upper := documentRange(collection, afterKey, descending)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	first, next := it.First, it.Next
	if descending {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok && len(docs) < limit; ok = next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, readError(err)
		}
		d, err := decodeDocument(it.Key(), value)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, readError(it.Error())
}

// documentRange returns the keys between which the documents of a collection after afterKey lie.
func documentRange(collection, afterKey string, descending bool) (lower, upper []byte) {
	lower = appendCollectionPrefix(nil, collection)
	upper = prefixEnd(lower)
	if afterKey == "" {
		return lower, upper
	}
	at := append(slices.Clone(lower), afterKey...)
	if descending {
		return lower, at
	}
	return append(at, 0), upper // the smallest key above at
}
