package raftstore

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// Keys of ours in the log's key-value table.
const (
	nodeIDKey  = "node-id"
	clusterKey = "cluster-id"
)

// identify reads who this node is, or draws it for a new data folder, and proves that log and storage
// are of one cluster and fit each other: a folder put together from two, or with one part lost, would
// otherwise answer from half of its history.
func (s *Store) identify() error {
	if err := s.identifyCluster(); err != nil {
		return err
	}
	applied, _ := s.storage.Applied()
	snapshots := s.snapshots()
	snapshot, marker, err := snapshots.newest()
	if err != nil {
		return err
	}
	if err := s.dropStaleLog(); err != nil {
		return err
	}
	// Between the last change and a raft snapshot lie entries that storage never sees (no-ops and
	// barriers, two for each start), so the log may begin past the apply index by those.
	held := max(applied, snapshot)
	switch first, last := s.log.FirstIndex(), s.log.LastIndex(); {
	case applied < marker:
		return fmt.Errorf("storage stands at entry %d, below the raft snapshot at %d; restore a backup: %w", applied, marker, ostiary.ErrCorrupt)
	case last == 0 && applied > 0 && marker == 0:
		return fmt.Errorf("storage stands at entry %d and the log is empty; restore the log folder: %w", applied, ostiary.ErrCorrupt)
	case last > 0 && first > held+1:
		return fmt.Errorf("storage stands at entry %d and the log begins at %d; restore a backup: %w", held, first, ostiary.ErrCorrupt)
	case last < applied && applied > marker && last > 0:
		return fmt.Errorf("storage stands at entry %d, past the end of the log at %d; restore the log folder: %w", applied, last, ostiary.ErrCorrupt)
	}
	s.applied.advance(applied)
	return nil
}

func (s *Store) identifyCluster() error {
	inLog, found, err := s.log.Value(clusterKey)
	if err != nil {
		return err
	}
	inStorage, inStorageFound := s.storage.ClusterID()
	switch {
	case found && len(inLog) != len(s.cluster):
		return fmt.Errorf("cluster id in the log has %d bytes: %w", len(inLog), ostiary.ErrCorrupt)
	case found && inStorageFound && ostiary.ClusterID(inLog) != inStorage:
		return fmt.Errorf("log is of cluster %x and storage of cluster %x: %w", inLog, inStorage[:], ostiary.ErrCorrupt)
	case inStorageFound && !found:
		return fmt.Errorf("storage is of cluster %x and the log of none; restore the log folder: %w", inStorage[:], ostiary.ErrCorrupt)
	case found:
		s.cluster = ostiary.ClusterID(inLog)
	default:
		rand.Read(s.cluster[:])
		if err := s.log.Set(clusterKey, s.cluster[:]); err != nil {
			return err
		}
	}
	if inStorageFound {
		return nil
	}
	return s.storage.SetClusterID(s.cluster)
}

// nodeID returns the id of this node, drawn when the folder was new.
func (s *Store) nodeID() (raft.ServerID, error) {
	value, found, err := s.log.Value(nodeIDKey)
	if err != nil || found {
		return raft.ServerID(value), err
	}
	var id [8]byte
	rand.Read(id[:])
	text := hex.EncodeToString(id[:])
	return raft.ServerID(text), s.log.Set(nodeIDKey, []byte(text))
}
