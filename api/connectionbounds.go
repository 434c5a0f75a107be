package api

import (
	"net"
	"net/netip"
	"sync"
)

// ConnectionCounts are the connections of gRPC and HTTP together, and what callers have open.
type ConnectionCounts struct {
	Open             uint64
	RefusedTotal     uint64 // closed at once, since there were as many as may be
	RefusedAddress   uint64 // closed at once, since there were as many as may be of the address
	RequestsTooOften uint64 // requests of callers who asked too often
	StoresTooOften   uint64 // requests to stores that got too many

	Streams                        uint64 // that callers have open
	RefusedStreams, RefusedFollows uint64 // streams of any kind, and of the audit, above what a caller or all may have
	RefusedBlasts                  uint64 // requests of BlastRadius above that
}

// Connections returns how many there are now, and how many there were of what was refused.
func (s *Server) Connections() ConnectionCounts {
	open, refusedAll, refusedEach := s.connections.counts()
	return ConnectionCounts{
		Open: open, RefusedTotal: refusedAll, RefusedAddress: refusedEach, RequestsTooOften: s.tooOften.Load(),
		Streams: s.streams.inUse(), RefusedStreams: s.streams.refused(), RefusedFollows: s.tails.refused(), RefusedBlasts: s.blasts.refused(),
		StoresTooOften: s.storeTooOften.Load(),
	}
}

// connectionBounds bounds the connections of all listeners together. A connection above is closed at once: one that
// waited would hold what the bound is there to save.
type connectionBounds struct{ *places[netip.Addr] }

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

// bounded returns a listener whose connections count.
func (b connectionBounds) bounded(l net.Listener) net.Listener { return &boundedListener{l, b} }

type boundedListener struct {
	net.Listener
	bounds connectionBounds
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := networkOf(conn.RemoteAddr())
		if l.bounds.take(from) == taken {
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
