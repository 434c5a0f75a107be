package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/raftstore"
)

// clusterPatience bounds every wait of these tests.
const clusterPatience = 60 * time.Second

// TestCluster makes certificates, runs three nodes with them, and looks after them from the command line.
func TestCluster(t *testing.T) {
	certs := filepath.Join(t.TempDir(), "certs")
	c := newCLI(t, "127.0.0.1:1")
	if code, _, err := c.run("cluster", "certs", "--out", certs, "--node", "a", "--node", "b", "--node", "c=example.test,10.0.0.3"); code != exitDone {
		t.Fatalf("make certificates: exit code %d: %s", code, err)
	}
	if code, _, err := c.run("cluster", "certs", "--out", certs, "--node", "a"); code != exitFailed || !strings.Contains(err, "exists") {
		t.Errorf("make certificates over others: exit code %d: %s", code, err)
	}
	var addresses, servers []string
	for _, name := range []string{"a", "b", "c"} {
		address := freeAddress(t)
		options, err := clusterFlags{
			addr: address, join: slices.Clone(addresses),
			security: securityFlags{cert: filepath.Join(certs, name+".pem"), key: filepath.Join(certs, name+"-key.pem"), ca: filepath.Join(certs, "ca.pem")},
		}.judge(false)
		if err != nil {
			t.Fatal(err)
		}
		server, _ := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.cluster = options })
		addresses, servers = append(addresses, address), append(servers, server)
	}
	c.env["OSTIARY_CLUSTER"] = addresses[2]
	c.env["OSTIARY_CLUSTER_CERT"] = filepath.Join(certs, "a.pem")
	c.env["OSTIARY_CLUSTER_KEY"] = filepath.Join(certs, "a-key.pem")
	c.env["OSTIARY_CLUSTER_CA"] = filepath.Join(certs, "ca.pem")
	leader := func() (id string, others []string) {
		t.Helper()
		for deadline := time.Now().Add(clusterPatience); ; time.Sleep(20 * time.Millisecond) {
			code, out, err := c.run("cluster", "members", "--output", "json")
			var answer struct{ Members []raftstore.Member }
			if code == exitDone {
				if err := json.Unmarshal([]byte(out), &answer); err != nil {
					t.Fatal(err)
				}
				id, others = "", nil
				for _, m := range answer.Members {
					if m.Leader {
						id = m.ID
					} else if m.Voter {
						others = append(others, m.ID)
					}
				}
				if id != "" && len(others) == 2 {
					return id, others
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("no three voters: exit code %d: %s%s", code, out, err)
			}
		}
	}
	old, others := leader()
	if code, out, err := c.run("cluster", "health"); code != exitDone || strings.Count(out, "serves") != 3 {
		t.Errorf("health: exit code %d: %s%s", code, out, err)
	}
	// A store that is created through one node is there on another.
	writer, reader := newCLI(t, servers[1]), newCLI(t, servers[2])
	code, id, err := writer.run("store", "create", "acme")
	if code != exitDone {
		t.Fatalf("create a store: %s", err)
	}
	for deadline := time.Now().Add(clusterPatience); ; time.Sleep(5 * time.Millisecond) {
		if _, out, _ := reader.run("store", "list"); strings.Contains(out, strings.TrimSpace(id)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a store does not reach another node")
		}
	}
	if code, _, err := c.run("cluster", "transfer", others[0]); code != exitDone {
		t.Errorf("transfer: exit code %d: %s", code, err)
	}
	for deadline := time.Now().Add(clusterPatience); ; time.Sleep(20 * time.Millisecond) {
		if now, _ := leader(); now == others[0] {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("leadership stays with %s", old)
		}
	}
	if code, _, err := c.run("cluster", "remove", "nobody"); code != exitFailed || !strings.Contains(err, "no member") {
		t.Errorf("remove an unknown node: exit code %d: %s", code, err)
	}
	if code, out, err := c.run("cluster", "demote", old); code != exitDone || !strings.Contains(out, "learner") {
		t.Errorf("demote: exit code %d: %s%s", code, out, err)
	}
	if code, _, err := c.run("cluster", "promote", old); code != exitDone {
		t.Errorf("promote: exit code %d: %s", code, err)
	}
}

// freeAddress returns an address of this machine that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := loopback.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestClusterUsage(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1")
	for _, args := range [][]string{
		{"serve", "--dev", "--join", "127.0.0.1:1"},
		{"serve", "--dev", "--cluster-addr", "0.0.0.0:0"},
		{"serve", "--dev", "--cluster-addr", "nonsense"},
		{"serve", "--dev", "--cluster-addr", "127.0.0.1:0", "--expect", "100"},
		{"cluster", "members"},
		{"cluster", "certs", "--node", "a"},
		{"cluster", "certs", "--out", t.TempDir()},
		{"cluster", "certs", "--out", t.TempDir(), "--node", "../a"},
		{"cluster", "certs", "--out", t.TempDir(), "--node", "a=10.0.0.1:8082"},
		{"cluster", "certs", "--out", t.TempDir(), "--node", "a", "--node", "a"},
	} {
		if code, _, err := c.run(args...); code != exitUsage || err == "" {
			t.Errorf("%q: exit code %d, want %d: %s", args, code, exitUsage, err)
		}
	}
	if code, _, err := c.run("cluster", "members", "--plain-text", "--cluster", "127.0.0.1:1"); code != exitUnavailable || !strings.Contains(err, "127.0.0.1:1") {
		t.Errorf("no node: exit code %d: %s", code, err)
	}
	if entries, err := os.ReadDir("ostiary-data"); err == nil {
		t.Errorf("a wrong command line left a data folder: %v", entries)
	}
}
