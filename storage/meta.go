package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// The keys of the meta table.
var (
	metaFormat  = []byte{tableMeta, 1} // format version, 4 bytes
	metaCluster = []byte{tableMeta, 2} // cluster id, 16 bytes
	metaApplied = []byte{tableMeta, 3} // apply index and its term, 8 bytes each
	metaClock   = []byte{tableMeta, 4} // newest applied stamp in nanoseconds, 8 bytes
	metaLow     = []byte{tableMeta, 5} // low-water mark of the history, a revision, 8 bytes
	metaKeys    = []byte{tableMeta, 6} // how many idempotency keys are remembered, 8 bytes
)

// progress says how far a database has come.
type progress struct {
	index, term uint64
	clock       int64
	// documents is the index of the newest entry that changed a document: the apply index at open, since
	// it is not stored.
	documents uint64
}

// readMeta returns a copy of a meta value, which must have exactly size bytes.
func readMeta(r pebble.Reader, key []byte, size int) (value []byte, ok bool, err error) {
	raw, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read meta key %x: %w", key, readError(err))
	}
	value = slices.Clone(raw)
	if err := closer.Close(); err != nil {
		return nil, false, fmt.Errorf("read meta key %x: %w", key, err)
	}
	if len(value) != size {
		return nil, false, fmt.Errorf("meta key %x has %d bytes, not %d: %w", key, len(value), size, ostiary.ErrCorrupt)
	}
	return value, true, nil
}

func readProgress(r pebble.Reader) (progress, error) {
	applied, ok, err := readMeta(r, metaApplied, 16)
	if err != nil || !ok {
		return progress{}, err
	}
	clock, ok, err := readMeta(r, metaClock, 8)
	if err != nil {
		return progress{}, err
	}
	if !ok {
		return progress{}, fmt.Errorf("there is an apply index and no clock: %w", ostiary.ErrCorrupt)
	}
	return progress{
		index: binary.BigEndian.Uint64(applied),
		term:  binary.BigEndian.Uint64(applied[8:]),
		clock: int64(binary.BigEndian.Uint64(clock)),

		documents: binary.BigEndian.Uint64(applied),
	}, nil
}

func writeProgress(b *pebble.Batch, p progress) error {
	var buf [16]byte
	binary.BigEndian.PutUint64(buf[:8], p.index)
	binary.BigEndian.PutUint64(buf[8:], p.term)
	if err := b.Set(metaApplied, buf[:], nil); err != nil {
		return err
	}
	return b.Set(metaClock, binary.BigEndian.AppendUint64(nil, uint64(p.clock)), nil)
}

// flushedIndex returns the apply index among what Pebble has flushed to tables, which survives power
// loss whatever became of the write-ahead log.
func flushedIndex(db *pebble.DB) (index uint64, err error) {
	it, err := db.NewIter(&pebble.IterOptions{
		LowerBound:                metaApplied,
		UpperBound:                prefixEnd(metaApplied),
		OnlyReadGuaranteedDurable: true,
	})
	if err != nil {
		return 0, fmt.Errorf("read the flushed apply index: %w", readError(err))
	}
	defer func() {
		if cerr := it.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("read the flushed apply index: %w", readError(cerr))
		}
	}()
	if !it.First() {
		return 0, nil
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return 0, fmt.Errorf("read the flushed apply index: %w", readError(err))
	}
	if len(value) != 16 {
		return 0, fmt.Errorf("meta key %x has %d bytes, not 16: %w", metaApplied, len(value), ostiary.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(value), nil
}

// ClusterID returns the id of the cluster that the database belongs to, and false before SetClusterID.
func (s *Store) ClusterID() (ostiary.ClusterID, bool) {
	if id := s.cluster.Load(); id != nil {
		return *id, true
	}
	return ostiary.ClusterID{}, false
}

// SetClusterID stores the id of the cluster, durably. It is done once, when the cluster is formed;
// setting another id later is an error that is ostiary.ErrExists.
func (s *Store) SetClusterID(id ostiary.ClusterID) error {
	s.clusterMu.Lock()
	defer s.clusterMu.Unlock()
	if old := s.cluster.Load(); old != nil {
		if *old == id {
			return nil
		}
		return fmt.Errorf("set cluster id %x: the database belongs to cluster %x: %w", id, *old, ostiary.ErrExists)
	}
	err := s.guard.Run(func() error { return s.db.Set(metaCluster, id[:], pebble.Sync) })
	if err != nil {
		return fmt.Errorf("set cluster id %x: %w", id, err)
	}
	s.cluster.Store(&id)
	return nil
}

func readCluster(r pebble.Reader) (*ostiary.ClusterID, error) {
	value, ok, err := readMeta(r, metaCluster, len(ostiary.ClusterID{}))
	if err != nil || !ok {
		return nil, err
	}
	id := ostiary.ClusterID(value)
	return &id, nil
}
