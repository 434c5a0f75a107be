package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/internal/loopback"
)

// benchServer is a server of this binary in a process of its own, on a folder that goes with it.
type benchServer struct {
	binary         string
	args           []string
	command        *exec.Cmd // nil when none runs
	dir            string
	grpc, http     string
	metricsURL     string
	stderr         *tail
	ended          chan error
	terminateAfter time.Duration
}

// startBenchServer starts 'ostiary serve --dev' on loopback ports and returns once it answers.
func (a *app) startBenchServer(ctx context.Context, args []string) (*benchServer, error) {
	binary := a.executable
	if binary == "" {
		var err error
		if binary, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "ostiary-bench-")
	if err != nil {
		return nil, err
	}
	admin, err := loopback.FreeAddress()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &benchServer{binary: binary, dir: dir, metricsURL: "http://" + admin + "/metrics", terminateAfter: 20 * time.Second}
	s.args = append([]string{"serve", "--dev", "--data-dir", dir, "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
		"--admin-addr", admin, "--log-level", "warn"}, args...)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// start starts the process and returns once it answers. When it does not, there is no process.
func (s *benchServer) start(ctx context.Context) error {
	s.stderr, s.ended = &tail{}, make(chan error, 1)
	s.command = exec.Command(s.binary, s.args...) //nolint:gosec // it is this binary
	s.command.Stderr = s.stderr
	out, err := s.command.StdoutPipe()
	if err == nil {
		err = s.command.Start()
	}
	if err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	ready := make(chan string, 1)
	command, ended := s.command, s.ended // end forgets them
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, "ready: ") {
				ready <- line
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		ended <- command.Wait()
	}()
	select {
	case line := <-ready:
		if _, err := fmt.Sscanf(line, "ready: gRPC on %s HTTP on http://%s", &s.grpc, &s.http); err != nil {
			return errors.Join(fmt.Errorf("a server says %q: %w", line, err), s.end())
		}
		s.grpc, s.http = strings.TrimSuffix(s.grpc, ","), strings.TrimSuffix(s.http, ",")
		return nil
	case err := <-s.ended:
		s.command = nil
		return fmt.Errorf("start a server with %q: %w\n%s", s.args, err, s.stderr)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.end())
	}
}

// restart ends the process and starts it again on the same data: nothing is cached any more.
func (s *benchServer) restart(ctx context.Context) error {
	if err := s.end(); err != nil {
		return err
	}
	return s.start(ctx)
}

func (s *benchServer) pid() int { return s.command.Process.Pid }

func (s *benchServer) address(http bool) string {
	if http {
		return s.http
	}
	return s.grpc
}

// stop ends the server and takes its folder away.
func (s *benchServer) stop() error { return errors.Join(s.end(), os.RemoveAll(s.dir)) }

// end ends the process, if there is one.
func (s *benchServer) end() error {
	if s.command == nil {
		return nil
	}
	process := s.command.Process
	s.command = nil
	_ = process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("the server that was measured: %w\n%s", err, s.stderr)
		}
		return nil
	case <-time.After(s.terminateAfter):
		_ = process.Kill()
		<-s.ended
		return fmt.Errorf("the server did not end within %s", s.terminateAfter)
	}
}

// tail keeps the end of what a process says. One goroutine writes; it is read after the process ended.
type tail struct{ text []byte }

const tailBytes = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append([]byte(nil), t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }
