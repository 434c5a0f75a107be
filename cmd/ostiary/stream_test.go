package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// A receiver is let in by an operator, makes a stream and polls what happens, on a running server.
func TestStreamCommands(t *testing.T) {
	grpcAddr, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = "http://" + o.http.Addr().String() })
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return strings.TrimSpace(out + err)
	}
	wants := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	folder := filepath.Join(t.TempDir(), "model")
	run(exitDone, "org", "init", folder)
	run(exitDone, "store", "create", "acme", "--use")
	run(exitDone, "model", "write", filepath.Join(folder, "fga.mod"))
	run(exitDone, "org", "create", "Acme", "--id", "acme")
	run(exitDone, "org", "member", "add", "acme", "ann")

	var made struct {
		Receiver    struct{ ID string }
		ID          string `json:"client_id"`
		Secret      string `json:"client_secret"`
		MetadataURL string `json:"metadata_url"`
		TokenURL    string `json:"token_url"`
	}
	if err := json.Unmarshal([]byte(run(exitDone, "stream", "receiver", "create", "Monitor", "--org", "acme", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	wants(run(exitDone, "stream", "receiver", "list"), made.Receiver.ID)
	var token struct {
		Text string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {made.ID}, "client_secret": {made.Secret}}
	ask := func(method, at, kind, body string, into any) {
		t.Helper()
		headers := []string{"Content-Type", kind}
		if token.Text != "" {
			headers = append(headers, "Authorization", "Bearer "+token.Text)
		}
		resp, text := sendHTTP(t, http.DefaultClient, method, at, body, headers...)
		if resp.StatusCode > 299 {
			t.Fatalf("%s %s: %d %s", method, at, resp.StatusCode, text)
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	ask(http.MethodPost, made.TokenURL, "application/x-www-form-urlencoded", form.Encode(), &token)
	var metadata struct {
		Streams string `json:"configuration_endpoint"`
	}
	ask(http.MethodGet, made.MetadataURL, "", "", &metadata)
	if !strings.HasPrefix(metadata.Streams, base+"/stores/") {
		t.Errorf("got %q", metadata.Streams)
	}
	var stream struct {
		ID       string `json:"stream_id"`
		Delivery struct {
			URL string `json:"endpoint_url"`
		}
	}
	ask(http.MethodPost, metadata.Streams, "application/json", `{"ostiary_signing_alg":"ES256"}`, &stream)
	wants(run(exitDone, "stream", "list"), stream.ID)

	run(exitDone, "session", "create", "ann", "--org", "acme", "--client", "portal")
	run(exitDone, "session", "revoke", "ann", "--org", "acme", "--reason", "test")
	var polled struct{ Sets map[string]string }
	for deadline := time.Now().Add(30 * time.Second); len(polled.Sets) == 0; {
		ask(http.MethodPost, stream.Delivery.URL, "application/json", `{}`, &polled)
		if time.Now().After(deadline) {
			t.Fatal("nothing was told")
		}
	}
	wants(run(exitDone, "stream", "pause", stream.ID, "--reason", "maintenance"), "paused")
	wants(run(exitDone, "stream", "enable", stream.ID), "enabled")
	wants(run(exitDone, "stream", "disable", stream.ID), "disabled")
	wants(run(exitFailed, "stream", "enable", "x01m824qgqx05kcwex3kxbcecwz"), "not found")
	wants(run(exitUsage, "stream", "receiver", "delete", made.Receiver.ID), "--yes")
	run(exitDone, "stream", "receiver", "delete", made.Receiver.ID, "--yes")
	if got := run(exitDone, "stream", "list"); strings.Contains(got, stream.ID) {
		t.Errorf("a stream of a deleted receiver: %s", got)
	}
	wants(run(exitFailed, "stream", "receiver", "create", "Monitor", "--org", "none"), "not found")
}
