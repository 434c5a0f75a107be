package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/ostiary/ostiary"

	"github.com/ostiary/ostiary/tracing"
)

// sent are the headers of a request that mean something here, as they came. The slices belong to the
// transport: nobody changes them.
type sent struct {
	requestID, authorization, atLeast, asOf, resume, model, refused, once []string

	traceparent, tracestate []string
}

// sentIn picks them from the metadata of a request, whose keys are in lower case.
func sentIn(md metadata.MD) sent {
	return sent{
		requestID: md[headerRequestID], authorization: md["authorization"], atLeast: md[headerAtLeast],
		asOf: md[headerAsOf], resume: md[headerContinue], model: md[headerModel], refused: md[headerRefused], once: md[headerOnce],
		traceparent: md[tracing.HeaderParent], tracestate: md[tracing.HeaderState],
	}
}

type incomingKey struct{}

// keepMetadata keeps the metadata of a request at hand. Package metadata copies all of it each time that
// one asks, or goes through all of it for each key that is not there: 0.7 us a request
// (go test ./api -bench BenchmarkCheck/surface=grpc -cpuprofile).
func keepMetadata(ctx context.Context, info *tap.Info) (context.Context, error) {
	return context.WithValue(ctx, incomingKey{}, info.Header), nil
}

func incoming(ctx context.Context) metadata.MD {
	if md, ok := ctx.Value(incomingKey{}).(metadata.MD); ok {
		return md
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return md
}

// request is the context of a request: that of its transport, with the call and a deadline. A check
// looks at Err alone, so the timer is made once somebody asks for Done; context.WithTimeout makes it, and
// three more objects, for every request.
type request struct {
	context.Context
	call     call
	deadline time.Time // zero: that of Context alone

	mu    sync.Mutex
	timed atomic.Pointer[timed] // set under mu, once; nil until somebody asked for Done
}

// timed is a context with a timer.
type timed struct {
	context.Context
	cancel context.CancelFunc
}

var _ context.Context = (*request)(nil)

// endBy bounds the request in time.
func (r *request) endBy(deadline time.Time) {
	if earlier, ok := r.Context.Deadline(); !ok || deadline.Before(earlier) {
		r.deadline = deadline
	}
}

func (r *request) Deadline() (time.Time, bool) {
	if r.deadline.IsZero() {
		return r.Context.Deadline()
	}
	return r.deadline, true
}

func (r *request) Done() <-chan struct{} {
	if r.deadline.IsZero() {
		return r.Context.Done()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.timed.Load()
	if t == nil {
		t = &timed{}
		t.Context, t.cancel = context.WithDeadline(r.Context, r.deadline)
		r.timed.Store(t)
	}
	return t.Done()
}

func (r *request) Err() error {
	if r.deadline.IsZero() {
		return r.Context.Err()
	}
	if t := r.timed.Load(); t != nil {
		return t.Err()
	}
	if err := r.Context.Err(); err != nil {
		return err
	}
	if time.Until(r.deadline) <= 0 { // reads one clock, where Now reads two
		return context.DeadlineExceeded
	}
	return nil
}

// Value passes what package context asks of its own kind to the context whose Done is r's, so that
// contexts derived from r need no goroutine.
func (r *request) Value(key any) any {
	switch key {
	case callKey{}:
		return &r.call
	case ostiary.CallKey{}:
		return r.audited()
	}
	if t := r.timed.Load(); t != nil {
		return t.Value(key)
	}
	return r.Context.Value(key)
}

// end frees what the deadline holds.
func (r *request) end() {
	if t := r.timed.Load(); t != nil {
		t.cancel()
	}
}
