package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
)

// Kind is one way of telling what happened.
type Kind interface {
	// Name is the Kind of its deliveries: "webhook". It holds no "/" and never changes.
	Name() string
	// Route returns what is to be told of an event to those who listen, as a view shows them. It sets To, and
	// what Send needs of User, Session and Payload; the rest is set by the worker.
	Route(ctx context.Context, v identity.View, e identity.Event) ([]Delivery, error)
	// Send tells a delivery to its target. Nil: it was taken. ErrNoTarget: there is nobody to tell. A *Refusal
	// says more of how it failed; any other error is tried again.
	Send(ctx context.Context, d Delivery) error
}

// Pulled is a Kind whose deliveries are fetched by their targets: nobody sends them. They wait until Take removes
// them, or for as long as any delivery.
type Pulled interface {
	Kind
	// Pulled marks the kind.
	Pulled()
}

// ErrNoTarget is what Send returns where the target is not there any more: the delivery is dropped.
var ErrNoTarget = errors.New("nobody listens there any more")

// Refusal is how a delivery failed. Its Reason may be shown: it holds nothing that was sent or answered, and no
// more of a URL than its host.
type Refusal struct {
	Reason string
	// Permanent: trying again is of no use. The delivery becomes a dead letter, and the target counts as well.
	Permanent bool
	// After is when to try again at the earliest; 0: that is for the worker to say.
	After time.Duration
}

func (r *Refusal) Error() string { return r.Reason }

// maxRetryAfter bounds what Retry-After may ask for.
const maxRetryAfter = 24 * time.Hour

// Judge returns nil for an answer that takes a delivery (2xx), and otherwise a *Refusal: for good where the answer
// says that the request itself is at fault.
func Judge(r egress.Response) error {
	if r.Status >= 200 && r.Status <= 299 {
		return nil
	}
	refusal := &Refusal{Reason: fmt.Sprintf("status %d", r.Status)}
	switch r.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusLengthRequired,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		refusal.Permanent = true
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		refusal.After = retryAfter(r.Header.Get("Retry-After"), r.Header.Get("Date"))
	}
	return refusal
}

// retryAfter reads the header of that name: seconds, or a time, which is compared with that of the answer. 0: it
// says nothing.
func retryAfter(text, date string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(from), 0), maxRetryAfter)
}

// failure returns what is shown and judged of an error of Send.
func failure(err error) *Refusal {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, egress.ErrURL):
		return &Refusal{Reason: err.Error(), Permanent: true}
	}
	return &Refusal{Reason: err.Error()}
}
