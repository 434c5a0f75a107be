package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// sources are addresses that connections come from: one address has too few ports for many connections to one port,
// and attackers have many.
const sources = 16

// dialAs connects to an address as the i-th attacker.
func dialAs(ctx context.Context, i int, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 30 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%sources))}}
	return d.DialContext(ctx, "tcp", address)
}

// speakAs is dialAs and a handshake of TLS, for a protocol: http/1.1 or h2. What is read is kept by a small buffer.
func (a *attacker) speakAs(ctx context.Context, i int, address, protocol string) (net.Conn, error) {
	conn, err := dialAs(ctx, i, address)
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetReadBuffer(slowBuffer); err != nil {
		conn.Close()
		return nil, err
	}
	config := a.trust.Clone()
	config.ServerName, config.NextProtos = "127.0.0.1", []string{protocol}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// redial is how long an attacker waits before it connects again.
const redial = 10 * time.Second

// beginnings are what a connection that "sends nothing" may have sent before it fell silent.
var beginnings = []string{
	"",
	"",
	"PRI * HTTP/2.0\r\n",
	"POST /stores HTTP/1.1\r\nHost: a\r\nX-",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // a client's greeting of TLS, cut short
}

// silent opens connections, half of them over gRPC, that say nothing or half of something, and opens those again
// that the server has closed.
func silent(ctx context.Context, a *attacker) (string, error) {
	var open, most, opened, closed, refused atomic.Int64
	var holding sync.WaitGroup
	for i := range a.Silent {
		n := a.Nodes[i%len(a.Nodes)]
		address := n.GRPC
		if i/len(a.Nodes)%2 == 1 {
			address = n.HTTP
		}
		holding.Go(func() {
			sleep(ctx, a.arrival(i, a.Silent))
			for ctx.Err() == nil {
				conn, err := dialAs(ctx, i, address)
				if err != nil {
					if ctx.Err() == nil {
						refused.Add(1)
					}
					sleep(ctx, redial)
					continue
				}
				opened.Add(1)
				now := open.Add(1)
				for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				_, _ = conn.Write([]byte(beginnings[i%len(beginnings)]))
				drain(conn)
				stop()
				conn.Close()
				open.Add(-1)
				if ctx.Err() == nil {
					closed.Add(1)
					sleep(ctx, redial)
				}
			}
		})
	}
	holding.Wait()
	return fmt.Sprintf("%d connections opened, at most %d at once; the server closed %d; %d not connected", opened.Load(), most.Load(), closed.Load(), refused.Load()), nil
}

// drain reads until the other side closes.
func drain(conn net.Conn) (bytes int64) {
	buffer := make([]byte, 512)
	for {
		n, err := conn.Read(buffer)
		bytes += int64(n)
		if err != nil {
			return bytes
		}
	}
}
