package raftstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore/backup"
	"github.com/ostiary/ostiary/storage"
)

// BackupOptions says what Backup writes.
type BackupOptions struct {
	// Since is the revision of the backup that an increment adds to. Zero asks for a full backup.
	Since ostiary.Revision
	// Cluster, where it is not zero, is the cluster of which Since is a revision.
	Cluster ostiary.ClusterID
	// Release is written into the manifest.
	Release string
}

// Backup writes a backup of everything at one revision, the newest, to w. Writes go on meanwhile. It holds
// a view until it returns, which pins what is replaced and compacted away meanwhile on the disk.
//
// An increment fails with ostiary.ErrRevisionGone where the changelog no longer reaches back to Since, with
// ostiary.ErrRevisionNotYet where that is in the future, and with ostiary.ErrTokenInvalid where it is a
// revision of another cluster. On a node that does not lead every backup fails, with ostiary.ErrNotLeader
// where another one is known to. An error of w ends the backup and is returned.
func (s *Store) Backup(ctx context.Context, o BackupOptions, w io.Writer) error {
	if err := s.writeBackup(ctx, o, w); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}

func (s *Store) writeBackup(ctx context.Context, o BackupOptions, w io.Writer) error {
	if o.Since != 0 && o.Cluster != (ostiary.ClusterID{}) && o.Cluster != s.cluster {
		return fmt.Errorf("revision %d is one of cluster %x, and this is cluster %x: make a full backup: %w",
			o.Since, o.Cluster[:], s.cluster[:], ostiary.ErrTokenInvalid)
	}
	view, taken, err := s.backupView(ctx)
	if err != nil {
		return err
	}
	defer view.Close()
	if o.Since == view.Revision() {
		return fmt.Errorf("nothing was written after revision %d, so there is nothing to save: %w", o.Since, ostiary.ErrPrecondition)
	}
	manifest, err := s.manifest(view, taken, o)
	if err != nil {
		return err
	}
	if o.Since != 0 && o.Since < manifest.LowWater {
		return fmt.Errorf("changes are kept after revision %d, and the increment begins at %d; make a full backup: %w",
			manifest.LowWater, o.Since, ostiary.ErrRevisionGone)
	}
	if o.Since > manifest.Revision {
		return fmt.Errorf("the increment begins at revision %d, and the newest is %d: %w", o.Since, manifest.Revision, ostiary.ErrRevisionNotYet)
	}
	out, err := backup.NewWriter(w, manifest)
	if err != nil {
		return err
	}
	add := func(r storage.Row) error { return out.Add(backup.Row(r)) }
	if manifest.Full() {
		err = view.BackupRows(ctx, add)
	} else {
		err = view.BackupRowsSince(ctx, manifest.Since, add)
	}
	if err != nil {
		return err
	}
	_, err = out.Close()
	return err
}

// backupView returns the newest view, and a time up to which it holds every write: what it lacks was
// stamped later, by this node or by one whose clock agrees with its own. This node must lead.
func (s *Store) backupView(ctx context.Context) (*storage.View, int64, error) {
	if err := s.failed(); err != nil {
		return nil, 0, err
	}
	if err := s.leads(); err != nil {
		return nil, 0, err
	}
	select { // in one's turn, whatever has an earlier stamp is in raft's queue
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-s.dead:
		return nil, 0, s.failed()
	}
	s.lastStamp = max(s.lastStamp, s.Now()) // what follows is not stamped earlier
	next := s.lastStamp
	<-s.turn
	if _, err := s.settle(ctx, func() error { return s.raft.Barrier(0).Error() }); err != nil {
		return nil, 0, fmt.Errorf("wait for the writes under way: %w: %w", err, ostiary.ErrUnavailable)
	}
	view, err := s.storage.View()
	return view, next - 1, err
}

// leads returns nil where this node leads, and otherwise an error that names the node that does.
func (s *Store) leads() error {
	if s.raft.State() == raft.Leader {
		return nil
	}
	address, id := s.raft.LeaderWithID()
	if address == "" || id == s.id {
		return fmt.Errorf("no leader is known to this node: %w", ostiary.ErrUnavailable)
	}
	return fmt.Errorf("node %s leads (its cluster address is %q), and a backup is made there; ask it, at its gRPC address: %w", id, address, ostiary.ErrNotLeader)
}

func (s *Store) manifest(view *storage.View, taken int64, o BackupOptions) (m backup.Manifest, err error) {
	m = backup.Manifest{
		StorageFormat: storage.RowsVersion, Cluster: hex.EncodeToString(s.cluster[:]),
		Since: o.Since, Revision: view.Revision(), Term: view.Term(), TakenNanos: taken, Release: o.Release,
	}
	if m.LowWater, err = view.LowWater(); err != nil {
		return m, err
	}
	m.StampNanos, err = view.TimeNanos()
	return m, err
}
