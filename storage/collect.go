package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// maxCollected bounds the rows of the changelog and of the documents' history, and the stores, that
// one entry looks at to collect them. It is part of what an entry means: it never changes without a
// new version of the collection's body.
const maxCollected = 10_000

// lowWaterKey is the document whose change collects history. Its body is a collection.
var lowWaterKey = ostiary.DocumentKey{Collection: "history", Key: "low-water"}

// collection is what one entry collects: what ended, or was noted in the changelog, below the
// low-water mark.
type collection struct {
	low ostiary.Revision
	// store is the first one whose changelog is looked at. Without it, none is.
	store string
}

const collectionVersion = 1

// Collection returns a change that raises the low-water mark to low, below which revisions can no
// longer be read, and deletes a bounded number of the rows that are then of no use. It begins with
// the changelog of store, which View.Collectable names. It stands alone in a mutation.
func Collection(low ostiary.Revision, store string) ostiary.DocumentChange {
	body := binary.BigEndian.AppendUint64([]byte{collectionVersion}, uint64(low))
	return ostiary.DocumentChange{Key: lowWaterKey, Body: append(body, store...)}
}

// collectionOf returns the change of a mutation that collects.
func collectionOf(m *ostiary.Mutation) (*ostiary.DocumentChange, bool) {
	for i := range m.Documents {
		if m.Documents[i].Key == lowWaterKey {
			return &m.Documents[i], true
		}
	}
	return nil, false
}

// IsCollection reports whether a change is one that Collection returns.
func IsCollection(d *ostiary.DocumentChange) bool { return d.Key == lowWaterKey }

func decodeCollection(body []byte) (collection, bool) {
	if len(body) < 9 || body[0] != collectionVersion || slices.Contains(body[9:], separator) {
		return collection{}, false
	}
	return collection{low: ostiary.Revision(binary.BigEndian.Uint64(body[1:])), store: string(body[9:])}, true
}

// validateCollection refuses a collection that is not whole, reaches its own revision, or has company:
// its reads do not see what the same mutation changes.
func (m *mutation) validateCollection() error {
	d, ok := collectionOf(m.Mutation)
	if !ok {
		return nil
	}
	c, ok := decodeCollection(d.Body)
	switch {
	case !ok || d.Delete:
		return fmt.Errorf("document %q is not a low-water mark: %w", d.Key, errInvalid)
	case c.low >= m.revision:
		return fmt.Errorf("low-water mark %d is not below its own revision %d: %w", c.low, m.revision, errInvalid)
	case len(m.Filters)+len(m.Tuples) > 0 || len(m.Documents) > 1:
		return fmt.Errorf("a low-water mark shares its mutation with other changes: %w", errInvalid)
	}
	return nil
}

// collect raises the low-water mark and collects, where the mutation says so. The batch was cut before
// it, so the database shows the state before the mutation.
func (m *mutation) collect() error {
	d, ok := collectionOf(m.Mutation)
	if !ok {
		return nil
	}
	c, _ := decodeCollection(d.Body)
	db := m.applier.overlay.db
	low, err := readLow(db)
	if err != nil {
		return err
	}
	if c.low > low {
		low = c.low
		if err := writeLow(m.batch, low); err != nil {
			return err
		}
	}
	w := &collector{mutation: m, low: low, left: m.applier.maxCollected}
	if err := w.changelog(c.store); err != nil {
		return fmt.Errorf("collect the changelog below revision %d: %w", low, err)
	}
	if err := w.documents(); err != nil {
		return fmt.Errorf("collect documents that ended below revision %d: %w", low, err)
	}
	if err := w.stamps(); err != nil {
		return fmt.Errorf("collect stamps below revision %d: %w", low, err)
	}
	return nil
}

// collector deletes what ended below the low-water mark.
type collector struct {
	*mutation
	low  ostiary.Revision
	left int // rows and stores that it may still look at
}

// changelog deletes rows of the changelog from a store on, each with the history that its revision
// ended: a tuple's history never ends without a row of the changelog.
func (w *collector) changelog(store string) (err error) {
	if store == "" {
		return nil
	}
	db := w.applier.overlay.db
	it, err := db.NewIter(&pebble.IterOptions{
		LowerBound: appendStorePrefix(nil, tableChangelog, store), UpperBound: []byte{tableChangelog + 1},
	})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	probe, err := db.NewIter(nil)
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(probe.Close())) }()
	var last []byte // the last row that was deleted
	for ok := it.First(); ok && w.left > 0; w.left-- {
		store, revision, _, err := decodeChangelogKey(it.Key())
		if err != nil {
			return err
		}
		if revision >= w.low {
			if err := w.collected(last); err != nil {
				return err
			}
			last = last[:0]
			ok = it.SeekGE(prefixEnd(appendStorePrefix(nil, tableChangelog, store)))
			continue
		}
		if len(last) > 0 && !sameStore(last, it.Key()) {
			if err := w.collected(last); err != nil {
				return err
			}
		}
		if err := w.change(it, probe, store, revision); err != nil {
			return err
		}
		last = append(last[:0], it.Key()...)
		ok = it.Next()
	}
	return errors.Join(w.collected(last), readError(it.Error()))
}

// changelogTail is what follows the store in a key of the changelog: a revision and a sequence.
const changelogTail = 8 + 4

func sameStore(a, b []byte) bool {
	return string(a[:len(a)-changelogTail]) == string(b[:len(b)-changelogTail])
}

// collected notes the last row of a store's changelog that was deleted, given its key.
func (w *collector) collected(last []byte) error {
	if len(last) == 0 {
		return nil
	}
	n := len(last) - changelogTail
	w.kept = append(append(w.kept[:0], tableCollected), last[1:n-1]...)
	return w.batch.Set(w.kept, last[n:], nil)
}

func appendCollectedKey(dst []byte, store string) []byte {
	return append(append(dst, tableCollected), store...)
}

// readCollected returns the place of the last row of a store's changelog that was collected.
func readCollected(r pebble.Reader, store string) (revision ostiary.Revision, sequence uint32, err error) {
	value, ok, err := readMeta(r, appendCollectedKey(nil, store), changelogTail)
	if err != nil || !ok {
		return 0, 0, err
	}
	return ostiary.Revision(binary.BigEndian.Uint64(value)), binary.BigEndian.Uint32(value[8:]), nil
}

// change deletes one row of the changelog and the history of its tuple that ended with it.
func (w *collector) change(it, probe *pebble.Iterator, store string, until ostiary.Revision) error {
	value, err := it.ValueAndErr()
	if err != nil {
		return readError(err)
	}
	c, err := decodeChangeValue(it.Key(), value)
	if err != nil {
		return err
	}
	if err := w.batch.Delete(it.Key(), nil); err != nil {
		return err
	}
	w.key = appendTupleKey(w.key[:0], store, c.tuple)
	w.kept = appendHistoryKey(w.kept[:0], w.key, until)
	if !probe.SeekPrefixGE(w.kept) || string(probe.Key()) != string(w.kept) { // most changes end nothing
		return readError(probe.Error())
	}
	if err := w.batch.Delete(w.kept, nil); err != nil {
		return err
	}
	w.key = appendReverseKey(w.key[:0], store, c.tuple)
	w.kept = appendHistoryKey(w.kept[:0], w.key, until)
	return w.batch.Delete(w.kept, nil)
}

// documents deletes the history of documents.
func (w *collector) documents() (err error) {
	it, err := w.applier.overlay.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{tableEnded}, UpperBound: appendEndedPrefix(nil, w.low),
	})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.First(); ok && w.left > 0; ok = it.Next() {
		w.left--
		until, k, err := decodeEndedKey(it.Key())
		if err != nil {
			return err
		}
		w.key = appendDocumentKey(w.key[:0], k)
		w.kept = appendHistoryKey(w.kept[:0], w.key, until)
		if err := errors.Join(w.batch.Delete(w.kept, nil), w.batch.Delete(it.Key(), nil)); err != nil {
			return err
		}
	}
	return readError(it.Error())
}

// stamps deletes the stamps below that which tells the clock at the low-water mark.
func (w *collector) stamps() (err error) {
	it, err := newStampIter(w.applier.overlay.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	keep, _, err := stampAt(it, w.low)
	if err != nil || keep == 0 || !it.SeekLT(appendStampKey(nil, keep)) {
		return errors.Join(err, readError(it.Error()))
	}
	return w.batch.DeleteRange([]byte{tableStamp}, appendStampKey(nil, keep), nil)
}

// Collectable reports whether a Collection up to low would find rows to delete, and the store to give
// it. The cost follows the number of stores.
func (v *View) Collectable(low ostiary.Revision) (store string, more bool, err error) {
	store, more, err = collectable(v.shared.snap, low)
	if err != nil {
		return "", false, fmt.Errorf("look for what ended below revision %d: %w", low, err)
	}
	return store, more, nil
}

func collectable(r pebble.Reader, low ostiary.Revision) (store string, more bool, err error) {
	it, err := r.NewIter(nil)
	if err != nil {
		return "", false, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.SeekGE([]byte{tableChangelog}); ok && it.Key()[0] == tableChangelog; {
		store, revision, _, err := decodeChangelogKey(it.Key())
		if err != nil {
			return "", false, err
		}
		if revision < low {
			return store, true, nil
		}
		ok = it.SeekGE(prefixEnd(appendStorePrefix(nil, tableChangelog, store)))
	}
	more = it.SeekGE([]byte{tableEnded}) && string(it.Key()) < string(appendEndedPrefix(nil, low))
	return "", more, readError(it.Error())
}

// LowWater returns the lowest revision that can be read.
func (v *View) LowWater() (ostiary.Revision, error) { return readLow(v.shared.snap) }

func readLow(r pebble.Reader) (ostiary.Revision, error) {
	value, ok, err := readMeta(r, metaLow, 8)
	if err != nil || !ok {
		return 0, err
	}
	return ostiary.Revision(binary.BigEndian.Uint64(value)), nil
}

func writeLow(w pebble.Writer, low ostiary.Revision) error {
	return w.Set(metaLow, binary.BigEndian.AppendUint64(nil, uint64(low)), pebble.NoSync)
}
