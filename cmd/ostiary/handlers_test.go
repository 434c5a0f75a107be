package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// TestHandlersAreThere: what docs/api/openapi.json says beside the methods of gRPC is what a node mounts.
func TestHandlersAreThere(t *testing.T) {
	text, err := os.ReadFile("../../docs/api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			Handler     bool `json:"x-ostiary-handler"`
			RequestBody struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var takes []func(path string) bool
	_, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) {
		o.authzenBaseURL = "https://authz.example.com"
		o.mounted = func(all []func(path string) bool) { takes = all }
	})
	defer http.DefaultClient.CloseIdleConnections()
	described := make([]int, len(takes))
	variable := regexp.MustCompile(`\{[^}]*\}`)
	for path, item := range document.Paths {
		path = strings.NewReplacer("{connection}", "c01aryz6s41tsv4rrffq69g5fav", "{store}", "01ARYZ6S41TSV4RRFFQ69G5FAV").Replace(path)
		path = variable.ReplaceAllString(path, "x")
		for verb, o := range item {
			if !o.Handler {
				continue
			}
			mounted := path == "/healthz" || path == "/readyz"
			for i, takes := range takes {
				if takes(path) {
					described[i]++
					mounted = true
				}
			}
			kind := ""
			for kind = range o.RequestBody.Content {
			}
			status, allow := askBare(t, strings.ToUpper(verb), base+path, kind)
			if !mounted || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented {
				t.Errorf("%s %s: mounted %v, status %d, allowed %q: mend internal/reference/handlers.yaml", verb, path, mounted, status, allow)
			}
		}
	}
	for i, n := range described {
		if n == 0 {
			t.Errorf("handler %d of those that a node mounts (cmd/ostiary/nodemount.go) is not described: add it to internal/reference/handlers.yaml, "+
				"and run 'make docs'", i+1)
		}
	}
}

// askBare sends a request without authorization, and returns the status and the methods that are allowed instead.
func askBare(t *testing.T, verb, url, kind string) (status int, allow string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), verb, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("Allow")
}
