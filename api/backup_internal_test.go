package api

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// deafStream is a client who takes nothing.
type deafStream struct {
	grpc.ServerStreamingServer[ostiaryv1.CreateBackupResponse]
	left chan struct{}
}

func (s deafStream) Send(*ostiaryv1.CreateBackupResponse) error {
	<-s.left
	return io.ErrClosedPipe
}

// TestBackupStall: a client who takes nothing does not keep a backup.
func TestBackupStall(t *testing.T) {
	left := make(chan struct{})
	defer close(left)
	out := &backupStream{stream: deafStream{left: left}, ctx: t.Context(), stall: time.Millisecond}
	if _, err := out.Write([]byte("x")); !errors.Is(err, errBackupStall) {
		t.Errorf("got %v, want that the client stalls", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBackupDrain)
	out = &backupStream{stream: deafStream{left: left}, ctx: ctx, stall: time.Hour}
	if _, err := out.Write([]byte("x")); !errors.Is(err, errBackupDrain) {
		t.Errorf("got %v, want that the server stops", err)
	}
}
