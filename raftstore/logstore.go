package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/wal"
)

// logStore gives raft the log and the small stable values it needs, on a wal.Log. It implements
// raft.LogStore, raft.MonotonicLogStore and raft.StableStore. docs/format/command.md draws the bytes.
//
// A write that fails is handed to fatal before the error goes back to raft: what reached the disk is
// then unknown, and raft would go on as if nothing had (DESIGN section 7). Where raft would panic on
// the error, in a goroutine of its own that nobody can guard, the goroutine ends instead: the node has
// failed by then, and it is for the owner of the process to end it.
type logStore struct {
	log   *wal.Log
	fatal func(error)
	writes
	// needed returns the oldest entry that another node may still ask for. Nil means that there is no other.
	needed func() uint64
	// Raft empties the log when it has installed a snapshot, and goes on taking gone, which was the last
	// index before, for the end of the log. Of what lay there it may ask for the snapshot's own entry and
	// for those after it, and would refuse for ever what the leader sends if it got no answer.
	gone      atomic.Uint64
	installed atomic.Pointer[raft.SnapshotMeta]
	// forgotten is, while not zero, the index of an installed snapshot's entry that replaces what raft takes
	// for the end of the log (receiver.forget): it is in nobody's log, and its content is not known.
	forgotten atomic.Uint64
	// newest is the newest raft snapshot, by whose term raft judges what a leader sends behind it, also
	// where the log begins right behind it with entries that this leader does not have. Nil means none.
	newest *atomic.Pointer[raft.SnapshotMeta]
}

var (
	_ raft.LogStore          = (*logStore)(nil)
	_ raft.MonotonicLogStore = (*logStore)(nil)
	_ raft.StableStore       = (*logStore)(nil)
)

// logVersion is the first byte of every log entry's bytes.
const logVersion = 1

// stablePrefix keeps raft's stable values apart from ours in the log's key-value table.
const stablePrefix = "raft/"

// IsMonotonic tells raft that entries must follow each other without a gap.
func (s *logStore) IsMonotonic() bool { return true }

// FirstIndex returns the index of the oldest entry, or 0.
func (s *logStore) FirstIndex() (uint64, error) { return s.log.FirstIndex(), nil }

// LastIndex returns the index of the newest entry, or 0.
func (s *logStore) LastIndex() (uint64, error) { return s.log.LastIndex(), nil }

// GetLog reads one entry, or raft.ErrLogNotFound. It does not return when the entry is damaged.
func (s *logStore) GetLog(index uint64, out *raft.Log) error {
	if index > 0 && index == s.forgotten.Load() {
		*out = raft.Log{Index: index, Type: raft.LogNoop} // of no term
		return nil
	}
	data, err := s.log.Get(index)
	if errors.Is(err, wal.ErrNotFound) {
		return s.answerGone(index, out)
	}
	if err == nil {
		err = decodeLog(data, out)
	}
	if err != nil {
		s.fatal(fmt.Errorf("read log entry %d: %w", index, err))
		runtime.Goexit()
	}
	out.Index = index
	return nil
}

// answerGone answers for an entry that the log does not hold.
func (s *logStore) answerGone(index uint64, out *raft.Log) error {
	// Of entry 1 the content may be asked for, to send it on; of any later one only if that before is there.
	if s.newest != nil && index > 1 {
		if meta := s.newest.Load(); meta != nil && meta.Index == index {
			*out = raft.Log{Index: index, Term: meta.Term, Type: raft.LogNoop}
			return nil
		}
	}
	meta := s.installed.Load()
	switch {
	case meta == nil || index < meta.Index || index > max(meta.Index, s.gone.Load()):
		return raft.ErrLogNotFound
	case index == meta.Index:
		*out = raft.Log{Index: index, Term: meta.Term, Type: raft.LogNoop}
	case index > s.log.LastIndex():
		*out = raft.Log{Index: index, Type: raft.LogNoop} // of no term: it conflicts with whatever comes
	default:
		return raft.ErrLogNotFound
	}
	return nil
}

// kind returns the type of an entry, or raft.ErrLogNotFound.
func (s *logStore) kind(index uint64) (raft.LogType, error) {
	data, err := s.log.Get(index)
	if errors.Is(err, wal.ErrNotFound) {
		return 0, raft.ErrLogNotFound
	}
	if err == nil && len(data) < 2 {
		err = fmt.Errorf("log entry of %d bytes: %w", len(data), ostiary.ErrCorrupt)
	}
	if err != nil {
		return 0, fmt.Errorf("read the kind of log entry %d: %w", index, err)
	}
	return raft.LogType(data[1]), nil
}

// StoreLog appends one entry; StoreLogs says more.
func (s *logStore) StoreLog(entry *raft.Log) error { return s.StoreLogs([]*raft.Log{entry}) }

// StoreLogs appends entries with one fsync. They are durable when it returns.
func (s *logStore) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 1 && entries[0].Index > 0 && entries[0].Index == s.forgotten.Load() {
		return nil
	}
	records := make([]wal.Record, len(entries))
	for i, entry := range entries {
		records[i] = wal.Record{Index: entry.Index, Data: appendLog(make([]byte, 0, logHeaderBytes+len(entry.Extensions)+len(entry.Data)), entry)}
	}
	defer s.begin()()
	return s.written("append to the log", s.log.Append(records))
}

// DeleteRange removes the entries from first to last, both included.
func (s *logStore) DeleteRange(first, last uint64) error {
	// Of an empty log raft may ask to remove what it has forgotten: that says nothing of its end.
	if held := s.log.LastIndex(); held > 0 && first <= s.log.FirstIndex() && last >= held {
		s.gone.Store(last)
	} else if s.needed != nil && first <= s.log.FirstIndex() {
		// Raft does not look at how far the others are when it drops what a snapshot covers.
		if last = min(last, s.needed()-1); last < first {
			return nil
		}
	}
	defer s.begin()()
	return s.written("truncate the log", s.log.DeleteRange(first, last))
}

// Set stores a stable value durably. It does not return when it cannot: a term or a vote that is not
// stored must not be acted on.
func (s *logStore) Set(key, value []byte) error {
	defer s.begin()()
	if s.written("store a stable value", s.log.Set(stablePrefix+string(key), value)) != nil {
		runtime.Goexit()
	}
	return nil
}

// Get returns a stable value, or nil where there is none.
func (s *logStore) Get(key []byte) ([]byte, error) {
	value, _, err := s.log.Value(stablePrefix + string(key))
	return value, err
}

// SetUint64 stores a stable number durably.
func (s *logStore) SetUint64(key []byte, n uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, n))
}

// GetUint64 returns a stable number, or 0 where there is none.
func (s *logStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("read stable value %q: %d bytes, want 8: %w", key, len(value), ostiary.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(value), nil
}

func (s *logStore) written(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", doing, err)
	s.fatal(err)
	return err
}

// logHeaderBytes is what stands before the extensions of an entry at most: two bytes, two numbers, a length.
const logHeaderBytes = 2 + 3*binary.MaxVarintLen64

// appendLog appends version, type, term, the time of the append, extensions and data.
func appendLog(dst []byte, entry *raft.Log) []byte {
	dst = append(dst, logVersion, byte(entry.Type))
	dst = binary.AppendUvarint(dst, entry.Term)
	var at int64
	if !entry.AppendedAt.IsZero() {
		at = entry.AppendedAt.UnixNano()
	}
	dst = binary.AppendVarint(dst, at)
	dst = binary.AppendUvarint(dst, uint64(len(entry.Extensions)))
	dst = append(dst, entry.Extensions...)
	return append(dst, entry.Data...)
}

// decodeLog is the inverse of appendLog, but for the index. It keeps no reference to data.
func decodeLog(data []byte, out *raft.Log) error {
	d := decoder{rest: data}
	if v := d.byte(); d.err == nil && v != logVersion {
		return fmt.Errorf("decode log entry: version %d is not known to this release (it knows %d): %w",
			v, logVersion, ostiary.ErrCorrupt)
	}
	*out = raft.Log{Type: raft.LogType(d.byte()), Term: d.uint()}
	if at := d.int(); at != 0 {
		out.AppendedAt = time.Unix(0, at)
	}
	out.Extensions = d.bytes()
	if d.err != nil {
		return fmt.Errorf("decode log entry: %w: %w", d.err, ostiary.ErrCorrupt)
	}
	if len(d.rest) > 0 {
		out.Data = append([]byte(nil), d.rest...)
	}
	return nil
}
