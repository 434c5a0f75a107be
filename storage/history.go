package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// The history keeps what a mutation replaces or deletes: the value of a tuple, in both directions, or
// of a document, under its key and the revision that ended it. Every value says itself from which
// revision on its tuple or document was there, and each value of a tuple follows the one before it. So
// the state at revision r is, for every key, the first value that ended after r, or the current one
// where none did, provided that it was there at r already.
//
// A tuple that is only ever written leaves no history.

// historyOf maps a table to that of its history.
func historyOf(table byte) byte {
	switch table {
	case tableTuple:
		return tableHistory
	case tableReverse:
		return tableReversed
	}
	return tableEarlier
}

// endBytes is what follows the key of a table in its history: a separator and a revision.
const endBytes = 1 + 8

// appendHistoryKey turns the key of a table into that of its history.
func appendHistoryKey(dst, key []byte, until ostiary.Revision) []byte {
	dst = append(append(dst, historyOf(key[0])), key[1:]...)
	return binary.BigEndian.AppendUint64(append(dst, separator), uint64(until))
}

// decodeHistoryKey returns the revision that ended the row, and its key in the table that holds what
// is current.
func decodeHistoryKey(table byte, key []byte) (current []byte, until ostiary.Revision, err error) {
	n := len(key) - endBytes
	if n < 1 || key[0] != historyOf(table) || key[n] != separator {
		return nil, 0, keyError("history", key, false)
	}
	current = append([]byte{table}, key[1:n]...)
	return current, ostiary.Revision(binary.BigEndian.Uint64(key[n+1:])), nil
}

// appendEndedPrefix begins the keys of what ended at a revision.
func appendEndedPrefix(dst []byte, until ostiary.Revision) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tableEnded), uint64(until))
}

// appendEndedKey: revision, collection, key.
func appendEndedKey(dst []byte, until ostiary.Revision, k ostiary.DocumentKey) []byte {
	return append(appendPart(appendEndedPrefix(dst, until), k.Collection), k.Key...)
}

func decodeEndedKey(key []byte) (until ostiary.Revision, k ostiary.DocumentKey, err error) {
	if len(key) < 9 || key[0] != tableEnded {
		return 0, k, keyError("ended", key, false)
	}
	p := parts{string(key[9:])}
	collection, ok := p.next()
	k.Collection = collection
	if ok {
		k.Key, ok = p.last()
	}
	return ostiary.Revision(binary.BigEndian.Uint64(key[1:])), k, keyError("ended", key, ok)
}

// appendStampKey: revision.
func appendStampKey(dst []byte, r ostiary.Revision) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tableStamp), uint64(r))
}

func decodeStamp(key, value []byte) (ostiary.Revision, int64, error) {
	if len(key) != 9 || key[0] != tableStamp || len(value) != 8 {
		return 0, 0, keyError("stamp", key, false)
	}
	return ostiary.Revision(binary.BigEndian.Uint64(key[1:])), int64(binary.BigEndian.Uint64(value)), nil
}

// sinceOf returns the revision at which the tuple or document of a value came to be, which both kinds
// of value hold behind their first byte.
func sinceOf(key, value []byte) (ostiary.Revision, error) {
	if len(value) > 1 {
		if r, n := binary.Uvarint(value[1:]); n > 0 {
			return ostiary.Revision(r), nil
		}
	}
	return 0, fmt.Errorf("decode value %.400x of key %.400x: %w", value, key, ostiary.ErrCorrupt)
}

// keep writes the history of a tuple that the mutation replaces or deletes. before is its state before
// the mutation; keeping the same twice is as keeping it once.
func (m *mutation) keep(store string, t ostiary.Tuple, before tupleState) error {
	if !before.present() {
		return nil
	}
	m.value = appendTupleValue(m.value[:0], before)
	m.key = appendTupleKey(m.key[:0], store, t)
	if err := m.keepRow(); err != nil {
		return err
	}
	m.key = appendReverseKey(m.key[:0], store, t)
	return m.keepRow()
}

// keepRow writes m.value to the history of the row at m.key.
func (m *mutation) keepRow() error {
	m.kept = appendHistoryKey(m.kept[:0], m.key, m.revision)
	return m.setLater(m.kept, m.value)
}

// keepDocument writes the history of a document that the mutation replaces or deletes. The low-water
// mark has none: it is about the history and not part of it; nor has what is to be shredded.
func (m *mutation) keepDocument(key ostiary.DocumentKey, cell *documentCell) error {
	if key == lowWaterKey || strings.HasPrefix(key.Collection, ostiary.ShredPrefix) || !cell.accepted.exists || cell.keptBy == m.applier.overlay.mutation {
		return nil
	}
	cell.keptBy = m.applier.overlay.mutation
	body := cell.accepted.body
	if !cell.accepted.inBatch && body == nil {
		d, _, err := readDocument(m.applier.overlay.db, key)
		if err != nil {
			return fmt.Errorf("read document %q: %w", key, err)
		}
		body = d.Body
	}
	m.key = appendDocumentKey(m.key[:0], key)
	m.value = appendDocumentValue(m.value[:0], cell.accepted.version, body)
	if err := m.keepRow(); err != nil {
		return err
	}
	m.kept = appendEndedKey(m.kept[:0], m.revision, key)
	return m.setLater(m.kept, nil)
}

// stampRevision notes the time of the mutation, unless the revision before it has the same.
func (m *mutation) stampRevision() error {
	if m.stamp == m.applier.clock {
		return nil
	}
	m.key = appendStampKey(m.key[:0], m.revision)
	return m.batch.Set(m.key, binary.BigEndian.AppendUint64(m.value[:0], uint64(m.stamp)), nil)
}

// stampAt returns the last revision at or below r that has a stamp of its own, and its stamp: the
// clock as it stood at r. Before the first there is 0.
func stampAt(it *pebble.Iterator, r ostiary.Revision) (ostiary.Revision, int64, error) {
	if !it.SeekLT(appendStampKey(nil, r+1)) || it.Key()[0] != tableStamp {
		return 0, 0, readError(it.Error())
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return 0, 0, readError(err)
	}
	return decodeStamp(it.Key(), value)
}

func newStampIter(r pebble.Reader) (*pebble.Iterator, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{tableStamp}, UpperBound: []byte{tableStamp + 1}})
	return it, readError(err)
}

// sameBody reports whether a row of a history is of the table key current.
func sameBody(history, current []byte) bool {
	n := len(history) - endBytes
	return n == len(current) && history[0] == historyOf(current[0]) && bytes.Equal(history[1:n], current[1:])
}
