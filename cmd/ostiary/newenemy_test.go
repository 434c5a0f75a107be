package main

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// TestNewEnemy plays the example of docs/consistency.md: somebody loses access, then a secret is written. A replica that has
// not heard of it allows the old reader when it is asked without a token, and never when it is asked with one.
// Zanzibar paper, section 2.2: the new-enemy problem.
func TestNewEnemy(t *testing.T) {
	first, second := freeAddress(t), freeAddress(t)
	line := startLine(t, second)
	node := func(f clusterFlags) *cli {
		options, err := f.judge(true)
		if err != nil {
			t.Fatal(err)
		}
		server, _ := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.cluster = options })
		return newCLI(t, server)
	}
	leader := node(clusterFlags{addr: first})
	replica := node(clusterFlags{addr: second, advertise: line.listener.Addr().String(), join: []string{first}, learner: true})
	id := leader.newStore("acme")
	replica.env["OSTIARY_STORE"] = id
	const question = "doc:plan#viewer@user:mallory"
	until := func(want int, args ...string) {
		t.Helper()
		args = append([]string{"check", question}, args...)
		for deadline := time.Now().Add(clusterPatience); ; time.Sleep(5 * time.Millisecond) {
			code, out, err := replica.run(args...)
			if code == want {
				return
			}
			if want == exitDenied && code == exitDone {
				t.Fatalf("%q: the replica allows what was taken away", args)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q: exit code %d, want %d\n%s%s", args, code, want, out, err)
			}
		}
	}

	leader.must("tuple", "write", question)
	until(exitDone)

	// The line to the replica is held up. Mallory loses access, and only then the secret is written.
	line.hold()
	out := leader.must("tuple", "delete", question)
	_, token, found := strings.Cut(strings.TrimSpace(out), "token ")
	if !found {
		t.Fatalf("a deletion prints no token: %s", out)
	}
	leader.must("tuple", "write", "doc:secret#viewer@user:ann")
	if code, _, err := replica.run("check", question); code != exitDone {
		t.Fatalf("without a token the replica answers with exit code %d: %s: it has heard of the deletion, though the line is held", code, err)
	}
	for _, args := range [][]string{{"--at-least", token}, {"--consistency", "higher-consistency"}} {
		args = append([]string{"check", question, "--timeout", "100ms"}, args...)
		if code, out, _ := replica.run(args...); code == exitDone || code == exitDenied {
			t.Errorf("%q: exit code %d, %s: the replica answers though it cannot know", args, code, out)
		}
	}

	// From the moment that it hears of it, and not before, it answers: no.
	line.release()
	until(exitDenied, "--at-least", token)
	if code, _, err := replica.run("check", question); code != exitDenied {
		t.Errorf("afterwards, without a token: exit code %d: %s", code, err)
	}
	if code, _, err := replica.run("check", question, "--consistency", "higher-consistency"); code != exitDenied {
		t.Errorf("afterwards, with higher consistency: exit code %d: %s", code, err)
	}
}

// A line passes connections on to an address, and can hold up what the callers send.
type line struct {
	listener net.Listener
	to       string

	mu   sync.Mutex
	held chan struct{} // closed while nothing is held up
	done chan struct{}
}

func startLine(t *testing.T, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, to: to, held: make(chan struct{}), done: make(chan struct{})}
	close(l.held)
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { l.pass(from) })
		}
	})
	t.Cleanup(func() {
		close(l.done)
		listener.Close()
		passing.Wait()
	})
	return l
}

// pass passes one connection on until either side ends, or the line.
func (l *line) pass(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		return // the replica has not begun yet
	}
	defer to.Close()
	var sides sync.WaitGroup
	ended := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(ended) }) }
	sides.Go(func() {
		defer end()
		l.copy(to, from, ended)
	})
	sides.Go(func() {
		defer end()
		buffer := make([]byte, 1<<16)
		for {
			n, err := to.Read(buffer)
			if _, failed := from.Write(buffer[:n]); err != nil || failed != nil {
				return
			}
		}
	})
	select {
	case <-ended:
	case <-l.done:
	}
	from.Close()
	to.Close()
	end()
	sides.Wait()
}

// copy copies what the caller sends, unless it is held up.
func (l *line) copy(to, from net.Conn, ended <-chan struct{}) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		held := l.held
		l.mu.Unlock()
		select {
		case <-held:
		case <-ended:
			return
		case <-l.done:
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make(chan struct{})
}

func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held)
}
