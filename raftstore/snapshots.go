package raftstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/wal"
)

// snapshotStore keeps raft's newest snapshot. A raft snapshot here is a marker: the state itself is in
// storage, which was synced before the marker was written, so the marker holds the apply index alone
// and lies beside the log. It implements raft.SnapshotStore.
type snapshotStore struct {
	log   *wal.Log
	fatal func(error)
}

var _ raft.SnapshotStore = (*snapshotStore)(nil)

// snapshotKey is where the newest snapshot lies in the log's key-value table.
const snapshotKey = "snapshot"

// maxMarkerBytes bounds what a state machine may write into a snapshot.
const maxMarkerBytes = 1 << 10

// storedSnapshot is the JSON form of a snapshot.
type storedSnapshot struct {
	Meta   raft.SnapshotMeta `json:"meta"`
	Marker []byte            `json:"marker"`
}

// Create begins a snapshot. It replaces the one before it when the sink is closed.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &snapshotSink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d", term, index), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}, nil
}

// List returns the newest snapshot, or nothing.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	stored, found, err := s.load()
	if err != nil || !found {
		return nil, err
	}
	return []*raft.SnapshotMeta{&stored.Meta}, nil
}

// Open returns the marker of a snapshot.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	stored, found, err := s.load()
	if err != nil {
		return nil, nil, err
	}
	if !found || stored.Meta.ID != id {
		return nil, nil, fmt.Errorf("open raft snapshot %q: %w", id, ostiary.ErrNotFound)
	}
	return &stored.Meta, io.NopCloser(bytes.NewReader(stored.Marker)), nil
}

func (s *snapshotStore) load() (storedSnapshot, bool, error) {
	value, found, err := s.log.Value(snapshotKey)
	if err != nil || !found {
		return storedSnapshot{}, false, err
	}
	var stored storedSnapshot
	if err := json.Unmarshal(value, &stored); err != nil {
		return storedSnapshot{}, false, fmt.Errorf("read raft snapshot: %w: %w", err, ostiary.ErrCorrupt)
	}
	return stored, true, nil
}

type snapshotSink struct {
	store  *snapshotStore
	meta   raft.SnapshotMeta
	marker []byte
	done   bool
}

func (k *snapshotSink) ID() string { return k.meta.ID }

func (k *snapshotSink) Write(p []byte) (int, error) {
	if len(k.marker)+len(p) > maxMarkerBytes {
		return 0, fmt.Errorf("write raft snapshot %s: marker exceeds %d bytes", k.meta.ID, maxMarkerBytes)
	}
	k.marker = append(k.marker, p...)
	return len(p), nil
}

// Close makes the snapshot durable and the newest.
func (k *snapshotSink) Close() error {
	if k.done {
		return nil
	}
	k.done = true
	k.meta.Size = int64(len(k.marker))
	value, err := json.Marshal(storedSnapshot{Meta: k.meta, Marker: k.marker})
	if err != nil {
		return fmt.Errorf("write raft snapshot %s: %w", k.meta.ID, err)
	}
	if err := k.store.log.Set(snapshotKey, value); err != nil {
		err = fmt.Errorf("write raft snapshot %s: %w", k.meta.ID, err)
		k.store.fatal(err)
		return err
	}
	return nil
}

// Cancel drops the snapshot.
func (k *snapshotSink) Cancel() error {
	k.done = true
	return nil
}

// newest returns the index of the newest snapshot and the apply index that it stands for, or zeros
// without one. The snapshot's index is the higher when the last entries before it are none of storage's.
func (s *snapshotStore) newest() (index, applied uint64, err error) {
	stored, found, err := s.load()
	if err != nil || !found {
		return 0, 0, err
	}
	applied, err = decodeMarker(stored.Marker)
	return stored.Meta.Index, applied, err
}

var errMarker = errors.New("marker of a raft snapshot is malformed")
