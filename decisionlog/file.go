package decisionlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// fileMode is for files that the log makes: they say who asked about whom.
const fileMode = 0o600

// file appends to a file by its name, which others may rename or remove (logrotate), or to a pipe.
type file struct {
	path string
	file *os.File // nil: it could not be opened again
	torn bool     // the last line has no end
}

// open opens the file. A pipe that nobody reads is not waited for, and writes to one have deadlines.
func (f *file) open() error {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, fileMode)
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("%w: nobody reads this pipe", err)
	}
	if err != nil {
		return err
	}
	torn, err := endsTorn(f.path, opened)
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	f.file, f.torn = opened, torn
	return nil
}

// endsTorn reports whether the last line of a file has no end: whoever wrote it crashed, or the disk was full. Of what
// is no regular file nothing can be told.
func endsTorn(path string, opened *os.File) (torn bool, err error) {
	info, err := opened.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false, err
	}
	written, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return true, nil // it may be written and not read: an empty line too many harms nobody
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, written.Close()) }()
	var last [1]byte
	_, err = written.ReadAt(last[:], info.Size()-1)
	return last[0] != '\n', err
}

func (f *file) write(lines []byte, by time.Time) (int, error) {
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	if err := f.file.SetWriteDeadline(by); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return 0, err
	}
	return writeLines(f.file, &f.torn, lines)
}

// writeLines ends a line that was cut off before it writes others.
func writeLines(to io.Writer, torn *bool, lines []byte) (int, error) {
	if *torn {
		if _, err := to.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		*torn = false
	}
	n, err := to.Write(lines)
	if n > 0 {
		*torn = lines[n-1] != '\n'
	}
	return n, err
}

// look opens the file again where its name means another, or none.
func (f *file) look() error {
	named, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case f.file != nil:
		open, err := f.file.Stat()
		if err != nil || os.SameFile(named, open) {
			return err
		}
	}
	return errors.Join(f.close(), f.open())
}

func (f *file) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// writer is a sink of somebody else's, as the standard output.
type writer struct {
	to   io.Writer
	torn bool
}

func (w *writer) write(lines []byte, _ time.Time) (int, error) {
	return writeLines(w.to, &w.torn, lines)
}

func (*writer) look() error { return nil }

func (*writer) close() error { return nil }
