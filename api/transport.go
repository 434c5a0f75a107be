package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"

	"google.golang.org/grpc/credentials"
)

// TLS says with which certificates the server answers. A nil configuration is plain text. Each names its
// certificates by GetCertificate or Certificates; application protocols are added.
type TLS struct {
	GRPC, HTTP *tls.Config
	// ClientCAs, where it is set, returns the authorities of client certificates, which then name callers. A pool that
	// was replaced is another one.
	ClientCAs func() *x509.CertPool
}

// memoryNetwork is the network of connections in memory (bufconn).
const memoryNetwork = "bufconn"

// transport is how gRPC connections begin: those over the network with TLS, and the one in memory, which
// carries streams of the HTTP surface, without.
type transport struct {
	credentials.TransportCredentials
}

func newTransport(config *tls.Config) transport {
	return transport{credentials.NewTLS(config)}
}

func (t transport) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if conn.LocalAddr().Network() == memoryNetwork {
		return conn, nil, nil
	}
	return t.TransportCredentials.ServerHandshake(conn)
}

func (t transport) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are for servers")
}

func (t transport) Clone() credentials.TransportCredentials {
	return transport{t.TransportCredentials.Clone()}
}

// serveHTTP serves until the server is told to stop.
func (s *Server) serveHTTP(server *http.Server, listener net.Listener) error {
	if s.tls.HTTP == nil {
		return server.Serve(listener)
	}
	server.TLSConfig = asking(s.tls.HTTP, s.tls.ClientCAs, "h2", "http/1.1")
	return server.ServeTLS(listener, "", "")
}

// known keeps the TLS of a connection at hand, by which its caller is known.
func (s *Server) known(next http.Handler) http.Handler {
	if s.tls.ClientCAs == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			r = r.WithContext(context.WithValue(r.Context(), connectionKey{}, r.TLS))
		}
		next.ServeHTTP(w, r)
	})
}
