package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc: 1/100 s on every Linux.
const clockTick = 10 * time.Millisecond

// errNoProc says that this machine has no /proc to read CPU times from.
var errNoProc = errors.New("CPU times are read from /proc, which this machine lacks")

// process is what /proc says of one process.
type process struct {
	pid, parent int
	cpu         time.Duration // its own, and that of children that have ended
	own         time.Duration // its own
}

// processes reads every process of the machine.
func processes() (map[int]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, errNoProc
	}
	found := map[int]process{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil { // one that ended meanwhile is left out
			found[pid] = p
		}
	}
	if len(found) == 0 {
		return nil, errNoProc
	}
	return found, nil
}

func readProcess(pid int) (process, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, err
	}
	// The name stands in brackets and may hold anything; the numbers follow the last bracket.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 15 {
		return process{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(i int) int64 {
		n, parseErr := strconv.ParseInt(fields[i], 10, 64)
		err = errors.Join(err, parseErr)
		return n
	}
	p := process{pid: pid, parent: int(number(1))}
	p.own = time.Duration(number(11)+number(12)) * clockTick
	p.cpu = p.own + time.Duration(number(13)+number(14))*clockTick
	return p, err
}

// familyOf returns the given processes and everything that descends from them.
func familyOf(roots []int, all map[int]process) []process {
	in := map[int]bool{}
	for _, pid := range roots {
		in[pid] = true
	}
	for grown := true; grown; {
		grown = false
		for pid, p := range all {
			if in[p.parent] && !in[pid] {
				in[pid], grown = true, true
			}
		}
	}
	var family []process
	for pid := range in {
		if p, ok := all[pid]; ok {
			family = append(family, p)
		}
	}
	return family
}

// cpuTimes is a reading of who has used how much CPU since the machine started.
type cpuTimes struct {
	at      time.Time
	client  time.Duration // this process
	server  time.Duration // the server's processes
	machine time.Duration // all that was not idle
	err     error
}

// readCPU reads the CPU times of this process, of the server's processes and of the machine.
func readCPU(serverPIDs []int) cpuTimes {
	times := cpuTimes{at: time.Now()}
	all, err := processes()
	if err != nil {
		times.err = err
		return times
	}
	times.client = all[os.Getpid()].own
	for _, p := range familyOf(serverPIDs, all) {
		times.server += p.cpu
	}
	times.machine, times.err = machineBusy()
	return times
}

// machineBusy returns how long the machine's cores have been busy, time stolen by its host included.
func machineBusy() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, errNoProc
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// residentBytes returns the memory of the server's processes. What they share is divided between those
// that share it (PSS) where the system says, so that PostgreSQL's buffers count once.
func residentBytes(serverPIDs []int) (int64, error) {
	all, err := processes()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, p := range familyOf(serverPIDs, all) {
		dir := filepath.Join("/proc", strconv.Itoa(p.pid))
		size, err := kilobytesOf(filepath.Join(dir, "smaps_rollup"), "Pss:")
		if err != nil {
			if size, err = kilobytesOf(filepath.Join(dir, "status"), "VmRSS:"); err != nil {
				continue // it ended meanwhile, or is another user's
			}
		}
		sum += size
	}
	return sum, nil
}

// kilobytesOf reads a line such as "VmRSS:  123 kB" of a file in /proc, as bytes.
func kilobytesOf(path, name string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("%s has no line %s", path, name)
}

// findServer returns the process of this machine that listens on a TCP port, and false when there is
// none that this user may see.
func findServer(port int) (pid int, ok bool) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			// sl local_address rem_address st … inode; 0A is LISTEN.
			fields := strings.Fields(line)
			if len(fields) < 10 || fields[3] != "0A" {
				continue
			}
			_, hexPort, _ := strings.Cut(fields[1], ":")
			if n, err := strconv.ParseInt(hexPort, 16, 32); err == nil && int(n) == port {
				sockets["socket:["+fields[9]+"]"] = true
			}
		}
	}
	if len(sockets) == 0 {
		return 0, false
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && sockets[to] {
			pid, err := strconv.Atoi(strings.Split(link, "/")[2])
			return pid, err == nil
		}
	}
	return 0, false
}

// cores is how many cores this process may use.
func cores() int { return runtime.NumCPU() }
