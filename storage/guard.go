package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/ostiary/ostiary"
)

// guard turns the ways in which Pebble gives up into errors. When a write fails, Pebble panics, or
// calls Fatalf of its logger and expects the process to end. A library must not end the process, and
// must not let Pebble go on either: after a failed write to its manifest it would delete files that
// the manifest still needs. So trapFS and Fatalf record the error, tell the owner, and never return;
// the calls that wait for Pebble go through run, which returns as soon as the error is known.
//
// After the first failure the database is dead: every later call returns the same error.
type guard struct {
	logger  *slog.Logger
	onFatal func(error)   // may be nil
	dead    chan struct{} // closed after err is set

	mu  sync.Mutex
	err error
}

func newGuard(logger *slog.Logger, onFatal func(error)) *guard {
	return &guard{logger: logger, onFatal: onFatal, dead: make(chan struct{})}
}

// fail records the first failure and tells the owner of it.
func (g *guard) fail(err error) {
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
	g.logger.Error("storage failed", "error", err)
	if g.onFatal != nil {
		g.onFatal(err)
	}
}

// failure returns the first failure, or nil.
func (g *guard) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// run calls f and returns its error. A panic in f, and a failure elsewhere in Pebble while f runs, is
// a failure of the guard and is returned; f may then never end, so its results must not be used.
func (g *guard) run(f func() error) error {
	if err := g.failure(); err != nil {
		return err
	}
	done := make(chan error, 1) // the goroutine ends with f; when Pebble never lets f end, it stays
	go func() {
		defer func() {
			if p := recover(); p != nil {
				g.logger.Error("storage panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				err := panicError(p)
				g.fail(err)
				done <- err
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-g.dead:
		return g.failure()
	}
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("pebble gave up: %w", err)
	}
	return fmt.Errorf("pebble gave up: %v", p)
}

// pebbleLogger gives Pebble's log to slog.
type pebbleLogger struct{ guard *guard }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.guard.logger.Enabled(context.Background(), slog.LevelDebug) {
		l.guard.logger.Debug("pebble", "detail", fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.guard.logger.Error("pebble", "detail", fmt.Sprintf(format, args...))
}

// Fatalf never returns. See guard.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.guard.fail(fmt.Errorf(format, args...))
	select {}
}

// listener watches for failures in the background.
func (g *guard) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			g.fail(fmt.Errorf("pebble background work: %w", err))
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			g.fail(fmt.Errorf("pebble found corrupt data in %s: %v: %w", info.Path, info.Details, ostiary.ErrCorrupt))
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			g.logger.Warn("writes stall", "detail", info.String())
		},
		WriteStallEnd: func() { g.logger.Info("writes no longer stall") },
	}
}

// readError makes Pebble's word for damaged bytes ours, so that it is not taken for an I/O error.
func readError(err error) error {
	if errors.Is(err, pebble.ErrCorruption) || errors.Is(err, record.ErrInvalidChunk) || errors.Is(err, record.ErrZeroedChunk) {
		return fmt.Errorf("%w: %w", err, ostiary.ErrCorrupt)
	}
	return err
}
