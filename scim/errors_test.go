package scim

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// Every sentinel has a status of its own choosing here; a new one breaks the test.
func TestEveryErrorIsMapped(t *testing.T) {
	want := map[error]int{
		identity.ErrUnauthenticated: 401, identity.ErrForbidden: 403,
		ostiary.ErrTupleInvalid: 400, ostiary.ErrTupleExists: 500, ostiary.ErrTupleMissing: 500, ostiary.ErrTupleOwned: 500,
		ostiary.ErrModelInvalid: 500, ostiary.ErrTokenInvalid: 500, ostiary.ErrNotFound: 404, ostiary.ErrExists: 409,
		ostiary.ErrPrecondition: 412, ostiary.ErrConflict: 503, ostiary.ErrNotLeader: 503, ostiary.ErrRevisionNotYet: 503,
		ostiary.ErrStale: 503, ostiary.ErrUpgradePending: 503, ostiary.ErrRevisionGone: 400, ostiary.ErrDepthExceeded: 500, ostiary.ErrTooBroad: 413, ostiary.ErrQuota: 507,
		ostiary.ErrConditionUndecided: 500, ostiary.ErrDiskFull: 503, ostiary.ErrUnavailable: 503,
		ostiary.ErrOutcomeUnknown: 503, ostiary.ErrCorrupt: 500,
	}
	for _, sentinel := range append(ostiary.Sentinels(), identity.ErrUnauthenticated, identity.ErrForbidden) {
		status, known := want[sentinel]
		if !known {
			t.Errorf("%v: nobody says which status it has", sentinel)
			continue
		}
		e := refusalOf(fmt.Errorf("change user u1: %w", sentinel))
		if e.Status != status || e.Detail == "" {
			t.Errorf("%v: got %v, want %d", sentinel, e, status)
		}
	}
	if e := refusalOf(errors.New("pebble: secret path /data")); e.Status != 500 || e.Detail != "internal error" {
		t.Errorf("an unknown error tells %v", e)
	}
}
