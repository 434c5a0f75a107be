package raftstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/wal"
)

// snapshotStore keeps raft's newest snapshot. A raft snapshot here is a marker: the state itself is in
// storage, which was synced before the marker was written, so the marker holds the apply index alone
// and lies beside the log. To send it to another node, an image of storage is made, which holds at least
// as much. It implements raft.SnapshotStore.
type snapshotStore struct {
	log    *wal.Log
	fatal  func(error)
	images *images
}

var _ raft.SnapshotStore = (*snapshotStore)(nil)

// snapshotKey is where the newest snapshot lies in the log's key-value table.
const snapshotKey = "snapshot"

// storedSnapshot is the JSON form of a snapshot.
type storedSnapshot struct {
	Meta   raft.SnapshotMeta `json:"meta"`
	Marker []byte            `json:"marker"`
	// Folder is where storage lies, within the data folder. Empty means the first one.
	Folder string `json:"folder,omitempty"`
}

// Create begins a snapshot. It replaces the one before it when the sink is closed.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return s.create(version, index, term, configuration, configurationIndex), nil
}

func (s *snapshotStore) create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64) *snapshotSink {
	return &snapshotSink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d", term, index), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}
}

// List returns the newest snapshot, or nothing.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	stored, found, err := s.load()
	if err != nil || !found {
		return nil, err
	}
	s.images.newest.Store(&stored.Meta)
	return []*raft.SnapshotMeta{&stored.Meta}, nil
}

// Open returns a snapshot that was just received, by its folder's name, for the state machine to
// install; and otherwise an image of storage, for another node.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if got := s.images.received(); got != nil && got.meta.ID == id {
		return &got.meta, io.NopCloser(strings.NewReader(got.folder)), nil
	}
	out := s.images.hold() // before the snapshot is looked at: the log that follows it must stay
	meta, err := s.openImage(id, out)
	if err != nil {
		out.drop()
		return nil, nil, fmt.Errorf("open raft snapshot %q: %w", id, err)
	}
	return meta, out, nil
}

func (s *snapshotStore) openImage(id string, out *outgoing) (*raft.SnapshotMeta, error) {
	stored, found, err := s.load()
	if err != nil {
		return nil, err
	}
	if !found || stored.Meta.ID != id {
		return nil, ostiary.ErrNotFound
	}
	image, err := s.images.make()
	if err != nil {
		return nil, err
	}
	stored.Meta.Size = image.Size()
	out.send(image, stored.Meta.Index)
	return &stored.Meta, nil
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

// snapshotSink takes either a marker, from this node's state machine, or the bytes of an image, from
// the leader.
type snapshotSink struct {
	store    *snapshotStore
	meta     raft.SnapshotMeta
	marker   []byte
	incoming *incoming // nil until the first byte
	done     bool
}

func (k *snapshotSink) ID() string { return k.meta.ID }

// Write takes bytes of an image.
func (k *snapshotSink) Write(p []byte) (int, error) {
	if k.incoming == nil {
		var err error
		if k.incoming, err = k.store.images.receive(k.store); err != nil {
			return 0, fmt.Errorf("receive raft snapshot %s: %w", k.meta.ID, err)
		}
	}
	k.meta.Size += int64(len(p))
	k.store.images.taken.Add(int64(len(p)))
	return k.incoming.pipe.Write(p)
}

// Close makes a marker durable and the newest. Of an image it makes sure that it is whole and durable;
// it takes the place of storage when the state machine installs it.
func (k *snapshotSink) Close() error {
	if k.done {
		return nil
	}
	k.done = true
	if k.incoming != nil {
		defer k.store.images.taken.Store(0)
		if err := k.incoming.finish(nil); err != nil {
			return fmt.Errorf("receive raft snapshot %s: %w", k.meta.ID, err)
		}
		k.store.images.keep(&receivedImage{meta: k.meta, folder: k.incoming.folder})
		return nil
	}
	if k.marker == nil {
		return fmt.Errorf("receive raft snapshot %s: it is empty: %w", k.meta.ID, ostiary.ErrCorrupt)
	}
	k.meta.Size = int64(len(k.marker))
	return k.store.write(k.meta, k.marker, "")
}

// write makes a snapshot the newest, durably. An empty folder means the one before.
func (s *snapshotStore) write(meta raft.SnapshotMeta, marker []byte, folder string) error {
	s.images.writing.Lock()
	defer s.images.writing.Unlock()
	before, found, err := s.load()
	switch {
	case err != nil:
		return err
	case found && before.Meta.Index > meta.Index:
		return fmt.Errorf("write raft snapshot %s: a newer one, %s, is here", meta.ID, before.Meta.ID)
	case folder == "":
		folder = before.Folder
	}
	value, err := json.Marshal(storedSnapshot{Meta: meta, Marker: marker, Folder: folder})
	if err != nil {
		return fmt.Errorf("write raft snapshot %s: %w", meta.ID, err)
	}
	if err := s.log.Set(snapshotKey, value); err != nil {
		err = fmt.Errorf("write raft snapshot %s: %w", meta.ID, err)
		s.fatal(err)
		return err
	}
	s.images.newest.Store(&meta)
	return nil
}

// Cancel drops the snapshot.
func (k *snapshotSink) Cancel() error {
	if !k.done && k.incoming != nil {
		_ = k.incoming.finish(errCancelled) // it says only that it was cancelled
		k.store.images.taken.Store(0)
	}
	k.done = true
	return nil
}

var errCancelled = errors.New("the sender ended it early")

// folder returns the name of the folder of storage.
func (s *snapshotStore) folder() (string, error) {
	stored, _, err := s.load()
	if err != nil || stored.Folder == "" {
		return firstFolder, err
	}
	return stored.Folder, nil
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
