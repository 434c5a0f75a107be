package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// headless is a stream that takes no headers.
type headless struct {
	grpc.ServerStream
	ctx context.Context
}

func (h headless) Context() context.Context  { return h.ctx }
func (headless) SetHeader(metadata.MD) error { return errors.New("no headers") }

// TestHeadersOfALeftStream: that a client leaves is no warning; that a stream takes no headers is one.
func TestHeadersOfALeftStream(t *testing.T) {
	var log bytes.Buffer
	s := &Server{logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	left, leave := context.WithCancel(t.Context())
	leave()
	s.setStreamHeaders(headless{ctx: left}, &call{})
	if log.Len() > 0 {
		t.Errorf("a client who has left is logged: %s", log.String())
	}
	s.setStreamHeaders(headless{ctx: t.Context()}, &call{})
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "no headers") {
		t.Errorf("a stream without headers is logged as %q", log.String())
	}
}
