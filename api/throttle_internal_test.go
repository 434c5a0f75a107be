package api

import (
	"context"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/rate"
)

// stopped is a Backend whose clock stands still.
type stopped struct{ Backend }

func (stopped) Now() int64 { return 1 }

// TestThrottleCountsNetworks: a caller without a name does not get around the rate by the addresses of the IPv6 network
// that one subscriber has; other networks and addresses of IPv4 are told apart.
func TestThrottleCountsNetworks(t *testing.T) {
	s := &Server{limits: Limits{MaxRequestRate: 1}, requests: rate.New(1), backend: stopped{}}
	passed := func(form string) (n int) {
		for i := range 20 {
			ctx := context.WithValue(t.Context(), remoteKey{}, fmt.Sprintf(form, i+1))
			if s.throttle(ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "anonymous"}), &call{}) == nil {
				n++
			}
		}
		return n
	}
	for form, want := range map[string]int{"[2001:db8::%x]:1": 2, "[2001:db8:0:%x::1]:1": 20, "192.0.2.%d:1": 20, "[::ffff:198.51.100.%d]:1": 20} {
		if got := passed(form); got != want {
			t.Errorf("%s: %d of 20 passed, want %d", form, got, want)
		}
	}
}
