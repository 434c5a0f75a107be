package oauth

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// rates bounds how often something is done for each of many: a bucket that fills at a rate and holds two
// seconds of it.
type rates struct {
	perSecond float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	level float64
	nanos int64 // when the level was right
}

// maxBuckets bounds the buckets. Where there are more, all are full again.
const maxBuckets = 10_000

func newRates(perSecond float64) *rates {
	return &rates{perSecond: perSecond, buckets: map[string]bucket{}}
}

// take reports whether something may be done once more for a name.
func (r *rates) take(name string, nowNanos int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := 2 * r.perSecond
	b, there := r.buckets[name]
	if !there {
		if len(r.buckets) >= maxBuckets {
			clear(r.buckets)
		}
		b = bucket{full, nowNanos}
	}
	b.level = min(full, b.level+time.Duration(max(nowNanos-b.nanos, 0)).Seconds()*r.perSecond)
	b.nanos = max(nowNanos, b.nanos)
	ok := b.level >= 1
	if ok {
		b.level--
	}
	r.buckets[name] = b
	return ok
}

// hostOf names where a request comes from: an address of IPv4, or the network of one of IPv6, of which one
// host has many.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap(); a.Is4() {
		return a.String()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
