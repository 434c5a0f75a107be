package raftstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary"
)

// peers are the connections for calls to other nodes, by address.
type peers struct {
	dial func(ctx context.Context, address string) (net.Conn, error)

	mu     sync.Mutex
	conns  map[string]*peer
	closed bool
}

// peer is a connection for calls, which is made again when it breaks.
type peer struct {
	*grpc.ClientConn
	mu   sync.Mutex
	last error // why the newest attempt to connect failed
}

func newPeers(dial func(ctx context.Context, address string) (net.Conn, error)) *peers {
	return &peers{dial: dial, conns: map[string]*peer{}}
}

// reach returns a connection that stands. An error says that nothing was sent, and is
// ostiary.ErrUnavailable.
func (p *peers) reach(ctx context.Context, address string) (*grpc.ClientConn, error) {
	conn, err := p.get(address)
	if err != nil {
		return nil, err
	}
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return conn.ClientConn, nil
		case connectivity.Idle:
			conn.Connect()
		case connectivity.Shutdown:
			return nil, fmt.Errorf("connect to node %q: this node is shutting down: %w", address, ostiary.ErrUnavailable)
		case connectivity.TransientFailure:
			if err := conn.failure(); err != nil {
				conn.ResetConnectBackoff()
				return nil, fmt.Errorf("%w: %w", err, ostiary.ErrUnavailable)
			}
		}
		if !conn.WaitForStateChange(ctx, state) {
			return nil, fmt.Errorf("connect to node %q: %w: %w", address, errors.Join(conn.failure(), ctx.Err()), ostiary.ErrUnavailable)
		}
	}
}

func (c *peer) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (p *peers) get(address string) (*peer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("connect to node %q: this node is shutting down: %w", address, ostiary.ErrUnavailable)
	}
	if conn := p.conns[address]; conn != nil {
		return conn, nil
	}
	made := &peer{}
	connect := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := p.dial(ctx, address)
		made.mu.Lock()
		made.last = err
		made.mu.Unlock()
		return conn, err
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dial has made the connection safe already
		grpc.WithContextDialer(connect),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(callCodec{})),
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: helloTimeout,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to node %q: %w", address, err)
	}
	made.ClientConn = conn
	p.conns[address] = made
	return made, nil
}

// close ends all connections and what is under way on them.
func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, conn := range p.conns {
		conn.Close()
	}
	p.conns = map[string]*peer{}
}
