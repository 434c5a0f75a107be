package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/internal/reference"
)

// TestExamples: the examples of docs/api/examples.md are answered as the page says.
func TestExamples(t *testing.T) {
	examples, err := reference.Examples()
	if err != nil {
		t.Fatal(err)
	}
	server, base := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.authzenBaseURL = "https://authz.example.com" })
	defer http.DefaultClient.CloseIdleConnections()
	known := []string{"$TEAMS", teamsStore(t, server)}
	for _, e := range examples {
		body := ""
		if e.Body != nil {
			text, err := json.Marshal(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = strings.NewReplacer(known...).Replace(string(text))
		}
		verb, path, _ := strings.Cut(strings.NewReplacer(known...).Replace(e.Request), " ")
		status, answer := askJSON(t, verb, base+path, body)
		if status != e.Status {
			t.Fatalf("%s (%s %s): status %d, want %d: %v", e.Title, verb, path, status, e.Status, answer)
		}
		if fault := reference.Match(e.Answer, answer); fault != "" {
			t.Errorf("%s (%s %s): %s", e.Title, verb, path, fault)
		}
		for name, part := range e.Keep {
			known = append(known, "$"+name, fmt.Sprint(answer.(map[string]any)[part]))
		}
	}
	if len(examples) < 20 {
		t.Errorf("only %d examples", len(examples))
	}
}

// teamsStore makes a store with the model that organizations begin with.
func teamsStore(t *testing.T, server string) string {
	t.Helper()
	c, folder := newCLI(t, server), filepath.Join(t.TempDir(), "model")
	c.must("org", "init", folder)
	store := strings.TrimSpace(c.must("store", "create", "teams", "--use"))
	c.must("model", "write", filepath.Join(folder, "fga.mod"))
	return store
}

// askJSON sends a request, and returns the answer with its status.
func askJSON(t *testing.T, verb, url, body string) (int, any) {
	t.Helper()
	response, text := sendHTTP(t, http.DefaultClient, verb, url, body)
	var answer any
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&answer); err != nil {
		t.Fatalf("%s %s: %d %q: %v", verb, url, response.StatusCode, text, err)
	}
	return response.StatusCode, answer
}
