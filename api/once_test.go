package api_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
)

const onceHeader = "ostiary-idempotency-key"

// TestWriteOnce: a Write that is repeated with its idempotency key answers the first revision and changes
// nothing, whatever happened meanwhile; another Write with the key is refused.
func TestWriteOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		write := fields{"writes": keys("doc:1#viewer@user:ann")}.in(store)
		first := c.ok(t, "Write", write, onceHeader, "k1").headers.Get("Ostiary-Revision")
		repeat := func(when string) {
			t.Helper()
			if got := c.ok(t, "Write", write, onceHeader, "k1").headers.Get("Ostiary-Revision"); got != first {
				t.Errorf("%s: repeated at revision %s, the first is %s", when, got, first)
			}
		}
		repeat("at once")
		c.ok(t, "Write", fields{"deletes": keys("doc:1#viewer@user:ann")}.in(store), onceHeader, "k2")
		before := h.dump(t, store)
		repeat("after the tuple was deleted")
		if after := h.dump(t, store); after != before {
			t.Errorf("a repetition changed\n%s\nto\n%s", before, after)
		}
		conflict := wanted{codes.Aborted, 409, "Aborted", `ostiary-idempotency-key "k1" came with another request at revision ` + first + ": conflict"}
		conflict.check(t, c.ask(t, "Write", fields{"writes": keys("doc:2#viewer@user:ann")}.in(store), onceHeader, "k1"))
		// What was refused changed nothing and is judged anew.
		missing := fields{"deletes": keys("doc:3#viewer@user:ann")}.in(store)
		if a := c.ask(t, "Write", missing, onceHeader, "k3"); !strings.Contains(a.message, "does not exist") {
			t.Errorf("delete of a tuple that is not there: got message %q", a.message)
		}
		c.write(t, store, "doc:3#viewer@user:ann")
		c.ok(t, "Write", missing, onceHeader, "k3")
	})
}

func TestWriteOnceRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		write := fields{"writes": keys("doc:1#viewer@user:ann")}.in(store)
		for name, test := range map[string]struct {
			method  string
			f       fields
			headers []string
			text    string
		}{
			"white space":    {"Write", write, []string{onceHeader, "a b"}, `ostiary-idempotency-key is sent once and has 1 to 128 letters, digits or characters of "-_.:/+="; got ["a b"]`},
			"another method": {"Check", fields{"tuple_key": key("doc:1#viewer@user:ann")}.in(store), []string{onceHeader, "a"}, "Check takes no idempotency key: leave out ostiary-idempotency-key"},
		} {
			t.Run(name, func(t *testing.T) {
				number(openfgav1.ErrorCode_validation_error, test.text).check(t, c.ask(t, test.method, test.f, test.headers...))
			})
		}
	})
}

// losing is a backend that commits a mutation and loses its outcome, as many times as it is told.
type losing struct {
	api.Backend
	times atomic.Int32
}

func (l *losing) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	receipt, err := l.Backend.Propose(ctx, m)
	if l.times.Add(-1) >= 0 {
		return ostiary.Receipt{}, fmt.Errorf("the leader was lost: %w", ostiary.ErrOutcomeUnknown)
	}
	return receipt, err
}

// TestUnknownOutcome: it is an error of its own on the wire; with an idempotency key the server finds out
// itself where it can.
func TestUnknownOutcome(t *testing.T) {
	var backend *losing
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		backend.times.Store(1)
		unknown := wanted{codes.Unknown, 500, "outcome_unknown", "outcome of the write is unknown: it may have happened. " +
			"Repeat it with the same ostiary-idempotency-key, or read before writing again"}
		unknown.check(t, c.ask(t, "Write", fields{"writes": keys("doc:1#viewer@user:ann")}.in(store)))
		backend.times.Store(1)
		write := fields{"writes": keys("doc:2#viewer@user:ann")}.in(store)
		first := c.ok(t, "Write", write, onceHeader, "k1").headers.Get("Ostiary-Revision")
		if again := c.ok(t, "Write", write, onceHeader, "k1").headers.Get("Ostiary-Revision"); again != first {
			t.Errorf("repeated at revision %s, the first is %s", again, first)
		}
	}, func(o *api.Options) {
		backend = &losing{Backend: o.Backend}
		o.Backend = backend
	})
}
