package api

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// Discover returns where the people of a mail domain belong.
func (i *identityService) Discover(ctx context.Context, req *ostiaryv1.DiscoverRequest) (*ostiaryv1.DiscoverResponse, error) {
	s := i.server
	if wait := s.discoveries.take(principalOf(ctx), s.backend.Now()); wait > 0 {
		callOf(ctx).retryAfter = wait
		return nil, refuse(codes.ResourceExhausted, "more than %d discoveries a second: wait", s.limits.MaxDiscoveries)
	}
	found, err := s.identity.Discover(ctx, req.GetStoreId(), req.GetEmail())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.DiscoverResponse{
		StoreId: found.Organization.Store, OrganizationId: found.Organization.ID, OrganizationName: found.Organization.Name,
	}
	for _, c := range found.Connections {
		resp.Connections = append(resp.Connections, &ostiaryv1.DiscoveredConnection{Id: c.ID, Kind: c.Kind, Name: c.Name})
	}
	return resp, nil
}

// rates bounds how often each caller may do something: a bucket that fills at a rate and holds two seconds of
// it. Safe for concurrent use.
type rates struct {
	perSecond float64

	mu      sync.Mutex
	buckets map[string]*bucket // by principal, of which there are as many as keys
}

type bucket struct {
	level float64
	nanos int64 // when the level was right
}

func newRates(perSecond int) *rates {
	return &rates{perSecond: float64(perSecond), buckets: map[string]*bucket{}}
}

// take counts one more time, and returns 0, or how long the caller must wait before the next one.
func (r *rates) take(principal string, nowNanos int64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := 2 * r.perSecond
	b := r.buckets[principal]
	if b == nil {
		b = &bucket{level: full, nanos: nowNanos}
		r.buckets[principal] = b
	}
	passed := time.Duration(max(nowNanos-b.nanos, 0))
	b.level = min(full, b.level+passed.Seconds()*r.perSecond)
	b.nanos = max(nowNanos, b.nanos)
	if b.level < 1 {
		return time.Duration((1 - b.level) / r.perSecond * float64(time.Second))
	}
	b.level--
	return 0
}

// secondsOf is a time to wait as the header Retry-After has it.
func secondsOf(wait time.Duration) string {
	return fmt.Sprint(max(1, int(math.Ceil(wait.Seconds()))))
}
