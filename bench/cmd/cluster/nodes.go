package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/cmd/internal/procs"
	"github.com/ostiary/ostiary/internal/loopback"
)

// readyTimeout bounds how long a node may take to catch up.
const readyTimeout = 2 * time.Minute

// cluster is nodes in a folder, in plain text on loopback addresses.
type cluster struct {
	binary, dir string
	imageRate   string // of --image-rate
	nodes       []*node
}

// node is one server.
type node struct {
	name             string
	grpc, http, peer string // its addresses
	args             []string
	procs.Group
}

func (n *node) target() bench.Target { return bench.Target{Address: n.grpc, Protocol: bench.GRPC} }

// kill ends the node with SIGKILL.
func (n *node) kill() error {
	for _, pid := range n.PIDs() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
	}
	return n.Stop()
}

// form starts a cluster of new nodes.
func (c *cluster) form(ctx context.Context, size int) error {
	var peers []string
	for i := range size {
		n, err := c.add(fmt.Sprintf("node %d", i))
		if err != nil {
			return err
		}
		peers = append(peers, n.peer)
	}
	for _, n := range c.nodes {
		if size > 1 {
			n.args = append(n.args, "--expect", fmt.Sprint(size), "--join", strings.Join(peers, ","))
		}
		if err := c.launch(n); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// join adds a node to the cluster and waits until it is ready.
func (c *cluster) join(ctx context.Context, name string, flags ...string) error {
	n, err := c.add(name)
	if err != nil {
		return err
	}
	n.args = append(append(n.args, "--join", c.nodes[0].peer), flags...)
	return c.start(ctx, n)
}

// add gives a node its addresses and its folder.
func (c *cluster) add(name string) (*node, error) {
	n := &node{name: name}
	for _, address := range []*string{&n.grpc, &n.http, &n.peer} {
		var err error
		if *address, err = loopback.FreeAddress(); err != nil {
			return nil, err
		}
	}
	n.args = []string{
		"serve", "--dev", "--log-level", "warn", "--data-dir", filepath.Join(c.dir, name), "--admin-addr", "",
		"--grpc-addr", n.grpc, "--http-addr", n.http, "--cluster-addr", n.peer, "--cache-size", "256MiB",
		"--image-rate", c.imageRate,
	}
	c.nodes = append(c.nodes, n)
	return n, nil
}

func (c *cluster) launch(n *node) error {
	return n.Launch(filepath.Join(c.dir, n.name+".log"), syscall.SIGTERM, exec.Command(c.binary, n.args...)) //nolint:gosec // the operator names it
}

// start runs a node and waits until it is ready.
func (c *cluster) start(ctx context.Context, n *node) error {
	if err := c.launch(n); err != nil {
		return err
	}
	return n.ready(ctx)
}

// ready waits until a node says that it has caught up.
func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.http+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(answer.Status)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s is not ready after %s: %w", n.name, readyTimeout, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// roles returns the node that leads and another, if there is one.
func (c *cluster) roles(ctx context.Context) (leader, follower *node, err error) {
	out, err := exec.CommandContext(ctx, c.binary, "cluster", "members", "--plain-text", "--cluster", c.nodes[0].peer, "--output", "json").Output() //nolint:gosec // as above
	if err != nil {
		return nil, nil, fmt.Errorf("list the members: %w", err)
	}
	var answer struct {
		Members []struct {
			Address string
			Leader  bool
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, nil, fmt.Errorf("list the members: %w", err)
	}
	for _, m := range answer.Members {
		for _, n := range c.nodes {
			switch {
			case m.Address == n.peer && m.Leader:
				leader = n
			case m.Address == n.peer:
				follower = n
			}
		}
	}
	if leader == nil || follower == nil && len(c.nodes) > 1 {
		return nil, nil, fmt.Errorf("no leader or no follower among %s", out)
	}
	leader.name += " (leader)"
	return leader, follower, nil
}

func (c *cluster) stop() error {
	var faults []error
	for _, n := range c.nodes {
		faults = append(faults, n.Stop())
	}
	return errors.Join(faults...)
}
