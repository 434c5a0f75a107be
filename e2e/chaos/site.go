package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// site is where the nodes live: their addresses, their disks, and what can be done to both. The zero
// site is this machine's loopback and the temporary folder.
type site struct {
	dir   string
	net   bool // a network namespace for each node, on one bridge
	delay bool // the kernel can slow its links
	disks bool // a small file system for each node
	tag   string
}

const (
	nodes     = 3
	diskBytes = 1 << 30
	leftBytes = 160 << 20 // on a filled disk: less than the server's reserve of 256 MiB, more than a quarter of it
)

// newSite prepares what this machine allows; missing says what it does not.
func newSite(dir string) (s *site, missing string) {
	s = &site{dir: dir, tag: fmt.Sprintf("och%d", os.Getpid()%100_000)}
	for n := range nodes {
		if err := os.Mkdir(s.data(n), 0o700); err != nil {
			missing += fmt.Sprintf("; folder: %v", err)
		}
	}
	if err := s.makeNet(); err != nil {
		s.dropNet()
		missing += fmt.Sprintf("; none of the network (%v)", err)
	} else {
		s.net = true
		if err := s.slow(0, "1ms", 0); err != nil {
			missing += fmt.Sprintf("; no delay (%v)", err)
		} else {
			s.delay = s.hasten(0) == nil
		}
	}
	if err := s.makeDisks(); err != nil {
		s.dropDisks()
		missing += fmt.Sprintf("; none of the disk (%v)", err)
	} else {
		s.disks = true
	}
	return s, missing
}

func (s *site) close() {
	if s.net {
		s.dropNet()
	}
	if s.disks {
		s.dropDisks()
	}
}

func (s *site) data(n int) string { return filepath.Join(s.dir, fmt.Sprintf("disk%d", n)) }

// host returns the address of node n.
func (s *site) host(n int) string {
	if s.net {
		return fmt.Sprintf("10.213.77.%d", n+2)
	}
	return "127.0.0.1"
}

// command returns a command that runs where node n lives.
func (s *site) command(n int, name string, args ...string) *exec.Cmd {
	if s.net {
		return exec.Command("ip", append([]string{"netns", "exec", s.space(n), name}, args...)...)
	}
	return exec.Command(name, args...)
}

func (s *site) space(n int) string { return fmt.Sprintf("%s-%d", s.tag, n) }
func (s *site) link(n int) string  { return fmt.Sprintf("%sv%d", s.tag, n) }

func (s *site) makeNet() error {
	steps := []string{
		"ip link add " + s.tag + " type bridge",
		"ip addr add 10.213.77.1/24 dev " + s.tag,
		"ip link set " + s.tag + " up",
	}
	for n := range nodes {
		in := "ip -n " + s.space(n)
		steps = append(steps,
			"ip netns add "+s.space(n),
			fmt.Sprintf("ip link add %s type veth peer name eth0 netns %s", s.link(n), s.space(n)),
			fmt.Sprintf("ip link set %s master %s up", s.link(n), s.tag),
			fmt.Sprintf("%s addr add 10.213.77.%d/24 dev eth0", in, n+2),
			in+" link set eth0 up",
			in+" link set lo up",
		)
	}
	for _, step := range steps {
		if err := shell(step); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) dropNet() {
	for n := range nodes {
		_ = shell("ip netns del " + s.space(n))
	}
	_ = shell("ip link del " + s.tag)
}

// block drops what node from sends to node to.
func (s *site) block(from, to int) error {
	return shell(fmt.Sprintf("ip -n %s route add blackhole %s/32", s.space(from), s.host(to)))
}

func (s *site) unblock(from, to int) error {
	return shell(fmt.Sprintf("ip -n %s route del blackhole %s/32", s.space(from), s.host(to)))
}

// slow delays what node n sends and loses part of it.
func (s *site) slow(n int, delay string, loss int) error {
	return shell(fmt.Sprintf("ip netns exec %s tc qdisc add dev eth0 root netem delay %s loss %d%%", s.space(n), delay, loss))
}

func (s *site) hasten(n int) error {
	return shell(fmt.Sprintf("ip netns exec %s tc qdisc del dev eth0 root", s.space(n)))
}

func (s *site) makeDisks() error {
	for n := range nodes {
		if err := shell(fmt.Sprintf("mount -t tmpfs -o size=%d tmpfs %s", diskBytes, s.data(n))); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) dropDisks() {
	for n := range nodes {
		_ = shell("umount -l " + s.data(n))
	}
}

// fill leaves node n less free space than the server's reserve.
func (s *site) fill(n int) error {
	var space syscall.Statfs_t
	if err := syscall.Statfs(s.data(n), &space); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.data(n), "filler"), make([]byte, int64(space.Bavail)*space.Bsize-leftBytes), 0o600)
}

func (s *site) empty(n int) error { return os.Remove(filepath.Join(s.data(n), "filler")) }

// shell runs a command whose words hold no spaces.
func shell(line string) error {
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}
