package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/raftstore"
)

// debugRaft answers how the node stands in its cluster.
func (n *node) debugRaft(w http.ResponseWriter, _ *http.Request) {
	picture, err := n.store.Picture()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeDebug(w, struct {
		Time time.Time `json:"time"`
		raftstore.Picture
	}{time.Now().UTC(), picture})
}

// cacheStats is what a cache holds, and what it was asked.
type cacheStats struct {
	Name    string   `json:"name"`
	Entries int64    `json:"entries,omitempty"`
	Most    int64    `json:"most,omitempty"`  // entries
	Bytes   int64    `json:"bytes,omitempty"` // of memory
	Hits    uint64   `json:"hits,omitempty"`
	Misses  uint64   `json:"misses,omitempty"`
	Changed uint64   `json:"changed,omitempty"`   // asked of what may have changed since it was read
	Ratio   *float64 `json:"hit_ratio,omitempty"` // nil where nothing is counted, or nothing was asked
}

// debugCache answers what the caches of the node hold.
func (n *node) debugCache(w http.ResponseWriter, _ *http.Request) {
	edges, disk := n.store.CacheStats(), n.store.Stats()
	all := []cacheStats{
		{Name: "edges", Entries: edges.Entries, Bytes: edges.Bytes, Hits: edges.Hits, Misses: edges.Misses, Changed: edges.Changed},
		{Name: "blocks of storage", Hits: disk.Storage.BlockHits, Misses: disk.Storage.BlockMisses},
		{Name: "blocks of the log", Hits: disk.Log.BlockHits, Misses: disk.Log.BlockMisses},
	}
	for i, c := range all {
		if asked := c.Hits + c.Misses + c.Changed; asked > 0 {
			ratio := float64(c.Hits) / float64(asked)
			all[i].Ratio = &ratio
		}
	}
	for _, c := range n.server.Caches() {
		all = append(all, cacheStats{Name: c.Name, Entries: c.Entries, Most: c.Most})
	}
	writeDebug(w, struct {
		Caches []cacheStats `json:"caches"`
	}{all})
}

func writeDebug(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(answer) // an error means that who asks is gone
}
