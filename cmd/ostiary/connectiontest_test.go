package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// testedConnection is a server with an organization and a model, whose public URL is where it listens.
type testedConnection struct {
	*cli
	t    *testing.T
	base string
}

func newTestedConnection(t *testing.T) *testedConnection {
	t.Helper()
	grpcAddr, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = "http://" + o.http.Addr().String() })
	c := &testedConnection{newCLI(t, grpcAddr), t, base}
	folder := filepath.Join(t.TempDir(), "model")
	c.must("org", "init", folder)
	c.must("store", "create", "acme", "--use")
	c.must("model", "write", filepath.Join(folder, "fga.mod"))
	c.must("org", "create", "Acme", "--id", "acme")
	return c
}

// create makes a connection and returns its id and what was printed.
func (c *testedConnection) create(args ...string) (id, printed string) {
	c.t.Helper()
	printed = c.must(append([]string{"connection", "create", "acme"}, args...)...)
	return regexp.MustCompile(`c[0-9a-z]{26}`).FindString(printed), printed
}

// test runs 'connection test', and expects an exit code, and parts of what it prints.
func (c *testedConnection) test(want int, id string, args []string, parts ...string) string {
	c.t.Helper()
	code, out, err := c.run(append([]string{"connection", "test", id}, args...)...)
	if code != want {
		c.t.Fatalf("connection test %v: exit code %d, not %d:\n%s%s", args, code, want, out, err)
	}
	wantContains(c.t, "connection test", out+err, parts...)
	return out
}

// Every kind of connection passes, with the credentials that the test makes and ends itself, and is left as it was.
func TestConnectionTest(t *testing.T) {
	c := newTestedConnection(t)
	for _, args := range [][]string{{"--kind", "okta"}, {"--kind", "entra"}, {"--dialect", "ipsie-strict"}} {
		id, _ := c.create(args...)
		out := c.test(exitDone, id, nil, "be refused with a wrong token", "the connection works")
		if strings.Contains(out, "create a person") || strings.Contains(out, "failed") {
			t.Errorf("%v, without --write:\n%s", args, out)
		}
		out = c.test(exitDone, id, []string{"--write"}, "create a person", "find the person", "add the person to the group",
			"#member@user:", "deactivate the person", "is denied", "activate the person again", "delete the group", "delete the person", "the connection works")
		if person := regexp.MustCompile(`u[0-9a-z]{26}`).FindString(out); !strings.Contains(c.must("user", "show", person), "deleted") {
			t.Errorf("%v: the person is there still", args)
		}
		for _, list := range []string{"token", "client"} {
			if left := c.must("connection", list, "list", id); strings.Contains(left, "connection test") {
				t.Errorf("%v: left behind:\n%s", args, left)
			}
		}
		if got := c.must("org", "verify", "acme"); !strings.Contains(got, "everything agrees: 0 users") {
			t.Errorf("%v: verified:\n%s", args, got)
		}
	}
	id, _ := c.create()
	var answer struct {
		OK    bool
		URL   string
		Steps []testStep
	}
	if err := json.Unmarshal([]byte(c.test(exitDone, id, []string{"--output", "json"})), &answer); err != nil {
		t.Fatal(err)
	}
	if !answer.OK || answer.URL != c.base+"/scim/v2/"+id || len(answer.Steps) != 7 {
		t.Errorf("got %+v", answer)
	}
}

// What the caller has is shown in the place of what the test would make, and is not printed.
func TestConnectionTestShowsWhatIsGiven(t *testing.T) {
	c := newTestedConnection(t)
	id, printed := c.create()
	token := regexp.MustCompile(`ostiary_[\w-]{43}`).FindString(printed)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := c.test(exitDone, id, []string{"--scim-token-file", file, "--write"}); strings.Contains(out, token) || strings.Contains(out, "make a token") {
		t.Errorf("printed:\n%s", out)
	}
	if code, out, err := c.runWith(token, "connection", "test", id, "--scim-token-file", "-"); code != exitDone {
		t.Errorf("from stdin: exit code %d\n%s%s", code, out, err)
	}
	c.env["OSTIARY_SCIM_TOKEN"] = "ostiary_of_another"
	c.test(exitFailed, id, nil, "failed", "status 401, not 200", "ostiary connection token list "+id)
	delete(c.env, "OSTIARY_SCIM_TOKEN")
	few := strings.TrimSpace(c.must("connection", "token", "create", id, "--scopes", "users:r"))
	if code, out, err := c.runWith(few, "connection", "test", id, "--scim-token-file", "-", "--write"); code != exitFailed ||
		!strings.Contains(out, "status 403, not 201") || !strings.Contains(out, "scopes") {
		t.Errorf("with a token that may read alone: exit code %d\n%s%s", code, out, err)
	}

	made := c.must("connection", "client", "create", id)
	client := regexp.MustCompile(`Client id +(\S+)`).FindStringSubmatch(made)[1]
	c.env["OSTIARY_SCIM_CLIENT_SECRET"] = regexp.MustCompile(`Client secret +(\S+)`).FindStringSubmatch(made)[1]
	c.test(exitDone, id, []string{"--client-id", client}, "get an access token", c.base+"/oauth/token")
	c.env["OSTIARY_SCIM_CLIENT_SECRET"] += "x"
	c.test(exitFailed, id, []string{"--client-id", client}, "invalid_client", "connection client list")
	delete(c.env, "OSTIARY_SCIM_CLIENT_SECRET")
	for _, args := range [][]string{{"--client-id", client}, {"--client-secret-file", file}, {"--client-id", client, "--scim-token-file", file},
		{"--url", "authz.example.test"}, {"--url", "ftp://authz.example.test"}, {"--url", "https://authz.example.test?a=b"}} {
		if code, out, err := c.run(append([]string{"connection", "test", id}, args...)...); code != exitUsage {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, err)
		}
	}
}

// Each thing that goes wrong outside has an advice of its own.
func TestConnectionTestAdvice(t *testing.T) {
	c := newTestedConnection(t)
	id, _ := c.create()
	at := func(handler http.HandlerFunc) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	status := func(code int, header ...string) string {
		return at(func(w http.ResponseWriter, _ *http.Request) {
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		})
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	for name, want := range map[string]struct {
		url   string
		parts []string
	}{
		"nobody there":        {nobody, []string{"nothing answers there"}},
		"unknown authority":   {tls.URL, []string{"an authority that they trust"}},
		"no TLS":              {strings.Replace(c.base, "http:", "https:", 1), []string{"nothing speaks TLS there"}},
		"another site":        {at(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), []string{"another body than SCIM's", "does the URL lead to it?"}},
		"everybody is let in": {at(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }), []string{"a token that nobody has was let in"}},
		"redirected":          {status(308, "Location", c.base), []string{"status 308", "do not follow"}},
		"not found":           {status(404), []string{"must pass /scim/v2/"}},
		"authorization lost":  {status(401), []string{"drops the header Authorization"}},
		"too often":           {status(429, "Retry-After", "7"), []string{"wait 7 s"}},
		"broken":              {status(500), []string{"the log of the server"}},
		"gateway":             {status(502), []string{"does not reach it"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.test(exitFailed, id, []string{"--url", want.url, "--timeout", "20s"}, want.parts...)
		})
	}
	c.t = t
	c.test(exitDone, id, []string{"--url", c.base + "/scim/v2/" + id + "/"}, "the connection works")
	// Another way to the same server.
	c.test(exitDone, id, []string{"--url", strings.Replace(c.base, "127.0.0.1", "localhost", 1)}, "it says that it is at "+c.base)
	if left := c.must("connection", "token", "list", id); strings.Contains(left, "connection test") {
		t.Errorf("left behind:\n%s", left)
	}

	c.must("connection", "pause", id)
	c.test(exitFailed, id, []string{"--write"}, "the connection is not paused", "status 503, not 201", "ostiary connection resume "+id)
	c.must("connection", "resume", id)
	c.test(exitDone, id, []string{"--write"})

	grpcAddr, _ := startNodeHTTP(t, api.Anonymous())
	unnamed := &testedConnection{newCLI(t, grpcAddr), t, ""}
	unnamed.must("store", "create", "acme", "--use")
	unnamed.must("org", "create", "Acme", "--id", "acme")
	id, _ = unnamed.create()
	unnamed.test(exitFailed, id, nil, "does not know its own URL", "--url https://HOST")
}

func TestUnreachedHost(t *testing.T) {
	err := unreached(&url.Error{Op: "Get", URL: "https://nobody.invalid/", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nobody.invalid"}}})
	known, ok := err.(*adviceError)
	if !ok || !known.halt || !strings.Contains(known.advice, "not known here") || strings.Contains(known.detail, "https://") {
		t.Errorf("got %#v", err)
	}
}
