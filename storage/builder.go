package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/internal/guard"
)

// maxBuildBatchBytes bounds the Pebble batch in which a Builder collects rows.
const maxBuildBatchBytes = 4 << 20

// Builder makes a database from the rows of a backup. Until Finish has returned nil the folder holds
// nothing of use, and whoever builds must keep it from being opened. One goroutine uses a Builder.
type Builder struct {
	store *Store // without applier and pictures
	batch *pebble.Batch
	key   []byte // scratch
}

// Built says what a database is that a Builder finishes.
type Built struct {
	Cluster ostiary.ClusterID
	// From is the cluster that the rows are of.
	From ostiary.ClusterID
	// Revision and Term are those of the newest entry among the rows, ClockNanos the newest stamp, and Low
	// the low-water mark of the history.
	Revision   ostiary.Revision
	Term       uint64
	ClockNanos int64
	Low        ostiary.Revision
}

// NewBuilder begins a database in dir, which must not hold one.
func NewBuilder(dir string, o Options) (*Builder, error) {
	b, err := newBuilder(dir, o)
	if err != nil {
		return nil, fmt.Errorf("begin database %q: %w", dir, err)
	}
	return b, nil
}

func newBuilder(dir string, o Options) (*Builder, error) {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	logger = logger.With("component", "storage")
	s := &Store{guard: guard.New(logger, ostiary.ErrCorrupt, o.OnFatal), logger: logger}
	cache := pebble.NewCache(cacheBytes(o.CacheBytes) + maxMemTables*memTableBytes)
	defer cache.Unref()
	options := s.pebbleOptions(s.guard.FS(OrDisk(o.FS), dir), cache)
	options.DisableWAL = true // nothing counts before the flush at the end
	options.ErrorIfExists = true
	db, err := s.guard.Open(dir, options)
	if err != nil {
		return nil, readError(err)
	}
	s.db = db
	return &Builder{store: s, batch: s.db.NewBatch()}, nil
}

// Add puts or deletes one row. The error is ostiary.ErrCorrupt for a row that no backup holds.
func (b *Builder) Add(r Row) error {
	if err := CheckRow(r); err != nil {
		return err
	}
	if r.Delete {
		return b.delete(r.Key)
	}
	return b.put(r.Key, r.Value)
}

func (b *Builder) put(key, value []byte) error {
	if err := b.batch.Set(key, value, nil); err != nil {
		return err
	}
	return b.commit(maxBuildBatchBytes)
}

func (b *Builder) delete(key []byte) error {
	if err := b.batch.Delete(key, nil); err != nil {
		return err
	}
	return b.commit(maxBuildBatchBytes)
}

// commit writes the batch once it is larger than a bound.
func (b *Builder) commit(above int) error {
	if b.batch.Empty() || b.batch.Len() < above {
		return nil
	}
	err := b.store.guard.Run(func() error { return b.batch.Commit(pebble.NoSync) })
	if err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	err = b.batch.Close()
	b.batch = b.store.db.NewBatch()
	return err
}

// RevisionAt returns the newest revision, of those up to newest, whose stamp is not later than a time, in
// nanoseconds since 1970 UTC. It fails with ostiary.ErrRevisionGone for a time before low, or before
// everything that the rows tell of: who asks for that has probably mistyped the time.
func (b *Builder) RevisionAt(nanos int64, low, newest ostiary.Revision) (r ostiary.Revision, err error) {
	if err := b.commit(0); err != nil {
		return 0, err
	}
	it, err := newStampIter(b.store.db)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	r = newest
	var oldest int64                          // of the stamps that are later
	for ok := it.Last(); ok; ok = it.Prev() { // stamps never go back
		value, err := it.ValueAndErr()
		if err != nil {
			return 0, readError(err)
		}
		revision, stamp, err := decodeStamp(it.Key(), value)
		if err != nil {
			return 0, err
		}
		if revision > newest {
			continue
		}
		if stamp <= nanos {
			oldest = 0
			break
		}
		r, oldest = revision-1, stamp
	}
	if err := it.Error(); err != nil {
		return 0, readError(err)
	}
	if oldest != 0 {
		return 0, fmt.Errorf("the rows tell of times from %s on, and %s is asked for: %w", time.Unix(0, oldest).UTC().Format(time.RFC3339Nano),
			time.Unix(0, nanos).UTC().Format(time.RFC3339Nano), ostiary.ErrRevisionGone)
	}
	if r < max(low, 1) {
		return 0, fmt.Errorf("that is before the oldest revision that can be restored, %d: %w", max(low, 1), ostiary.ErrRevisionGone)
	}
	return r, nil
}

// Finish takes the rows back to revision to, which is not above that of the rows and not below their
// low-water mark, adds the tables that follow from the others, and makes everything durable. The database
// can be opened once it has returned nil.
func (b *Builder) Finish(ctx context.Context, built Built, to ostiary.Revision) error {
	if to < max(built.Low, 1) || to > built.Revision {
		return fmt.Errorf("finish the database at revision %d: its rows tell of %d to %d", to, max(built.Low, 1), built.Revision)
	}
	newest := built.Revision
	steps := []func() error{
		func() error { return b.commit(0) },
		func() error { return b.goBack(ctx, &built, to) },
		func() error { return b.linkAudit(ctx, &built, newest) },
		func() error { return b.derive(ctx) },
		func() error { return b.describe(built) },
		func() error { return b.commit(0) },
		func() error { return b.store.guard.Run(b.store.db.Flush) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("finish the database at revision %d: %w", to, err)
		}
	}
	return nil
}

// goBack undoes what came after a revision.
func (b *Builder) goBack(ctx context.Context, built *Built, to ostiary.Revision) error {
	if to == built.Revision {
		return nil
	}
	for _, table := range []byte{tableTuple, tableDocument} {
		if err := b.restoreEnded(ctx, table, to); err != nil {
			return err
		}
		err := b.eachRow(ctx, table, func(key, value []byte) error {
			if since, err := sinceOf(key, value); err != nil || since <= to {
				return err
			}
			return b.delete(key)
		})
		if err != nil {
			return err
		}
	}
	err := b.eachRow(ctx, tableChangelog, func(key, _ []byte) error {
		if _, revision, _, err := decodeChangelogKey(key); err != nil || revision <= to {
			return err
		}
		return b.delete(key)
	})
	if err != nil {
		return err
	}
	built.Revision, built.ClockNanos = to, 0
	return b.eachRow(ctx, tableStamp, func(key, value []byte) error {
		revision, stamp, err := decodeStamp(key, value)
		if err != nil {
			return err
		}
		if revision <= to {
			built.ClockNanos = stamp
			return nil
		}
		return b.delete(key)
	})
}

// restoreEnded makes current again what ended after a revision and was there at it: the first value of a
// key that ended after it. What came to be later goes with the rows of the table.
func (b *Builder) restoreEnded(ctx context.Context, table byte, to ostiary.Revision) error {
	var last []byte // the key that has its value
	return b.eachRow(ctx, historyOf(table), func(key, value []byte) error {
		current, until, err := decodeHistoryKey(table, key)
		if err != nil || until <= to {
			return err
		}
		if string(current) != string(last) {
			last = current
			if err := b.put(current, value); err != nil {
				return err
			}
		}
		return b.delete(key)
	})
}

// derive adds the tables that a backup leaves out.
func (b *Builder) derive(ctx context.Context) error {
	err := b.eachRow(ctx, tableTuple, func(key, value []byte) error {
		store, t, err := decodeTupleKey(key)
		if err != nil {
			return err
		}
		state, err := decodeTupleValue(key, value)
		if err != nil {
			return err
		}
		b.key = appendReverseKey(b.key[:0], store, t)
		if err := b.put(b.key, value); err != nil {
			return err
		}
		for _, g := range state.grants {
			if !hasOwnerRow(g.Owner) {
				continue
			}
			b.key = appendOwnerKey(b.key[:0], store, g.Owner, t)
			if err := b.put(b.key, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = b.eachRow(ctx, tableHistory, func(key, value []byte) error {
		store, t, until, err := decodeEndedTuple(key)
		if err != nil {
			return err
		}
		b.key = appendHistoryKey(b.key[:0], appendReverseKey(nil, store, t), until)
		return b.put(b.key, value)
	})
	if err != nil {
		return err
	}
	return b.eachRow(ctx, tableEarlier, func(key, _ []byte) error {
		k, until, err := decodeEarlierKey(key)
		if err != nil {
			return err
		}
		b.key = appendEndedKey(b.key[:0], until, k)
		return b.put(b.key, nil)
	})
}

// describe writes the meta rows.
func (b *Builder) describe(built Built) error {
	if err := b.batch.Set(metaFormat, binary.BigEndian.AppendUint32(nil, formatVersion), nil); err != nil {
		return err
	}
	if err := b.batch.Set(metaCluster, built.Cluster[:], nil); err != nil {
		return err
	}
	if built.Low > 0 {
		if err := writeLow(b.batch, built.Low); err != nil {
			return err
		}
	}
	return writeProgress(b.batch, progress{index: uint64(built.Revision), term: built.Term, clock: built.ClockNanos})
}

// eachRow calls f with every row of a table as it was before the call, and makes what f writes readable.
func (b *Builder) eachRow(ctx context.Context, table byte, f func(key, value []byte) error) error {
	if err := b.commit(0); err != nil {
		return err
	}
	if err := eachRow(ctx, b.store.db, table, f); err != nil {
		return err
	}
	return b.commit(0)
}

// Close ends the work. Without a Finish that has returned nil, what is in the folder is to be removed.
func (b *Builder) Close() error {
	if err := b.store.guard.Failure(); err != nil {
		return err
	}
	return errors.Join(b.batch.Close(), b.store.guard.Run(b.store.db.Close))
}
