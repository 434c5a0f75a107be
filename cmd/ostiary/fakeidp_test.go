package main

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/fakeidp"
)

// reachable lets a node of a test know its own URL.
func reachable(o *nodeOptions) { o.authzenBaseURL = "http://" + o.http.Addr().String() }

// The commands of the fake identity provider do to a server what they say: provision, log out, deactivate, delete.
func TestFakeIDP(t *testing.T) {
	grpcAddr, url := startNodeHTTP(t, api.Anonymous(), reachable)
	c := newCLI(t, grpcAddr)
	c.env["OSTIARY_KEY_FILE"] = filepath.Join(t.TempDir(), "key.pem")
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return strings.TrimSpace(out)
	}
	folder := filepath.Join(t.TempDir(), "model")
	run(exitDone, "org", "init", folder)
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	var made struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(run(exitDone, "connection", "create", "acme", "--kind", "okta", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	c.env["OSTIARY_SCIM_TOKEN"] = made.Secret
	scim := "--url=" + url + "/scim/v2/" + made.ID
	ann := run(exitDone, "fakeidp", "scim", "create", "ann@acme.test", "--external-id", "00u1", scim)
	if found := run(exitDone, "fakeidp", "scim", "find", "ann@acme.test", scim); found != ann {
		t.Errorf("found %q, created %q", found, ann)
	}
	run(exitFailed, "fakeidp", "scim", "create", "ann@acme.test", scim)
	run(exitFailed, "fakeidp", "scim", "find", "bob@acme.test", scim)
	run(exitDone, "tuple", "write", "document:1#viewer@user:"+ann)
	run(exitDone, "session", "subjects", "on")
	judge := func(want int, subject string) {
		t.Helper()
		run(want, "check", "document:1#viewer@"+subject, "--consistency", "higher-consistency")
	}
	judge(exitDone, "user:"+ann)
	run(exitDone, "fakeidp", "scim", "deactivate", ann, scim)
	judge(exitDenied, "user:"+ann)
	run(exitDone, "fakeidp", "scim", "reactivate", ann, scim)
	judge(exitDone, "user:"+ann)

	keys := write(t, "keys.json", run(exitDone, "fakeidp", "keys"))
	run(exitDone, "connection", "gtr", "set", made.ID, "--issuer", "http://127.0.0.1:8090", "--subject", "0oa1", "--jwks", keys)
	for format, name := range map[string]string{"iss_sub": "00u1", "email": "ann@acme.test", "opaque": ann} {
		session := run(exitDone, "session", "create", ann, "--org", "acme", "--auth-time", time.Now().UTC().Format(time.RFC3339Nano))
		judge(exitDone, "session:"+session)
		out := run(exitDone, "fakeidp", "revoke", name, "--format", format, "--client-id", "0oa1", "--url", url+"/gtr/"+made.ID)
		wantContains(t, "what revoke prints", out, "204", "token")
		judge(exitDenied, "session:"+session)
	}
	run(exitFailed, "fakeidp", "revoke", "nobody", "--client-id", "0oa1", "--url", url+"/gtr/"+made.ID)
	run(exitFailed, "fakeidp", "revoke", "00u1", "--client-id", "0oa2", "--url", url+"/gtr/"+made.ID)
	run(exitDone, "fakeidp", "scim", "delete", ann, scim)
	judge(exitDenied, "user:"+ann)
}

// A relying party that is served from the command line prints the logout tokens that it takes, and refuses others.
func TestFakeRelyingParty(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1")
	c.env["OSTIARY_KEY_FILE"] = filepath.Join(t.TempDir(), "key.pem")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	// serve runs a command until the test ends, and returns its output and URL.
	serve := func(args ...string) (*buffer, string) {
		t.Helper()
		a, out, errOut := c.app("")
		ended := make(chan int, 1)
		go func() { ended <- a.run(ctx, append([]string{"fakeidp"}, args...)) }()
		t.Cleanup(func() {
			stop()
			if code := <-ended; code != exitDone {
				t.Errorf("exit code %d: %s", code, errOut)
			}
		})
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			for _, word := range strings.Fields(out.String()) {
				if strings.HasPrefix(word, "http://") {
					return out, strings.TrimSuffix(strings.TrimSuffix(word, ","), "/backchannel-logout")
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is not ready: %s%s", out, errOut)
			}
		}
	}
	const issuer = "http://127.0.0.1:8090"
	_, provider := serve("serve", "--addr", "127.0.0.1:0", "--issuer", issuer)
	out, party := serve("relying-party", "--addr", "127.0.0.1:0", "--logout-issuer", issuer, "--client-id", "portal", "--jwks-uri", provider+"/oauth2/v1/keys")
	code, _, err := c.run("fakeidp", "logout", "--sub", "u1", "--client-id", "portal", "--url", party+"/backchannel-logout")
	if code != exitDone {
		t.Errorf("exit code %d: %s", code, err)
	}
	code, _, err = c.run("fakeidp", "logout", "--sid", "s1", "--client-id", "mail", "--url", party+"/backchannel-logout")
	if code != exitFailed || !strings.Contains(err, "not for") {
		t.Errorf("exit code %d: %s", code, err)
	}
	wantContains(t, "what the relying party prints", out.String(), "logged out: sub u1", "refused: sid s1")

	code, token, err := c.run("fakeidp", "token", "00u1", "--client-id", "portal", "--acr", "mfa", "--amr", "pwd,otp", "--claim", "oid=9", "--claim", "iat=null")
	if code != exitDone || strings.Count(token, ".") != 2 {
		t.Errorf("exit code %d: %s%s", code, token, err)
	}
	code, _, err = c.run("fakeidp", "signal", "session-revoked", "00u1", "--url", provider+"/sets/queue")
	if code != exitDone {
		t.Errorf("exit code %d: %s", code, err)
	}
	resp, getErr := http.Post(provider+"/sets", "application/json", strings.NewReader("{}"))
	if getErr != nil {
		t.Fatal(getErr)
	}
	defer resp.Body.Close()
	var polled struct{ Sets map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&polled); err != nil || len(polled.Sets) != 1 {
		t.Errorf("polled %v: %v", polled, err)
	}
}

func TestFakeIDPUsage(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1")
	c.env["OSTIARY_KEY_FILE"] = filepath.Join(t.TempDir(), "key.pem")
	if _, err := fakeidp.LoadKey(c.env["OSTIARY_KEY_FILE"]); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"serve", "--addr", "0.0.0.0:0"},
		{"relying-party", "--client-id", "portal"},
		{"token", "00u1"},
		{"token", "00u1", "--client-id", "portal", "--claim", "oid"},
		{"revoke", "00u1", "--client-id", "0oa1"},
		{"revoke", "00u1", "--client-id", "0oa1", "--url", "http://127.0.0.1:1", "--format", "phone"},
		{"signal", "session-ended", "00u1", "--url", "http://127.0.0.1:1"},
		{"logout", "--client-id", "portal", "--url", "http://127.0.0.1:1"},
		{"scim", "find", "ann", "--url", "http://127.0.0.1:1"},
	} {
		if code, _, err := c.run(append([]string{"fakeidp"}, args...)...); code != exitUsage || err == "" {
			t.Errorf("%q: exit code %d, want %d: %s", args, code, exitUsage, err)
		}
	}
}

// loopbackEgress lets a node of a test send requests to this machine.
func loopbackEgress(o *nodeOptions) { o.egressAllow = loopbackNetworks() }
