package raftstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore/backup"
	"github.com/ostiary/ostiary/storage"
	"github.com/ostiary/ostiary/storage/wal"
)

// RestoreOptions says what Restore makes. Dir and Sources are required.
type RestoreOptions struct {
	// Dir is the data folder to make. It must not exist or be empty.
	Dir string
	// FS is the file system of Dir. Nil means the machine's.
	FS storage.FS
	// Sources are one full backup and any increments that follow from it, in any order.
	Sources []BackupSource
	// ToRevision, where it is not zero, is the revision to restore, and ToNanos, where it is not zero, the
	// time, in nanoseconds since 1970 UTC. Without either it is the newest that the backups hold.
	ToRevision ostiary.Revision
	ToNanos    int64
	// Settle, where it is set, changes what was restored before the folder can be opened: what it commits is
	// there, or the restore fails.
	Settle func(ctx context.Context, s *Settling) error
	// Progress, where it is set, is told how many rows and bytes of the backups are read.
	Progress func(rows, bytes int64)
	Logger   *slog.Logger // nil discards
}

// BackupSource is one backup.
type BackupSource struct {
	Name string // for messages
	Open func() (io.ReadCloser, error)
}

// Restored says what Restore made.
type Restored struct {
	// Cluster is the id of the new cluster, and From that of the one that the backups are of.
	Cluster, From ostiary.ClusterID
	Revision      ostiary.Revision
	Rows          int64 // that were read
	Used          int   // backups that were needed
}

// restoringFile marks a data folder whose restore is not finished.
const restoringFile = "RESTORING"

// Restore makes the data folder of a new cluster of one from backups: everything as it was at one
// revision, from which its revisions go on, under a new cluster id, so that tokens of the old cluster are
// refused. The folder can be opened once Restore has returned nil. After an error it is as it was; when
// the process dies on the way, Open refuses what is left.
//
// It reads every backup that it needs to the end before anything counts. The error is backup.ErrDamaged or
// backup.ErrVersion for a file that is no whole backup, and ostiary.ErrRevisionGone or
// ostiary.ErrRevisionNotYet for a revision or time that the backups do not cover.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	plan, err := planRestore(o)
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	r := &restorer{RestoreOptions: o, plan: plan, files: storage.OrDisk(o.FS)}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if err := r.claim(); err != nil {
		return Restored{}, fmt.Errorf("restore into %q: %w", o.Dir, err)
	}
	err = r.run(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("restore into %q: %w", o.Dir, err), r.cleanUp())
	}
	if err := errors.Join(err, r.lock.Close()); err != nil {
		return Restored{}, err
	}
	return r.done, nil
}

type restorer struct {
	RestoreOptions
	plan  restorePlan
	files storage.FS
	lock  io.Closer // of the mark
	done  Restored
	read  int64 // bytes of the backups before the one that is read
}

// claim makes sure that nothing is overwritten, and marks the folder, durably, as one that Open refuses.
func (r *restorer) claim() (err error) {
	if err := r.empty(); err != nil {
		return err
	}
	if err := r.files.MkdirAll(r.Dir, 0o755); err != nil {
		return err
	}
	if r.lock, err = r.files.Lock(filepath.Join(r.Dir, restoringFile)); err != nil {
		return fmt.Errorf("another process restores into the folder, or it cannot be written: %w", err)
	}
	err = r.empty() // what another process finished meanwhile
	if err == nil {
		err = errors.Join(syncFolder(r.files, r.Dir), syncFolder(r.files, filepath.Dir(r.Dir)))
	}
	if err != nil {
		return errors.Join(err, r.unmark(), r.lock.Close())
	}
	return nil
}

// empty refuses a folder that holds anything but the mark of this restore.
func (r *restorer) empty() error {
	names, err := r.files.List(r.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.lock == nil {
		if err := finishedRestore(r.files, r.Dir); err != nil {
			return err
		}
	}
	for _, name := range names {
		if name != restoringFile && name != "lost+found" { // the latter: of a disk that is mounted there
			return fmt.Errorf("the folder holds %q: restore into an empty folder, or one that does not exist", name)
		}
	}
	return nil
}

// cleanUp removes what was made.
func (r *restorer) cleanUp() error {
	for _, name := range []string{firstFolder, logFolder} {
		if err := r.files.RemoveAll(filepath.Join(r.Dir, name)); err != nil {
			return fmt.Errorf("remove what was restored so far: %w", err)
		}
	}
	return r.unmark()
}

// run makes the contents of the folder. The mark goes once everything is durable.
func (r *restorer) run(ctx context.Context) error {
	built, err := r.build(ctx)
	if err != nil {
		return err
	}
	if built, err = r.settle(ctx, built); err != nil {
		return err
	}
	if err := r.verify(ctx); err != nil {
		return err
	}
	if err := r.beginLog(built); err != nil {
		return err
	}
	return r.unmark()
}

// unmark says, durably, that the folder can be opened.
func (r *restorer) unmark() error {
	err := r.files.Remove(filepath.Join(r.Dir, restoringFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(r.files, r.Dir)
}

func syncFolder(files storage.FS, dir string) error {
	folder, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// finishedRestore refuses a folder that a restore has not finished.
func finishedRestore(files storage.FS, dir string) error {
	_, err := storage.OrDisk(files).Stat(filepath.Join(dir, restoringFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("a restore into this folder was not finished (it holds the file %s): empty the folder and restore again: %w",
		restoringFile, ostiary.ErrCorrupt)
}

// build makes the storage.
func (r *restorer) build(ctx context.Context) (built storage.Built, err error) {
	builder, err := storage.NewBuilder(filepath.Join(r.Dir, firstFolder), storage.Options{FS: r.FS, Logger: r.Logger})
	if err != nil {
		return built, err
	}
	defer func() { err = errors.Join(err, builder.Close()) }()
	for _, part := range r.plan.parts {
		if err := r.load(ctx, builder, part); err != nil {
			return built, fmt.Errorf("%s: %w", part.source.Name, err)
		}
	}
	end := r.plan.parts[len(r.plan.parts)-1].manifest
	built = storage.Built{Revision: end.Revision, Term: max(end.Term, 1), ClockNanos: end.StampNanos, Low: end.LowWater}
	rand.Read(built.Cluster[:]) // never fails
	if built.From, err = end.ClusterID(); err != nil {
		return built, err
	}
	to := end.Revision
	switch {
	case r.ToRevision != 0:
		to = r.ToRevision
	case r.ToNanos != 0:
		if to, err = builder.RevisionAt(r.ToNanos, end.LowWater, end.Revision); err != nil {
			return built, err
		}
	}
	if err := builder.Finish(ctx, built, to); err != nil {
		return built, err
	}
	built.Revision = to
	r.done.Cluster, r.done.Revision, r.done.Used = built.Cluster, to, len(r.plan.parts)
	r.done.From = built.From
	return built, nil
}

// load adds the rows of one backup.
func (r *restorer) load(ctx context.Context, builder *storage.Builder, part restorePart) (err error) {
	file, err := part.source.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in, err := backup.NewReader(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if in.Manifest() != part.manifest {
		return errors.New("the backup changed while it was read")
	}
	for {
		row, err := in.Next()
		if errors.Is(err, io.EOF) {
			r.read += in.Offset()
			return nil
		}
		if err != nil {
			return err
		}
		if err := builder.Add(storage.Row(row)); err != nil {
			return err
		}
		if r.done.Rows%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.Progress != nil {
				r.Progress(r.done.Rows, r.read+in.Offset())
			}
		}
		r.done.Rows++
	}
}

// verify opens what was made as a node would and reads all of it.
func (r *restorer) verify(ctx context.Context) error {
	s, err := storage.Open(filepath.Join(r.Dir, firstFolder), storage.Options{FS: r.FS, Logger: r.Logger})
	if err != nil {
		return err
	}
	view, err := s.View()
	if err == nil {
		err = view.Verify(ctx)
		view.Close()
	}
	return errors.Join(err, s.Close())
}

// beginLog makes the log, which goes on after the revision of the storage: as one whose entries were all
// truncated after a raft snapshot.
func (r *restorer) beginLog(built storage.Built) (err error) {
	log, err := wal.Open(filepath.Join(r.Dir, logFolder), wal.Options{FS: r.FS, Logger: r.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var id [8]byte
	rand.Read(id[:]) // never fails
	node := raft.ServerID(hex.EncodeToString(id[:]))
	for _, value := range []struct {
		key  string
		data []byte
	}{
		{clusterKey, built.Cluster[:]},
		{nodeIDKey, []byte(node)},
		{stablePrefix + "CurrentTerm", binary.BigEndian.AppendUint64(nil, built.Term)},
	} {
		if err := log.Set(value.key, value.data); err != nil {
			return err
		}
	}
	members := raft.Configuration{Servers: []raft.Server{{ID: node, Address: raft.ServerAddress(node)}}}
	index := uint64(built.Revision)
	snapshots := &snapshotStore{log: log, images: &images{}, fatal: func(error) {}} // the error comes back from Close
	sink := snapshots.create(raft.SnapshotVersionMax, index, built.Term, members, index)
	sink.marker = appendMarker(nil, index)
	return sink.Close()
}
