package e2e

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

var readyLine = regexp.MustCompile(`^ready: gRPC on (\S+), HTTP on (http://[^,]+),`)

// startServer runs the built binary until the test ends and returns the URL of its HTTP surface. Keys
// are pre-shared keys; none is development mode.
func startServer(t *testing.T, keys string) string {
	t.Helper()
	binary := os.Getenv("OSTIARY_BIN")
	if binary == "" {
		binary = filepath.Join("..", "bin", "ostiary")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run 'make build', or name a binary in OSTIARY_BIN", err)
	}
	args := []string{"serve", "--data-dir", t.TempDir(), "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"}
	cmd := exec.Command(binary, args...)
	cmd.Env = os.Environ()
	if keys == "" {
		cmd.Args = append(cmd.Args, "--dev")
	} else {
		cmd.Args = append(cmd.Args, "--authn-method", "preshared")
		cmd.Env = append(cmd.Env, "OSTIARY_AUTHN_PRESHARED_KEYS="+keys)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v\n%s", err, log.String())
		}
	})
	found := make(chan string, 1)
	reading.Go(func() {
		defer close(found)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if match := readyLine.FindStringSubmatch(lines.Text()); match != nil {
				found <- match[2]
			}
		}
	})
	select {
	case url, ok := <-found:
		if !ok {
			t.Fatal("the server ended before it was ready")
		}
		return url
	case <-time.After(30 * time.Second):
		t.Fatal("the server was not ready within 30 s")
	}
	return ""
}
