package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// startNode runs a node on a folder of its own and returns its gRPC address.
func startNode(t *testing.T, authenticator api.Authenticator) string {
	t.Helper()
	grpcAddr, _ := startNodeHTTP(t, authenticator)
	return grpcAddr
}

// startNodeHTTP is startNode that returns the URL of the HTTP API too.
func startNodeHTTP(t *testing.T, authenticator api.Authenticator, change ...func(*nodeOptions)) (grpcAddr, url string) {
	t.Helper()
	listeners := make([]net.Listener, 2)
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	options := nodeOptions{
		dataDir: t.TempDir(), grpc: listeners[0], http: listeners[1], authenticator: authenticator,
		logger: slog.New(slog.DiscardHandler), ready: func() { close(ready) },
	}
	for _, f := range change {
		f(&options)
	}
	go func() {
		ended <- runNode(ctx, options)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run the node: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("start the node: %v", err)
	}
	return listeners[0].Addr().String(), "http://" + listeners[1].Addr().String()
}

// startNodeAdmin is startNodeHTTP with a listener for operators, whose URL it returns too.
func startNodeAdmin(t *testing.T, authenticator api.Authenticator, change ...func(*nodeOptions)) (grpcAddr, url, admin string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	grpcAddr, url = startNodeHTTP(t, authenticator, append(change, func(o *nodeOptions) { o.admin = listener })...)
	return grpcAddr, url, "http://" + listener.Addr().String()
}

// sendHTTP sends a request over HTTP with headers, which come as names and values by turns, and returns the answer and its body.
func sendHTTP(t *testing.T, client *http.Client, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// get asks for a page, and returns the status and the page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, text := sendHTTP(t, http.DefaultClient, http.MethodGet, url, "")
	return resp.StatusCode, text
}

// post sends JSON, and returns the status and the answer.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	resp, text := sendHTTP(t, http.DefaultClient, http.MethodPost, url, body, "Content-Type", "application/json")
	return resp.StatusCode, text
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// eventuallyMetric waits until the metrics of a node have a line.
func eventuallyMetric(t *testing.T, admin, line string) {
	t.Helper()
	eventually(t, line, func() bool {
		_, text := get(t, admin+"/metrics")
		return strings.Contains(text, line+"\n")
	})
}

// cli runs command lines against one server, with a configuration file of its own.
type cli struct {
	t   *testing.T
	env map[string]string
}

func newCLI(t *testing.T, server string) *cli {
	t.Helper()
	return &cli{t: t, env: map[string]string{
		"OSTIARY_SERVER": server,
		"OSTIARY_CONFIG": filepath.Join(t.TempDir(), "config", "config.json"),
	}}
}

// buffer is a bytes.Buffer for many goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (c *cli) app(stdin string) (a *app, out, err *buffer) {
	out, err = &buffer{}, &buffer{}
	return &app{
		in: strings.NewReader(stdin), out: out, err: err,
		program: "ostiary",
		getenv:  func(name string) string { return c.env[name] },
		environ: func() (all []string) {
			for name, value := range c.env {
				all = append(all, name+"="+value)
			}
			return all
		},
		progressEvery: time.Hour,
		reloadEvery:   10 * time.Millisecond,
	}, out, err
}

// run runs one command line and returns the exit code, stdout and stderr.
func (c *cli) run(args ...string) (code int, out, err string) {
	c.t.Helper()
	return c.runWith("", args...)
}

func (c *cli) runWith(stdin string, args ...string) (code int, out, err string) {
	c.t.Helper()
	a, stdout, stderr := c.app(stdin)
	code = a.run(c.t.Context(), args)
	return code, stdout.String(), stderr.String()
}

// must runs a command line that has to succeed and returns its stdout.
func (c *cli) must(args ...string) string {
	c.t.Helper()
	code, out, err := c.run(args...)
	if code != exitDone {
		c.t.Fatalf("ostiary %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, err)
	}
	return out
}

const testModel = `model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type doc
  relations
    define banned: [user]
    define viewer: [user, user:*, group#member] but not banned
`

// newStore creates a store with testModel, makes it the one in use, and returns its id.
func (c *cli) newStore(name string) string {
	c.t.Helper()
	id := strings.TrimSpace(c.must("store", "create", name, "--use"))
	if code, out, err := c.runWith(testModel, "model", "write", "-"); code != exitDone {
		c.t.Fatalf("write the model: exit code %d\n%s%s", code, out, err)
	}
	return id
}

func wantContains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}
