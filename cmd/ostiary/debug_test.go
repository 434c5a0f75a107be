package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/raftstore"
)

// TestDebugPages: operators see how a node stands and what its caches hold; the API serves neither, and nobody else's
// method does.
func TestDebugPages(t *testing.T) {
	_, url, admin := startNodeAdmin(t, api.Anonymous(), func(o *nodeOptions) { o.memory.edgeCache = 8 << 20 })
	defer http.DefaultClient.CloseIdleConnections()
	if status, text := post(t, url+"/stores", `{"name": "acme"}`); status != http.StatusCreated {
		t.Fatalf("status %d: %s", status, text)
	}
	for _, path := range []string{"/debug/raft", "/debug/cache"} {
		if status, _ := get(t, url+path); status != http.StatusNotFound {
			t.Errorf("the API serves %s: status %d", path, status)
		}
		if status, _ := post(t, admin+path, ""); status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: status %d", path, status)
		}
	}
	var raft raftstore.Picture
	status, text := get(t, admin+"/debug/raft")
	if err := json.Unmarshal([]byte(text), &raft); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	if raft.Role != "leader" || raft.Term == 0 || raft.ApplyIndex == 0 || raft.CommitIndex < raft.ApplyIndex || !raft.Ready || len(raft.Members) != 1 || len(raft.Peers) != 0 {
		t.Errorf("got %s", text)
	}
	var caches struct{ Caches []cacheStats }
	status, text = get(t, admin+"/debug/cache")
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
