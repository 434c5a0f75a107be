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
	f.file, f.torn = opened, false
	return nil
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
