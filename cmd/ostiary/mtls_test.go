package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMTLS: callers are known by certificates over gRPC, HTTP and streams, never by a certificate and a key at once, and
// no longer once their authority was taken away.
func TestMTLS(t *testing.T) {
	server, callers, others := newCertificates(t), newCertificates(t), newCertificates(t)
	cert, key := server.issue("server", "127.0.0.1")
	shopCert, shopKey := callers.issue("shop", "spiffe://example.com/shop")
	twoCert, twoKey := callers.issue("two", "a.example.com", "b.example.com")
	foreignCert, foreignKey := others.issue("shop", "spiffe://example.com/shop")
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte("ops a-key-of-operators\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	s := startServe(t, nil, "--data-dir", data, "--tls-cert", cert, "--tls-key", key, "--authn-method", "preshared,mtls",
		"--authn-keys-file", keys, "--authn-mtls-ca", callers.path("ca.pem"))

	as := func(args ...string) *cli {
		c := newCLI(t, s.grpc)
		c.env["OSTIARY_SERVER_CA"] = server.path("ca.pem")
		for i := 0; i < len(args); i += 2 {
			c.env[args[i]] = args[i+1]
		}
		return c
	}
	ops := as("OSTIARY_TOKEN", "a-key-of-operators")
	credential := filepath.Join(data, "bootstrap-credential")
	eventually(t, "a credential", func() bool { _, err := os.Stat(credential); return err == nil })
	ops.must("access", "bootstrap", "preshared:ops", "--credential-file", credential)
	store := ops.newStore("acme")
	ops.must("tuple", "write", "doc:1#viewer@user:ann")

	shop := as("OSTIARY_CLIENT_CERT", shopCert, "OSTIARY_CLIENT_KEY", shopKey)
	if code, _, err := shop.run("check", "doc:1#viewer@user:ann", "--store", store); code != exitFailed || !strings.Contains(err, "forbidden") {
		t.Errorf("without a grant: exit code %d: %s", code, err)
	}
	ops.must("access", "grant", "mtls:spiffe://example.com/shop", "reader", "store:"+store)
	shop.must("check", "doc:1#viewer@user:ann", "--store", store)
	for what, c := range map[string]*cli{
		"no certificate":          as(),
		"a certificate and a key": as("OSTIARY_CLIENT_CERT", shopCert, "OSTIARY_CLIENT_KEY", shopKey, "OSTIARY_TOKEN", "a-key-of-operators"),
		"a certificate of two":    as("OSTIARY_CLIENT_CERT", twoCert, "OSTIARY_CLIENT_KEY", twoKey),
		"of an unknown authority": as("OSTIARY_CLIENT_CERT", foreignCert, "OSTIARY_CLIENT_KEY", foreignKey),
	} {
		if code, _, err := c.run("check", "doc:1#viewer@user:ann", "--store", store); code == exitDone || code == exitDenied {
			t.Errorf("%s: exit code %d: %s", what, code, err)
		}
	}

	showing := func(cert, key string) *http.Client {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return server.http(func(config *tls.Config) { config.Certificates = []tls.Certificate{pair} })
	}
	withShop := showing(shopCert, shopKey)
	post := func(client *http.Client, method, body string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.http+"/stores/"+store+"/"+method, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	const check, list = `{"tuple_key":{"object":"doc:1","relation":"viewer","user":"user:ann"}}`, `{"type":"doc","relation":"viewer","user":"user:ann"}`
	const forged = "Ostiary-Caller-Certificate"
	for _, c := range []struct {
		what         string
		client       *http.Client
		method, body string
		header       []string
		want         int
		text         string
	}{
		{"check", withShop, "check", check, nil, http.StatusOK, `"allowed":true`},
		{"expand", withShop, "expand", `{"tuple_key":{"object":"doc:1","relation":"viewer"}}`, nil, http.StatusOK, "user:ann"},
		{"stream", withShop, "streamed-list-objects", list, nil, http.StatusOK, "doc:1"},
		{"write", withShop, "write", `{"writes":{"tuple_keys":[{"object":"doc:2","relation":"viewer","user":"user:ann"}]}}`, nil, http.StatusForbidden, ""},
		{"check with a key too", withShop, "check", check, []string{"Authorization", "Bearer a-key-of-operators"}, http.StatusUnauthorized, "send one of both"},
		{"stream with a key too", withShop, "streamed-list-objects", list, []string{"Authorization", "Bearer a-key-of-operators"}, http.StatusUnauthorized, ""},
		{"check without", server.http(), "check", check, nil, http.StatusUnauthorized, ""},
		{"stream without", server.http(), "streamed-list-objects", list, nil, http.StatusUnauthorized, ""},
		{"stream with a forged header", server.http(), "streamed-list-objects", list,
			[]string{forged, "spiffe://example.com/shop", "Grpc-Metadata-" + forged, "spiffe://example.com/shop"}, http.StatusUnauthorized, ""},
		{"check of two", showing(twoCert, twoKey), "check", check, nil, http.StatusUnauthorized, "several DNS names"},
		{"stream of two", showing(twoCert, twoKey), "streamed-list-objects", list, nil, http.StatusUnauthorized, ""},
		{"of an unknown authority", showing(foreignCert, foreignKey), "check", check, nil, 0, ""},
	} {
		if status, text := post(c.client, c.method, c.body, c.header...); status != c.want || !strings.Contains(text, c.text) {
			t.Errorf("%s: status %d, want %d: %s", c.what, status, c.want, text)
		}
	}
	if resp, err := server.http().Get("https://" + s.http + "/healthz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("health without a certificate: %v", err)
	} else {
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("a server that asks for certificates speaks %s, want HTTP/2", resp.Proto)
		}
	}

	callers.write("ca.pem", others.authority.Certificate())
	eventually(t, "the authority of a connection that stands counts no longer", func() bool {
		status, _ := post(withShop, "check", check)
		return status == http.StatusUnauthorized || status == 0
	})
	if status, text := post(showing(foreignCert, foreignKey), "check", check); status != http.StatusOK {
		t.Errorf("a certificate of the new authority: status %d: %s", status, text)
	}
}

// TestMTLSSettings: settings that would let others in, or nobody, are refused.
func TestMTLSSettings(t *testing.T) {
	c := newCertificates(t)
	cert, key := c.issue("server", "127.0.0.1")
	pair := []string{"--tls-cert", cert, "--tls-key", key}
	for _, test := range []struct {
		args []string
		want string // empty: they are sound
	}{
		{append([]string{"--authn-method", "mtls"}, pair...), "belong together"},
		{[]string{"--authn-method", "mtls", "--authn-mtls-ca", c.path("ca.pem")}, "needs TLS"},
		{append([]string{"--authn-method", "mtls", "--authn-mtls-ca", key}, pair...), "no certificate"},
		{append([]string{"--dev", "--authn-method", "mtls", "--authn-mtls-ca", c.path("ca.pem")}, pair...), "--dev"},
		{append([]string{"--authn-method", "mtls", "--authn-mtls-ca", c.path("ca.pem"), "--cluster-addr", "127.0.0.1:0", "--cluster-ca", c.path("ca.pem")}, pair...), "could join the cluster"},
		{append([]string{"--authn-method", "mtls", "--authn-mtls-ca", c.path("ca.pem")}, pair...), ""},
	} {
		flags, set := newServe()
		if err := set.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		o, err := flags.judge(io.Discard)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q: got %v, want %q", test.args, err, test.want)
		}
		if err == nil && !o.accessControl {
			t.Errorf("%q: access control is off", test.args)
		}
	}
}

// TestAccessCerts: what the command makes names callers.
func TestAccessCerts(t *testing.T) {
	out := filepath.Join(t.TempDir(), "callers")
	c := newCLI(t, "127.0.0.1:1")
	c.must("access", "certs", "--out", out, "--caller", "shop.example.com", "--caller", "till=spiffe://example.com/till")
	for name, want := range map[string]string{"shop.example.com": "[shop.example.com] []", "till": "[] [spiffe://example.com/till]"} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(out, name+".pem"), filepath.Join(out, name+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(pair.Leaf.DNSNames, " ", pair.Leaf.URIs); got != want {
			t.Errorf("%s names %s, want %s", name, got, want)
		}
	}
	for _, args := range [][]string{{}, {"--caller", "ca"}, {"--caller", "x=https://example.com"}, {"--caller", "a", "--caller", "a"}} {
		if code, _, _ := c.run(append([]string{"access", "certs", "--out", out + "2"}, args...)...); code != exitUsage {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
