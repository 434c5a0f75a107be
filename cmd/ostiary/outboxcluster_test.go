package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/raftstore"
)

// On three nodes the one that leads is killed after revocations are acknowledged and before anybody is told: who
// leads next tells each, by one id.
func TestOutboxOutlivesItsLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary and runs for seconds")
	}
	l := newListener(t)
	l.answer(http.StatusServiceUnavailable)
	binary := buildBinary(t)
	var clusters, servers []string
	kill := map[string]func(){}
	for range 3 {
		cluster, server := freeAddress(t), freeAddress(t)
		args := []string{"serve", "--dev", "--data-dir", filepath.Join(t.TempDir(), "data"), "--grpc-addr", server, "--http-addr", "127.0.0.1:0",
			"--admin-addr", "", "--egress-allow", "127.0.0.0/8", "--cluster-addr", cluster}
		for _, other := range clusters {
			args = append(args, "--join", other)
		}
		cmd := exec.Command(binary, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill[cluster] = sync.OnceFunc(func() {
			cmd.Process.Kill() // fails only where it has ended
			cmd.Wait()
		})
		t.Cleanup(kill[cluster])
		clusters, servers = append(clusters, cluster), append(servers, server)
		c := newCLI(t, server)
		until(t, "an answer of a node", func() bool { code, _, _ := c.run("store", "list"); return code == exitDone })
	}
	c := newCLI(t, servers[0])
	// leader returns the address of the node that leads, as another one has it; none before all have a say.
	leader := func(of string) string {
		c.env["OSTIARY_CLUSTER"] = of
		code, out, _ := c.run("cluster", "members", "--plain-text", "--output", "json")
		var answer struct{ Members []raftstore.Member }
		if code != exitDone || json.Unmarshal([]byte(out), &answer) != nil {
			return ""
		}
		voters, address := 0, ""
		for _, m := range answer.Members {
			if m.Voter {
				voters++
			}
			if m.Leader {
				address = m.Address
			}
		}
		if voters < 3 {
			return ""
		}
		return address
	}
	until(t, "a leader of three voters", func() bool { return leader(clusters[0]) != "" })
	folder := filepath.Join(t.TempDir(), "model")
	c.must("org", "init", folder)
	c.must("store", "create", "acme", "--use")
	c.must("model", "write", filepath.Join(folder, "fga.mod"))
	c.must("org", "create", "Acme", "--id", "acme")
	c.must("org", "member", "add", "acme", "ann")
	c.must("webhook", "create", l.URL)
	var sessions []string
	for range 5 {
		sessions = append(sessions, strings.TrimSpace(c.must("session", "create", "ann", "--org", "acme")))
	}
	for _, id := range sessions {
		c.must("session", "delete", id)
	}
	old := leader(clusters[0])
	kill[old]()
	l.answer(http.StatusNoContent)
	left := slices.IndexFunc(clusters, func(a string) bool { return a != old })
	c.env["OSTIARY_SERVER"] = servers[left]
	until(t, "another leader", func() bool { now := leader(clusters[left]); return now != "" && now != old })
	until(t, "the end of what waits", func() bool {
		code, out, _ := c.run("outbox", "status", "--store", "acme")
		return code == exitDone && strings.Contains(out, "Events        0\nDeliveries    0\nDead letters  0")
	})
	if n := fmt.Sprint(l.told(sessions...)); n != "[1 1 1 1 1]" {
		t.Errorf("the sessions were told by %s ids, want one each", n)
	}
}
