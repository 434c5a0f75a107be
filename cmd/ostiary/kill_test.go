package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

var killRounds = flag.Int("kill-rounds", 5, "how often TestKill kills the server")

// TestKill kills the real binary in the middle of writes, again and again, and finds every
// acknowledged tuple after each restart.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary and runs for seconds")
	}
	binary := buildBinary(t)
	dir := filepath.Join(t.TempDir(), "data")
	acknowledged := map[string]bool{}
	store := ""
	for round := range *killRounds {
		server := startBinary(t, binary, dir, freeAddress(t))
		c := newCLI(t, server.address)
		if store == "" {
			store = c.newStore("kept")
		}
		missing := missingTuples(t, server.client, store, acknowledged)
		if len(missing) > 0 {
			t.Fatalf("round %d: %d of %d acknowledged tuples are gone, the first of them %s", round, len(missing), len(acknowledged), missing[0])
		}
		before := len(acknowledged)
		writeUntilKilled(t, server, store, round, acknowledged)
		if len(acknowledged) == before {
			t.Errorf("round %d: no write was acknowledged before the kill", round)
		}
	}
	server := startBinary(t, binary, dir, freeAddress(t))
	if missing := missingTuples(t, server.client, store, acknowledged); len(missing) > 0 {
		t.Fatalf("at the end %d of %d acknowledged tuples are gone, the first of them %s", len(missing), len(acknowledged), missing[0])
	}
	t.Logf("%d kills, %d acknowledged tuples, none lost", *killRounds, len(acknowledged))
	out, err := exec.Command(binary, "serve", "--dev", "--data-dir", dir, "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0").CombinedOutput()
	if err == nil {
		t.Error("a second server runs on the same folder")
	}
	wantContains(t, "output of a second server on one folder", string(out), "another process uses this data folder", dir)
	server.stop(t)
}

// TestImportOutlivesRestart kills the server in the middle of an import and starts it again on the same
// address: the import goes on, and every tuple is there.
func TestImportOutlivesRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary and runs for seconds")
	}
	const tuples = 60_000
	var text strings.Builder
	text.WriteString("user_type,user_id,relation,object_type,object_id\n")
	for i := range tuples {
		fmt.Fprintf(&text, "user,u%d,viewer,doc,d%d\n", i, i%100)
	}
	path := write(t, "tuples.csv", text.String())
	binary := buildBinary(t)
	dir := filepath.Join(t.TempDir(), "data")
	server := startBinary(t, binary, dir, freeAddress(t))
	c := newCLI(t, server.address)
	store := c.newStore("kept")

	a, out, stderr := c.app("")
	a.progressEvery = 0
	imported := make(chan int, 1)
	go func() { imported <- a.run(t.Context(), []string{"tuple", "import", path}) }()
	for !strings.Contains(stderr.String(), "5,000 imported") { // in the middle
		select {
		case code := <-imported:
			t.Fatalf("the import ended before the kill: exit code %d\n%s", code, out)
		case <-time.After(time.Millisecond):
		}
	}
	if err := server.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-server.exited
	server = startBinary(t, binary, dir, server.address)
	if code := <-imported; code != exitDone {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	wantContains(t, "stdout", out.String(), "loaded 60,000 tuples, rejected 0")
	want := map[string]bool{}
	for i := range tuples {
		want[fmt.Sprintf("doc:d%d#viewer@user:u%d", i%100, i)] = true
	}
	if missing := missingTuples(t, server.client, store, want); len(missing) > 0 {
		t.Errorf("%d of %d tuples are missing, the first of them %s", len(missing), tuples, missing[0])
	}
	server.stop(t)
}

func buildBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "ostiary")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
	return binary
}

// process is a running server.
type process struct {
	cmd     *exec.Cmd
	address string
	client  openfgav1.OpenFGAServiceClient
	exited  chan error
}

func startBinary(t *testing.T, binary, dir, address string) *process {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--dev", "--data-dir", dir, "--grpc-addr", address, "--http-addr", "127.0.0.1:0", "--log-level", "error")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	var stderr buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, exited: make(chan error, 1)}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { p.exited <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	if err != nil {
		t.Fatalf("the server is not ready: %v\n%s", err, stderr.String())
	}
	p.address = strings.TrimSuffix(strings.Fields(line)[3], ",")
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p.client = openfgav1.NewOpenFGAServiceClient(conn)
	return p
}

// stop ends the server as an operator would and wants a clean exit.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-p.exited; err != nil {
		t.Errorf("the server did not stop cleanly: %v", err)
	}
}

// writeUntilKilled writes from several goroutines, kills the server with SIGKILL once a random number
// of writes is acknowledged, and adds every tuple of an acknowledged write to acknowledged.
func writeUntilKilled(t *testing.T, server *process, store string, round int, acknowledged map[string]bool) {
	t.Helper()
	const writers = 4
	killAfter := int64(20 + rand.IntN(200))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var calls atomic.Int64
	var mu sync.Mutex // guards acknowledged
	var running sync.WaitGroup
	for writer := range writers {
		running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				request := &openfgav1.WriteRequest{StoreId: store, Writes: &openfgav1.WriteRequestWrites{}}
				for i := range 1 + rand.IntN(20) {
					request.Writes.TupleKeys = append(request.Writes.TupleKeys, &openfgav1.TupleKey{
						Object: fmt.Sprintf("doc:r%d-w%d", round, writer), Relation: "viewer", User: fmt.Sprintf("user:n%d-%d", n, i)})
				}
				if _, err := server.client.Write(ctx, request); err != nil {
					return // the server is dead; whether this write is there is not known
				}
				mu.Lock()
				for _, key := range request.Writes.TupleKeys {
					acknowledged[tupleText(key)] = true
				}
				mu.Unlock()
				if calls.Add(1) == killAfter {
					if err := server.cmd.Process.Kill(); err != nil {
						t.Errorf("kill the server: %v", err)
					}
				}
			}
		})
	}
	running.Wait()
	var exit *exec.ExitError
	if err := <-server.exited; !errors.As(err, &exit) {
		t.Errorf("the server ended with %v, want killed", err)
	}
}

// missingTuples returns the acknowledged tuples that the server does not have.
func missingTuples(t *testing.T, fga openfgav1.OpenFGAServiceClient, store string, acknowledged map[string]bool) []string {
	t.Helper()
	there := map[string]bool{}
	err := eachTuple(t.Context(), &client{fga: fga}, &openfgav1.ReadRequest{StoreId: store}, func(tuple *openfgav1.Tuple) bool {
		there[tupleText(tuple.GetKey())] = true
		return true
	})
	if err != nil {
		t.Fatalf("read all tuples: %v", err)
	}
	var missing []string
	for text := range acknowledged {
		if !there[text] {
			missing = append(missing, text)
		}
	}
	return missing
}
