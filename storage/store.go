package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
	"github.com/ostiary/ostiary/storage/internal/guard"
)

// defaultCacheBytes is the size of Pebble's block cache where Options says none.
const defaultCacheBytes = 64 << 20

// Pebble takes the memory of its memtables out of the block cache: one of 64 MiB left a cache of
// 64 MiB with nothing, and every read went to the disk. So the cache is made larger by the memtables
// that may exist at once: even a short time in which they take all of it left a cache that kept next to
// nothing until the next start.
const (
	memTableBytes = 32 << 20
	maxMemTables  = 4
)

// indexBlockBytes keeps the index of a table in one block: with Pebble's 4 KiB it is itself indexed, and a
// seek passes one more level (go test ./bench -run '^$' -bench Org/mid/cache=off/cubic/check).
const indexBlockBytes = 256 << 10

// pebbleFormat pins Pebble's own format, so that a newer Pebble does not raise it unasked and lock
// out the release before.
const pebbleFormat = pebble.FormatTableFormatV6

// Options configures Open. The zero value is ready for use.
type Options struct {
	FS vfs.FS // nil is the disk
	// CacheBytes is what the block cache holds at least. Zero means 64 MiB. Together with Pebble's
	// memtables it takes up to 128 MiB more.
	CacheBytes int64
	// EdgeCacheBytes bounds the memory of the cache of edges, which answers what was read before and has
	// not changed since. Zero: none.
	EdgeCacheBytes int64
	edgeCells      int          // of the cache; tests alone set it
	Logger         *slog.Logger // nil discards
	// OnFatal is told once when the database has failed and the process must end: a write that failed,
	// on whatever goroutine, or corrupt data. It may be called with locks of Pebble held and must not
	// call the Store. Every later call on the Store returns the same error. Nil tells nobody.
	OnFatal func(error)
}

// Store is an open database. See the package comment for what may be called from where.
type Store struct {
	db     *pebble.DB // safe for concurrent use; closed with the last view
	guard  *guard.Guard
	logger *slog.Logger

	applier applier // belongs to the goroutine that calls Apply

	clusterMu sync.Mutex // held to set cluster
	cluster   atomic.Pointer[ostiary.ClusterID]

	durable atomic.Uint64 // see Durable; never goes back
	flushed atomic.Bool   // a flush has ended since durable was last read from the tables

	cache      *edgeCache // nil: none
	workspaces workspaces
	shapes     edges.Shapes

	current atomic.Pointer[published] // newest; nil after Close; changes under mu

	// mu is held for pointer swaps and counts only, never across I/O. Views do without it (acquire).
	mu struct {
		sync.Mutex
		live   int // published pictures with references, current included
		closed bool
	}
}

// Open opens the database in dir, and creates it where there is none. It returns with everything
// that it found durable.
func Open(dir string, o Options) (*Store, error) {
	s, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open storage %q: %w", dir, err)
	}
	return s, nil
}

func open(dir string, o Options) (*Store, error) {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	logger = logger.With("component", "storage")
	s := &Store{guard: guard.New(logger, ostiary.ErrCorrupt, o.OnFatal), logger: logger}
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	cache := pebble.NewCache(cacheBytes(o.CacheBytes) + maxMemTables*memTableBytes)
	defer cache.Unref()
	db, err := s.guard.Open(dir, s.pebbleOptions(s.guard.FS(fs, dir), cache))
	if err != nil {
		return nil, readError(err)
	}
	s.db = db
	if err := s.guard.Run(func() error { return s.load(o) }); err != nil {
		return nil, errors.Join(err, s.guard.Run(s.db.Close))
	}
	return s, nil
}

// load reads what the database says of itself and publishes its state.
func (s *Store) load(o Options) error {
	if err := openFormat(s.db); err != nil {
		return err
	}
	cluster, err := readCluster(s.db)
	if err != nil {
		return err
	}
	if cluster != nil {
		s.cluster.Store(cluster)
	}
	p, err := readProgress(s.db)
	if err != nil {
		return err
	}
	// Pebble flushes what it replays from its log, so this costs nothing unless that should change.
	if index, err := flushedIndex(s.db); err != nil {
		return err
	} else if index < p.index {
		if err := s.db.Flush(); err != nil {
			return err
		}
	}
	if o.EdgeCacheBytes > 0 {
		s.cache = newEdgeCache(o.EdgeCacheBytes, o.edgeCells, p.index)
	}
	s.durable.Store(p.index)
	s.applier.init(s.db, p)
	s.applier.cache = s.cache
	if err := s.applier.counts.load(s.db); err != nil {
		return err
	}
	if err := s.applier.audit.load(s.db); err != nil {
		return err
	}
	s.publish(p)
	return nil
}

func cacheBytes(n int64) int64 {
	if n == 0 {
		return defaultCacheBytes
	}
	return n
}

func (s *Store) pebbleOptions(fs vfs.FS, cache *pebble.Cache) *pebble.Options {
	listener := s.guard.Listener()
	listener.FlushEnd = func(info pebble.FlushInfo) {
		if info.Err == nil {
			s.flushed.Store(true)
		}
	}
	o := &pebble.Options{
		FS:                          fs,
		Cache:                       cache,
		FormatMajorVersion:          pebbleFormat,
		Logger:                      s.guard.Logger(),
		EventListener:               listener,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: maxMemTables,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
	}
	for i := range o.Levels {
		o.Levels[i].IndexBlockSize = indexBlockBytes
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

// Applied returns the index and term of the newest entry whose effects a new view shows.
func (s *Store) Applied() (index, term uint64) {
	p := s.progress()
	return p.index, p.term
}

// Clock returns the newest stamp that was applied, in nanoseconds since 1970 UTC, and 0 before the
// first.
func (s *Store) Clock() int64 { return s.progress().clock }

func (s *Store) progress() progress {
	if p := s.current.Load(); p != nil {
		return p.progress
	}
	return progress{}
}

// Durable returns an index up to which the effects of every entry survive power loss. It moves when
// Pebble has flushed a memtable, and with Sync. It may lag behind the truth and never runs ahead of
// it: the log of entries may be cut at it.
func (s *Store) Durable() uint64 {
	if s.flushed.Swap(false) {
		s.readDurable()
	}
	return s.durable.Load()
}

func (s *Store) readDurable() {
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.Unlock()
	if closed {
		return
	}
	var index uint64
	err := s.guard.Run(func() (err error) {
		index, err = flushedIndex(s.db)
		return err
	})
	if err != nil {
		s.guard.Fail(err)
		return
	}
	s.raiseDurable(index)
}

func (s *Store) raiseDurable(index uint64) {
	for {
		old := s.durable.Load()
		if index <= old || s.durable.CompareAndSwap(old, index) {
			return
		}
	}
}

// Sync makes everything applied durable. It fsyncs Pebble's log (an empty synced record; records
// before it in the same log are synced with it, and older logs were synced when they were closed)
// and does not flush: its cost follows what was written since the last sync, and it leaves no
// small tables behind.
func (s *Store) Sync() error {
	index, _ := s.Applied()
	err := s.guard.Run(func() error { return s.db.LogData(nil, pebble.Sync) })
	if err != nil {
		return fmt.Errorf("sync storage at index %d: %w", index, err)
	}
	s.raiseDurable(index)
	return nil
}

// Checkpoint writes a copy of the database, with everything applied, to a new folder on the same
// filesystem. Files are linked where that is possible. The folder must not exist.
func (s *Store) Checkpoint(dir string) error {
	index, _ := s.Applied()
	err := s.guard.Run(func() error { return s.db.Checkpoint(dir, pebble.WithFlushedWAL()) })
	if err != nil {
		return fmt.Errorf("write checkpoint %q: %w", dir, err)
	}
	s.raiseDurable(index)
	return nil
}

// Close closes the database. It must not be called while Apply runs. Views that are still open stay
// readable and are an error: the database closes with the last of them. Closing twice does nothing.
// After a failure Pebble's goroutines may hang in it, so the database is left as it is; the process
// must end.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil
	}
	s.mu.closed = true
	current := s.current.Swap(nil)
	open := s.mu.live
	if current.refs.Load() == 1 {
		open--
	}
	s.mu.Unlock()
	if err := s.release(current); err != nil {
		return fmt.Errorf("close storage: %w", err)
	}
	if open > 0 {
		return fmt.Errorf("close storage: views of %d revisions are still open", open)
	}
	return nil
}

func (s *Store) closeDB() error {
	if err := s.guard.Failure(); err != nil {
		return err // a call that the guard gave up on may still be using the applier
	}
	s.applier.close()
	return s.guard.Run(s.db.Close)
}
