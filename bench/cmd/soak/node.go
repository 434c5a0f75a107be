package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/cmd/internal/procs"
	"github.com/ostiary/ostiary/internal/loopback"
)

// readyTimeout bounds how long a node may take to be ready.
const readyTimeout = 2 * time.Minute

// What a node may use. The caches are small, so that they are full soon.
const (
	memoryLimit = 1 << 30
	cacheBytes  = 64 << 20
)

// cluster is one node or several, each a process, with callers that have names and rights.
type cluster struct {
	binary, dir string
	nodes       []*node
	admin       string // the key of who may do everything
	guest       string // the key of who may read
	trust       *tls.Config
	client      *http.Client // to look at nodes, over connections of its own
}

// node is one server.
type node struct {
	name                    string
	grpc, http, peer, admin string // its addresses
	data, log               string
	args                    []string
	client                  *http.Client
	procs.Group
}

func (c *cluster) target(n *node) bench.Target {
	return bench.Target{Address: n.grpc, Protocol: bench.GRPC, Key: c.admin, TLS: c.trust}
}

// form starts the nodes, and makes a caller their administrator.
func (c *cluster) form(ctx context.Context, size int) error {
	c.admin, c.guest = rand.Text(), rand.Text()
	keys := filepath.Join(c.dir, "keys")
	if err := os.WriteFile(keys, fmt.Appendf(nil, "admin %s\nguest %s\n", c.admin, c.guest), 0o600); err != nil {
		return err
	}
	if err := c.certificates(ctx, size); err != nil {
		return err
	}
	var peers []string
	for i := range size {
		n, err := c.add(i, keys)
		if err != nil {
			return err
		}
		peers = append(peers, n.peer)
	}
	for _, n := range c.nodes {
		if size > 1 {
			n.args = append(n.args, "--cluster-addr", n.peer, "--expect", fmt.Sprint(size), "--join", strings.Join(peers, ","),
				"--cluster-ca", c.file("ca.pem"), "--cluster-cert", c.file(n.name+".pem"), "--cluster-key", c.file(n.name+"-key.pem"))
		}
		if err := n.Launch(n.log, syscall.SIGTERM, exec.Command(c.binary, n.args...)); err != nil { //nolint:gosec // the operator names it
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.ready(ctx); err != nil {
			return err
		}
	}
	return c.bootstrap(ctx)
}

func (c *cluster) file(name string) string { return filepath.Join(c.dir, "certs", name) }

func (c *cluster) certificates(ctx context.Context, size int) error {
	args := []string{"cluster", "certs", "--out", filepath.Join(c.dir, "certs")}
	for i := range size {
		args = append(args, "--node", fmt.Sprintf("node%d=127.0.0.1", i))
	}
	if _, err := c.command(ctx, &node{}, args...); err != nil {
		return err
	}
	authority, err := os.ReadFile(c.file("ca.pem"))
	if err != nil {
		return err
	}
	c.trust = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !c.trust.RootCAs.AppendCertsFromPEM(authority) {
		return errors.New("the authority of the cluster is no certificate")
	}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: c.trust, DisableKeepAlives: true}}
	return nil
}

func (c *cluster) add(i int, keys string) (*node, error) {
	n := &node{name: fmt.Sprintf("node%d", i), client: c.client}
	for _, address := range []*string{&n.grpc, &n.http, &n.peer, &n.admin} {
		var err error
		if *address, err = loopback.FreeAddress(); err != nil {
			return nil, err
		}
	}
	n.data, n.log = filepath.Join(c.dir, n.name), filepath.Join(c.dir, n.name+".log")
	n.args = []string{
		"serve", "--data-dir", n.data, "--log-level", "warn", "--grpc-addr", n.grpc, "--http-addr", n.http, "--admin-addr", n.admin,
		"--authn-method", "preshared", "--authn-keys-file", keys, "--public-url", "https://" + n.http,
		"--tls-cert", c.file(n.name + ".pem"), "--tls-key", c.file(n.name + "-key.pem"),
		"--memory-limit", fmt.Sprint(memoryLimit), "--cache-size", fmt.Sprint(cacheBytes), "--history-retention", "1m",
	}
	if i > 0 {
		n.args = append(n.args, "--public-url", "https://"+c.nodes[0].http)
	}
	c.nodes = append(c.nodes, n)
	return n, nil
}

// ready waits until a node says that it has caught up.
func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := n.answers(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			log, _ := os.ReadFile(n.log)
			return fmt.Errorf("%s is not ready after %s: %w\n%s", n.name, readyTimeout, err, log)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

func (n *node) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+n.http+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := n.client.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// bootstrap makes the first administrator, by the credential of the node that leads.
func (c *cluster) bootstrap(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		for _, n := range c.nodes {
			credential := filepath.Join(n.data, "bootstrap-credential")
			if _, err := os.Stat(credential); err == nil {
				_, err := c.command(ctx, n, "access", "bootstrap", "preshared:admin", "--credential-file", credential)
				return err
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("no node has a bootstrap credential after %s", readyTimeout)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// command runs the command line against a node, as the administrator, and returns what it printed.
func (c *cluster) command(ctx context.Context, n *node, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.binary, args...) //nolint:gosec // as above
	command.Env = append(os.Environ(), "OSTIARY_SERVER="+n.grpc, "OSTIARY_TOKEN="+c.admin, "OSTIARY_SERVER_CA="+c.file("ca.pem"))
	var faults strings.Builder
	command.Stderr = &faults
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("ostiary %s: %w: %s", strings.Join(args, " "), err, faults.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (c *cluster) stop() error {
	var faults []error
	for _, n := range c.nodes {
		faults = append(faults, n.Stop())
	}
	return errors.Join(faults...)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
