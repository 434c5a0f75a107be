package ostiary

import "context"

// Principal is who asks: the caller of a request as authentication found it.
type Principal struct {
	// Kind is how the caller was recognized: "anonymous", "preshared", "oidc", "mtls", "internal".
	Kind string
	// Name tells principals of one kind apart. It never holds a secret: of a pre-shared key it is a
	// short hash.
	Name string
}

// String returns "kind:name", or the kind alone where there is no name.
func (p Principal) String() string {
	if p.Name == "" {
		return p.Kind
	}
	return p.Kind + ":" + p.Name
}

type principalKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the principal that ctx carries, and false where there is none. A handler that
// finds none refuses the request.
func PrincipalOf(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
