package guard

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// trapFS stands between Pebble and the disk and keeps a failed write of the database from Pebble.
// Pebble would panic with its locks half released, which ends the process beyond any recover, or
// would go on: both before the owner of the database has heard of it. Instead the failure is recorded,
// and the goroutine that met it stops for good (see Guard).
//
// Only files directly in the folder of the database count: a checkpoint to a folder that is full or
// on another disk is an ordinary error. Reads, removals and locks report their errors as usual.
type trapFS struct {
	vfs.FS
	guard *Guard
	dir   string // as PathDir returns it
}

// FS returns fs for a database in dir: failed writes of the database are failures of g, and never
// reach Pebble.
func (g *Guard) FS(fs vfs.FS, dir string) vfs.FS {
	return &trapFS{FS: fs, guard: g, dir: fs.PathDir(fs.PathJoin(dir, "x"))}
}

// Unwrap returns the filesystem below.
func (fs *trapFS) Unwrap() vfs.FS { return fs.FS }

func (fs *trapFS) own(name string) bool { return fs.PathDir(name) == fs.dir }

// check never returns when err is a failure.
func (g *Guard) check(doing, name string, err error) {
	if err == nil {
		return
	}
	g.Fail(fmt.Errorf("%s %q: %w", doing, name, err))
	select {}
}

// Create implements vfs.FS.
func (fs *trapFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	return fs.trap("create", name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (fs *trapFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, category)
	return fs.trap("reuse for write", newname, f, err)
}

// OpenReadWrite implements vfs.FS.
func (fs *trapFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, category, opts...)
	return fs.trap("open for writing", name, f, err)
}

// OpenDir implements vfs.FS.
func (fs *trapFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil || fs.PathDir(fs.PathJoin(name, "x")) != fs.dir {
		return f, err
	}
	return &trapFile{File: f, guard: fs.guard, name: name}, nil
}

// Rename implements vfs.FS.
func (fs *trapFS) Rename(oldname, newname string) error {
	err := fs.FS.Rename(oldname, newname)
	if fs.own(newname) {
		fs.guard.check("rename to", newname, err)
	}
	return err
}

func (fs *trapFS) trap(doing, name string, f vfs.File, err error) (vfs.File, error) {
	if !fs.own(name) {
		return f, err
	}
	fs.guard.check(doing, name, err)
	return &trapFile{File: f, guard: fs.guard, name: name}, nil
}

// trapFile is a file of the database that is open for writing.
type trapFile struct {
	vfs.File
	guard *Guard
	name  string
}

func (f *trapFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.guard.check("write", f.name, err)
	return n, nil
}

func (f *trapFile) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	f.guard.check("write", f.name, err)
	return n, nil
}

func (f *trapFile) Sync() error {
	f.guard.check("sync", f.name, f.File.Sync())
	return nil
}

func (f *trapFile) SyncData() error {
	f.guard.check("sync", f.name, f.File.SyncData())
	return nil
}

func (f *trapFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	f.guard.check("sync", f.name, err)
	return full, nil
}

func (f *trapFile) Close() error {
	f.guard.check("close", f.name, f.File.Close())
	return nil
}
