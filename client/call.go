package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// Pauses between attempts are drawn from up to firstPause, twice as much each time, and lastPause at most.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// headers are those of an answer.
type headers struct{ header, trailer metadata.MD }

func (h headers) get(name string) string {
	for _, md := range []metadata.MD{h.header, h.trailer} {
		if values := md.Get(name); len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func (h headers) retryAfter() time.Duration {
	seconds, err := strconv.ParseUint(h.get("retry-after"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// What a server is.
const (
	kindUnknown = iota
	kindOstiary
	kindOther
)

// learn notes what the server is.
func (c *Client) learn(h headers) {
	if h.get("ostiary-revision") != "" {
		c.kind.Store(kindOstiary)
	}
}

// call sends a request until it is answered, or fails in a way that does not pass. Where the request is a write, again
// says whether it may be sent once more after an attempt of unknown outcome.
func (c *Client) call(ctx context.Context, name string, q *query, again func(context.Context) bool,
	send func(context.Context, ...grpc.CallOption) error,
) (headers, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.o.Timeout)
		defer cancel()
	}
	ctx = c.outgoing(ctx, q)
	unknown := false // a write that one attempt left open stays so, whatever the next ones are refused for
	for attempt := 1; ; attempt++ {
		var h headers
		err := send(ctx, grpc.Header(&h.header), grpc.Trailer(&h.trailer))
		if err == nil {
			c.learn(h)
			c.carried.note(h, again != nil)
			return h, nil
		}
		if errors.Is(err, ErrInvalid) { // found here, and not sent
			return h, err
		}
		failed := newError(name, err, h, attempt)
		unknown = unknown || again != nil && mayHaveHappened(failed.Code)
		failed.unknown = unknown
		if attempt >= c.o.Attempts || !mayPass(failed) || unknown && !again(ctx) || !pause(ctx, attempt, failed.RetryAfter) {
			return h, failed
		}
	}
}

// mayPass reports whether the same request may succeed a little later.
func mayPass(e *Error) bool {
	return e.Code == codes.Unavailable || e.Code == codes.ResourceExhausted && e.RetryAfter > 0
}

// mayHaveHappened reports whether a write that failed so may have taken effect.
func mayHaveHappened(code codes.Code) bool {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Unknown, codes.DataLoss, numberCancelled:
		return true
	}
	return code >= firstInternal && code < firstNotFound
}

// pause waits before the next attempt, and returns false where the context ends before that.
func pause(ctx context.Context, attempt int, atLeast time.Duration) bool {
	most := min(firstPause<<min(attempt-1, 10), lastPause)
	wait := atLeast + rand.N(most)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outgoing puts the headers of a request into a context.
func (c *Client) outgoing(ctx context.Context, q *query) context.Context {
	for _, pair := range q.headers {
		ctx = metadata.AppendToOutgoingContext(ctx, pair[0], pair[1])
	}
	if !q.past {
		for _, token := range c.carried.tokens() {
			ctx = metadata.AppendToOutgoingContext(ctx, "ostiary-at-least", token)
		}
	}
	return ctx
}

// carried is the newest state that a session has seen. Nil: there is no session.
type carried struct {
	mu       sync.Mutex
	first    string // the token that the session began with
	token    string
	revision uint64
	strict   bool // a write was answered without a token: the server has none
}

func (s *carried) note(h headers, write bool) {
	if s == nil {
		return
	}
	revision, err := strconv.ParseUint(h.get("ostiary-revision"), 10, 64)
	token := h.get("ostiary-token")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && token != "":
		if revision > s.revision {
			s.revision, s.token = revision, token
		}
	case write:
		s.strict = true
	}
}

// tokens are those that the next question sends: it is answered from a state as new as the newest.
func (s *carried) tokens() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, token := range []string{s.first, s.token} {
		if token != "" {
			all = append(all, token)
		}
	}
	return all
}

func (s *carried) isStrict() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strict
}

// Session returns a Client on the same connection whose questions are answered from a state at least as new as
// everything that it was answered and wrote before, on whatever node. token is that of an earlier session, such as one
// that came in a cookie; empty: none.
//
// With a server that has no tokens, questions after a write ask for its HIGHER_CONSISTENCY.
func (c *Client) Session(token string) *Client {
	s := *c
	s.carried = &carried{first: token}
	return &s
}

// Token returns the newest consistency token of the session; empty outside of one, and before its first answer the one
// that it began with.
func (c *Client) Token() string {
	if c.carried == nil {
		return ""
	}
	c.carried.mu.Lock()
	defer c.carried.mu.Unlock()
	if c.carried.token != "" {
		return c.carried.token
	}
	return c.carried.first
}

// isOstiary reports whether the server knows idempotency keys, and asks it where nothing was heard of it yet.
func (c *Client) isOstiary(ctx context.Context) bool {
	if c.kind.Load() == kindUnknown {
		var h headers
		ctx = metadata.NewOutgoingContext(ctx, nil) // without what is of the write
		_, err := c.fga.GetStore(ctx, &openfgav1.GetStoreRequest{StoreId: c.o.Store}, grpc.Header(&h.header), grpc.Trailer(&h.trailer), grpc.WaitForReady(true))
		c.learn(h)
		if err == nil {
			c.kind.CompareAndSwap(kindUnknown, kindOther)
		}
	}
	return c.kind.Load() == kindOstiary
}
