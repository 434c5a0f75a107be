// Package peer starts servers that speak OpenFGA's API as processes of their own, on free ports of
// loopback, and ends them.
package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary/internal/loopback"
)

// Server is a running process. Stop ends it.
type Server struct {
	GRPC, HTTP string // addresses

	command *exec.Cmd
	output  *lockedBuffer
	ended   chan struct{} // closed when the process has ended
	dir     string        // removed by Stop; empty: nothing to remove
}

// startTimeout bounds the time until a server answers.
const startTimeout = 30 * time.Second

// Ostiary starts an ostiary binary in development mode on a folder of its own.
func Ostiary(ctx context.Context, binary string, flags ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "ostiary-conformance-")
	if err != nil {
		return nil, err
	}
	return start(ctx, dir, binary, func(grpcAddr, httpAddr string) []string {
		return append([]string{"serve", "--dev", "--data-dir", filepath.Join(dir, "data"), "--grpc-addr", grpcAddr, "--http-addr", httpAddr,
			"--log-level", "warn", "--listObjects-max-results", "0", "--listUsers-max-results", "0"}, flags...)
	})
}

// OpenFGA starts an openfga binary on its memory store. It keeps its limits on the results of lists: without
// one, its ListObjects does not report errors.
func OpenFGA(ctx context.Context, binary string, flags ...string) (*Server, error) {
	return start(ctx, "", binary, func(grpcAddr, httpAddr string) []string {
		return append([]string{"run", "--datastore-engine", "memory", "--grpc-addr", grpcAddr, "--http-addr", httpAddr,
			"--playground-enabled=false", "--metrics-enabled=false", "--log-level", "error"}, flags...)
	})
}

// start runs a command and waits until it answers over gRPC. The ports are free when they are chosen;
// when another process takes one meanwhile, the command ends and start says so.
func start(ctx context.Context, dir, binary string, args func(grpcAddr, httpAddr string) []string) (*Server, error) {
	grpcAddr, err := loopback.FreeAddress()
	if err != nil {
		return nil, err
	}
	httpAddr, err := loopback.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &Server{GRPC: grpcAddr, HTTP: httpAddr, output: &lockedBuffer{}, ended: make(chan struct{}), dir: dir}
	s.command = exec.Command(binary, args(s.GRPC, s.HTTP)...)
	s.command.Stdout, s.command.Stderr = s.output, s.output
	if err := s.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", binary, err), os.RemoveAll(dir))
	}
	go func() {
		s.command.Wait() // how it ended is told by its output
		close(s.ended)
	}()
	if err := s.waitReady(ctx); err != nil {
		err = fmt.Errorf("start %s: %w; it said:\n%s", binary, err, s.output)
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := Dial(s.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := openfgav1.NewOpenFGAServiceClient(conn)
	for {
		if _, err = client.ListStores(ctx, &openfgav1.ListStoresRequest{}); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer on %s: %w", s.GRPC, err)
		case <-s.ended:
			return errors.New("it ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Pid is the id of the process.
func (s *Server) Pid() int { return s.command.Process.Pid }

// Ended reports whether the process has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Output is what the process has written, its newest part.
func (s *Server) Output() string { return s.output.String() }

// stopTimeout bounds an orderly end.
const stopTimeout = 10 * time.Second

// Stop asks the process to end, ends it when it does not, and removes its folder.
func (s *Server) Stop() error {
	s.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		s.command.Process.Kill()
		<-s.ended
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// Dial connects to a server's gRPC address without encryption.
func Dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
}

// lockedBuffer keeps the newest part of what is written to it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// keptBytes bounds what a lockedBuffer keeps.
const keptBytes = 64 << 10

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
	if extra := b.text.Len() - keptBytes; extra > 0 {
		b.text.Next(extra)
	}
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
