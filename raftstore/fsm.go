package raftstore

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// fsm is the state machine that raft drives: it decodes committed commands and hands them to storage,
// a whole batch at a time. All methods but snapshot.Persist are called from raft's one FSM goroutine.
type fsm struct {
	storage *state
	applied *progress
	fatal   func(error)
	// committed is told the last entry of each batch that is applied.
	committed func(last *raft.Log)
	// install puts an image that was received in the place of storage.
	install func(name io.Reader) error
}

var _ raft.BatchingFSM = (*fsm)(nil)

// ApplyBatch applies committed entries. Configuration entries come through here too: they have no
// effect but advance the index. Entries at or below the storage's apply index were applied before a
// restart and are skipped without being decoded.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	entries, err := f.decode(logs)
	if err == nil {
		var outcomes []storage.Outcome
		begun := time.Now()
		outcomes, err = f.storage.Apply(entries)
		ended := time.Now()
		for i := range outcomes {
			responses[len(logs)-len(outcomes)+i] = applied{outcomes[i], begun, ended}
		}
	}
	if err != nil {
		err = fmt.Errorf("apply entries %d to %d: %w", logs[0].Index, logs[len(logs)-1].Index, err)
		f.fatal(err)
		for i := range responses {
			responses[i] = applied{Outcome: storage.Outcome{Err: fmt.Errorf("%w: %w", err, ostiary.ErrOutcomeUnknown)}}
		}
		return responses
	}
	f.applied.advance(logs[len(logs)-1].Index)
	f.committed(logs[len(logs)-1])
	return responses
}

// decode returns the entries that storage has not applied yet.
func (f *fsm) decode(logs []*raft.Log) ([]storage.Entry, error) {
	applied, _ := f.storage.Applied()
	entries := make([]storage.Entry, 0, len(logs))
	for _, log := range logs {
		if log.Index <= applied {
			continue
		}
		entry := storage.Entry{Index: log.Index, Term: log.Term}
		if log.Type == raft.LogCommand {
			mutation, err := decodeCommand(log.Data)
			if err != nil {
				return nil, fmt.Errorf("entry %d: %w", log.Index, err)
			}
			if mutation.MinVersion > releaseNumber {
				return nil, fmt.Errorf("entry %d needs release number %d and this is %d; upgrade this node: %w",
					log.Index, mutation.MinVersion, releaseNumber, ostiary.ErrCorrupt)
			}
			entry.Mutation = mutation
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// releaseNumber is what Mutation.MinVersion is compared with. It grows when a release adds a kind of
// change that an older one cannot apply.
const releaseNumber = ostiary.ReleaseAudit

// Apply applies one entry. Raft calls ApplyBatch instead; this completes the interface.
func (f *fsm) Apply(log *raft.Log) any { return f.ApplyBatch([]*raft.Log{log})[0] }

// Snapshot returns a marker of what is applied now.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	index, _ := f.storage.Applied()
	return &fsmSnapshot{storage: f.storage, index: index}, nil
}

// Restore replaces the state by that of the leader, which was received before.
func (f *fsm) Restore(source io.ReadCloser) error {
	defer source.Close()
	if err := f.install(source); err != nil {
		return fmt.Errorf("restore from a raft snapshot: %w", err)
	}
	index, _ := f.storage.Applied()
	f.applied.advance(index)
	return nil
}

// fsmSnapshot is a raft snapshot: the promise that everything up to index is durable in storage.
type fsmSnapshot struct {
	storage *state
	index   uint64
}

// Persist makes storage durable up to the index, then writes the marker. Raft truncates the log only
// after that, so no entry is lost that storage could still need.
func (s *fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.storage.Sync(); err != nil {
		sink.Cancel()
		return fmt.Errorf("persist raft snapshot at %d: %w", s.index, err)
	}
	kept, ok := sink.(*snapshotSink)
	if !ok {
		sink.Cancel()
		return fmt.Errorf("persist raft snapshot at %d: %T keeps no markers", s.index, sink)
	}
	kept.marker = appendMarker(nil, s.index)
	return kept.Close()
}

// Release has nothing to release.
func (s *fsmSnapshot) Release() {}

const markerVersion = 1

func appendMarker(dst []byte, index uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, markerVersion), index)
}

func decodeMarker(marker []byte) (uint64, error) {
	if len(marker) != 9 || marker[0] != markerVersion {
		return 0, fmt.Errorf("read raft snapshot: %w: %w", errMarker, ostiary.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(marker[1:]), nil
}
