package wal

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/internal/guard"
)

// The errors of this package. Compare with errors.Is.
var (
	// ErrNotFound: the log holds no record at that index.
	ErrNotFound = errors.New("log record not found")
	// ErrGap: a record does not follow the one before it.
	ErrGap = errors.New("gap in the log")
	// ErrOverlap: the log holds a record at an index to be appended. Truncate first.
	ErrOverlap = errors.New("log holds that index already")
	// ErrMiddle: a range to be deleted is neither the front nor the end of the log.
	ErrMiddle = errors.New("range is in the middle of the log")
	// ErrCorrupt: stored bytes are not what was written. It is ostiary.ErrCorrupt.
	ErrCorrupt = fmt.Errorf("log is damaged: %w", ostiary.ErrCorrupt)
)

// pebbleFormat pins Pebble's own format. See package storage.
const pebbleFormat = pebble.FormatTableFormatV6

// memTableBytes is the size of a memtable of Pebble: about what is kept of the log in memory.
const memTableBytes = 16 << 20

// Options configures Open. The zero value is ready for use.
type Options struct {
	FS         vfs.FS       // nil is the disk
	CacheBytes int64        // what the block cache holds at least. Zero means 8 MiB.
	Logger     *slog.Logger // nil discards
	// OnFatal is told once when a write has failed and the process must end. It may be called with
	// locks of Pebble held and must not call the Log. Every later call returns the same error.
	OnFatal func(error)
}

// Record is one record of the log.
type Record struct {
	Index uint64
	Data  []byte
}

// Log is an open log.
type Log struct {
	db    *pebble.DB // safe for concurrent use
	guard *guard.Guard

	writeMu sync.Mutex // held through a change of the log, across its I/O

	appends, appended atomic.Uint64 // see Appends

	// Lock order: writeMu before mu.
	mu struct { // held for reads and swaps only, never across I/O
		sync.Mutex
		bounds bounds // see its type
		closed bool
	}
}

// bounds are the first and last index; both are 0 when the log is empty. They grow after records
// were written and shrink before records are deleted, so what they hold is there.
type bounds struct {
	first, last uint64
	cuts        uint64 // how often they have shrunk
}

func (b bounds) hold(index uint64) bool { return b.first != 0 && b.first <= index && index <= b.last }

// Open opens the log in dir, and creates it where there is none.
func Open(dir string, o Options) (*Log, error) {
	l, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open log %q: %w", dir, err)
	}
	return l, nil
}

func open(dir string, o Options) (*Log, error) {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{guard: guard.New(logger.With("component", "wal"), ErrCorrupt, o.OnFatal)}
	size := o.CacheBytes
	if size == 0 {
		size = 8 << 20
	}
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	cache := pebble.NewCache(size + 2*memTableBytes) // Pebble takes its memtables out of the cache
	defer cache.Unref()
	db, err := l.guard.Open(dir, &pebble.Options{
		FS:                          l.guard.FS(fs, dir),
		Cache:                       cache,
		FormatMajorVersion:          pebbleFormat,
		Logger:                      l.guard.Logger(),
		EventListener:               l.guard.Listener(),
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 4,
	})
	if err != nil {
		return nil, readError(err)
	}
	l.db = db
	if err := l.guard.Run(l.load); err != nil {
		return nil, errors.Join(err, l.guard.Run(l.db.Close))
	}
	return l, nil
}

func (l *Log) load() error {
	if err := openFormat(l.db); err != nil {
		return err
	}
	found, err := readBounds(l.db)
	if err != nil {
		return err
	}
	l.mu.bounds = found
	return nil
}

func readBounds(db *pebble.DB) (b bounds, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: recordKey(0), UpperBound: []byte{tableRecord + 1}})
	if err != nil {
		return b, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	if !it.First() {
		return b, readError(it.Error())
	}
	if b.first, err = decodeRecordKey(it.Key()); err != nil {
		return bounds{}, err
	}
	if !it.Last() {
		return bounds{}, readError(it.Error())
	}
	if b.last, err = decodeRecordKey(it.Key()); err != nil {
		return bounds{}, err
	}
	return b, nil
}

func (l *Log) bounds() bounds {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.bounds
}

func (l *Log) setBounds(b bounds) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.bounds = b
}

// FirstIndex returns the index of the first record, and 0 when the log is empty.
func (l *Log) FirstIndex() uint64 { return l.bounds().first }

// LastIndex returns the index of the last record, and 0 when the log is empty.
func (l *Log) LastIndex() uint64 { return l.bounds().last }

// Append adds records to the end of the log, durably, with one fsync. The first follows the last
// record of the log, or has any index above 0 when the log is empty; each other follows the one
// before it. Otherwise the error is ErrGap, or ErrOverlap when the log holds the index, and nothing is
// added. Any other error means that the database has failed and the process must end.
func (l *Log) Append(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	b := l.bounds()
	if err := b.admits(records); err != nil {
		return fmt.Errorf("append %d records from index %d: %w", len(records), records[0].Index, err)
	}
	err := l.commit(func(batch *pebble.Batch) error {
		var value []byte
		for i := range records {
			value = appendRecord(value[:0], &records[i])
			if err := batch.Set(recordKey(records[i].Index), value, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append %d records from index %d: %w", len(records), records[0].Index, err)
	}
	if b.first == 0 {
		b.first = records[0].Index
	}
	b.last = records[len(records)-1].Index
	l.setBounds(b)
	l.appends.Add(1)
	l.appended.Add(uint64(len(records)))
	return nil
}

// Appends returns how often the log was appended to since it was opened, each time with one fsync, and
// how many records that were.
func (l *Log) Appends() (appends, records uint64) { return l.appends.Load(), l.appended.Load() }

// admits checks the indexes of records to be appended.
func (b bounds) admits(records []Record) error {
	next := b.last + 1
	if b.last == 0 {
		if records[0].Index == 0 {
			return fmt.Errorf("index 0 is not an index of the log: %w", ErrGap)
		}
		next = records[0].Index
	}
	for i := range records {
		switch at := records[i].Index; {
		case at < next && i == 0:
			return fmt.Errorf("the log ends at index %d: %w", b.last, ErrOverlap)
		case at != next:
			return fmt.Errorf("index %d comes where %d was due: %w", at, next, ErrGap)
		}
		next++
	}
	return nil
}

// commit writes one batch and waits until it is durable.
func (l *Log) commit(fill func(*pebble.Batch) error) error {
	err := l.guard.Run(func() error {
		batch := l.db.NewBatch()
		defer func() { _ = batch.Close() }() // frees memory
		if err := fill(batch); err != nil {
			return err
		}
		return batch.Commit(pebble.Sync)
	})
	if err != nil {
		l.guard.Fail(err) // what is on disk now is unknown
	}
	return err
}

// Get returns the record at index. The error is ErrNotFound or ErrCorrupt, or of the database. The
// caller may keep the result.
func (l *Log) Get(index uint64) ([]byte, error) {
	data, err := l.get(index)
	if err != nil {
		return nil, fmt.Errorf("read log record %d: %w", index, err)
	}
	return data, nil
}

func (l *Log) get(index uint64) ([]byte, error) {
	before := l.bounds()
	if !before.hold(index) {
		return nil, ErrNotFound
	}
	value, closer, err := l.db.Get(recordKey(index))
	if errors.Is(err, pebble.ErrNotFound) {
		if l.bounds().cuts != before.cuts {
			return nil, ErrNotFound // deleted meanwhile
		}
		return nil, fmt.Errorf("it is missing between %d and %d: %w", before.first, before.last, ErrCorrupt)
	}
	if err != nil {
		return nil, readError(err)
	}
	data, err := decodeRecord(index, value)
	data = slices.Clone(data)
	if err := errors.Join(err, closer.Close()); err != nil {
		return nil, err
	}
	return data, nil
}

// DeleteRange removes the records from min to max, both included, durably. The range must hold the
// first record or the last, or the error is ErrMiddle and nothing is removed. Records that are not
// there do not matter.
func (l *Log) DeleteRange(min, max uint64) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	b := l.bounds()
	if b.first == 0 || min > max || max < b.first || min > b.last {
		return nil
	}
	after := bounds{cuts: b.cuts + 1}
	switch {
	case min <= b.first && max >= b.last:
	case min <= b.first:
		after.first, after.last = max+1, b.last
	case max >= b.last:
		after.first, after.last = b.first, min-1
	default:
		return fmt.Errorf("delete log records %d to %d of %d to %d: %w", min, max, b.first, b.last, ErrMiddle)
	}
	l.setBounds(after)
	err := l.commit(func(batch *pebble.Batch) error {
		return batch.DeleteRange(recordKey(min), appendZero(recordKey(max)), nil)
	})
	if err != nil {
		return fmt.Errorf("delete log records %d to %d: %w", min, max, err)
	}
	return nil
}

// Set stores a named value, durably.
func (l *Log) Set(key string, value []byte) error {
	err := l.commit(func(batch *pebble.Batch) error {
		return batch.Set(valueKey(key), appendValue(nil, key, value), nil)
	})
	if err != nil {
		return fmt.Errorf("store value %q beside the log: %w", key, err)
	}
	return nil
}

// Value returns a named value, and false where there is none. The caller may keep it.
func (l *Log) Value(key string) ([]byte, bool, error) {
	raw, closer, err := l.db.Get(valueKey(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read value %q beside the log: %w", key, readError(err))
	}
	value, err := decodeValue(key, raw)
	value = slices.Clone(value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return nil, false, fmt.Errorf("read value %q beside the log: %w", key, err)
	}
	return value, true, nil
}

// Close closes the log. No other call may run or follow. Closing twice does nothing. After a failure
// the database is left as it is; the process must end.
func (l *Log) Close() error {
	l.mu.Lock()
	closed := l.mu.closed
	l.mu.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	if err := l.guard.Run(l.db.Close); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
