package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/cmd/internal/procs"
	"github.com/ostiary/ostiary/internal/loopback"
)

// The names of the servers in the table.
const (
	nameEcho          = "echo"
	nameOstiary       = "ostiary"
	nameUncached      = "ostiary-uncached"
	nameOpenFGA       = "openfga"
	nameOpenFGACached = "openfga-cached"
)

// server is something to measure, in processes of its own.
type server struct {
	name       string
	grpc, http string
	metricsURL string // of Ostiary
	start      func(context.Context, *server) error
	seeded     func(context.Context, *server) error // after it is filled
	procs.Group
}

func (s *server) target(protocol bench.Protocol) bench.Target {
	if protocol == bench.HTTP {
		return bench.Target{Address: s.http, Protocol: bench.HTTP}
	}
	return bench.Target{Address: s.grpc, Protocol: bench.GRPC}
}

// addresses gives the server its two.
func (s *server) addresses() (err error) {
	if s.grpc, err = loopback.FreeAddress(); err == nil {
		s.http, err = loopback.FreeAddress()
	}
	return err
}

// servers lists what is measured, in this order.
func (s settings) servers(dir string) []*server {
	list := []*server{
		{name: nameEcho, start: s.startOurs(dir, nameEcho, "bench", "echo")},
		{name: nameUncached, start: s.startNode(dir, nameUncached, "--cache-size", "0")},
		{name: nameOstiary, start: s.startNode(dir, nameOstiary, "--cache-size", "256MiB")},
	}
	if s.openfga == "" {
		return list
	}
	// The cache's limit is a number of entries: room for the working set rather than the default 10,000.
	cached := []string{"--check-query-cache-enabled", "--check-iterator-cache-enabled", "--list-objects-iterator-cache-enabled", "--check-cache-limit", "100000"}
	return append(list,
		&server{name: nameOpenFGA, start: s.startOpenFGA(dir, nameOpenFGA, nil), seeded: s.vacuum},
		&server{name: nameOpenFGACached, start: s.startOpenFGA(dir, nameOpenFGACached, cached), seeded: s.vacuum},
	)
}

// startNode starts Ostiary on an empty folder.
func (s settings) startNode(dir, name string, flags ...string) func(context.Context, *server) error {
	return func(ctx context.Context, server *server) error {
		admin, err := loopback.FreeAddress()
		if err != nil {
			return err
		}
		server.metricsURL = "http://" + admin + "/metrics"
		args := []string{"serve", "--dev", "--log-level", "warn", "--data-dir", filepath.Join(dir, name), "--admin-addr", admin}
		return s.startOurs(dir, name, append(args, flags...)...)(ctx, server)
	}
}

func (s settings) startOurs(dir, name string, args ...string) func(context.Context, *server) error {
	return func(ctx context.Context, server *server) error {
		if err := server.addresses(); err != nil {
			return err
		}
		logFile := filepath.Join(dir, name+".log")
		all := append(args, "--grpc-addr", server.grpc, "--http-addr", server.http)
		if err := server.Launch(logFile, syscall.SIGTERM, exec.Command(s.ostiary, all...)); err != nil { //nolint:gosec // the operator names it
			return err
		}
		return errors.Join(server.Answers(ctx, server.grpc, logFile), server.Answers(ctx, server.http, logFile))
	}
}

// startOpenFGA starts a PostgreSQL on an empty folder, and OpenFGA on it.
func (s settings) startOpenFGA(dir, name string, flags []string) func(context.Context, *server) error {
	return func(ctx context.Context, server *server) error {
		uri, err := s.startPostgres(ctx, server, filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := runToEnd(exec.CommandContext(ctx, s.openfga, "migrate", "--datastore-engine", "postgres", "--datastore-uri", uri)); err != nil { //nolint:gosec // the operator names it
			return err
		}
		if err := server.addresses(); err != nil {
			return err
		}
		logFile := filepath.Join(dir, name+".log")
		all := append([]string{"run", "--datastore-engine", "postgres", "--datastore-uri", uri,
			"--grpc-addr", server.grpc, "--http-addr", server.http,
			"--playground-enabled=false", "--metrics-enabled=false", "--log-level", "error"}, flags...)
		if err := server.Launch(logFile, syscall.SIGTERM, exec.Command(s.openfga, all...)); err != nil { //nolint:gosec // as above
			return err
		}
		return errors.Join(server.Answers(ctx, server.grpc, logFile), server.Answers(ctx, server.http, logFile))
	}
}

// startPostgres starts PostgreSQL with fsync on (its default) and returns the URI of an empty database.
// It refuses to run as root: then it runs as the user that Debian's package made for it.
func (s settings) startPostgres(ctx context.Context, server *server, dir string) (uri string, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	var as *syscall.SysProcAttr
	if os.Getuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			return "", fmt.Errorf("PostgreSQL does not run as root: %w", err)
		}
		uid, _ := strconv.Atoi(account.Uid) // a number on every Unix
		gid, _ := strconv.Atoi(account.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			return "", err
		}
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // ids of accounts
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(s.postgres, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8") //nolint:gosec // as above
	initdb.SysProcAttr, initdb.Dir = as, dir
	if err := runToEnd(initdb); err != nil {
		return "", err
	}
	address, err := loopback.FreeAddress()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	// 512 MB instead of 128 so that all tuples lie in its own memory.
	postgres := exec.Command(filepath.Join(s.postgres, "postgres"), "-D", data, "-p", port, "-h", "127.0.0.1", "-k", dir, "-c", "shared_buffers=512MB") //nolint:gosec // as above
	postgres.SysProcAttr, postgres.Dir = as, dir
	logFile := dir + "-postgres.log"
	if err := server.Launch(logFile, syscall.SIGINT, postgres); err != nil { // SIGINT: do not wait for clients
		return "", err
	}
	if err := server.Answers(ctx, address, logFile); err != nil {
		return "", err
	}
	uri = "postgres://bench@" + address + "/postgres?sslmode=disable"
	for range 100 { // it listens a little before it answers
		if err = s.sql(ctx, uri, "select 1"); err == nil {
			return uri, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", err
}

// vacuum gives PostgreSQL's planner its statistics.
func (s settings) vacuum(ctx context.Context, server *server) error {
	return s.sql(ctx, server.database(), "vacuum analyze")
}

// database returns the URI that OpenFGA was given.
func (s *server) database() string {
	args := s.LastArgs()
	for i, arg := range args {
		if arg == "--datastore-uri" {
			return args[i+1]
		}
	}
	return ""
}

func (s settings) sql(ctx context.Context, uri, statement string) error {
	return runToEnd(exec.CommandContext(ctx, filepath.Join(s.postgres, "psql"), "-X", "-q", "-c", statement, uri)) //nolint:gosec // as above
}

func runToEnd(command *exec.Cmd) error {
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command.Path, err, out)
	}
	return nil
}
