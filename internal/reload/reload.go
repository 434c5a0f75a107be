// Package reload keeps what a process has of files in step with them: certificates with their keys, authorities, keys of
// callers. Files are replaced while a process runs; what cannot be used leaves what counted before in force.
//
// # Not here
//
// What the files mean to who calls, and who may read them (cmd/ostiary, raftstore).
package reload

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Pause is how often it is looked at files where nothing else is said.
const Pause = 2 * time.Second

// maxFileBytes bounds each file.
const maxFileBytes = 16 << 20

// Files are some files that mean something together. Make them with Open. They are safe for concurrent use.
type Files struct {
	what   string
	paths  []string
	take   func(texts [][]byte) error
	logger *slog.Logger

	mu      sync.Mutex
	good    [sha256.Size]byte // of what counts
	suspect [sha256.Size]byte // of what could not be used at the last look; zero: none
	fault   error             // why what is there does not count, once two looks have found the same
}

// Open reads the files and hands their texts to take, which is called again from Look whenever they changed, by one
// goroutine at a time. What take refuses does not count. A nil logger says nothing.
func Open(what string, paths []string, logger *slog.Logger, take func(texts [][]byte) error) (*Files, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	f := &Files{what: what, paths: paths, take: take, logger: logger}
	texts, err := f.read()
	if err != nil {
		return nil, err
	}
	if err := take(texts); err != nil {
		return nil, err
	}
	f.good = sum(texts)
	return f, nil
}

func (f *Files) read() ([][]byte, error) {
	texts := make([][]byte, len(f.paths))
	for i, path := range f.paths {
		text, err := readBounded(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.what, err)
		}
		texts[i] = text
	}
	return texts, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return text, err
}

// sum tells texts apart without keeping them: they may be secret.
func sum(texts [][]byte) [sha256.Size]byte {
	all := sha256.New()
	for _, text := range texts {
		one := sha256.Sum256(text)
		all.Write(one[:])
	}
	return [sha256.Size]byte(all.Sum(nil))
}

// Look reads the files again, and takes what has changed. Files that belong together are replaced one after the other, so
// what cannot be used is a fault, and said in the log, once a second look finds the same.
func (f *Files) Look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	texts, err := f.read()
	var seen [sha256.Size]byte
	if err != nil {
		seen = sum([][]byte{[]byte(err.Error())})
	} else {
		seen = sum(texts)
		if seen == f.good {
			f.suspect, f.fault = [sha256.Size]byte{}, nil
			return
		}
		if seen == f.suspect && f.fault != nil {
			return // it has not become better
		}
		err = f.take(texts)
	}
	switch {
	case err == nil:
		f.good, f.suspect, f.fault = seen, [sha256.Size]byte{}, nil
		f.logger.Info(f.what+" replaced", "files", f.names())
	case seen != f.suspect:
		f.suspect = seen
	case f.fault == nil || f.fault.Error() != err.Error():
		f.fault = err
		f.logger.Error(f.what+" not replaced: what was read before goes on", "files", f.names(), "error", err)
	}
}

func (f *Files) names() string { return strings.Join(f.paths, ", ") }

// Keep looks every so often until ctx ends.
func (f *Files) Keep(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.Look()
		}
	}
}

// Fault returns why what the files hold now does not count, or nil.
func (f *Files) Fault() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
}

// KeepAll keeps all of them until ctx ends, and returns once nobody looks any more.
func KeepAll(ctx context.Context, every time.Duration, all []*Files) {
	var looking sync.WaitGroup
	for _, f := range all {
		looking.Go(func() { f.Keep(ctx, every) })
	}
	looking.Wait()
}

// Faults joins the faults of all of them.
func Faults(all []*Files) error {
	var faults []error
	for _, f := range all {
		faults = append(faults, f.Fault())
	}
	return errors.Join(faults...)
}
