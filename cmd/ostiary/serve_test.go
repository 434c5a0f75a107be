package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestServeRefusals is the table of command lines with which a server must not start.
func TestServeRefusals(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("# none yet\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(t.TempDir(), "named")
	if err := os.WriteFile(named, []byte("# callers\nops sha256:21669b1c87780eb16c4225e37feddb64f714376a6c665649bad91b9be3e26043\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, args string
		env        map[string]string
		code       int
		err        string
	}{
		{name: "no method", args: "", code: exitUsage, err: "--dev"},
		{name: "none without --dev", args: "--authn-method none", code: exitUsage, err: "--dev"},
		{name: "none by the environment", env: map[string]string{"OSTIARY_AUTHN_METHOD": "none"}, code: exitUsage, err: "--dev"},
		{name: "unknown method", args: "--authn-method oidc", code: exitUsage, err: "oidc"},
		{name: "no keys", args: "--authn-method preshared", code: exitUsage, err: "OSTIARY_AUTHN_PRESHARED_KEYS"},
		{name: "file without keys", args: "--authn-method preshared --authn-preshared-keys-file " + keys, code: exitUsage, err: "keys"},
		{name: "keys with names as keys without", args: "--authn-method preshared --authn-preshared-keys-file " + named, code: exitUsage, err: "line 2 has white space"},
		{name: "missing file of keys", args: "--authn-method preshared --authn-preshared-keys-file " + keys + ".none", code: exitFailed, err: "keys.none"},
		{name: "key twice", args: "--authn-method preshared --authn-preshared-keys a,a", code: exitUsage, err: "repeats"},
		{name: "keys without a method", args: "--authn-preshared-keys a", code: exitUsage, err: "--authn-method preshared"},
		{name: "--dev with keys", args: "--dev --authn-method preshared --authn-preshared-keys a", code: exitUsage, err: "--dev"},
		{name: "--dev for everybody", args: "--dev --grpc-addr 0.0.0.0:0", code: exitUsage, err: "loopback"},
		{name: "--dev for everybody over HTTP", args: "--dev --http-addr :0", code: exitUsage, err: "loopback"},
		{name: "--dev for everybody by the environment", args: "--dev", env: map[string]string{"OSTIARY_HTTP_ADDR": "[::]:0"}, code: exitUsage, err: "loopback"},
		{name: "no port", args: "--dev --grpc-addr 127.0.0.1", code: exitUsage, err: "host:port"},
		{name: "unknown level", args: "--dev --log-level loud", code: exitUsage, err: "loud"},
		{name: "unknown form of log", args: "--dev --log-format xml", code: exitUsage, err: "xml"},
		{name: "no depth", args: "--dev --resolve-node-limit 0", code: exitUsage, err: "--resolve-node-limit"},
		{name: "too much depth", args: "--dev --resolve-node-limit 1001", code: exitUsage, err: "--resolve-node-limit 1001 is not from 1 to 1000"},
		{name: "no cost", args: "--dev --max-condition-evaluation-cost 0", code: exitUsage, err: "--max-condition-evaluation-cost 0 is not from 1"},
		{name: "no tuples", args: "--dev --max-tuples-per-write 0", code: exitUsage, err: "--max-tuples-per-write 0 is not from 1 to"},
		{name: "no types", args: "--dev --max-types-per-authorization-model -1", code: exitUsage, err: "--max-types-per-authorization-model -1"},
		{name: "no model", args: "--dev --max-authorization-model-size-in-bytes 0", code: exitUsage, err: "--max-authorization-model-size-in-bytes 0"},
		{name: "no checks", args: "--dev --max-checks-per-batch-check 0", code: exitUsage, err: "--max-checks-per-batch-check 0"},
		{name: "no changes", args: "--dev --readChanges-max-page-size 0", code: exitUsage, err: "--readChanges-max-page-size 0"},
		{name: "tiny messages", args: "--dev --grpc-max-recv-msg-bytes 1023", code: exitUsage, err: "--grpc-max-recv-msg-bytes 1023"},
		{name: "negative results", args: "--dev --listObjects-max-results -1", code: exitUsage, err: "listObjects-max-results"},
		{name: "negative users", env: map[string]string{"OSTIARY_LISTUSERS_MAX_RESULTS": "-1"}, args: "--dev", code: exitUsage, err: "OSTIARY_LISTUSERS_MAX_RESULTS"},
		{name: "negative deadline", args: "--dev --listObjects-deadline -1s", code: exitUsage, err: "--listObjects-deadline -1s is not from 0s"},
		{name: "long deadline", args: "--dev --listUsers-deadline 2h", code: exitUsage, err: "--listUsers-deadline 2h0m0s"},
		{name: "no time", args: "--dev --request-timeout 0", code: exitUsage, err: "--request-timeout 0s is not from 1ms"},
		{name: "no time to stop", args: "--dev --shutdown-timeout 0", code: exitUsage, err: "--shutdown-timeout 0s"},
		{name: "no reads", args: "--dev --max-reads 0", code: exitUsage, err: "--max-reads 0 is not from 1"},
		{name: "no entries of sets", args: "--dev --max-set-entries 0", code: exitUsage, err: "--max-set-entries 0 is not from 1"},
		{name: "negative lists", args: "--dev --max-heavy-lists -1", code: exitUsage, err: "--max-heavy-lists -1 is not from 0"},
		{name: "negative queue", args: "--dev --max-waiting-lists -1", code: exitUsage, err: "--max-waiting-lists -1 is not from 0"},
		{name: "memory without a size", args: "--dev --memory-limit much", code: exitUsage, err: "write it as 512MiB"},
		{name: "too little memory", args: "--dev --memory-limit 100MiB", code: exitUsage, err: "at least 256MiB"},
		{name: "too large a cache", args: "--dev --memory-limit 1GiB --cache-size 1GiB", code: exitUsage, err: "at most 512MiB"},
		{name: "metrics for everybody with --dev", args: "--dev --admin-addr 0.0.0.0:0", code: exitUsage, err: "--admin-addr"},
		{name: "every fault", args: "--dev --max-checks-per-batch-check 0 --request-timeout 0", code: exitUsage, err: "--max-checks-per-batch-check 0"},
		{name: "origin with two stars", args: "--dev --http-cors-allowed-origins https://*.*", code: exitUsage, err: "--http-cors-allowed-origins"},
		{name: "header with a colon", args: "--dev --http-cors-allowed-headers a:b", code: exitUsage, err: "--http-cors-allowed-headers"},
		{name: "base URL without a scheme", args: "--dev --authzen-base-url a.example", code: exitUsage, err: "--authzen-base-url"},
		{name: "base URL without a host", args: "--dev --authzen-base-url https:///x", code: exitUsage, err: "--authzen-base-url"},
		{name: "public URL without a scheme", args: "--dev --public-url a.example", code: exitUsage, err: `--public-url "a.example" does not begin`},
		{name: "public URL with a user", args: "--dev --public-url https://u@a.example", code: exitUsage, err: "--public-url"},
		{name: "two public URLs", args: "--dev --public-url https://a.example --authzen-base-url https://b.example", code: exitUsage, err: "give the first alone"},
		{name: "base URL with a query", args: "--dev --authzen-base-url https://a.example?x=1", code: exitUsage, err: "--authzen-base-url"},
		{name: "bad variable", args: "--dev", env: map[string]string{"OSTIARY_REQUEST_TIMEOUT": "soon"}, code: exitUsage, err: "OSTIARY_REQUEST_TIMEOUT"},
		{name: "positional argument", args: "--dev now", code: exitUsage, err: "serve"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := newCLI(t, "")
			for name, value := range c.env {
				run.env[name] = value
			}
			dir := filepath.Join(t.TempDir(), "data")
			code, out, err := run.run(append([]string{"serve", "--data-dir", dir}, strings.Fields(c.args)...)...)
			if code != c.code || out != "" {
				t.Errorf("exit code %d, stdout %q, want %d and nothing", code, out, c.code)
			}
			wantContains(t, "stderr", err, c.err)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("the data folder was touched: %v", err)
			}
		})
	}
}

// TestServe starts a server with the command, uses it, stops it by its context, and finds the data
// again after a second start.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	id := ""
	for range 2 {
		c := newCLI(t, "")
		a, out, stderr := c.app("")
		addresses := make(chan [2]string, 1)
		a.ready = func(grpcAddr, httpAddr string) { addresses <- [2]string{grpcAddr, httpAddr} }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() {
			ended <- a.run(ctx, []string{"serve", "--dev", "--data-dir", dir, "--grpc-addr", "127.0.0.1:0", "--http-addr", "localhost:0", "--log-format", "json"})
		}()
		var address [2]string
		select {
		case address = <-addresses:
		case code := <-ended:
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		c.env["OSTIARY_SERVER"] = address[0]
		if id == "" {
			id = c.newStore("kept")
			c.must("tuple", "write", "doc:1#viewer@user:ann")
		}
		c.must("check", "doc:1#viewer@user:ann", "--store", id)
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		if line := out.String(); !regexp.MustCompile(`^ready: gRPC on \S+, HTTP on http://\S+, data in \S+\n$`).MatchString(line) {
			t.Errorf("stdout is %q, want one ready line", line)
		}
		wantContains(t, "stderr", stderr.String(), "DEVELOPMENT MODE")
	}
}

// TestServeTaken names the address that is in use.
func TestServeTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	code, _, stderr := newCLI(t, "").run("serve", "--dev", "--data-dir", t.TempDir(), "--http-addr", "127.0.0.1:0", "--grpc-addr", address)
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	wantContains(t, "stderr", stderr, address, "--grpc-addr")
}

// TestDemo runs the demo to its end, once with its ports taken.
func TestDemo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := newCLI(t, "")
	code, out, stderr := c.run("demo", "--exit", "--grpc-addr", taken.Addr().String(), "--http-addr", "127.0.0.1:0")
	if code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, out, stderr)
	}
	wantContains(t, "stderr", stderr, taken.Addr().String()+" is taken")
	wantContains(t, "stdout", out, "QUESTION", "ANSWER", "LATENCY", "133 tuples")
	answers := regexp.MustCompile(`(?m)^((?:check|list-objects|list-users) .*?)  +(\S.*?)  +[\d.]+ ms$`).FindAllStringSubmatch(out, -1)
	want := map[string]string{
		"check repository:orbit/core#can_delete@user:u01":                               "allowed",
		"check repository:orbit/cli#can_push@user:u13":                                  "allowed",
		"check repository:orbit/sdk-js#can_push@user:u33":                               "denied",
		"check repository:orbit/website#can_read@user:somebody":                         "allowed",
		"check repository:orbit/core#can_push@user:u22":                                 "denied",
		"list-objects user:u33 can_push repository":                                     "",
		"list-users repository:orbit/security-advisories can_delete --user-filter user": "user:u01 user:u02 user:u11",
		"list-users repository:orbit/ci-config writer --user-filter team#member":        "",
	}
	if len(answers) != len(want) {
		t.Errorf("got %d answers, want %d:\n%s", len(answers), len(want), out)
	}
	for _, answer := range answers {
		expected, asked := want[answer[1]]
		if !asked || expected != "" && expected != answer[2] {
			t.Errorf("%s: got %q, want %q", answer[1], answer[2], expected)
		}
	}
}
