package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// RowsVersion is the version of the rows that BackupRows yields and that a Builder takes: that of the
// format in which a table of a backup last changed. A later format that changes others only leaves it.
const RowsVersion = 3

// OldestRowsVersion is the oldest version that a Builder takes: version 2 lacks the audit.
const OldestRowsVersion = 2

// Row is a row of a backup: one that is there, or, in an increment, one that is there no longer.
type Row struct {
	Delete     bool
	Key, Value []byte
}

// backupTables are the tables that a backup holds, in the order of their bytes. The others follow from
// them, or are of no use in a new cluster (idempotency keys): the reverse and the owner table from the tuple table, the reversed history from the history, the
// index of ended documents from the history of documents. Meta rows are the Builder's.
var backupTables = []byte{audit.Table, tableChangelog, tableDocument, tableEarlier, tableHistory, tableCollected, tableStamp, tableTuple}

var backupTableNames = map[byte]string{
	audit.Table: "audit", tableChangelog: "changelog", tableDocument: "document", tableEarlier: "earlier", tableHistory: "history",
	tableCollected: "collected", tableStamp: "stamp", tableTuple: "tuple",
}

// TableName returns the name that docs/format/keys.md gives the table of a row of a backup, and "" for
// any other key.
func TableName(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return backupTableNames[key[0]]
}

// Term returns the term of the newest entry that the view shows.
func (v *View) Term() uint64 { return v.shared.term }

// BackupRows calls f with every row from which a Builder makes the database of the view again, in the
// order of their keys, until f returns an error. The slices are valid during the call. The view must be
// one of the newest revision.
func (v *View) BackupRows(ctx context.Context, f func(Row) error) error {
	if v.past {
		return fmt.Errorf("back up revision %d: a backup is taken of the newest revision", v.at)
	}
	for _, table := range backupTables {
		err := eachRow(ctx, v.shared.snap, table, func(key, value []byte) error { return f(Row{Key: key, Value: value}) })
		if err != nil {
			return fmt.Errorf("back up revision %d: %w", v.Revision(), err)
		}
	}
	return nil
}

// BackupRowsSince is BackupRows for a Builder that holds the rows of an older revision: it yields what
// changed after it, at a cost that follows the changes and the number of documents. It fails with
// ostiary.ErrRevisionGone where changes after that revision are no longer kept, and with
// ostiary.ErrRevisionNotYet where it is newer than the view.
func (v *View) BackupRowsSince(ctx context.Context, since ostiary.Revision, f func(Row) error) error {
	if err := v.backUpSince(ctx, since, f); err != nil {
		return fmt.Errorf("back up what changed after revision %d: %w", since, err)
	}
	return nil
}

func (v *View) backUpSince(ctx context.Context, since ostiary.Revision, f func(Row) error) error {
	if v.past {
		return errors.New("a backup is taken of the newest revision")
	}
	low, err := readLow(v.shared.snap)
	switch {
	case err != nil:
		return err
	case since > v.Revision():
		return fmt.Errorf("the newest revision here is %d: %w", v.Revision(), ostiary.ErrRevisionNotYet)
	case since < low:
		return fmt.Errorf("changes are kept after revision %d; make a full backup: %w", low, ostiary.ErrRevisionGone)
	}
	w := &increment{ctx: ctx, snap: v.shared.snap, since: since, yield: f}
	if err := w.open(); err != nil {
		return errors.Join(err, w.close())
	}
	return errors.Join(w.run(), w.close())
}

// increment finds what changed after a revision.
type increment struct {
	ctx   context.Context
	snap  *pebble.Snapshot
	since ostiary.Revision
	yield func(Row) error

	changes, history *pebble.Iterator
	rows             int
	key, kept        []byte // scratch
}

func (w *increment) open() (err error) {
	w.changes, err = w.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{tableChangelog}, UpperBound: []byte{tableChangelog + 1}})
	if err == nil {
		w.history, err = w.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{tableHistory}, UpperBound: []byte{tableHistory + 1}})
	}
	return readError(err)
}

func (w *increment) close() error {
	var err error
	for _, it := range []*pebble.Iterator{w.changes, w.history} {
		if it != nil {
			err = errors.Join(err, readError(it.Close()))
		}
	}
	return err
}

func (w *increment) run() error {
	if err := w.audit(); err != nil {
		return err
	}
	if err := w.tuples(); err != nil {
		return err
	}
	if err := w.documents(); err != nil {
		return err
	}
	put := func(key, value []byte) error { return w.yield(Row{Key: key, Value: value}) }
	if err := eachRow(w.ctx, w.snap, tableCollected, put); err != nil {
		return err
	}
	return eachRow(w.ctx, w.snap, tableStamp, func(key, value []byte) error {
		revision, _, err := decodeStamp(key, value)
		if err != nil || revision <= w.since {
			return err
		}
		return put(key, value)
	})
}

// audit yields the rows of the audit after the revision. What was deleted of it shows in a beginning among them.
func (w *increment) audit() error {
	return eachRow(w.ctx, w.snap, audit.Table, func(key, value []byte) error {
		place, err := audit.PlaceOf(key)
		if err != nil || place.Revision <= w.since {
			return err
		}
		return w.yield(Row{Key: key, Value: value})
	})
}

// tuples yields, store by store, the rows of the changelog after the revision, each with the history that
// goes with it, and each tuple with its last change.
func (w *increment) tuples() error {
	it := w.changes
	for ok := it.First(); ok; {
		store, revision, _, err := decodeChangelogKey(it.Key())
		if err != nil {
			return err
		}
		if revision <= w.since {
			ok = it.SeekGE(appendChangelogKey(nil, store, w.since+1, 0))
			continue
		}
		if err := checkContext(w.ctx, w.rows); err != nil {
			return err
		}
		w.rows++
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		c, err := decodeChangeValue(it.Key(), value)
		if err != nil {
			return err
		}
		if err := w.yield(Row{Key: it.Key(), Value: value}); err != nil {
			return err
		}
		if err := w.tuple(store, c.tuple, revision); err != nil {
			return err
		}
		ok = it.Next()
	}
	return readError(it.Error())
}

// tuple yields the history of a tuple that ended at a revision, and the tuple itself where it changed no
// more after it: where nothing of it ended later and it did not come to be later.
func (w *increment) tuple(store string, t ostiary.Tuple, revision ostiary.Revision) error {
	w.key = appendTupleKey(w.key[:0], store, t)
	w.kept = appendHistoryKey(w.kept[:0], w.key, revision)
	more := w.history.SeekGE(w.kept)
	if more && string(w.history.Key()) == string(w.kept) {
		value, err := w.history.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		if err := w.yield(Row{Key: w.history.Key(), Value: value}); err != nil {
			return err
		}
		more = w.history.Next()
	}
	if more && sameBody(w.history.Key(), w.key) {
		return nil
	}
	if err := w.history.Error(); err != nil {
		return readError(err)
	}
	return w.current(w.key, revision)
}

// current yields the row at key as it is now, unless it came to be after a revision.
func (w *increment) current(key []byte, until ostiary.Revision) error {
	value, closer, err := w.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return w.yield(Row{Delete: true, Key: key})
	}
	if err != nil {
		return readError(err)
	}
	since, err := sinceOf(key, value)
	if err == nil && since <= until {
		err = w.yield(Row{Key: key, Value: value})
	}
	return errors.Join(err, closer.Close())
}

// documents yields what ended after the revision, with what is there now, and what was written after it.
// New documents are in no index, so all are looked at.
func (w *increment) documents() (err error) {
	it, err := w.snap.NewIter(&pebble.IterOptions{LowerBound: appendEndedPrefix(nil, w.since+1), UpperBound: []byte{tableEnded + 1}})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := checkContext(w.ctx, w.rows); err != nil {
			return err
		}
		w.rows++
		if err := w.ended(it.Key()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return readError(err)
	}
	return eachRow(w.ctx, w.snap, tableDocument, func(key, value []byte) error {
		version, _, err := decodeDocumentValue(key, value)
		if err != nil || version <= w.since {
			return err
		}
		return w.yield(Row{Key: key, Value: value})
	})
}

// ended yields the history of a document, given its row in the index, and its absence now.
func (w *increment) ended(index []byte) error {
	until, k, err := decodeEndedKey(index)
	if err != nil {
		return err
	}
	w.key = appendDocumentKey(w.key[:0], k)
	w.kept = appendHistoryKey(w.kept[:0], w.key, until)
	value, closer, err := w.snap.Get(w.kept)
	if err != nil {
		return fmt.Errorf("read what document %q was until revision %d: %w", k, until, readError(err))
	}
	if err := errors.Join(w.yield(Row{Key: w.kept, Value: value}), closer.Close()); err != nil {
		return err
	}
	_, closer, err = w.snap.Get(w.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return w.yield(Row{Delete: true, Key: w.key})
	}
	if err != nil {
		return readError(err)
	}
	return closer.Close()
}

// CheckRow returns nil for a row that BackupRows or BackupRowsSince could have yielded, and otherwise an
// error that is ostiary.ErrCorrupt.
func CheckRow(r Row) error {
	if len(r.Key) == 0 {
		return fmt.Errorf("a row of a backup has no key: %w", ostiary.ErrCorrupt)
	}
	if r.Delete {
		return checkDeletion(r)
	}
	var err, valueErr error
	switch r.Key[0] {
	case audit.Table:
		_, err = audit.Decode(r.Key, r.Value)
	case tableTuple:
		_, _, err = decodeTupleKey(r.Key)
		_, valueErr = decodeTupleValue(r.Key, r.Value)
	case tableHistory:
		_, _, _, err = decodeEndedTuple(r.Key)
		_, valueErr = decodeTupleValue(r.Key, r.Value)
	case tableDocument:
		_, err = decodeDocumentKey(r.Key)
		_, _, valueErr = decodeDocumentValue(r.Key, r.Value)
	case tableEarlier:
		_, _, err = decodeEarlierKey(r.Key)
		_, _, valueErr = decodeDocumentValue(r.Key, r.Value)
	case tableChangelog:
		_, _, _, err = decodeChangelogKey(r.Key)
		_, valueErr = decodeChangeValue(r.Key, r.Value)
	case tableStamp:
		_, _, err = decodeStamp(r.Key, r.Value)
	case tableCollected:
		p := parts{string(r.Key[1:])}
		_, ok := p.last()
		err = keyError("collected", r.Key, ok && len(r.Value) == changelogTail)
	default:
		err = keyError("unknown", r.Key, false)
	}
	return errors.Join(err, valueErr)
}

// checkDeletion: an increment deletes tuples and documents alone.
func checkDeletion(r Row) error {
	switch {
	case len(r.Value) > 0:
		return keyError("deleted", r.Key, false)
	case r.Key[0] == tableTuple:
		_, _, err := decodeTupleKey(r.Key)
		return err
	case r.Key[0] == tableDocument:
		_, err := decodeDocumentKey(r.Key)
		return err
	}
	return keyError("deleted", r.Key, false)
}

// decodeEndedTuple is the inverse of appendHistoryKey for the tuple table.
func decodeEndedTuple(key []byte) (store string, t ostiary.Tuple, until ostiary.Revision, err error) {
	current, until, err := decodeHistoryKey(tableTuple, key)
	if err == nil {
		store, t, err = decodeTupleKey(current)
	}
	return store, t, until, err
}

// decodeEarlierKey is the inverse of appendHistoryKey for the document table.
func decodeEarlierKey(key []byte) (k ostiary.DocumentKey, until ostiary.Revision, err error) {
	current, until, err := decodeHistoryKey(tableDocument, key)
	if err == nil {
		k, err = decodeDocumentKey(current)
	}
	return k, until, err
}
