package raftstore

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// killChildDir names, in the environment, the data folder of the child that TestKill kills.
const killChildDir = "OSTIARY_KILL_CHILD_DIR"

// killChildMain is the child: it writes from eight clients and prints each acknowledged number, until
// it is killed.
func killChildMain() {
	dir := os.Getenv(killChildDir)
	if dir == "" {
		return
	}
	s, err := Open(context.Background(), Options{Dir: dir, SnapshotEntries: 256, SnapshotInterval: 10 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	start, _ := s.storage.Applied()
	var clients sync.WaitGroup
	var out sync.Mutex
	for c := range 8 {
		clients.Go(func() {
			for i := 0; ; i++ {
				n := int(start)*100_000 + c*10_000 + i
				if _, err := s.Propose(context.Background(), create(n)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				out.Lock()
				os.Stdout.WriteString(strconv.Itoa(n) + "\n")
				out.Unlock()
			}
		})
	}
	clients.Wait()
}

// TestKill ends a writing process with SIGKILL, many times over on one data folder, and looks for every
// write that it had acknowledged.
func TestKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	var acknowledged []int
	for round := range rounds {
		acknowledged = append(acknowledged, writeAndKill(t, dir, time.Duration(50+20*round)*time.Millisecond)...)
	}
	if len(acknowledged) < rounds {
		t.Fatalf("only %d writes were acknowledged in %d rounds", len(acknowledged), rounds)
	}
	s := open(t, Options{Dir: dir})
	for _, n := range acknowledged {
		if !has(t, s, tupleOf(n)) {
			t.Fatalf("tuple %d was acknowledged before kill -9 and is gone", n)
		}
	}
	t.Logf("%d acknowledged writes survived %d kills", len(acknowledged), rounds)
}

func writeAndKill(t *testing.T, dir string, after time.Duration) (acknowledged []int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), killChildDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var killer *time.Timer
	for lines.Scan() {
		if killer == nil { // the clock runs from the first acknowledged write
			killer = time.AfterFunc(after, func() { child.Process.Kill() })
		}
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			acknowledged = append(acknowledged, n)
		}
	}
	child.Wait()
	return acknowledged
}
