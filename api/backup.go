package api

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// BackupFunc writes a backup to w: a full one, or what changed after since where that is not zero, which
// is then a revision of cluster where that is not zero either.
type BackupFunc func(ctx context.Context, since ostiary.Revision, cluster ostiary.ClusterID, w io.Writer) error

const (
	// backupChunkBytes bounds one message of a backup.
	backupChunkBytes = 256 << 10
	// defaultBackupStall is how long a client has to take one message of a backup: a view is held meanwhile.
	defaultBackupStall = time.Minute
)

// unboundedMethods are the methods that Limits.RequestTimeout does not bound. They see to it themselves
// that a client who takes nothing does not keep them.
var unboundedMethods = map[string]bool{
	ostiaryv1.OstiaryService_CreateBackup_FullMethodName: true,
	ostiaryv1.AuditService_TailAudit_FullMethodName:      true,
}

var (
	errBackupStall = refuse(codes.DeadlineExceeded, "the client did not take a part of the backup in time")
	errBackupDrain = fmt.Errorf("the server is shutting down: %w", ostiary.ErrUnavailable)
)

// CreateBackup streams a backup.
func (o *ostiaryService) CreateBackup(req *ostiaryv1.CreateBackupRequest, stream grpc.ServerStreamingServer[ostiaryv1.CreateBackupResponse]) error {
	s := o.server
	who, err := principal(stream.Context())
	if err != nil {
		return err
	}
	if s.backup == nil {
		return refuse(codes.FailedPrecondition, "this server makes no backups")
	}
	cluster, err := clusterOf(req.GetClusterId())
	if err != nil {
		return err
	}
	if !o.backingUp.CompareAndSwap(false, true) {
		return refuse(codes.ResourceExhausted, "another backup is being made: wait for its end")
	}
	defer o.backingUp.Store(false)
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() { // ends with the call
		select {
		case <-s.draining:
			cancel(errBackupDrain)
		case <-ctx.Done():
		}
	}()
	// The headers go first: from then on a message that a client does not take may outlast the handler.
	if err := callOf(stream.Context()).together(func() error { return nil }); err != nil {
		return err
	}
	log := s.logger.With("request_id", callOf(stream.Context()).id(), "principal", who.Kind+":"+who.Name,
		"since", req.GetSinceRevision())
	log.Info("backup begins")
	began := time.Now()
	out := &backupStream{stream: stream, ctx: ctx, stall: s.backupStall}
	buffered := bufio.NewWriterSize(out, backupChunkBytes)
	err = s.backup(ctx, ostiary.Revision(req.GetSinceRevision()), cluster, buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		log.Warn("backup failed", "duration", time.Since(began), "size_bytes", out.sent, "error", err)
		return backupError(err)
	}
	log.Info("backup ends", "duration", time.Since(began), "size_bytes", out.sent)
	return nil
}

func clusterOf(text string) (id ostiary.ClusterID, err error) {
	if text == "" {
		return id, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, refuse(codes.InvalidArgument, "cluster_id %.64q is not %d hex digits", text, 2*len(id))
	}
	return ostiary.ClusterID(raw), nil
}

// backupError says to whom asks for an increment what there is instead, and to whom asks the wrong node
// which one makes backups.
func backupError(err error) error {
	if errors.Is(err, ostiary.ErrRevisionNotYet) || errors.Is(err, ostiary.ErrNotLeader) {
		return refuse(codes.FailedPrecondition, "%v", err)
	}
	return err
}

// backupStream sends what is written to it.
type backupStream struct {
	stream grpc.ServerStreamingServer[ostiaryv1.CreateBackupResponse]
	ctx    context.Context
	stall  time.Duration
	sent   int64
}

func (b *backupStream) Write(p []byte) (n int, err error) {
	for n < len(p) {
		chunk := p[n:min(len(p), n+backupChunkBytes)]
		if err := b.send(chunk); err != nil {
			return n, err
		}
		n += len(chunk)
		b.sent += int64(len(chunk))
	}
	return n, nil
}

// send gives up on a client who does not take a message. What it leaves behind then ends with the stream,
// once the handler has returned; it has a copy of the bytes.
func (b *backupStream) send(chunk []byte) error {
	message := &ostiaryv1.CreateBackupResponse{Data: append([]byte(nil), chunk...)}
	sent := make(chan error, 1)
	go func() { sent <- b.stream.Send(message) }()
	timer := time.NewTimer(b.stall)
	defer timer.Stop()
	select {
	case err := <-sent:
		return err
	case <-timer.C:
		return errBackupStall
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}
