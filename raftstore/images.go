package raftstore

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
	"github.com/ostiary/ostiary/storage/wal"
)

// images are the copies of storage on their way between nodes.
//
// A node that lags behind the leader's log, or is new, receives an image into a folder of its own:
// "storage-1", "storage-2" and so on; the first is "storage". When it is whole and durable, and opens,
// one write to the log's key-value table makes it the node's storage together with raft's snapshot.
// A crash before leaves the node as it was, a crash after leaves it with the new state; the folder that
// lost is removed at the next start, or when the last view of it is closed.
type images struct {
	dir   string
	fs    storage.FS
	open  func(folder string) (*storage.Store, error)
	state *state

	writing sync.Mutex // held to replace the newest snapshot
	newest  atomic.Pointer[raft.SnapshotMeta]

	logger *slog.Logger
	rate   int64         // bytes a second of an image that is sent; zero: no bound
	ended  chan struct{} // closed when the node closes

	mu      sync.Mutex
	kept    *receivedImage // received and not installed yet
	outward int            // numbers the images that are sent
	sending []*outgoing    // being sent, or sent a moment ago
	taken   atomic.Int64   // bytes of an image that is being received
}

// The folders in a data folder.
const (
	logFolder     = "log"
	firstFolder   = "storage"
	folderPrefix  = "storage-"
	outwardPrefix = "image-"
)

// receivedImage is a raft snapshot from the leader that waits for the state machine.
type receivedImage struct {
	meta   raft.SnapshotMeta
	folder string
}

func (i *images) received() *receivedImage {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.kept
}

func (i *images) keep(image *receivedImage) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kept = image
}

// make returns an image of storage as it is now.
func (i *images) make() (*storage.Image, error) {
	i.mu.Lock()
	i.outward++
	folder := outwardPrefix + strconv.Itoa(i.outward)
	i.mu.Unlock()
	return i.state.Image(i.fs, filepath.Join(i.dir, folder))
}

// incoming is an image being received.
type incoming struct {
	folder string
	pipe   *io.PipeWriter
	done   chan error
}

// receive begins to receive an image into the folder after the current one.
func (i *images) receive(snapshots *snapshotStore) (*incoming, error) {
	current, err := snapshots.folder()
	if err != nil {
		return nil, err
	}
	number, _ := strconv.Atoi(strings.TrimPrefix(current, folderPrefix)) // 0 for the first
	folder := folderPrefix + strconv.Itoa(number+1)
	reader, writer := io.Pipe()
	in := &incoming{folder: folder, pipe: writer, done: make(chan error, 1)}
	go func() {
		err := storage.ReceiveImage(i.fs, filepath.Join(i.dir, folder), reader)
		reader.CloseWithError(err)
		in.done <- err
	}()
	return in, nil
}

// finish ends the stream, with an error when it is not whole, and returns when its folder is durable or
// removed.
func (in *incoming) finish(err error) error {
	in.pipe.CloseWithError(err)
	return <-in.done
}

// install puts the image whose folder's name is read in the place of storage. It is called by the state
// machine, between two batches.
func (s *snapshotStore) install(name io.Reader) error {
	folder, err := io.ReadAll(name)
	if err != nil {
		return err
	}
	got := s.images.received()
	if got == nil || got.folder != string(folder) {
		return fmt.Errorf("no image %q was received", folder)
	}
	s.images.keep(nil)
	next, err := s.images.open(got.folder)
	if err != nil {
		return err
	}
	replaced, err := s.installOpened(got, next)
	if err != nil || !replaced {
		return errors.Join(err, next.Close(), storage.RemoveFolder(s.images.fs, filepath.Join(s.images.dir, got.folder)))
	}
	return nil
}

func (s *snapshotStore) installOpened(got *receivedImage, next *storage.Store) (replaced bool, err error) {
	ours, _ := s.images.state.ClusterID()
	if theirs, _ := next.ClusterID(); theirs != ours {
		return false, fmt.Errorf("the image is of cluster %x and this node of %x: %w", theirs[:], ours[:], ostiary.ErrCorrupt)
	}
	image, _ := next.Applied()
	before, _ := s.images.state.Applied()
	if before >= image {
		// What is applied here is committed, so this state holds the image's and more. Only raft's
		// own account moves.
		if err := s.images.state.Sync(); err != nil {
			return false, err
		}
		return false, s.write(got.meta, appendMarker(nil, before), "")
	}
	if err := s.write(got.meta, appendMarker(nil, image), got.folder); err != nil {
		return false, err
	}
	s.images.state.replace(next)
	return true, nil
}

// judge refuses a data folder whose log was lost: it would not know which storage is its own.
func (i *images) judge(log *wal.Log, folder string) error {
	if _, found, err := log.Value(clusterKey); err != nil || found {
		return err
	}
	names, err := storage.Names(i.fs, i.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, folderPrefix) {
			return fmt.Errorf("there is a folder %q and the log is new; restore the log folder: %w", name, ostiary.ErrCorrupt)
		}
	}
	return nil
}

// sweep removes the folders that a crash or an open view has left.
func (i *images) sweep(current string) error {
	names, err := storage.Names(i.fs, i.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == current || name != firstFolder && !numbered(name, folderPrefix) && !numbered(name, outwardPrefix) {
			continue
		}
		if err := storage.RemoveFolder(i.fs, filepath.Join(i.dir, name)); err != nil {
			return fmt.Errorf("remove the folder %q, which is of no use any more: %w", name, err)
		}
	}
	return nil
}

func numbered(name, prefix string) bool {
	number, found := strings.CutPrefix(name, prefix)
	if _, err := strconv.ParseUint(number, 10, 32); err != nil {
		return false
	}
	return found
}

// dropStaleLog finishes what a crash interrupted: an image was installed, and the log still holds what
// was there before, which does not lead up to it.
func (s *Store) dropStaleLog() error {
	stored, found, err := s.snapshots().load()
	if err != nil || !found || s.log.LastIndex() == 0 {
		return err
	}
	index, first, last := stored.Meta.Index, s.log.FirstIndex(), s.log.LastIndex()
	stale := last < index
	if first <= index && index <= last {
		var entry raft.Log
		data, err := s.log.Get(index)
		if err == nil {
			err = decodeLog(data, &entry)
		}
		if err != nil {
			return fmt.Errorf("read log entry %d: %w", index, err)
		}
		stale = entry.Term != stored.Meta.Term
	}
	if !stale {
		return nil
	}
	s.logger.Info("the log is older than the installed raft snapshot and is dropped", "first", first, "last", last, "snapshot", index)
	return s.log.DeleteRange(first, last)
}
