package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// network is what lies between the nodes of a simulation: connections in memory that keep bytes in order
// and carry them with a delay, between hosts that can be cut off from each other, in one direction or
// both, or lose their power. Everything waits on channels and timers alone, so that a bubble's time goes on.
//
// A cut holds bytes back, as TCP does: they arrive after the cut has healed, unless somebody has given
// up meanwhile.
type network struct {
	mu      sync.Mutex // guards everything below, and all pipes and listeners
	random  *rand.Rand
	delay   time.Duration        // of a chunk of bytes, at most
	cut     map[[2]int]bool      // from, to
	hosts   map[string]*listener // who listens, by address
	dark    map[int]bool         // hosts without power: they answer nothing, not even that nobody listens
	running map[int]*host        // what runs on each host
	conns   map[*conn]struct{}
	changed chan struct{} // closed and replaced when something that a dial or a pipe may wait for happens
}

func newNetwork(seed uint64, delay time.Duration) *network {
	return &network{
		random: rand.New(rand.NewPCG(seed, 1)), delay: delay,
		cut: map[[2]int]bool{}, hosts: map[string]*listener{}, dark: map[int]bool{},
		running: map[int]*host{}, conns: map[*conn]struct{}{}, changed: make(chan struct{}),
	}
}

// boot returns the network as a node sees it that starts on a host. Who still waits for an answer of the
// one that ran there before learns that it is lost.
func (n *network) boot(id int) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dark[id] = false
	for c := range n.conns {
		if c.to == id && c.orphan {
			c.breakLocked(syscall.ECONNRESET)
		}
	}
	h := &host{network: n, id: id}
	n.running[id] = h
	n.wake()
	return h
}

// wake is called with mu held.
func (n *network) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// setCut cuts the link from one host to another, or heals it.
func (n *network) setCut(from, to int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]int{from, to}] = cut
	n.wake()
}

// heal heals every link, and takes the connections along that were held back, if reset is set.
func (n *network) heal(reset bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if reset && (n.cut[[2]int{c.from, c.to}] || n.cut[[2]int{c.to, c.from}]) {
			c.breakLocked(syscall.ECONNRESET)
		}
	}
	clear(n.cut)
	n.wake()
}

// slow changes the delay.
func (n *network) slow(delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay = delay
}

// lose ends what runs on a host at once: no byte leaves it any more. With power lost the others do not
// hear of it before the host boots; otherwise their connections are reset.
func (n *network) lose(host int, power bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for address, l := range n.hosts {
		if l.host == host {
			l.closed = true
			delete(n.hosts, address)
		}
	}
	n.dark[host] = power
	if h := n.running[host]; h != nil {
		h.lost = true
	}
	for c := range n.conns {
		switch host {
		case c.from:
			c.failure = net.ErrClosed
		case c.to:
			if !power {
				c.breakLocked(syscall.ECONNRESET)
			}
			c.orphan = true
		}
	}
	n.wake()
}

// lag returns when a chunk that is sent now arrives. Now and then one takes much longer.
func (n *network) lag() time.Time {
	d := time.Duration(n.random.Int64N(int64(n.delay) + 1))
	if n.random.IntN(50) == 0 {
		d *= 10
	}
	return time.Now().Add(d)
}

// host is the network as one life of a node sees it. It implements raftstore.Network.
type host struct {
	*network
	id   int
	lost bool // guarded by mu
}

// Listen opens an address of the host.
func (h *host) Listen(address string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost {
		return nil, net.ErrClosed
	}
	if h.hosts[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "sim", Err: syscall.EADDRINUSE}
	}
	l := &listener{network: h.network, host: h.id, address: addr(address)}
	h.hosts[address] = l
	h.wake()
	return l, nil
}

// Dial connects to an address. While the way there or back is cut, or the host there has no power, it
// waits, as a machine does that gets no answer.
func (h *host) Dial(ctx context.Context, address string) (net.Conn, error) {
	h.mu.Lock()
	at := h.lag()
	h.mu.Unlock()
	for {
		h.mu.Lock()
		if h.lost {
			h.mu.Unlock()
			return nil, net.ErrClosed
		}
		changed, target := h.changed, hostOf(address)
		held := h.cut[[2]int{h.id, target}] || h.cut[[2]int{target, h.id}] || h.dark[target]
		if wait := time.Until(at); !held && wait <= 0 {
			l := h.hosts[address]
			if l == nil || l.closed {
				h.mu.Unlock()
				return nil, &net.OpError{Op: "dial", Net: "sim", Err: fmt.Errorf("%s: %w", address, syscall.ECONNREFUSED)}
			}
			ours, theirs := h.connect(h.id, target, addr(address))
			l.waiting = append(l.waiting, theirs)
			h.wake()
			h.mu.Unlock()
			return ours, nil
		}
		h.mu.Unlock()
		var arrival <-chan time.Time
		if !held {
			arrival = time.After(time.Until(at))
		}
		select {
		case <-changed:
		case <-arrival:
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: "sim", Err: fmt.Errorf("%s: %w", address, ctx.Err())}
		}
	}
}

// connect is called with mu held.
func (n *network) connect(from, to int, address addr) (ours, theirs *conn) {
	there, back := &pipe{changed: make(chan struct{})}, &pipe{changed: make(chan struct{})}
	ours = &conn{network: n, from: from, to: to, local: addr(fmt.Sprintf("host%d:0", from)), remote: address, in: back, out: there}
	theirs = &conn{network: n, from: to, to: from, local: address, remote: ours.local, in: there, out: back}
	ours.other, theirs.other = theirs, ours
	n.conns[ours], n.conns[theirs] = struct{}{}, struct{}{}
	return ours, theirs
}

func addressOf(host int) string { return fmt.Sprintf("host%d:1", host) }

func hostOf(address string) int {
	var host int
	if _, err := fmt.Sscanf(address, "host%d:", &host); err != nil {
		return -1
	}
	return host
}

type addr string

func (addr) Network() string  { return "sim" }
func (a addr) String() string { return string(a) }

type listener struct {
	*network
	host    int
	address addr
	waiting []*conn
	closed  bool
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, net.ErrClosed
		}
		if len(l.waiting) > 0 {
			c := l.waiting[0]
			l.waiting = l.waiting[1:]
			l.mu.Unlock()
			return c, nil
		}
		changed := l.changed
		l.mu.Unlock()
		<-changed
	}
}

func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	if l.hosts[string(l.address)] == l {
		delete(l.hosts, string(l.address))
	}
	for _, c := range l.waiting {
		c.closeLocked()
	}
	l.wake()
	return nil
}

func (l *listener) Addr() net.Addr { return l.address }

// pipe is one direction of a connection.
type pipe struct {
	chunks  []chunk
	bytes   int
	newest  time.Time // when the newest chunk arrives
	ended   bool      // the writer has closed
	refused bool      // the reader has closed
	changed chan struct{}
}

type chunk struct {
	data []byte
	at   time.Time
}

// maxPipeBytes is how much is on the way before a writer waits.
const maxPipeBytes = 64 << 10

func (p *pipe) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// conn is one end of a connection.
type conn struct {
	*network
	from, to      int
	local, remote addr
	in, out       *pipe
	other         *conn

	failure                     error // why it is broken
	orphan                      bool  // the other end is lost
	readDeadline, writeDeadline time.Time
}

func (c *conn) breakLocked(err error) {
	if c.failure == nil {
		c.failure = err
	}
	c.in.wake()
	c.out.wake()
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		n, wait, err := c.readLocked(p)
		changed, links := c.in.changed, c.changed
		c.mu.Unlock()
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		pause(wait, changed, links)
	}
}

// readLocked returns when to look again where there is nothing to read yet; the zero time is never.
func (c *conn) readLocked(p []byte) (n int, again time.Time, err error) {
	now := time.Now()
	if c.failure != nil {
		return 0, again, c.failure
	}
	if !c.readDeadline.IsZero() && !now.Before(c.readDeadline) {
		return 0, again, os.ErrDeadlineExceeded
	}
	again = c.readDeadline
	if c.cut[[2]int{c.to, c.from}] || c.orphan {
		return 0, again, nil
	}
	for len(c.in.chunks) > 0 && n < len(p) {
		first := &c.in.chunks[0]
		if now.Before(first.at) {
			if n == 0 && (again.IsZero() || first.at.Before(again)) {
				again = first.at
			}
			break
		}
		k := copy(p[n:], first.data)
		n += k
		if first.data = first.data[k:]; len(first.data) == 0 {
			c.in.chunks = c.in.chunks[1:]
		}
	}
	if n > 0 {
		c.in.bytes -= n
		c.in.wake()
		return n, again, nil
	}
	if c.in.ended && len(c.in.chunks) == 0 {
		return 0, again, io.EOF
	}
	return 0, again, nil
}

func (c *conn) Write(p []byte) (written int, err error) {
	for {
		c.mu.Lock()
		n, err := c.writeLocked(p)
		written += n
		deadline, changed, links := c.writeDeadline, c.out.changed, c.changed
		c.mu.Unlock()
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
		if n == 0 {
			pause(deadline, changed, links)
		}
	}
}

func (c *conn) writeLocked(p []byte) (n int, err error) {
	now := time.Now()
	switch {
	case c.failure != nil:
		return 0, c.failure
	case c.out.ended:
		return 0, net.ErrClosed
	case !c.writeDeadline.IsZero() && !now.Before(c.writeDeadline):
		return 0, os.ErrDeadlineExceeded
	case c.out.refused && !c.cut[[2]int{c.from, c.to}] && !c.cut[[2]int{c.to, c.from}]:
		c.breakLocked(syscall.ECONNRESET) // the other side's refusal must have its way here
		return 0, c.failure
	}
	n = min(len(p), maxPipeBytes-c.out.bytes)
	if n <= 0 {
		return 0, nil
	}
	at := c.lag()
	if at.Before(c.out.newest) {
		at = c.out.newest // bytes do not overtake each other
	}
	c.out.newest = at
	c.out.chunks = append(c.out.chunks, chunk{append([]byte(nil), p[:n]...), at})
	c.out.bytes += n
	c.out.wake()
	return n, nil
}

// pause waits for a time, or for ever when it is zero, or until one of the channels is closed.
func pause(until time.Time, changed, links <-chan struct{}) {
	var timer <-chan time.Time
	if !until.IsZero() {
		timer = time.After(time.Until(until))
	}
	select {
	case <-timer:
	case <-changed:
	case <-links:
	}
}

func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
	return nil
}

func (c *conn) closeLocked() {
	delete(c.conns, c)
	if c.failure == nil {
		c.failure = net.ErrClosed
	}
	c.out.ended, c.in.refused = true, true
	c.in.wake()
	c.out.wake()
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readDeadline = t
	c.in.wake()
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	c.out.wake()
	return nil
}
