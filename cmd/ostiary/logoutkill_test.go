package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/fakeidp"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/raftstore"
)

// The leader of three real nodes dies by kill -9 right after it has answered that people are logged out, before the
// application takes a logout: each session's logout reaches it at least once, from who leads then, and by one id
// whoever has tried.
func TestLogoutsOutliveTheLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary and runs three nodes")
	}
	cluster := startCluster(t, buildBinary(t), 3)
	w := newOffboardingOn(t, cluster.nodes(), 0)
	leader, alive := cluster.leader(t)

	app := &downUntil{rp: &fakeidp.RelyingParty{Issuer: cluster[0].url + "/stores/" + w.store, ClientID: "portal"}, ids: map[string]map[string]bool{}, taken: map[string]int{}}
	keys := keyset.NewCache(fakeidp.Getter(nil), keyset.Options{})
	t.Cleanup(keys.Close)
	app.rp.Keys = keys.URL(alive.url + "/stores/" + w.store + "/jwks.json")
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	w.run("application", "create", "portal", "--logout-uri", server.URL+"/backchannel-logout", w.inStore())

	sessions := map[string]bool{}
	var people []*hired
	for i := range 5 {
		p := w.hire(fmt.Sprint("p", i))
		people = append(people, p)
		for range 2 {
			var id string
			err := patiently(t.Context(), func() (err error) {
				id, _, err = w.logIn(t.Context(), w.nodes[0], p, time.Now())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			sessions[id] = true
		}
	}
	token := ""
	for _, p := range people {
		answer, err := w.revokeAt(t.Context(), w.nodes[leader], fakeidp.IssuerSubject(w.idp.Issuer(), p.externalID))
		if err != nil {
			t.Fatal(err)
		}
		token = answer.Header.Get(headerToken)
		// Of the first person it was tried to tell, of the others perhaps not.
		for until := time.Now().Add(2 * clusterPatience); app.attempts() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatal("nobody tries to tell the application")
			}
		}
	}
	cluster[leader].kill(t)
	attempts := app.attempts()
	app.up.Store(true)

	until := time.Now().Add(2 * clusterPatience)
	for missing := len(sessions); missing > 0; time.Sleep(10 * time.Millisecond) {
		missing = 0
		for id := range sessions {
			if app.count(id) == 0 {
				missing++
			}
		}
		if time.Now().After(until) {
			t.Fatalf("%d of %d logouts never came: %v", missing, len(sessions), app.wrong)
		}
	}
	t.Logf("%d logouts; of %d of them somebody had tried to tell before the kill", len(sessions), attempts)
	app.mu.Lock()
	defer app.mu.Unlock()
	for id, ids := range app.ids {
		if len(ids) != 1 || !sessions[id] {
			t.Errorf("session %s was told of by the ids %v", id, ids)
		}
	}
	for _, err := range app.wrong {
		t.Error(err)
	}
	w.nodes = append(w.nodes[:leader:leader], w.nodes[leader+1:]...)
	for id := range sessions {
		if err := w.everywhere(t.Context(), false, token, asked{"viewer", "session:" + id}); err != nil {
			t.Error(err)
		}
	}
}

// downUntil is an application that answers 503 until it is up, and keeps what it was told.
type downUntil struct {
	rp *fakeidp.RelyingParty
	up atomic.Bool

	mu    sync.Mutex
	ids   map[string]map[string]bool // ids of tokens, by session
	taken map[string]int             // by session
	wrong []error
}

func (d *downUntil) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	told, err := d.rp.Judge(r.Context(), r.PostFormValue("logout_token"))
	up := d.up.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case errors.Is(err, keyset.ErrUnreachable): // the node that shows the keys cannot answer now
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case err != nil:
		d.wrong = append(d.wrong, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	case d.ids[told.SID] == nil:
		d.ids[told.SID] = map[string]bool{}
	}
	d.ids[told.SID][told.ID] = true
	if !up {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	d.taken[told.SID]++
	w.WriteHeader(http.StatusOK)
}

// attempts returns of how many sessions somebody has tried to tell.
func (d *downUntil) attempts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ids)
}

func (d *downUntil) count(session string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken[session]
}

// nodeProcess is a node of a cluster in a process of its own.
type nodeProcess struct {
	cmd                  *exec.Cmd
	exited               chan error
	cluster, server, url string
	stderr               *buffer
}

type clusterProcesses []*nodeProcess

// startCluster starts nodes of one cluster, which may send requests to this machine.
func startCluster(t *testing.T, binary string, n int) clusterProcesses {
	t.Helper()
	var all clusterProcesses
	for i := range n {
		p := &nodeProcess{cluster: freeAddress(t), server: freeAddress(t), url: "http://" + freeAddress(t), exited: make(chan error, 1), stderr: &buffer{}}
		all = append(all, p)
		args := []string{"serve", "--dev", "--data-dir", filepath.Join(t.TempDir(), "data"), "--grpc-addr", p.server, "--http-addr", strings.TrimPrefix(p.url, "http://"),
			"--admin-addr", "", "--log-level", "error", "--egress-allow", "127.0.0.0/8", "--public-url", all[0].url, "--cluster-addr", p.cluster}
		if i > 0 {
			args = append(args, "--join", all[0].cluster)
		}
		p.cmd = exec.Command(binary, args...)
		p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		p.cmd.Stderr = p.stderr
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, err = bufio.NewReader(out).ReadString('\n')
		go func() { p.exited <- p.cmd.Wait() }()
		t.Cleanup(func() {
			p.cmd.Process.Kill()
			<-p.exited
		})
		if err != nil {
			t.Fatalf("node %d is not ready: %v\n%s", i, err, p.stderr)
		}
	}
	return all
}

// kill ends a node by SIGKILL and waits until it is gone.
func (p *nodeProcess) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err := <-p.exited
	p.exited <- err // for the end of the test
}

func (c clusterProcesses) nodes() []*offboardingNode {
	var all []*offboardingNode
	for _, p := range c {
		all = append(all, &offboardingNode{server: p.server, url: p.url})
	}
	return all
}

// leader waits until all nodes have a vote, and returns which one leads, and another one.
func (c clusterProcesses) leader(t *testing.T) (leads int, other *nodeProcess) {
	t.Helper()
	cli := newCLI(t, c[0].server)
	for until := time.Now().Add(clusterPatience); ; time.Sleep(20 * time.Millisecond) {
		code, out, stderr := cli.run("cluster", "members", "--plain-text", "--cluster", c[0].cluster, "--output", "json")
		var answer struct{ Members []raftstore.Member }
		if code == exitDone {
			if err := json.Unmarshal([]byte(out), &answer); err != nil {
				t.Fatal(err)
			}
		}
		leads, voters := -1, 0
		for _, m := range answer.Members {
			for i, p := range c {
				if m.Address == p.cluster && m.Leader {
					leads = i
				}
			}
			if m.Voter {
				voters++
			}
		}
		if leads >= 0 && voters == len(c) {
			return leads, c[(leads+1)%len(c)]
		}
		if time.Now().After(until) {
			t.Fatalf("no leader of %d voters: %s%s", len(c), out, stderr)
		}
	}
}
