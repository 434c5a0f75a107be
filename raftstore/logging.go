package raftstore

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// raftLogger returns a logger for raft whose lines go to ours.
func raftLogger(to *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Debug, Output: io.Discard})
	logger.RegisterSink(raftSink{to: to.With("component", "raft")})
	return logger
}

// raftSink passes raft's errors on as warnings and the rest as detail: that a cluster of one elects
// itself is no news, and what an operator must know this package says itself.
type raftSink struct{ to *slog.Logger }

func (s raftSink) Accept(_ string, level hclog.Level, message string, args ...any) {
	at := slog.LevelDebug
	if level == hclog.Error {
		at = slog.LevelWarn
	}
	s.to.Log(context.Background(), at, message, args...)
}
