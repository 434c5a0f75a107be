package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Options configures Dial. The zero value is ready for use on this machine, once a store is named.
type Options struct {
	// Store is the id of the store to ask. In names another one.
	Store string
	// Model is the id of the model to ask. Empty: the one that was written last.
	Model string
	// Key is a pre-shared key.
	Key string
	// Tokens returns the access token of each request, in place of Key: see ClientCredentials.
	Tokens TokenSource
	// TLS has the connection encrypted. Certificates in it make the caller known by them. Nil: plain text, which goes to
	// addresses of this machine alone.
	TLS *tls.Config
	// PlainText lets plain text go anywhere: for networks that encrypt by themselves.
	PlainText bool
	// Timeout bounds a call whose context has no deadline, with all its attempts. Zero: 10 s.
	Timeout time.Duration
	// Attempts is how often a request is sent at most. Zero: 4; 1: once.
	Attempts int
	// Dial is passed on to gRPC.
	Dial []grpc.DialOption
}

const (
	defaultTimeout  = 10 * time.Second
	defaultAttempts = 4
	maxAnswerBytes  = 64 << 20
)

// TokenSource returns the access token for a request. It is called for each, by any number of goroutines: let it keep
// what it has got.
type TokenSource func(ctx context.Context) (string, error)

// Client asks one server about one store.
type Client struct {
	conn    *grpc.ClientConn
	fga     openfgav1.OpenFGAServiceClient
	o       Options
	kind    *atomic.Int32 // what the server is, once that is known
	carried *carried      // of a session
}

// Dial returns a Client. The network is first touched by a call. Close it.
//
// The error says which option is at fault.
func Dial(address string, o Options) (*Client, error) {
	if o.Key != "" && o.Tokens != nil {
		return nil, errors.New("dial: set Key or Tokens, not both")
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	transport := insecure.NewCredentials()
	switch {
	case o.TLS != nil:
		transport = credentials.NewTLS(o.TLS)
	case !o.PlainText && !isHere(address):
		return nil, fmt.Errorf("dial %s: plain text would leave this machine: set TLS, or PlainText where the network encrypts", address)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport), grpc.WithUserAgent("ostiary-go"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
	}
	if key := o.Key; key != "" {
		o.Tokens = func(context.Context) (string, error) { return key, nil }
	}
	if o.Tokens != nil {
		dial = append(dial, grpc.WithPerRPCCredentials(bearer{o.Tokens, o.TLS != nil}))
	}
	conn, err := grpc.NewClient(address, append(dial, o.Dial...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return &Client{conn: conn, fga: openfgav1.NewOpenFGAServiceClient(conn), o: o, kind: &atomic.Int32{}}, nil
}

// Close ends the connection, also that of everything made of the Client by In and Session.
func (c *Client) Close() error { return c.conn.Close() }

// In returns a Client of another store on the same connection, outside of any session. It asks that store's model that
// was written last: Options.Model is of the store that it stands beside.
func (c *Client) In(store string) *Client {
	other := *c
	if store != c.o.Store {
		other.o.Model = ""
	}
	other.o.Store, other.carried = store, nil
	return &other
}

// Conn returns the connection, with the caller's key or tokens, for generated clients. Calls on it are not repeated.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// isHere reports whether an address is one of this machine.
func isHere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// bearer puts a token on every request.
type bearer struct {
	tokens TokenSource
	secure bool
}

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.tokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("get an access token: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }
