package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sample is what one node holds at a moment.
type sample struct {
	Seconds    float64 `json:"seconds"` // since the trial began
	Node       string  `json:"node"`
	Phase      string  `json:"phase"`
	Resident   int64   `json:"resident_bytes"`
	Heap       int64   `json:"live_heap_bytes"` // at the last collection
	Cache      int64   `json:"edge_cache_bytes"`
	Goroutines int     `json:"goroutines"`
	Sockets    int     `json:"sockets"` // of the descriptors
	Files      int     `json:"files"`   // all other descriptors
	Disk       int64   `json:"disk_bytes"`
}

// held is the heap without what the cache of edges keeps on purpose, up to its bound.
func (s sample) held() int64 { return s.Heap - s.Cache }

// scrapeTimeout bounds a look at a node. A busy machine may take its time.
const scrapeTimeout = time.Minute

// look takes a sample of a node, after a collection where one is asked for: that is work, and must not disturb what is
// measured.
func (n *node) look(ctx context.Context, collect bool) (s sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	s.Node = n.name
	pid := n.PIDs()[0]
	if s.Resident, err = residentBytes(pid); err != nil {
		return s, fmt.Errorf("%s has ended: %w", n.name, err)
	}
	if s.Sockets, s.Files, err = descriptors(pid); err != nil {
		return s, err
	}
	if collect { // which this page does
		if _, err := n.fetch(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return s, err
		}
	}
	text, err := n.fetch(ctx, "/metrics")
	if err != nil {
		return s, err
	}
	values := map[string]float64{"go_gc_heap_live_bytes": -1, "go_goroutines": -1, "ostiary_storage_edge_cache_bytes": -1}
	readMetrics(text, values)
	for name, value := range values {
		if value < 0 {
			return s, fmt.Errorf("%s has no metric %s", n.name, name)
		}
	}
	s.Heap, s.Goroutines = int64(values["go_gc_heap_live_bytes"]), int(values["go_goroutines"])
	s.Cache = int64(values["ostiary_storage_edge_cache_bytes"])
	s.Disk = folderBytes(n.data)
	return s, nil
}

// fetch reads a page of the listener for operators, over a connection of its own.
func (n *node) fetch(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+n.admin+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := n.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", n.name, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return "", fmt.Errorf("look at %s: %s: %w", n.name, path, err)
	}
	return string(text), nil
}

// readMetrics fills in the values of the metrics that are named, without labels.
func readMetrics(text string, values map[string]float64) {
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if _, wanted := values[name]; !ok || !wanted {
			continue
		}
		if value, err := strconv.ParseFloat(rest, 64); err == nil {
			values[name] = value
		}
	}
}

// residentBytes is the memory that a process has.
func residentBytes(pid int) (int64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("its memory is not known") // a process that has ended and was not waited for
}

// descriptors counts what a process has open.
func descriptors(pid int) (sockets, files int, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, err
	}
	for _, entry := range entries {
		to, err := os.Readlink(filepath.Join(dir, entry.Name()))
		switch {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(to, "socket:"):
			sockets++
		default:
			files++
		}
	}
	return sockets, files, nil
}

// folderBytes is what lies in a folder. Files come and go meanwhile.
func folderBytes(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
