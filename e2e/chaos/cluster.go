package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// key is the pre-shared key of every call. The servers are reachable from this machine alone.
const key = "chaos"

// cluster is three server processes and who asks them.
type cluster struct {
	binary, dir string
	site        *site
	nodes       [nodes]*node
	client      *http.Client
}

// node is one server process, which may come and go.
type node struct {
	number  int
	url     string // of its HTTP surface
	address string // of its cluster port
	args    []string

	mu   sync.Mutex
	proc *exec.Cmd // nil while it does not run
}

// startCluster starts the nodes and returns when all are ready.
func startCluster(ctx context.Context, binary, dir string, s *site) (*cluster, error) {
	c := &cluster{binary: binary, dir: dir, site: s, client: &http.Client{
		Timeout:   8 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	args := []string{"cluster", "certs", "--out", filepath.Join(dir, "certs"), "--node", "operator"}
	for n := range nodes {
		args = append(args, "--node", fmt.Sprintf("n%d=%s", n, s.host(n)))
	}
	if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
		return c, fmt.Errorf("make certificates: %w: %s", err, out)
	}
	var addresses []string
	for n := range nodes {
		ports, err := s.ports()
		if err != nil {
			return c, err
		}
		at := func(i int) string { return fmt.Sprintf("%s:%d", s.host(n), ports[i]) }
		c.nodes[n] = &node{number: n, url: "http://" + at(0), address: at(2), args: append([]string{
			"serve", "--data-dir", filepath.Join(s.data(n), "data"), "--admin-addr", "", "--log-format", "json",
			"--authn-method", "preshared", "--http-addr", at(0), "--grpc-addr", at(1), "--cluster-addr", at(2),
		}, c.certificate(fmt.Sprintf("n%d", n))...)}
		addresses = append(addresses, at(2))
	}
	for _, n := range c.nodes {
		n.args = append(n.args, "--expect", fmt.Sprint(nodes), "--join", strings.Join(addresses, ","))
		if err := c.start(n); err != nil {
			return c, err
		}
	}
	return c, c.ready(ctx)
}

// ports returns three ports to listen on: free ones of the loopback, or fixed ones of a namespace.
func (s *site) ports() ([3]int, error) {
	ports := [3]int{8080, 8081, 8082}
	if s.net {
		return ports, nil
	}
	for i := range ports {
		// A node that is killed comes back to its port, so that it is none that the kernel gives to others meanwhile.
		for {
			port := 10_000 + rand.IntN(22_000)
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
			if err != nil {
				return ports, err
			}
			defer l.Close()
			ports[i] = port
			break
		}
	}
	return ports, nil
}

func (c *cluster) certificate(name string) []string {
	in := func(file string) string { return filepath.Join(c.dir, "certs", file) }
	return []string{"--cluster-ca", in("ca.pem"), "--cluster-cert", in(name + ".pem"), "--cluster-key", in(name + "-key.pem")}
}

// start runs a node. Its log goes on in the same file.
func (c *cluster) start(n *node) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("node%d.log", n.number)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	proc := c.site.command(n.number, c.binary, n.args...)
	proc.Env = append(os.Environ(), "OSTIARY_AUTHN_PRESHARED_KEYS="+key)
	proc.Stdout, proc.Stderr = log, log
	if err := proc.Start(); err != nil {
		return fmt.Errorf("start node %d: %w", n.number, err)
	}
	n.proc = proc
	return nil
}

// kill ends a node with SIGKILL and waits until it is gone.
func (n *node) kill() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return fmt.Errorf("node %d does not run", n.number)
	}
	err := n.proc.Process.Kill()
	_ = n.proc.Wait() // its state says that it was killed
	n.proc = nil
	return err
}

func (n *node) signal(sig syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return fmt.Errorf("node %d does not run", n.number)
	}
	return n.proc.Process.Signal(sig)
}

// end kills whatever runs.
func (c *cluster) end() {
	for _, n := range c.nodes {
		if n != nil && n.proc != nil {
			_ = n.kill()
		}
	}
}

// ready waits until every node says that it has caught up with a leader.
func (c *cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("not ready in time"))
	defer cancel()
	for _, n := range c.nodes {
		for {
			err := c.readyz(ctx, n)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("node %d after %s: %w: %w", n.number, patience, context.Cause(ctx), err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func (c *cluster) readyz(ctx context.Context, n *node) error {
	status, _, body, err := c.call(ctx, n, http.MethodGet, "/readyz", nil, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("/readyz answers %d: %s", status, body)
	}
	return err
}

// leader asks any node that runs who leads.
func (c *cluster) leader(ctx context.Context) (*node, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for last := errors.New("nobody was asked"); ; {
		for _, n := range c.nodes {
			leader, err := c.leaderBy(ctx, n)
			if err == nil {
				return leader, nil
			}
			last = err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no leader after %s: %w", patience, last)
		}
	}
}

func (c *cluster) leaderBy(ctx context.Context, n *node) (*node, error) {
	args := append([]string{"cluster", "members", "--cluster", n.address, "--output", "json", "--timeout", "2s"}, c.certificate("operator")...)
	out, err := exec.CommandContext(ctx, c.binary, args...).Output()
	if err != nil {
		return nil, err
	}
	var answer struct {
		Members []struct {
			Address string
			Leader  bool
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, err
	}
	for _, m := range answer.Members {
		for _, known := range c.nodes {
			if m.Leader && m.Address == known.address {
				return known, nil
			}
		}
	}
	return nil, fmt.Errorf("node %d knows no leader", n.number)
}

// call asks one node. A status other than 200 is no error.
func (c *cluster) call(ctx context.Context, n *node, method, path string, headers map[string]string, body any) (status int, token string, answer []byte, err error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, "", nil, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, n.url+path, reader)
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Ostiary-Token"), answer, err
}
