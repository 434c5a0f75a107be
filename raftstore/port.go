package raftstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// port is the cluster's one TCP port. Each connection carries raft or calls between nodes, told apart by
// ALPN, and begins with a hello in which both sides name their cluster:
//
//	caller    magic (8 bytes), protocol (1 byte: 'r' or 'c'), cluster id (16 bytes); for raft, id of the
//	          node that is meant (16 bytes; zeros: any)
//	answerer  verdict (1 byte: 0 welcome), cluster id (16 bytes), reason (2 bytes of length, text)
//
// The zero cluster id is that of a guest, who knows no cluster yet, and asks which one this is. A guest
// learns it from the answer and the connection ends there; the same where the answerer knows none.
type port struct {
	network   Network
	listener  net.Listener
	advertise string
	security  *credentials // nil: plain text
	logger    *slog.Logger

	raftConns, callConns chan net.Conn
	done                 chan struct{} // closed by close
	closing              sync.Once
	greeting             sync.WaitGroup // connections that have not said hello yet

	mu      sync.Mutex
	cluster ostiary.ClusterID     // zero until it is known
	node    string                // the id of this node
	open    map[net.Conn]struct{} // raft's connections, and whatever was accepted, until they are closed
}

const (
	helloMagic = "OSTIARY\x01"
	kindRaft   = 'r'
	kindCall   = 'c'
	// helloTimeout bounds the handshake and the hello of a connection.
	helloTimeout = 5 * time.Second
	// nodeIDBytes is the length of a node's id.
	nodeIDBytes = 16
	// maxReason bounds the text of a refusal.
	maxReason = 1 << 10
)

var errForeign = errors.New("refused")

// Network is how nodes reach each other: connections that keep bytes in order.
type Network interface {
	// Listen opens an address of this node.
	Listen(address string) (net.Listener, error)
	// Dial connects to an address that some node listens on.
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// tcp is the machine's network.
type tcp struct{}

func (tcp) Listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

func (tcp) Dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// listen opens the port. An empty advertise address is the one that it listens on.
func listen(network Network, address, advertise string, security Security, logger *slog.Logger) (*port, error) {
	config, err := security.config(logger)
	if err != nil {
		return nil, err
	}
	listener, err := network.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("listen for the cluster: %w", err)
	}
	if advertise == "" {
		if tcp, ok := listener.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
			listener.Close()
			return nil, fmt.Errorf("the cluster listens on all addresses (%q); say at which one other nodes reach this node (--advertise)", address)
		}
		advertise = listener.Addr().String()
	}
	if host, _, err := net.SplitHostPort(advertise); err != nil || host == "" {
		listener.Close()
		return nil, fmt.Errorf("the advertised address %q is not host:port", advertise)
	}
	p := &port{
		network: network, listener: listener, advertise: advertise, security: config, logger: logger,
		raftConns: make(chan net.Conn), callConns: make(chan net.Conn),
		done: make(chan struct{}), open: map[net.Conn]struct{}{},
	}
	p.greeting.Go(p.accept)
	return p, nil
}

// join makes the port that of a node of a cluster: from now on others are refused.
func (p *port) join(cluster ostiary.ClusterID, node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cluster, p.node = cluster, node
}

func (p *port) clusterID() ostiary.ClusterID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cluster
}

// close ends the port and its connections and waits for its goroutines.
func (p *port) close() error {
	var err error
	p.closing.Do(func() {
		close(p.done)
		err = p.listener.Close()
		p.mu.Lock()
		for conn := range p.open {
			conn.Close()
		}
		p.mu.Unlock()
		p.greeting.Wait()
	})
	return err
}

func (p *port) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			select {
			case <-p.done:
				return
			case <-time.After(50 * time.Millisecond): // no file descriptors, say
				p.logger.Warn("cluster port cannot accept", "error", err)
				continue
			}
		}
		if !p.track(conn) {
			conn.Close()
			return
		}
		p.greeting.Go(func() { p.greet(conn) })
	}
}

func (p *port) track(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return false
	default:
		p.open[conn] = struct{}{}
		return true
	}
}

func (p *port) untrack(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

// greet answers the hello of a connection and hands it to who is responsible for it.
func (p *port) greet(raw net.Conn) {
	conn, kind, err := p.welcome(raw)
	if err != nil {
		p.logger.Warn("connection refused by the cluster port", "from", raw.RemoteAddr().String(), "reason", err)
	}
	if conn == nil {
		p.untrack(raw)
		raw.Close()
		return
	}
	to := p.raftConns
	if kind == kindCall {
		to = p.callConns
	}
	kept := &tracked{Conn: conn, raw: raw, port: p}
	select {
	case to <- kept:
	case <-p.done:
		kept.Close()
	}
}

// tracked is a connection that close ends too.
type tracked struct {
	net.Conn
	raw  net.Conn
	port *port
}

func (t *tracked) Close() error {
	t.port.untrack(t.raw)
	return t.Conn.Close()
}

// welcome returns the connection and what it is for, or nil when it is to end here.
func (p *port) welcome(raw net.Conn) (conn net.Conn, kind byte, err error) {
	if err := raw.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return nil, 0, err
	}
	conn, protocol := raw, ""
	if p.security != nil {
		secure := tls.Server(raw, p.security.answering())
		if err := secure.Handshake(); err != nil {
			return nil, 0, fmt.Errorf("handshake: %w", err)
		}
		conn, protocol = secure, secure.ConnectionState().NegotiatedProtocol
	}
	var hello [len(helloMagic) + 1 + 16]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil {
		return nil, 0, fmt.Errorf("read the hello: %w", err)
	}
	if string(hello[:len(helloMagic)]) != helloMagic {
		return nil, 0, fmt.Errorf("the hello begins with %q: this is the port between nodes", hello[:len(helloMagic)])
	}
	kind = hello[len(helloMagic)]
	theirs, ours := ostiary.ClusterID(hello[len(helloMagic)+1:]), p.clusterID()
	refusal := judgeHello(kind, protocol, theirs, ours, p.security != nil)
	if kind == kindRaft {
		var meant [nodeIDBytes]byte
		if _, err := io.ReadFull(conn, meant[:]); err != nil {
			return nil, 0, fmt.Errorf("read the hello: %w", err)
		}
		refusal = cmp.Or(refusal, p.judgeAddressee(strings.TrimRight(string(meant[:]), "\x00")))
	}
	answer := append([]byte{0}, ours[:]...)
	var reason string
	if refusal != nil {
		answer[0], reason = 1, refusal.Error()
	}
	answer = binary.BigEndian.AppendUint16(answer, uint16(len(reason)))
	if _, err := conn.Write(append(answer, reason...)); err != nil {
		return nil, 0, errors.Join(refusal, fmt.Errorf("answer the hello: %w", err))
	}
	var none ostiary.ClusterID
	if refusal != nil || theirs == none || ours == none {
		return nil, 0, refusal
	}
	return conn, kind, conn.SetDeadline(time.Time{})
}

// judgeHello returns why a caller is refused, or nil.
func judgeHello(kind byte, protocol string, theirs, ours ostiary.ClusterID, secure bool) error {
	var none ostiary.ClusterID
	switch want := protocolOf(kind); {
	case want == "":
		return fmt.Errorf("the hello asks for protocol %q, which this release does not know", kind)
	case secure && protocol != want:
		return fmt.Errorf("the hello asks for %s and the handshake for %q", want, protocol)
	case theirs != none && ours != none && theirs != ours:
		return fmt.Errorf("this node is of cluster %x and the caller of cluster %x", ours[:], theirs[:])
	case kind == kindRaft && (theirs == none || ours == none):
		return errors.New("raft is for members of one cluster, and one side knows none yet")
	}
	return nil
}

// judgeAddressee refuses a connection that is for another node, which had this address before.
func (p *port) judgeAddressee(meant string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if meant == "" || meant == p.node {
		return nil
	}
	return fmt.Errorf("the caller looks for node %q, and this is node %q", meant, p.node)
}

func protocolOf(kind byte) string {
	switch kind {
	case kindRaft:
		return protocolRaft
	case kindCall:
		return protocolCall
	}
	return ""
}

// dial connects to another node's port and says hello, for raft to the given node (empty: to any). It returns the cluster of the other side too.
func dial(ctx context.Context, network Network, config *credentials, address string, kind byte, cluster ostiary.ClusterID, node string) (_ net.Conn, theirs ostiary.ClusterID, err error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("connect to node %q: %w", address, err)
		}
	}()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, theirs, err
	}
	conn, err := network.Dial(ctx, address)
	if err != nil {
		return nil, theirs, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, theirs, err
	}
	if config != nil {
		secure := tls.Client(conn, config.calling(protocolOf(kind), host))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, theirs, fmt.Errorf("handshake: %w", err)
		}
		conn = secure
	}
	if theirs, err = sayHello(conn, kind, cluster, node); err != nil {
		return nil, theirs, err
	}
	return conn, theirs, conn.SetDeadline(time.Time{})
}

func sayHello(conn net.Conn, kind byte, cluster ostiary.ClusterID, node string) (theirs ostiary.ClusterID, err error) {
	hello := append([]byte(helloMagic), kind)
	hello = append(hello, cluster[:]...)
	if kind == kindRaft {
		var meant [nodeIDBytes]byte
		copy(meant[:], node)
		hello = append(hello, meant[:]...)
	}
	if _, err := conn.Write(hello); err != nil {
		return theirs, fmt.Errorf("say hello: %w", err)
	}
	var answer [1 + 16 + 2]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return theirs, fmt.Errorf("hear the answer to the hello (the other side may have refused the certificate): %w", err)
	}
	theirs = ostiary.ClusterID(answer[1:17])
	size := binary.BigEndian.Uint16(answer[17:])
	if size > maxReason {
		return theirs, fmt.Errorf("the answer to the hello has %d bytes of text: this is no port between nodes", size)
	}
	reason := make([]byte, size)
	if _, err := io.ReadFull(conn, reason); err != nil {
		return theirs, fmt.Errorf("hear the answer to the hello: %w", err)
	}
	if answer[0] != 0 {
		return theirs, fmt.Errorf("%w: %s", errForeign, reason)
	}
	return theirs, nil
}

// raftStream is the port as raft sees it.
type raftStream struct{ *port }

var _ raft.StreamLayer = raftStream{}

func (r raftStream) Accept() (net.Conn, error) { return take(r.raftConns, r.done) }

// Close ends the port.
func (r raftStream) Close() error { return r.close() }

// Addr returns the address that other nodes know this one by.
func (r raftStream) Addr() net.Addr { return advertised(r.advertise) }

// Dial connects to another node.
func (r raftStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	node, at := addressee(address)
	conn, _, err := dial(ctx, r.network, r.security, at, kindRaft, r.clusterID(), node)
	if err != nil {
		return nil, err
	}
	if !r.track(conn) {
		conn.Close()
		return nil, net.ErrClosed
	}
	return &tracked{Conn: conn, raw: conn, port: r.port}, nil
}

// callListener is the port as the server of calls sees it.
type callListener struct{ *port }

func (c callListener) Accept() (net.Conn, error) { return take(c.callConns, c.done) }
func (c callListener) Close() error              { return c.close() }
func (c callListener) Addr() net.Addr            { return advertised(c.advertise) }

func take(conns <-chan net.Conn, done <-chan struct{}) (net.Conn, error) {
	select {
	case conn := <-conns:
		return conn, nil
	case <-done:
		return nil, net.ErrClosed
	}
}

type advertised string

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }
