package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// listener is a webhook that answers with a status, and keeps what it was told by the ids of messages.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	bodies map[string]string
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{status: http.StatusOK, bodies: map[string]string{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bodies[r.Header.Get("webhook-id")] = string(body)
		w.WriteHeader(l.status)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) answer(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

// told returns how many messages name each session.
func (l *listener) told(sessions ...string) (n []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range sessions {
		in := 0
		for _, body := range l.bodies {
			if strings.Contains(body, id) {
				in++
			}
		}
		n = append(n, in)
	}
	return n
}

func allowLoopback(o *nodeOptions) {
	o.egressAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// An operator registers applications and webhooks, sees what could not be told, and has it told again.
func TestOutboxCommands(t *testing.T) {
	server, _ := startNodeHTTP(t, api.Anonymous(), allowLoopback)
	c, l := newCLI(t, server), newListener(t)
	folder := filepath.Join(t.TempDir(), "model")
	c.must("org", "init", folder)
	c.must("store", "create", "acme", "--use")
	c.must("model", "write", filepath.Join(folder, "fga.mod"))
	c.must("org", "create", "Acme", "--id", "acme")
	c.must("org", "member", "add", "acme", "ann")

	c.must("application", "create", "portal", "--name", "Portal")
	if code, _, err := c.run("application", "create", "cli", "--revocation-endpoint", "http://192.0.2.1/revoke"); code != exitFailed || !strings.Contains(err, "not public") {
		t.Errorf("a private endpoint: exit code %d: %s", code, err)
	}
	if code, out, err := c.runWith("hush\n", "application", "create", "cli", "--revocation-endpoint", "https://op.example/revoke", "--revocation-secret-file", "-"); code != exitDone || strings.Contains(out+err, "hush") {
		t.Errorf("a secret from stdin: exit code %d: %s%s", code, out, err)
	}
	c.must("application", "update", "cli", "--name", "Command line")
	wantContains(t, "the application", c.must("application", "show", "cli"), "Command line", "https://op.example/revoke", "client_secret_basic")
	wantContains(t, "the applications", c.must("application", "list"), "portal", "cli")
	wantContains(t, "the applications", c.must("application", "list", "--output", "json"), `"has_secret": true`)
	c.must("application", "delete", "cli")

	made := c.must("webhook", "create", l.URL+"/hook", "--org", "acme", "--event", "session.revoked")
	wantContains(t, "the webhook", made, "whsec_")
	id := strings.Fields(made)[1]
	wantContains(t, "the rotation", c.must("webhook", "rotate", id), "whsec_")
	c.must("webhook", "rotate", id, "--end")
	c.must("webhook", "update", id, "--name", "audit")
	wantContains(t, "the webhooks", c.must("webhook", "list"), id, "audit", "session.revoked")
	wantContains(t, "the webhook", c.must("webhook", "show", id), l.URL)

	l.answer(http.StatusGone)
	session := strings.TrimSpace(c.must("session", "create", "ann", "--org", "acme", "--client", "portal"))
	c.must("session", "delete", session)
	until(t, "a dead letter", func() bool { return strings.Contains(c.must("outbox", "status"), "Dead letters  1") })
	dead := c.must("outbox", "dead", "--target", "webhook/"+id)
	wantContains(t, "the dead letters", dead, "status 410", "ann")
	if code, _, err := c.run("outbox", "retry"); code != exitUsage || !strings.Contains(err, "which ones") {
		t.Errorf("retry without a selection: exit code %d: %s", code, err)
	}
	l.answer(http.StatusNoContent)
	letter := strings.Fields(strings.Split(dead, "\n")[1])[0]
	wantContains(t, "the retry", c.must("outbox", "retry", letter), "1 put back")
	until(t, "that it is told", func() bool {
		return strings.Contains(c.must("outbox", "status"), "Deliveries    0\nDead letters  0")
	})
	if n := l.told(session); fmt.Sprint(n) != "[1]" {
		t.Errorf("told by %d ids, want one", n)
	}
	wantContains(t, "what waits", c.must("outbox", "list", "--output", "json"), `"deliveries": []`)
	wantContains(t, "the drop", c.must("outbox", "drop", "--all"), "0 dropped")
	c.must("webhook", "delete", id)
}

// until waits until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(clusterPatience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is never %s", what)
		}
	}
}
