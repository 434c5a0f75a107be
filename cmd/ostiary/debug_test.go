package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/raftstore"
)

// TestDebugPages: operators see how a node stands and what its caches hold; the API serves neither, and nobody else's
// method does.
func TestDebugPages(t *testing.T) {
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, url := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) {
		o.admin = admin
		o.memory.edgeCache = 8 << 20
	})
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.Post(url+"/stores", "application/json", strings.NewReader(`{"name": "acme"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	get := func(method, url string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	base := "http://" + admin.Addr().String()
	for _, path := range []string{"/debug/raft", "/debug/cache"} {
		if status, _ := get(http.MethodGet, url+path); status != http.StatusNotFound {
			t.Errorf("the API serves %s: status %d", path, status)
		}
		if status, _ := get(http.MethodPost, base+path); status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: status %d", path, status)
		}
	}
	var raft raftstore.Picture
	status, text := get(http.MethodGet, base+"/debug/raft")
	if err := json.Unmarshal([]byte(text), &raft); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	if raft.Role != "leader" || raft.Term == 0 || raft.ApplyIndex == 0 || raft.CommitIndex < raft.ApplyIndex || !raft.Ready || len(raft.Members) != 1 || len(raft.Peers) != 0 {
		t.Errorf("got %s", text)
	}
	var caches struct{ Caches []cacheStats }
	status, text = get(http.MethodGet, base+"/debug/cache")
	if err := json.Unmarshal([]byte(text), &caches); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	found := map[string]cacheStats{}
	for _, c := range caches.Caches {
		found[c.Name] = c
	}
	if len(found) != 6 || found["edges"].Bytes == 0 || found["models"].Most == 0 || found["stores"].Most == 0 || found["rights of callers"].Most == 0 ||
		found["models"].Ratio != nil {
		t.Errorf("got %s", text)
	}
}
