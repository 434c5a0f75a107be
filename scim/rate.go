package scim

import (
	"net/http"
	"sync"
	"time"

	"github.com/ostiary/ostiary/scim/scimerr"
)

// rates bounds the requests of each connection: a bucket that fills at a rate and holds two seconds of it.
type rates struct {
	perSecond float64

	mu      sync.Mutex
	buckets map[string]*bucket // by connection; one for each that has shown a valid token
}

type bucket struct {
	level float64
	nanos int64 // when the level was right
}

func newRates(perSecond int) *rates {
	return &rates{perSecond: float64(perSecond), buckets: map[string]*bucket{}}
}

// take spends n requests of a connection, or refuses with 429 when it has none left. A call that costs more
// than is left is let through when anything is left, and paid for by those that follow.
func (r *rates) take(connection string, n int, nowNanos int64) error {
	if r.perSecond < 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	full := 2 * r.perSecond
	b := r.buckets[connection]
	if b == nil {
		b = &bucket{level: full, nanos: nowNanos}
		r.buckets[connection] = b
	}
	passed := time.Duration(max(nowNanos-b.nanos, 0))
	b.level = min(full, b.level+passed.Seconds()*r.perSecond)
	b.nanos = max(nowNanos, b.nanos)
	if b.level < 1 {
		return scimerr.New(http.StatusTooManyRequests, "", "more than %.0f requests a second: wait", r.perSecond)
	}
	b.level -= float64(n)
	return nil
}
