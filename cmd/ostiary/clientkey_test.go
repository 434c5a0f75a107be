package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// TestTokenFile: a key lies in a file that others cannot read, and the command line counts for more than variables.
func TestTokenFile(t *testing.T) {
	authenticator, err := api.PresharedKeys("first-key")
	if err != nil {
		t.Fatal(err)
	}
	c := newCLI(t, startNode(t, authenticator))
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return path
	}
	right, wrong := file("right", "first-key\n", 0o600), file("wrong", "second-key", 0o640)
	for _, test := range []struct {
		name             string
		token, tokenFile string // of variables
		args             []string
		code             int
		says             string
	}{
		{name: "flag", args: []string{"--token-file", right}},
		{name: "variable", tokenFile: right},
		{name: "flag before variable of a file", tokenFile: wrong, args: []string{"--token-file", right}},
		{name: "flag before variable of a key", token: "second-key", args: []string{"--token-file", right}},
		{name: "key before variable of a file", tokenFile: wrong, args: []string{"--token", "first-key"}},
		{name: "another key", tokenFile: wrong, code: exitFailed, says: "--token-file"},
		{name: "two flags", args: []string{"--token", "first-key", "--token-file", right}, code: exitUsage, says: "set one of them"},
		{name: "two variables", token: "first-key", tokenFile: right, code: exitUsage, says: "$OSTIARY_TOKEN_FILE"},
		{name: "none", args: []string{"--token-file", filepath.Join(dir, "none")}, code: exitFailed, says: "no such file"},
		{name: "folder", args: []string{"--token-file", dir}, code: exitFailed, says: "--token-file"},
		{name: "empty", args: []string{"--token-file", file("empty", " \n", 0o600)}, code: exitUsage, says: "holds no key"},
		{name: "two lines", args: []string{"--token-file", file("lines", "first-key\nsecond-key\n", 0o600)}, code: exitUsage, says: "more than one line"},
		{name: "long", args: []string{"--token-file", file("long", strings.Repeat("k", maxKeyFile+1), 0o600)}, code: exitUsage, says: "65,536"},
		{name: "readable by others", args: []string{"--token-file", file("open", "first-key", 0o604)}, code: exitUsage, says: "chmod 600"},
		{name: "writable by the group", args: []string{"--token-file", file("shared", "first-key", 0o620)}, code: exitUsage, says: "chmod 600"},
	} {
		if strings.Contains(test.says, "chmod") && runtime.GOOS == "windows" {
			continue // files have no mode there
		}
		c.env["OSTIARY_TOKEN"], c.env["OSTIARY_TOKEN_FILE"] = test.token, test.tokenFile
		code, _, text := c.run(append([]string{"store", "list"}, test.args...)...)
		if code != test.code || !strings.Contains(text, test.says) || strings.Contains(text, "first-key") || strings.Contains(text, "second-key") {
			t.Errorf("%s: exit code %d, want %d and %q: %s", test.name, code, test.code, test.says, text)
		}
	}
}

// TestBenchOverTLS: bench trusts a server, and says who it is, as every other command does.
func TestBenchOverTLS(t *testing.T) {
	certificates := newCertificates(t)
	cert, key := certificates.issue("server", "127.0.0.1")
	s := startServe(t, map[string]string{"OSTIARY_AUTHN_PRESHARED_KEYS": "first-key"}, "--authn-method", "preshared", "--tls-cert", cert, "--tls-key", key)
	c := newCLI(t, "127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("first-key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for protocol, args := range map[string][]string{"grpc": benchArgs("https://" + s.grpc), "http": benchArgs("https://"+s.http, "--http")} {
		args = append(args, "--token-file", file, "--server-ca", certificates.path("ca.pem"), "--op", "check", "--output", "json")
		if report, _ := benchUntilAnswered(t, c, 1, args); report.Requests == 0 || report.Failed > 0 {
			t.Errorf("%s: %d requests, %d failed: %v", protocol, report.Requests, report.Failed, report.ErrorExamples)
		}
	}
	for _, test := range []struct {
		addr, says string
		more       []string
	}{
		{addr: "https://" + s.grpc, says: "certificate"}, // of an authority that nobody knows
		{addr: "http://" + s.grpc, more: []string{"--server-ca", certificates.path("ca.pem")}, says: "--addr"},
		{addr: s.grpc, more: []string{"--client-cert", cert}, says: "--client-key"},
	} {
		if code, _, text := c.run(benchArgs(test.addr, append(test.more, "--token-file", file)...)...); code == exitDone || !strings.Contains(text, test.says) {
			t.Errorf("%s %q: exit code %d: %s", test.addr, test.more, code, text)
		}
	}
}
