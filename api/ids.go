package api

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// idSource makes ULIDs that grow, also within a millisecond.
type idSource struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy // guarded by mu
	lastMS  uint64                 // guarded by mu
}

func newIDSource() *idSource { return &idSource{entropy: ulid.Monotonic(rand.Reader, 0)} }

// next returns an id for a request at a time in nanoseconds since 1970 UTC.
func (s *idSource) next(nowNanos int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastMS = max(s.lastMS, uint64(max(nowNanos, 0))/uint64(time.Millisecond))
	id, err := ulid.New(s.lastMS, s.entropy)
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return id.String(), nil
}

// nextAfter is next, and greater than another id, which may be from a server whose clock is ahead. An
// empty id is less than all.
func (s *idSource) nextAfter(nowNanos int64, other string) (string, error) {
	if other != "" {
		parsed, err := ulid.ParseStrict(other)
		if err != nil {
			return "", fmt.Errorf("make an id after %q: %w", other, err)
		}
		nowNanos = max(nowNanos, int64(parsed.Time()+1)*int64(time.Millisecond))
	}
	return s.next(nowNanos)
}
