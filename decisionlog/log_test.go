package decisionlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func decision(object string) *Decision {
	return &Decision{
		Time: time.Unix(1700000000, 5e6), Took: 1500 * time.Microsecond, RequestID: "r-1", TraceID: "abc", Principal: "preshared:1",
		Method: "Check", Store: "S1", Model: "M1", Object: object, Relation: "viewer", Subject: "user:ann", Contextual: 2,
		Result: Denied, Reason: "subject_disabled", Consistency: "latest", Revision: 7,
	}
}

// TestLine is the form that readers of logs rely on.
func TestLine(t *testing.T) {
	want := `{"time":"2023-11-14T22:13:20.005Z","request_id":"r-1","trace_id":"abc","principal":"preshared:1","method":"Check","store":"S1",` +
		`"model":"M1","object":"doc:1","relation":"viewer","subject":"user:ann","result":"denied","reason":"subject_disabled",` +
		`"consistency":"latest","contextual_tuples":2,"revision":7,"latency_us":1500}` + "\n"
	if got := string(decision("doc:1").appendLine(nil)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	list := &Decision{Result: Listed}
	if got := string(list.appendLine(nil)); !strings.Contains(got, `"result":"listed","count":0,`) {
		t.Errorf("got %s", got)
	}
	for _, odd := range []string{"a\"b\\c\n", "é", "\xff", strings.Repeat("x", 1<<20), strings.Repeat("é", 1<<10), "\x7f\u2028"} {
		line := decision(odd).appendLine(nil)
		var read map[string]any
		if err := json.Unmarshal(line, &read); err != nil || bytes.Count(line, []byte("\n")) != 1 || len(line) > 8*maxTextBytes {
			t.Errorf("%.20q: %d bytes, %v: %.300s", odd, len(line), err, line)
		}
	}
}

func readLines(t *testing.T, path string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		var one map[string]any
		if err := json.Unmarshal(s.Bytes(), &one); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		all = append(all, one)
	}
	return all
}

func wait(t *testing.T, what string, until func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !until(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// TestFile: every decision of many askers is a line of the file, which others cannot read.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.log")
	l, err := Open(Options{Path: path, writeTimeout: time.Minute, closeTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var asking sync.WaitGroup
	for a := range 8 {
		asking.Go(func() {
			for i := range 500 {
				l.Decided(decision(fmt.Sprintf("doc:%d-%d", a, i)))
			}
		})
	}
	asking.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Decided(decision("doc:late"))
	seen := map[any]bool{}
	for _, line := range readLines(t, path) {
		seen[line["object"]] = true
	}
	if s := l.Stats(); len(seen) != 4000 || s != (Stats{Written: 4000, Dropped: 1}) {
		t.Errorf("%d decisions in the file, %+v", len(seen), s)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// A later process goes on in the same file.
	if l, err = Open(Options{Path: path, writeTimeout: time.Minute, closeTimeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	l.Decided(decision("doc:next"))
	if err := l.Close(); err != nil || len(readLines(t, path)) != 4001 {
		t.Errorf("the file was not continued: %v", err)
	}
}

// TestRotated: a file that was renamed or removed is made anew.
func TestRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.log")
	f := &file{path: path}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	write := func(line string) {
		t.Helper()
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.write([]byte(line+"\n"), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	has := func(path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v: want %q", path, got, err, want)
		}
	}
	write("1")
	write("2")
	has(path, "1\n2\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("3")
	has(path, "3\n")
	has(path+".1", "1\n2\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write("4")
	has(path, "4\n")
}

// TestTornFile: a line that was cut off, by a crash or a full disk, does not spoil the one that a later process writes.
func TestTornFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.log")
	for _, before := range []string{"", "{\"whole\":1}\n", "{\"whole\":1}\n{\"cut"} {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		f := &file{path: path}
		if err := f.open(); err != nil {
			t.Fatal(err)
		}
		_, err := f.write([]byte("{}\n"), time.Now().Add(time.Minute))
		if err := errors.Join(err, f.close()); err != nil {
			t.Fatal(err)
		}
		want := before + "{}\n"
		if strings.HasSuffix(before, "cut") {
			want = before + "\n{}\n"
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%q became %q, %v", before, got, err)
		}
	}
}

// TestFullDisk: what a disk does not take is counted, in the log too once it takes something, and nobody waits.
func TestFullDisk(t *testing.T) {
	to := &faulty{err: syscall.ENOSPC, takes: 10}
	l, err := Open(Options{Writer: to, writeTimeout: time.Minute, closeTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l.Decided(decision("doc:1"))
	l.Decided(decision("doc:2"))
	wait(t, "the failure is counted", func() bool { return l.Stats().Failed == 2 })
	to.heal()
	l.Decided(decision("doc:3"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(to.text(), "\n")
	var whole []map[string]any
	for _, line := range lines {
		var one map[string]any
		if json.Unmarshal([]byte(line), &one) == nil {
			whole = append(whole, one)
		}
	}
	if len(whole) != 2 || whole[0]["lost"] != true || whole[0]["failed"] != 2.0 || whole[1]["object"] != "doc:3" {
		t.Errorf("the log has %q", lines)
	}
	if s := l.Stats(); s != (Stats{Written: 1, Failed: 2}) {
		t.Errorf("%+v", s)
	}
}

// faulty takes some bytes of each write until it is healed.
type faulty struct {
	mu    sync.Mutex
	err   error
	takes int
	got   []byte
}

func (f *faulty) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.got = append(f.got, p...)
		return len(p), nil
	}
	n := min(f.takes, len(p))
	f.got, f.takes = append(f.got, p[:n]...), f.takes-n
	return n, f.err
}

func (f *faulty) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = nil
}

func (f *faulty) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.got)
}

// What fits in the queues of tests. It is more than a pipe holds.
const (
	testLines = 1000
	testBytes = 1 << 20
)

// TestStuckPipe: a pipe that nobody reads keeps nobody waiting, not even at the end, and what did not fit is counted.
func TestStuckPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no pipes with names here: %v", err)
	}
	if _, err := Open(Options{Path: path}); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("a pipe that nobody has open: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	l, err := Open(Options{Path: path, writeTimeout: 20 * time.Millisecond, closeTimeout: 20 * time.Millisecond, maxLines: testLines})
	if err != nil {
		t.Fatal(err)
	}
	// More than the pipe and both queues hold, by as much as they hold.
	const all = 4 * testLines
	for i := range all {
		l.Decided(decision(fmt.Sprint("doc:", i)))
	}
	closed := l.Close()
	wait(t, "the goroutine ends", func() bool {
		select {
		case <-l.ended:
			return true
		default:
			return false
		}
	})
	if closed != nil { // the machine was busy
		_ = l.to.close()
	}
	s := l.Stats()
	if s.Queued != 0 || s.Written+s.Dropped+s.Failed != all || s.Dropped+s.Failed == 0 || s.Written > testLines {
		t.Errorf("of %d: %+v", all, s)
	}
}

// TestHangingWriter: also what no deadline can end keeps nobody waiting, and Close gives up.
func TestHangingWriter(t *testing.T) {
	to := hanging{make(chan struct{})}
	l, err := Open(Options{Writer: to, writeTimeout: time.Millisecond, closeTimeout: time.Millisecond, maxLines: testLines, maxBytes: testBytes})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * testLines {
		l.Decided(decision(fmt.Sprint("doc:", i)))
	}
	if s := l.Stats(); s.Dropped < testLines || s.Written != 0 {
		t.Errorf("%+v", s)
	}
	if err := l.Close(); err == nil {
		t.Error("Close says that everything was written")
	}
	close(to.released)
	<-l.ended
}

type hanging struct{ released chan struct{} }

func (h hanging) Write(p []byte) (int, error) {
	<-h.released
	return len(p), nil
}

// TestBytesAreBounded: few large decisions are as bounded as many small ones.
func TestBytesAreBounded(t *testing.T) {
	to := hanging{make(chan struct{})}
	l, err := Open(Options{Writer: to, writeTimeout: time.Millisecond, closeTimeout: time.Millisecond, maxLines: testLines, maxBytes: testBytes})
	if err != nil {
		t.Fatal(err)
	}
	large := decision(strings.Repeat("x", 2*maxTextBytes))
	large.Subject, large.Relation = large.Object, large.Object
	for range testLines {
		l.Decided(large)
	}
	l.mu.Lock()
	size, lines := len(l.queue), l.lines
	l.mu.Unlock()
	if size > testBytes || lines == testLines || l.Stats().Dropped == 0 {
		t.Errorf("%d bytes in %d lines wait, %+v", size, lines, l.Stats())
	}
	_ = l.Close()
	close(to.released)
	<-l.ended
}

// BenchmarkDecided is what a decision costs who asks.
func BenchmarkDecided(b *testing.B) {
	l, err := Open(Options{Path: filepath.Join(b.TempDir(), "decisions.log")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	d := decision("doc:1")
	b.ReportAllocs()
	for b.Loop() {
		if l.Wants(d.Store, d.Method, d.Result, d.Object, d.Relation) {
			l.Decided(d)
		}
	}
}
