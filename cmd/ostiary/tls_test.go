package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/raftstore"
)

// certificates are an authority and what it issued, in files.
type certificates struct {
	t         *testing.T
	dir       string
	authority *raftstore.Authority
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	authority, err := raftstore.NewAuthority(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := &certificates{t: t, dir: t.TempDir(), authority: authority}
	c.write("ca.pem", authority.Certificate())
	return c
}

func (c *certificates) path(name string) string { return filepath.Join(c.dir, name) }

func (c *certificates) write(name string, text []byte) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), text, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// issue writes a certificate for hosts, and returns the names of its files.
func (c *certificates) issue(name string, hosts ...string) (cert, key string) {
	c.t.Helper()
	certificate, private, err := c.authority.Issue(name, hosts...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(name+".pem", certificate)
	c.write(name+"-key.pem", private)
	return c.path(name + ".pem"), c.path(name + "-key.pem")
}

// http returns a client that trusts the authority.
func (c *certificates) http(change ...func(*tls.Config)) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.authority.Certificate())
	config := &tls.Config{RootCAs: pool}
	for _, f := range change {
		f(config)
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// served is a server started by its command line.
type served struct {
	grpc, http, admin string // addresses
	out, log          *buffer
}

// startServe runs 'ostiary serve' with addresses and a data folder of its own until the test ends.
func startServe(t *testing.T, env map[string]string, args ...string) *served {
	t.Helper()
	admin, err := loopback.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	c := newCLI(t, "127.0.0.1:1")
	for name, value := range env {
		c.env[name] = value
	}
	a, out, log := c.app("")
	s := &served{admin: admin, out: out, log: log}
	ready := make(chan struct{})
	a.ready = func(grpcAddr, httpAddr string) {
		s.grpc, s.http = grpcAddr, httpAddr
		close(ready)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args = append([]string{"serve", "--data-dir", t.TempDir(), "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--admin-addr", admin}, args...)
	go func() { ended <- a.run(ctx, args) }()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("ostiary %s: exit code %d\n%s", strings.Join(args, " "), code, log.String())
		}
	})
	select {
	case <-ready:
	case code := <-ended:
		ended <- code
		t.Fatalf("ostiary %s did not start: exit code %d\n%s", strings.Join(args, " "), code, log.String())
	}
	return s
}

// TestTLS: with one pair every listener speaks TLS and nothing else, shows another certificate once the files changed,
// and keeps what it has while they are at fault.
func TestTLS(t *testing.T) {
	c := newCertificates(t)
	cert, key := c.issue("server", "127.0.0.1")
	s := startServe(t, nil, "--dev", "--tls-cert", cert, "--tls-key", key)
	wantContains(t, "stdout", s.out.String(), "https://"+s.http)
	client := c.http()
	if resp, _ := sendHTTP(t, client, http.MethodGet, "https://"+s.http+"/healthz", ""); resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("HTTP: status %d, %s, TLS %x", resp.StatusCode, resp.Proto, resp.TLS.Version)
	}
	older := c.http(func(config *tls.Config) { config.MaxVersion = tls.VersionTLS12; config.NextProtos = nil })
	if resp, text := sendHTTP(t, older, http.MethodGet, "https://"+s.admin+"/metrics", ""); resp.TLS.Version != tls.VersionTLS12 {
		t.Errorf("metrics by TLS %x", resp.TLS.Version)
	} else {
		wantContains(t, "metrics", text, `ostiary_tls_certificate_expiry_timestamp_seconds{listener="grpc"} 1.`, `ostiary_tls_certificate_expiry_timestamp_seconds{listener="cluster"} 0`, "ostiary_node_files_at_fault 0")
	}
	for _, address := range []string{s.grpc, s.http, s.admin} {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			conn.Close()
			t.Errorf("%s speaks TLS 1.1", address)
		}
	}
	if resp, err := http.Get("http://" + s.http + "/healthz"); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain text on the port of TLS: status %d", resp.StatusCode)
		}
	}

	trusting := newCLI(t, s.grpc)
	trusting.env["OSTIARY_SERVER_CA"] = c.path("ca.pem")
	trusting.newStore("acme")
	trusting.must("tuple", "write", "doc:1#viewer@user:ann")
	trusting.must("check", "doc:1#viewer@user:ann")

	// shown returns the names of the certificate that a listener shows.
	shown := func(address string) string {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		return strings.Join(conn.ConnectionState().PeerCertificates[0].DNSNames, " ")
	}
	c.issue("server", "127.0.0.1", "replaced.example.com")
	for _, address := range []string{s.grpc, s.http, s.admin} {
		eventually(t, address+" shows the certificate that replaced the first", func() bool { return shown(address) == "replaced.example.com" })
	}
	c.write("server.pem", []byte("no certificate"))
	metrics := func() string {
		_, text := sendHTTP(t, client, http.MethodGet, "https://"+s.admin+"/metrics", "")
		return text
	}
	eventually(t, "a fault in the metrics", func() bool { return strings.Contains(metrics(), "ostiary_node_files_at_fault 1") })
	if got := shown(s.grpc); got != "replaced.example.com" {
		t.Errorf("while the file is at fault the server shows %q", got)
	}
	if text := s.log.String(); strings.Count(text, "certificate not replaced") != 1 {
		t.Errorf("the log does not say once that the certificate is at fault:\n%s", text)
	}
}

// TestTLSErrors: an error says what to do.
func TestTLSErrors(t *testing.T) {
	c, other := newCertificates(t), newCertificates(t)
	cert, key := c.issue("server", "localhost")
	secure := startServe(t, nil, "--dev", "--tls-cert", cert, "--tls-key", key, "--admin-tls-enabled=false")
	plain := startServe(t, nil, "--dev")
	_, port, err := net.SplitHostPort(secure.grpc)
	if err != nil {
		t.Fatal(err)
	}
	byName := "localhost:" + port
	for _, test := range []struct {
		what string
		args []string
		code int
		want string
	}{
		{"plain text to TLS", []string{"--server", byName}, exitUnavailable, "pass --tls"},
		{"TLS to plain text", []string{"--server", plain.grpc, "--tls"}, exitUnavailable, "speaks plain text"},
		{"an authority that is not known", []string{"--server", "https://" + byName}, exitUnavailable, "--server-ca"},
		{"another authority", []string{"--server", byName, "--server-ca", other.path("ca.pem")}, exitUnavailable, "--server-ca"},
		{"another name", []string{"--server", "https://127.0.0.1:" + port, "--server-ca", c.path("ca.pem")}, exitUnavailable, "by a name of its certificate"},
		{"both", []string{"--server", "http://" + byName, "--tls"}, exitUsage, "plain text"},
		{"a path", []string{"--server", "https://" + byName + "/fga"}, exitUsage, "HOST:PORT"},
		{"half a pair", []string{"--server", byName, "--client-cert", cert}, exitUsage, "belong together"},
		{"no authority", []string{"--server", byName, "--server-ca", key}, exitUsage, "no certificate"},
		{"all well", []string{"--server", "https://" + byName, "--server-ca", c.path("ca.pem")}, exitDone, ""},
	} {
		code, out, errText := newCLI(t, "").run(append([]string{"store", "list"}, test.args...)...)
		if code != test.code || !strings.Contains(errText, test.want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", test.what, code, test.code, test.want, out, errText)
		}
	}
	resp, err := http.Get("http://" + secure.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestTLSSettings: settings that do not go together are refused before anything listens.
func TestTLSSettings(t *testing.T) {
	c := newCertificates(t)
	cert, key := c.issue("server", "127.0.0.1")
	_, otherKey := c.issue("other", "127.0.0.1")
	for _, test := range []struct {
		args []string
		want string // empty: they are sound
	}{
		{[]string{"--tls-cert", cert}, "--tls-key is not"},
		{[]string{"--grpc-tls-key", key}, "--grpc-tls-cert is not"},
		{[]string{"--grpc-tls-enabled"}, "--grpc-tls-enabled needs a certificate"},
		{[]string{"--http-tls-enabled=true", "--grpc-tls-cert", cert, "--grpc-tls-key", key}, "--http-tls-enabled needs a certificate"},
		{[]string{"--tls-cert", cert, "--tls-key", otherKey}, "does not match"},
		{[]string{"--tls-cert", c.path("absent.pem"), "--tls-key", key}, "no such file"},
		{[]string{"--grpc-tls-enabled=perhaps"}, "neither true nor false"},
		{[]string{"--grpc-tls-enabled", "--grpc-tls-cert", cert, "--grpc-tls-key", key}, ""},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--http-tls-enabled=false"}, ""},
	} {
		flags, set := newServe()
		err := set.Parse(append([]string{"--dev"}, test.args...))
		if err == nil {
			_, err = flags.judge(io.Discard)
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q: got %v, want %q", test.args, err, test.want)
		}
	}
}
