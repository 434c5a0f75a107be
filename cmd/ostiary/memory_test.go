package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "512MiB": 512 << 20, "2GiB": 2 << 30, "2 GiB": 2 << 30, "1.5GiB": 3 << 29, "1TB": 1e12, "10MB": 1e7, "3kB": 3000, "7B": 7,
	} {
		var b byteSize
		if err := b.Set(text); err != nil || int64(b) != want {
			t.Errorf("%q: got %d, %v, want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "-1GiB", "2gib", "2G", "much", "NaN", "1e30GiB", "Inf", "2GiBs"} {
		var b byteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q was taken for %d bytes", text, b)
		}
	}
	for n, want := range map[byteSize]string{2 << 30: "2GiB", 1536 << 20: "1536MiB", 1000: "1000", 0: "0", -1: ""} {
		if got := n.String(); got != want {
			t.Errorf("%d: got %q, want %q", int64(n), got, want)
		}
	}
}

// TestPlanMemory divides memory limits: what is outside of Go's heap and the heap are the limit together,
// and caches are never more than their shares.
func TestPlanMemory(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name                string
		limit, cache        byteSize
		machine             int64
		total, edges, block int64
		fault               string
	}{
		{name: "half of the machine", cache: -1, machine: 16 * gib, total: 8 * gib, edges: 2 * gib, block: gib},
		{name: "a small machine", cache: -1, machine: gib / 4, total: gib / 4, edges: gib / 16, block: gib / 32},
		{name: "a limit", limit: 2 * gib, cache: -1, machine: 64 * gib, total: 2 * gib, edges: gib / 2, block: gib / 4},
		{name: "a cache of its own size", limit: 2 * gib, cache: gib / 4, machine: 64 * gib, total: 2 * gib, edges: gib / 4, block: gib / 4},
		{name: "no cache", limit: 2 * gib, cache: 0, machine: 64 * gib, total: 2 * gib, edges: 0, block: gib / 4},
		{name: "a large machine", cache: -1, machine: 1024 * gib, total: 512 * gib, edges: 128 * gib, block: 4 * gib},
		{name: "too little", limit: gib / 8, cache: -1, machine: 64 * gib, fault: "at least 256MiB"},
		{name: "too large a cache", limit: gib, cache: gib, machine: 64 * gib, fault: "at most 512MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := planMemory(c.limit, c.cache, c.machine)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("got %v, want %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.total != c.total || p.edgeCache != c.edges || p.blockCache != c.block {
				t.Errorf("got %+v, want %+v", p, c)
			}
			if cachesOutsideHeap && p.heap+p.blockCache+memTableBytes != p.total || !cachesOutsideHeap && p.heap != p.total {
				t.Errorf("heap and what is outside are not the limit: %+v", p)
			}
		})
	}
}

func TestMachineMemory(t *testing.T) {
	const of = "0::/system.slice/ostiary.service\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"the machine": {map[string]string{"proc/meminfo": "MemFree:  1 kB\nMemTotal:       24684544 kB\n"}, 24684544 << 10},
		"nothing":     {map[string]string{"proc/meminfo": "MemFree:  1 kB\n"}, unknownMemory},
		"a container": {map[string]string{
			"proc/meminfo": "MemTotal: 24684544 kB\n", "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, 1 << 30},
		"a service": {map[string]string{
			"proc/meminfo": "MemTotal: 24684544 kB\n", "proc/self/cgroup": of,
			"sys/fs/cgroup/system.slice/ostiary.service/memory.max": "1073741824\n", "sys/fs/cgroup/system.slice/memory.max": "max\n",
		}, 1 << 30},
		"a slice that is smaller": {map[string]string{
			"proc/meminfo": "MemTotal: 24684544 kB\n", "proc/self/cgroup": of,
			"sys/fs/cgroup/system.slice/ostiary.service/memory.max": "1073741824\n", "sys/fs/cgroup/system.slice/memory.max": "536870912\n",
		}, 512 << 20},
		"version 1": {map[string]string{
			"proc/meminfo": "MemTotal: 24684544 kB\n", "proc/self/cgroup": "3:cpu,cpuacct:/x\n2:memory:/y\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1\n", "sys/fs/cgroup/memory/y/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := machineMemory(root); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
	if machineMemory(os.DirFS("/")) <= 0 {
		t.Error("this machine has no memory")
	}
}
