// Package rate bounds how often something is done for each of many: callers, connections, addresses.
//
// A name has a bucket that fills at a rate and holds two seconds of it, so that after a pause twice as much
// passes at once. Limits are of this process: each node of a cluster has its own.
//
// # Not here
//
// What is answered to who must wait, and whom a bucket stands for: callers (packages api, ssf/transmitter), what they ask to
// be traced (package tracing), and connections of identity providers (packages scim, oauth, backchannel, ssf/receiver).
package rate

import (
	"sync"
	"time"
)

// Limit bounds how often something is done for each name. Make one with New. It is safe for concurrent use.
type Limit struct {
	perSecond float64

	mu sync.Mutex
	// young has whom Take counted since it was begun, old those of before that.
	young, old map[string]bucket
}

type bucket struct {
	level float64
	nanos int64 // when the level was right
}

// maxBuckets bounds the buckets of each generation. When the young ones are as many they become the old ones, and these
// are forgotten: nobody is before as many others were counted, and whoever is has a full bucket.
const maxBuckets = 10_000

// New returns a limit. A negative rate bounds nothing; a rate of zero lets nothing pass.
func New(perSecond float64) *Limit {
	return &Limit{perSecond: perSecond, young: map[string]bucket{}}
}

// Take counts n more for a name, and returns 0, or where nothing is left how long to wait until something is.
// Who asks for more than is left is let through when anything is left, and those that follow pay for it. The
// time is in nanoseconds since 1970 UTC; one that goes back fills nothing.
func (l *Limit) Take(name string, n int, nowNanos int64) (wait time.Duration) {
	return l.TakeAt(name, n, l.perSecond, nowNanos)
}

// TakeAt is Take of a name that has a rate of its own, which may be another one each time.
func (l *Limit) TakeAt(name string, n int, perSecond float64, nowNanos int64) (wait time.Duration) {
	if perSecond < 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full := 2 * perSecond
	b, there := l.young[name]
	if !there {
		if b, there = l.old[name]; !there {
			b = bucket{full, nowNanos}
		}
		if len(l.young) >= maxBuckets {
			l.young, l.old = map[string]bucket{}, l.young
		}
	}
	b.level = min(full, b.level+time.Duration(max(nowNanos-b.nanos, 0)).Seconds()*perSecond)
	b.nanos = max(nowNanos, b.nanos)
	switch {
	case b.level >= 1:
		b.level -= float64(n)
	case perSecond == 0:
		wait = time.Hour
	default:
		wait = max(1, time.Duration((1-b.level)/perSecond*float64(time.Second)))
	}
	l.young[name] = b
	return wait
}
