package storage

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system that a database lives on. Packages above name it without importing Pebble.
type FS = vfs.FS

// FreeBytes returns how many bytes can still be written to the disk that holds dir. A nil fs is the
// machine's.
func FreeBytes(fs FS, dir string) (uint64, error) {
	if fs == nil {
		fs = vfs.Default
	}
	usage, err := fs.GetDiskUsage(dir)
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
