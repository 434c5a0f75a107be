package storage

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// Document returns a document, and false where there is none. The caller may keep its body.
func (v *View) Document(key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	d, ok, err := readDocument(v.shared.snap, key)
	if err != nil {
		return ostiary.Document{}, false, fmt.Errorf("read document %q: %w", key, err)
	}
	return d, ok, nil
}

func readDocument(r pebble.Reader, key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	d := ostiary.Document{Key: key}
	ok, err := getDocument(r, key, func(version ostiary.Revision, body []byte) {
		d.Version, d.Body = version, slices.Clone(body)
	})
	return d, ok, err
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
	docs, err := listDocuments(v.shared.snap, collection, afterKey, limit, descending)
	if err != nil {
		return nil, fmt.Errorf("list documents of %q: %w", collection, err)
	}
	return docs, nil
}

func listDocuments(r pebble.Reader, collection, afterKey string, limit int, descending bool) (docs []ostiary.Document, err error) {
	lower := appendCollectionPrefix(nil, collection)
	upper := prefixEnd(lower)
	if afterKey != "" {
		at := append(slices.Clone(lower), afterKey...)
		if descending {
			upper = at
		} else {
			lower = append(at, 0) // the smallest key above at
		}
	}
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
		key, err := decodeDocumentKey(it.Key())
		if err != nil {
			return nil, err
		}
		version, body, err := decodeDocumentValue(it.Key(), value)
		if err != nil {
			return nil, err
		}
		docs = append(docs, ostiary.Document{Key: key, Version: version, Body: slices.Clone(body)})
	}
	return docs, readError(it.Error())
}
