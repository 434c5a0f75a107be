package ostiary

import "context"

// ReleaseAudit is the release number (Mutation.MinVersion) of the first release that keeps an audit and knows
// Mutation.Method, Origin and Store. The audit of a cluster begins with the first mutation that needs it.
const ReleaseAudit = 3

// Call is what the audit says of a request, beside its principal and its id.
type Call struct {
	// Method is the full name of a method of gRPC, as "/openfga.v1.OpenFGAService/Write", or for other surfaces the
	// method and the path of HTTP, without a query: "POST /scim/v2/…".
	Method string
	// Origin is the address that the request came from: of the client, or of what stands before the server.
	Origin string
	// Store is the store that the request names, where it names one.
	Store string
}

// CallKey is the key under which a context answers a *Call: WithCall puts one there.
type CallKey struct{}

// WithCall returns a context whose changes are audited as those of a call.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, CallKey{}, c)
}

// CallOf returns the call that ctx belongs to, and a zero one where there is none: the server acts by itself.
func CallOf(ctx context.Context) Call {
	if c, ok := ctx.Value(CallKey{}).(*Call); ok && c != nil {
		return *c
	}
	return Call{}
}
