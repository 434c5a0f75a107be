package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Texts of the lines that requests write.
const (
	textFailed = "request failed"
	textSlow   = "slow request"
)

// maxLogLines bounds the lines a second that requests write of one kind: errors must not fill the disk that the log
// is on, whoever causes them.
const maxLogLines = 20

// logLines writes lines of the log of one kind, of which there may be too many. Of those above the bound a line says, a
// second after the first of them, how many there were. Safe for concurrent use.
type logLines struct {
	mu      sync.Mutex
	begun   time.Time // of the second that is counted
	written int       // in it
	leftOut int
	telling *time.Timer // nil: nothing is left out
}

// write writes a line, or leaves it out.
func (l *logLines) write(ctx context.Context, logger *slog.Logger, level slog.Level, text string, attrs ...any) {
	if l.may(time.Now(), func() { l.tell(logger, text) }) {
		logger.Log(ctx, level, text, attrs...)
	}
}

// may reports whether one more line may be written now, and otherwise has what is left out told of.
func (l *logLines) may(now time.Time, tell func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.begun) >= time.Second {
		l.begun, l.written = now, 0
	}
	if l.written < maxLogLines {
		l.written++
		return true
	}
	if l.leftOut++; l.telling == nil {
		l.telling = time.AfterFunc(time.Second, tell)
	}
	return false
}

// tell says how many lines of a text were left out. Serve calls it in the end, so that none stay untold.
func (l *logLines) tell(logger *slog.Logger, text string) {
	l.mu.Lock()
	leftOut := l.leftOut
	if l.telling != nil {
		l.telling.Stop()
	}
	l.leftOut, l.telling = 0, nil
	l.mu.Unlock()
	if leftOut > 0 {
		logger.Warn("lines left out of the log", "of", text, "count", leftOut, "most_a_second", maxLogLines)
	}
}
