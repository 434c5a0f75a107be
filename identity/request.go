package identity

import (
	"context"

	"github.com/ostiary/ostiary"
)

// Request is what is recorded of a request that changes something: no values.
type Request struct {
	ID         string
	Method     string   // of a SCIM request
	Path       string   // of a SCIM request, below the connection
	Attributes []string // the names of those that the request sets
	// Changed is set once a change of the request is committed.
	Changed bool
}

type requestKey struct{}

// WithRequest returns a context whose changes are those of a request. One goroutine uses it.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// WithRequestID is WithRequest where no more is known than an id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return WithRequest(ctx, &Request{ID: id})
}

// requestOf returns the request of a context, or nil.
func requestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

func (r *Request) id() string {
	if r == nil {
		return ""
	}
	return r.ID
}

// note records what became of a change.
func (r *Request) note(receipt ostiary.Receipt, err error) {
	if r != nil && err == nil && receipt.Changed {
		r.Changed = true
	}
}
