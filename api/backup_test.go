package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// receive takes a whole backup.
func receive(ctx context.Context, h *harness, request *ostiaryv1.CreateBackupRequest) ([]byte, error) {
	stream, err := ostiaryv1.NewOstiaryServiceClient(h.conn).CreateBackup(ctx, request)
	if err != nil {
		return nil, err
	}
	var data []byte
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return data, err
		}
		data = append(data, message.GetData()...)
	}
}

func withBackup(f api.BackupFunc) func(*api.Options) {
	return func(o *api.Options) { o.Backup = f }
}

// TestBackupStream: the bytes arrive as they were written, and the fields of the request as they were sent.
func TestBackupStream(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	cluster := ostiary.ClusterID{0xab, 1}
	h := start(t, withBackup(func(_ context.Context, since ostiary.Revision, of ostiary.ClusterID, w io.Writer) error {
		if since != 77 || of != cluster {
			return fmt.Errorf("since %d of cluster %x", since, of)
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 700_001)
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}))
	got, err := receive(t.Context(), h, &ostiaryv1.CreateBackupRequest{SinceRevision: 77, ClusterId: fmt.Sprintf("%x", cluster)})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
	}
	if _, err := receive(t.Context(), h, &ostiaryv1.CreateBackupRequest{ClusterId: "x"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a cluster id that is none: got %v, want InvalidArgument", err)
	}
}

// TestBackupErrors: what goes wrong on the way ends the stream with a status that says what to do.
func TestBackupErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want codes.Code
	}{
		"gone":       {ostiary.ErrRevisionGone, codes.OutOfRange},
		"not yet":    {ostiary.ErrRevisionNotYet, codes.FailedPrecondition},
		"foreign":    {ostiary.ErrTokenInvalid, codes.InvalidArgument},
		"follower":   {ostiary.ErrNotLeader, codes.FailedPrecondition},
		"not ready":  {ostiary.ErrUnavailable, codes.Unavailable},
		"unexpected": {io.ErrUnexpectedEOF, codes.Internal},
	} {
		h := start(t, withBackup(func(_ context.Context, _ ostiary.Revision, _ ostiary.ClusterID, w io.Writer) error {
			w.Write(make([]byte, 1<<20))
			return fmt.Errorf("back up: %w", test.err)
		}))
		if _, err := receive(t.Context(), h, &ostiaryv1.CreateBackupRequest{}); status.Code(err) != test.want {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
		h.stop()
	}
	if _, err := receive(t.Context(), start(t), &ostiaryv1.CreateBackupRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a server without backups: got %v, want FailedPrecondition", err)
	}
}

// TestBackupAlone: there is one backup at a time, whoever has no key gets none, and one under way does not
// outlive the request timeout of others nor keep the server from stopping.
func TestBackupAlone(t *testing.T) {
	auth, err := api.PresharedKeys("k3y")
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	h := start(t, withBackup(func(ctx context.Context, _ ostiary.Revision, _ ostiary.ClusterID, w io.Writer) error {
		if _, bounded := ctx.Deadline(); bounded {
			t.Error("a backup has the deadline of a request")
		}
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}), func(o *api.Options) { o.Authenticator = auth })
	if _, err := receive(t.Context(), h, &ostiaryv1.CreateBackupRequest{}); err == nil {
		t.Error("a backup was made for nobody")
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer k3y")
	ended := make(chan error, 1)
	go func() {
		_, err := receive(ctx, h, &ostiaryv1.CreateBackupRequest{})
		ended <- err
	}()
	<-begun
	if _, err := receive(ctx, h, &ostiaryv1.CreateBackupRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a second backup: got %v, want ResourceExhausted", err)
	}
	h.stop()
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("a backup when the server stops: got %v, want Unavailable", err)
	}
}

// TestReadyz says what a node takes, with and without room on its disk, and names no place.
func TestReadyz(t *testing.T) {
	get := func(h *harness) (int, string) {
		answer, err := http.Get(h.base + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, strings.TrimSpace(string(body))
	}
	if code, body := get(start(t)); code != 200 || body != `{"status":"SERVING","writes":"ACCEPTED"}` {
		t.Errorf("roomy: got %d %s", code, body)
	}
	full := start(t, func(o *api.Options) {
		o.Writable = func() error { return fmt.Errorf("the disk of %q: %w", "/secret/place", ostiary.ErrDiskFull) }
	})
	if code, body := get(full); code != 200 || !strings.Contains(body, `"writes":"REFUSED"`) || !strings.Contains(body, "space") || strings.Contains(body, "secret") {
		t.Errorf("full disk: got %d %s", code, body)
	}
	down := start(t)
	if err := down.store.Close(); err != nil {
		t.Fatal(err)
	}
	if code, body := get(down); code != 503 || !strings.Contains(body, `"status":"NOT_SERVING"`) {
		t.Errorf("not serving: got %d %s", code, body)
	}
}
