package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary/api/metrics"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

// sampled is how old what is told of a store may be: a scrape reads it many times.
const sampled = 100 * time.Millisecond

// storeSample is what a store says of itself, read at most once in a while.
type storeSample struct {
	store *raftstore.Store

	mu    sync.Mutex
	at    time.Time
	stats raftstore.Stats
}

func (s *storeSample) read() raftstore.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || time.Since(s.at) > sampled {
		s.stats, s.at = s.store.Stats(), time.Now()
	}
	return s.stats
}

// watch registers what a store counts.
func (i *instruments) watch(store *raftstore.Store) error {
	sample := &storeSample{store: store}
	of := func(value func(raftstore.Stats) float64) func() float64 {
		return func() float64 { return value(sample.read()) }
	}
	counts := append(raftCounts(of), cacheCounts(store)...)
	counts = append(counts, diskCounts("storage", func() storage.DiskStats { return sample.read().Storage })...)
	counts = append(counts, diskCounts("log", func() storage.DiskStats { return sample.read().Log })...)
	err := metrics.Counts(i.registry, counts...)
	if err == nil {
		err = metrics.Raft(i.registry)
	}
	if err != nil {
		return fmt.Errorf("register metrics of the store: %w", err)
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func raftCounts(of func(func(raftstore.Stats) float64) func() float64) []metrics.Count {
	return []metrics.Count{
		{
			Name: "ostiary_raft_log_appends_total", Help: "Appends to the log, each with one fsync.",
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Appends) }),
		},
		{
			Name: "ostiary_raft_log_entries_total", Help: "Entries that those appends made durable.",
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Entries) }),
		},
		{
			Name: "ostiary_raft_term", Help: "Term that the node is in: it rises with every election.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Term) }),
		},
		{
			Name: "ostiary_raft_leader", Help: "1 while the node leads.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return truth(n.Leads) }),
		},
		{
			Name: "ostiary_raft_last_index", Help: "Newest entry of the node's log.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Last) }),
		},
		{
			Name: "ostiary_raft_applied_index", Help: "Newest entry that the node's answers show.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Applied) }),
		},
		{
			Name: "ostiary_raft_apply_lag_entries", Help: "Entries that are committed, as far as the node knows, and wait to be applied.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Waiting) }),
		},
		{
			Name: "ostiary_raft_proposals_waiting", Help: "Writes that wait on the leader until they are committed and applied.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Proposing) }),
		},
		{
			Name: "ostiary_raft_leader_contact_seconds", Help: "Time since the node has heard from a leader; 0 on the leader.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return n.SinceLeader.Seconds() }),
		},
		{
			Name: "ostiary_node_ready", Help: "1 while the node answers, as /readyz says.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return truth(n.Ready) }),
		},
		{
			Name: "ostiary_node_writable", Help: "0 while the disk is short of space and writes are refused.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return truth(n.Writable) }),
		},
		{
			Name: "ostiary_node_disk_free_bytes", Help: "Free space of the disk of the data folder.", Gauge: true,
			Value: of(func(n raftstore.Stats) float64 { return float64(n.Free) }),
		},
	}
}

func cacheCounts(store *raftstore.Store) []metrics.Count {
	return []metrics.Count{
		{
			Name: "ostiary_storage_edge_cache_hits_total", Help: "Reads that the cache of edges answered.",
			Value: func() float64 { return float64(store.CacheStats().Hits) },
		},
		{
			Name: "ostiary_storage_edge_cache_misses_total", Help: "Reads that the cache of edges held nothing for.",
			Value: func() float64 { return float64(store.CacheStats().Misses) },
		},
		{
			Name: "ostiary_storage_edge_cache_changed_total", Help: "Reads of what may have changed since the cache of edges read it.",
			Value: func() float64 { return float64(store.CacheStats().Changed) },
		},
		{
			Name: "ostiary_storage_edge_cache_bytes", Help: "Memory of the cache of edges.", Gauge: true,
			Value: func() float64 { return float64(store.CacheStats().Bytes) },
		},
		{
			Name: "ostiary_storage_edge_cache_entries", Help: "Entries of the cache of edges.", Gauge: true,
			Value: func() float64 { return float64(store.CacheStats().Entries) },
		},
	}
}

// diskCounts tells of one of the two databases of a node.
func diskCounts(database string, read func() storage.DiskStats) []metrics.Count {
	labels := map[string]string{"database": database}
	gauge := func(name, help string, value func(storage.DiskStats) uint64) metrics.Count {
		return metrics.Count{Name: name, Help: help, Labels: labels, Gauge: true, Value: func() float64 { return float64(value(read())) }}
	}
	counter := func(name, help string, value func(storage.DiskStats) uint64) metrics.Count {
		c := gauge(name, help, value)
		c.Gauge = false
		return c
	}
	return []metrics.Count{
		gauge("ostiary_pebble_disk_bytes", "Size of the database on the disk.", func(d storage.DiskStats) uint64 { return d.Bytes }),
		gauge("ostiary_pebble_memtable_bytes", "Memory of what is not in tables yet.", func(d storage.DiskStats) uint64 { return d.MemTableBytes }),
		gauge("ostiary_pebble_compactions_running", "Compactions under way.", func(d storage.DiskStats) uint64 { return d.CompactingNow }),
		gauge("ostiary_pebble_compaction_debt_bytes", "About what compactions that are due have to read and write.", func(d storage.DiskStats) uint64 { return d.DebtBytes }),
		gauge("ostiary_pebble_read_amplification", "Places that a read may have to look in.", func(d storage.DiskStats) uint64 { return d.ReadAmplification }),
		counter("ostiary_pebble_block_cache_hits_total", "Blocks that the cache answered.", func(d storage.DiskStats) uint64 { return d.BlockHits }),
		counter("ostiary_pebble_block_cache_misses_total", "Blocks that were read from the disk.", func(d storage.DiskStats) uint64 { return d.BlockMisses }),
		counter("ostiary_pebble_flushes_total", "Memtables that became tables.", func(d storage.DiskStats) uint64 { return d.Flushes }),
		counter("ostiary_pebble_compactions_total", "Compactions that have ended.", func(d storage.DiskStats) uint64 { return d.Compactions }),
	}
}
