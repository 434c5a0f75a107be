package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoSecrets: no secret that a server was given or has made stands in its log, its errors, its metrics, its debug pages, or
// its settings as they are printed.
func TestNoSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificates := newCertificates(t)
	cert, key := certificates.issue("server", "127.0.0.1")
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	const named, unnamed, listed, wrapping = "secret-of-a-named-key", "secret-of-a-variable", "secret-of-a-file-of-keys", "5ec2e7005ec2e7005ec2e7005ec2e7005ec2e7005ec2e7005ec2e7005ec2e700"
	secrets := map[string]string{
		"a key with a name": named, "a key of a variable": unnamed, "a key of a file": listed, "the key for personal data": wrapping,
		"the private key": strings.Split(string(private), "\n")[1], "a wrong key": "secret-that-nobody-has",
	}
	env := map[string]string{"OSTIARY_AUTHN_PRESHARED_KEYS": unnamed}
	args := []string{"--data-dir", filepath.Join(dir, "data"), "--log-level", "debug", "--tls-cert", cert, "--tls-key", key,
		"--authn-method", "preshared", "--authn-keys-file", file("keys", "ops "+named+"\n"),
		"--authn-preshared-keys-file", file("unnamed", listed+"\n"), "--identity-key-file", file("wrapping", wrapping+"\n"), "--public-url", "https://authz.example.test"}
	s := startServe(t, env, args...)
	credential := filepath.Join(dir, "data", "bootstrap-credential")
	eventually(t, "a credential", func() bool {
		text, err := os.ReadFile(credential)
		secrets["the bootstrap credential"] = strings.TrimSpace(string(text))
		return err == nil && len(text) > 0
	})

	var told strings.Builder // by the server and the command line, but for what is printed once on purpose
	ops := newCLI(t, s.grpc)
	ops.env["OSTIARY_SERVER_CA"], ops.env["OSTIARY_TOKEN"] = certificates.path("ca.pem"), named
	ops.must("access", "bootstrap", "preshared:ops", "--credential-file", credential)
	_, out, errText := ops.run("access", "bootstrap", "preshared:ops", "--credential-file", credential) // it counts once
	told.WriteString(out + errText)
	folder := filepath.Join(dir, "model")
	ops.must("org", "init", folder)
	store := strings.TrimSpace(ops.must("store", "create", "acme", "--use"))
	ops.must("model", "write", filepath.Join(folder, "fga.mod"))
	ops.must("org", "create", "Acme", "--id", "acme")
	made := ops.must("connection", "create", "acme", "--kind", "okta")
	secrets["the token of SCIM"] = regexp.MustCompile(`ostiary_[\w-]{43}`).FindString(made)
	connection := regexp.MustCompile(`c[0-9a-z]{26}`).FindString(made)
	secrets["the secret of a client"] = regexp.MustCompile(`ostiary_cs_[\w-]{43}`).FindString(ops.must("connection", "client", "create", connection))
	secrets["the secret of a webhook"] = strings.TrimPrefix(regexp.MustCompile(`whsec_\S+`).FindString(ops.must("webhook", "create", "https://hooks.example.test/x")), "whsec_")
	for what, secret := range secrets {
		if len(secret) < 16 {
			t.Fatalf("%s is %q", what, secret)
		}
	}

	client := certificates.http()
	ask := func(method, url, authorization, body string) {
		t.Helper()
		var headers []string
		if authorization != "" {
			headers = append(headers, "Authorization", authorization)
		}
		if strings.HasSuffix(url, "/oauth/token") {
			headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
		}
		resp, text := sendHTTP(t, client, method, url, body, headers...)
		told.WriteString(text)
		for name, values := range resp.Header {
			told.WriteString(name + ": " + strings.Join(values, " ") + "\n")
		}
	}
	base := "https://" + s.http
	for _, secret := range secrets {
		for _, scheme := range []string{"Bearer ", "Basic ", ""} {
			ask(http.MethodGet, base+"/stores", scheme+secret, "")
			ask(http.MethodPost, base+"/stores/"+store+"/check", scheme+secret, `{"tuple_key":`)
			ask(http.MethodGet, base+"/scim/v2/"+connection+"/Users", scheme+secret, "")
			ask(http.MethodPost, base+"/oauth/token", scheme+secret, "grant_type=client_credentials&client_id="+connection+".k&client_secret="+secret)
		}
		other := newCLI(t, s.grpc)
		other.env["OSTIARY_SERVER_CA"] = certificates.path("ca.pem")
		_, out, errText := other.run("store", "list", "--token", secret)
		told.WriteString(out + errText)
	}
	told.WriteString(ops.must("webhook", "list") + ops.must("connection", "show", connection) + ops.must("connection", "client", "list", connection) +
		ops.must("connection", "log", connection))
	for _, page := range []string{"/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		ask(http.MethodGet, "https://"+s.admin+page, "", "")
	}
	printing := newCLI(t, s.grpc)
	printing.env["OSTIARY_AUTHN_PRESHARED_KEYS"] = unnamed
	told.WriteString(printing.must(append([]string{"config", "print", "--all"}, args...)...))

	places := map[string]string{"the log": s.log.String(), "what the server prints": s.out.String(), "answers": told.String()}
	for place, text := range places {
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells %s", place, what)
			}
		}
	}
	if !strings.Contains(places["the log"], "request failed") || !strings.Contains(places["answers"], "ostiary_api_") {
		t.Error("nothing was told at all")
	}
}

// TestSecretsOnTheCommandLine: a secret among the arguments is warned of, and not repeated.
func TestSecretsOnTheCommandLine(t *testing.T) {
	_, _, err := newCLI(t, "127.0.0.1:1").run("config", "print", "--authn-preshared-keys", "secret-of-an-argument")
	if !strings.Contains(err, "--authn-preshared-keys stands on the command line") || strings.Contains(err, "secret-of") {
		t.Errorf("stderr is %q", err)
	}
	c := newCLI(t, "127.0.0.1:1")
	c.env["OSTIARY_AUTHN_PRESHARED_KEYS"] = "secret-of-a-variable"
	if _, out, err := c.run("config", "print"); strings.Contains(err, "warning") || strings.Contains(out, "secret-of") {
		t.Errorf("got %q and %q", out, err)
	}
}
