package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// byteSize is a size in bytes that people write as 512MiB or 2GiB. It is a pflag.Value.
type byteSize int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1},
}

func (b *byteSize) Set(text string) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*float64(u.bytes) > math.MaxInt64/2 || math.IsNaN(n) {
			break
		}
		*b = byteSize(n * float64(u.bytes))
		return nil
	}
	return fmt.Errorf("%q is not a size: write it as 512MiB or 2GiB", text)
}

// String writes the size with the greatest unit that needs no fraction. A negative size is one that nobody
// chose, and nothing is written.
func (b *byteSize) String() string {
	if *b < 0 {
		return ""
	}
	for _, u := range sizeUnits {
		if n := int64(*b); n > 0 && strings.HasSuffix(u.name, "iB") && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *byteSize) Type() string { return "size" }

// The shares of the memory of the whole process.
const (
	// machineShare is the share of the memory of the machine, or of its control group, that a node takes
	// where --memory-limit does not say.
	machineShare = 0.5
	// unknownMemory stands for the memory of a machine that does not tell.
	unknownMemory = 4 << 30
	// minMemoryLimit leaves room for requests beside the smallest caches.
	minMemoryLimit = 256 << 20
	// blockCacheShare and edgeCacheShare are what caches take of the limit. What remains is for requests,
	// writes and Go's collector.
	blockCacheShare = 8 // an eighth
	edgeCacheShare  = 4 // a quarter
	maxBlockCache   = 4 << 30
	// maxCacheShare is how much of the limit --cache-size may take.
	maxCacheShare = 2 // a half
	// memTableBytes is what the storage holds of the newest writes at most.
	memTableBytes = 64 << 20
)

// memoryPlan says how the memory of the process is divided.
type memoryPlan struct {
	total      int64
	blockCache int64 // of Pebble
	edgeCache  int64 // 0: none
	// heap is Go's soft limit (GOMEMLIMIT): what lies outside of its heap is taken off.
	heap int64
}

// planMemory divides the limit; zero is a share of machine, the memory that there is. cacheSize is that of
// the cache of edges; negative is a share.
func planMemory(limit, cacheSize byteSize, machine int64) (memoryPlan, error) {
	p := memoryPlan{total: int64(limit)}
	if p.total == 0 {
		p.total = max(int64(float64(machine)*machineShare), minMemoryLimit)
	}
	if p.total < minMemoryLimit {
		least := byteSize(minMemoryLimit)
		return p, fmt.Errorf("--memory-limit %s is too little: a node needs at least %s", &limit, &least)
	}
	p.blockCache = min(p.total/blockCacheShare, maxBlockCache)
	p.edgeCache = p.total / edgeCacheShare
	if cacheSize >= 0 {
		p.edgeCache = int64(cacheSize)
	}
	if most := byteSize(p.total / maxCacheShare); p.edgeCache > int64(most) {
		return p, fmt.Errorf("--cache-size %s is more than half of the memory limit: choose at most %s, or raise --memory-limit", &cacheSize, &most)
	}
	p.heap = p.total
	if cachesOutsideHeap {
		p.heap -= p.blockCache + memTableBytes
	}
	return p, nil
}

// machineMemory is the memory that this process may have: that of the machine, or of its control group
// where that is less. root is the file system of the machine.
func machineMemory(root fs.FS) int64 {
	total := int64(unknownMemory)
	if n, err := memTotal(root); err == nil {
		total = n
	}
	for _, file := range memoryBounds(root) {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 { // "max" is no bound
			total = min(total, n)
		}
	}
	return total
}

// memoryBounds names the files that bound the memory of the control group of this process and of those above it, of
// both versions (cgroups(7)). Inside a container its group is the root.
func memoryBounds(root fs.FS) []string {
	files := []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(fields) != 3 {
			continue
		}
		top, name := "sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			top, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			if !slices.Contains(strings.Split(fields[1], ","), "memory") {
				continue
			}
		}
		for group := path.Join("/", fields[2]); group != "/"; group = path.Dir(group) {
			files = append(files, path.Join(top, group, name))
		}
	}
	return files
}

// memTotal reads the memory of the machine from /proc/meminfo.
func memTotal(root fs.FS) (int64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no MemTotal")
}
