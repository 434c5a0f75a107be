package api

import (
	"errors"
	"fmt"
	"testing"
)

// unready is a backend that does not serve.
type unready struct {
	Backend
	err error
}

func (u unready) Ready() error { return u.err }

// told is an error with words for anybody.
type told struct{ error }

func (told) Reason() string { return "node knows no leader" }

// TestReadinessReason: /readyz says what the backend tells anybody, and nothing else of its error.
func TestReadinessReason(t *testing.T) {
	secret := errors.New("open /var/lib/secret: no such file")
	for _, test := range []struct {
		err  error
		want string
	}{
		{secret, "the node does not serve now: its log says why"},
		{told{secret}, "node knows no leader"},
		{fmt.Errorf("look: %w", told{secret}), "node knows no leader"},
	} {
		s := &Server{backend: unready{err: test.err}, draining: make(chan struct{})}
		want := readiness{Status: "NOT_SERVING", Writes: "REFUSED", Reason: test.want}
		if got := s.readiness(); got != want {
			t.Errorf("%v: %+v, want %+v", test.err, got, want)
		}
	}
}
