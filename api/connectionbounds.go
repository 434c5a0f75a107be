package api

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// ConnectionCounts are the connections of gRPC and HTTP together.
type ConnectionCounts struct {
	Open             uint64
	RefusedTotal     uint64 // closed at once, since there were as many as may be
	RefusedAddress   uint64 // closed at once, since there were as many as may be of the address
	RequestsTooOften uint64 // requests of callers who asked too often
}

// Connections returns how many there are now, and how many there were of what was refused.
func (s *Server) Connections() ConnectionCounts {
	b := s.connections
	b.mu.Lock()
	open := b.open
	b.mu.Unlock()
	return ConnectionCounts{
		Open: uint64(open), RefusedTotal: b.refusedTotal.Load(), RefusedAddress: b.refusedAddress.Load(), RequestsTooOften: s.tooOften.Load(),
	}
}

// connectionBounds bounds the connections of all listeners together. A connection above is closed at once: one that
// waited would hold what the bound is there to save.
type connectionBounds struct {
	total, perAddress int // negative: no bound

	mu   sync.Mutex
	open int
	of   map[netip.Addr]int // as many entries as there are connections at most

	refusedTotal, refusedAddress atomic.Uint64
}

func newConnectionBounds(total, perAddress int) *connectionBounds {
	return &connectionBounds{total: total, perAddress: perAddress, of: map[netip.Addr]int{}}
}

// networkOf is what of an address the bounds count: of IPv6 the network of 64 bits that one subscriber has.
func networkOf(address net.Addr) netip.Addr {
	parsed, err := netip.ParseAddrPort(address.String())
	if err != nil {
		return netip.Addr{}
	}
	ip := parsed.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return ip
}

func (b *connectionBounds) take(from netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.total >= 0 && b.open >= b.total:
		b.refusedTotal.Add(1)
		return false
	case b.perAddress >= 0 && b.of[from] >= b.perAddress:
		b.refusedAddress.Add(1)
		return false
	}
	b.open++
	b.of[from]++
	return true
}

func (b *connectionBounds) give(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.of[from]--; b.of[from] == 0 {
		delete(b.of, from)
	}
}

// bounded returns a listener whose connections count.
func (b *connectionBounds) bounded(l net.Listener) net.Listener { return &boundedListener{l, b} }

type boundedListener struct {
	net.Listener
	bounds *connectionBounds
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := networkOf(conn.RemoteAddr())
		if l.bounds.take(from) {
			return &boundedConn{Conn: conn, give: sync.OnceFunc(func() { l.bounds.give(from) })}, nil
		}
		conn.Close()
	}
}

type boundedConn struct {
	net.Conn
	give func()
}

func (c *boundedConn) Close() error {
	defer c.give()
	return c.Conn.Close()
}

// CloseWrite lets net/http end what it sends before it closes.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
