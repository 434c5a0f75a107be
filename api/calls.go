package api

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"strings"

	"google.golang.org/grpc/peer"

	"github.com/ostiary/ostiary"
)

type remoteKey struct{}

// withRemote keeps the address of a connection of HTTP for the audit.
func withRemote(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, remoteKey{}, c.RemoteAddr().String())
}

// headerOrigin carries the address of a stream of the HTTP surface to gRPC. It counts on the connection in memory alone.
const headerOrigin = "ostiary-origin"

// originOf returns the address that a request came from.
func originOf(ctx context.Context) string {
	if address, ok := ctx.Value(remoteKey{}).(string); ok {
		return address
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		if from := incoming(ctx)[headerOrigin]; len(from) == 1 && p.Addr.Network() == memoryNetwork {
			return from[0]
		}
		return p.Addr.String()
	}
	return ""
}

// audited is what the audit says of the request.
func (r *request) audited() *ostiary.Call {
	return &ostiary.Call{Method: r.call.method, Origin: originOf(r.Context), Store: r.call.storeID}
}

// auditedHTTP is what the audit says of a request to a mounted handler: its route, and not what follows it.
func auditedHTTP(r *http.Request) *ostiary.Call {
	return &ostiary.Call{Method: r.Method + " " + routeOf(r.URL.EscapedPath()), Origin: r.RemoteAddr}
}

var (
	idInPath   = regexp.MustCompile(`^[a-z]?[0-9A-Za-z]{26}$`)
	wordInPath = regexp.MustCompile(`^[0-9A-Za-z._-]{1,32}$`)
)

const (
	// maxRouteWords is how many words a route has before the first id in it: more is no route of ours.
	maxRouteWords = 4
	// hiddenInPath stands for a part of a path that may be anything.
	hiddenInPath = "…"
)

// routeOf returns of a path the words and ids that say which call it was: after an id one word, that of what it has.
// Anything else may name a person, as a provider has it that looks for somebody by a name.
func routeOf(path string) string {
	parts, words, most := strings.Split(path, "/"), 0, maxRouteWords
	for i, part := range parts {
		switch {
		case part == "":
		case idInPath.MatchString(part):
			words, most = 0, 1
		case words == most || !wordInPath.MatchString(part):
			parts[i], words = hiddenInPath, most
		default:
			words++
		}
	}
	return strings.Join(parts, "/")
}
