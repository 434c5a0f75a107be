package storage

import (
	"errors"
	"fmt"
	iofs "io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system that a database lives on. Packages above name it without importing Pebble.
type FS = vfs.FS

// FreeBytes returns how many bytes can still be written to the disk that holds dir. A nil fs is the
// machine's.
func FreeBytes(fs FS, dir string) (uint64, error) {
	usage, err := OrDisk(fs).GetDiskUsage(dir)
	if err != nil {
		return 0, fmt.Errorf("read the free space of %q: %w", dir, err)
	}
	return usage.AvailBytes, nil
}

// OrDisk returns fs, and the file system of the machine where it is nil.
func OrDisk(fs FS) FS {
	if fs == nil {
		return vfs.Default
	}
	return fs
}

// Names returns the names in a folder, and none where there is no folder. A nil fs is the machine's.
func Names(fs FS, dir string) ([]string, error) {
	names, err := OrDisk(fs).List(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// RemoveFolder removes a folder and everything in it, where there is one. A nil fs is the machine's.
func RemoveFolder(fs FS, dir string) error { return OrDisk(fs).RemoveAll(dir) }
