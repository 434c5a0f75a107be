package api

import (
	"context"
	"net"
	"net/http"

	"google.golang.org/grpc/peer"

	"github.com/ostiary/ostiary"
)

type remoteKey struct{}

// withRemote keeps the address of a connection of HTTP for the audit.
func withRemote(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, remoteKey{}, c.RemoteAddr().String())
}

// originOf returns the address that a request came from.
func originOf(ctx context.Context) string {
	if address, ok := ctx.Value(remoteKey{}).(string); ok {
		return address
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// audited is what the audit says of the request.
func (r *request) audited() *ostiary.Call {
	return &ostiary.Call{Method: r.call.method, Origin: originOf(r.Context), Store: r.call.storeID}
}

// auditedHTTP is what the audit says of a request to a mounted handler: its path, and not what follows it.
func auditedHTTP(r *http.Request) *ostiary.Call {
	return &ostiary.Call{Method: r.Method + " " + r.URL.Path, Origin: r.RemoteAddr}
}
