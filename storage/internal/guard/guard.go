// Package guard stands between Pebble and its owner: it turns the ways in which Pebble gives up into
// errors. Package storage and package storage/wal each open their database behind one.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
)

// Guard turns the ways in which Pebble gives up into errors. When a write fails, Pebble panics, or
// calls Fatalf of its logger and expects the process to end. A library must not end the process, and
// must not let Pebble go on either: after a failed write to its manifest it would delete files that
// the manifest still needs. So trapFS and Fatalf record the error, tell the owner, and never return;
// the calls that wait for Pebble go through Run, which returns as soon as the error is known.
//
// After the first failure the database is dead: every later call returns the same error.
type Guard struct {
	logger  *slog.Logger
	corrupt error
	onFatal func(error)   // may be nil
	dead    chan struct{} // closed after err is set

	mu  sync.Mutex
	err error
}

// New returns a guard. corrupt is the sentinel for damaged data. onFatal may be nil; it is called once,
// with the first failure.
func New(logger *slog.Logger, corrupt error, onFatal func(error)) *Guard {
	return &Guard{logger: logger, corrupt: corrupt, onFatal: onFatal, dead: make(chan struct{})}
}

// Fail records the first failure and tells the owner of it.
func (g *Guard) Fail(err error) {
	g.mu.Lock()
	first := g.err == nil
	if first {
		g.err = err
		close(g.dead)
	}
	g.mu.Unlock()
	if !first {
		return
	}
	g.logger.Error("database failed", "error", err)
	if g.onFatal != nil {
		g.onFatal(err)
	}
}

// Failure returns the first failure, or nil.
func (g *Guard) Failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Open opens a database. No compaction runs before it is open.
func (g *Guard) Open(dir string, o *pebble.Options) (*pebble.DB, error) {
	scheduler := newCompactions(time.Now)
	scheduler.attach(o)
	var db *pebble.DB
	err := g.Run(func() error {
		opened, err := pebble.Open(dir, o)
		if err != nil {
			return err
		}
		scheduler.start()
		db = opened
		return nil
	})
	if err != nil {
		return nil, err // db may still be written by what never ended
	}
	return db, nil
}

// Run calls f and returns its error. A panic in f, and a failure elsewhere in Pebble while f runs, is
// a failure of the guard and is returned; f may then never end, so its results must not be used.
func (g *Guard) Run(f func() error) error {
	if err := g.Failure(); err != nil {
		return err
	}
	done := make(chan error, 1) // the goroutine ends with f; when Pebble never lets f end, it stays
	go func() {
		defer func() {
			if p := recover(); p != nil {
				g.logger.Error("database panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				err := panicError(p)
				g.Fail(err)
				done <- err
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-g.dead:
		return g.Failure()
	}
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("pebble gave up: %w", err)
	}
	return fmt.Errorf("pebble gave up: %v", p)
}

// Logger returns the logger for Pebble.
func (g *Guard) Logger() pebble.Logger { return pebbleLogger{g} }

// pebbleLogger gives Pebble's log to slog.
type pebbleLogger struct{ guard *Guard }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.guard.logger.Enabled(context.Background(), slog.LevelDebug) {
		l.guard.logger.Debug("pebble", "detail", fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.guard.logger.Error("pebble", "detail", fmt.Sprintf(format, args...))
}

// Fatalf never returns. See Guard.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.guard.Fail(fmt.Errorf(format, args...))
	select {}
}

// Listener watches for failures in the background.
func (g *Guard) Listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			g.Fail(fmt.Errorf("pebble background work: %w", err))
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			g.Fail(fmt.Errorf("pebble found corrupt data in %s: %v: %w", info.Path, info.Details, g.corrupt))
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			g.logger.Warn("writes stall", "detail", info.String())
		},
		WriteStallEnd: func() { g.logger.Info("writes no longer stall") },
	}
}

// IsCorrupt reports whether Pebble says that stored bytes are damaged, which is no I/O error.
func IsCorrupt(err error) bool {
	return errors.Is(err, pebble.ErrCorruption) || errors.Is(err, record.ErrInvalidChunk) || errors.Is(err, record.ErrZeroedChunk)
}
