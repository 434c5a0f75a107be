package transmitter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
)

// The bounds of polling.
const (
	defaultPolled = 100  // SETs in one answer where the receiver does not say how many
	maxPolled     = 500  // at most
	maxAcked      = 5000 // in one request
	// longPoll is how long an answer waits for SETs, and maxLongPolls how many do at once; the others do not wait.
	longPoll     = 20 * time.Second
	maxLongPolls = 64
	// pollEvery is how often one that waits looks.
	pollEvery = 100 * time.Millisecond
)

// Poll lets receivers fetch the SETs of streams (RFC 8936).
type Poll struct{}

// Name returns KindPoll.
func (Poll) Name() string { return KindPoll }

// Pulled says that receivers fetch.
func (Poll) Pulled() {}

// Route returns a SET for each session and stream that is told of it.
func (Poll) Route(ctx context.Context, v identity.View, e identity.Event) ([]outbox.Delivery, error) {
	return route(ctx, v, e, KindPoll)
}

// Send is not called: nobody sends what is fetched.
func (Poll) Send(context.Context, outbox.Delivery) error {
	return &outbox.Refusal{Reason: "its receiver fetches it"}
}

// pollRequest is the body of a poll (RFC 8936, section 2.2).
type pollRequest struct {
	MaxEvents         *int                 `json:"maxEvents"`
	ReturnImmediately bool                 `json:"returnImmediately"`
	Ack               []string             `json:"ack"`
	SetErrs           map[string]pollError `json:"setErrs"`
}

type pollError struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

type pollResponse struct {
	Sets          map[string]string `json:"sets"`
	MoreAvailable bool              `json:"moreAvailable"`
}

// parsePoll reads the body of a poll.
func parsePoll(body []byte) (q pollRequest, limit int, err error) {
	if err := json.Unmarshal(body, &q); err != nil {
		return q, 0, badRequest("the body is not JSON as RFC 8936, section 2.2 has it")
	}
	limit = defaultPolled
	if q.MaxEvents != nil {
		limit = min(*q.MaxEvents, maxPolled)
	}
	switch {
	case limit < 0:
		return q, 0, badRequest("maxEvents is negative")
	case len(q.Ack)+len(q.SetErrs) > maxAcked:
		return q, 0, badRequest(fmt.Sprintf("more than %d SETs are acknowledged at once", maxAcked))
	}
	return q, limit, nil
}

// servePoll takes acknowledgements and answers with SETs.
func (h *Handler) servePoll(ctx context.Context, caller *identity.StreamCaller, store, stream string, body []byte) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsRead, identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	q, limit, err := parsePoll(body)
	if err != nil {
		return answer{}, err
	}
	t, err := caller.Stream(ctx, stream)
	if err != nil {
		return answer{}, err
	}
	if t.Push {
		return answer{}, badRequest("the stream is pushed, and cannot be polled")
	}
	done := map[string]bool{}
	for _, id := range q.Ack {
		done[id] = true
	}
	for id, e := range q.SetErrs {
		done[id] = true
		h.o.Logger.Warn("receiver refuses a security event token", "store", store, "stream", stream, "delivery", clean(id), "err", known(e.Err))
	}
	if err := h.take(ctx, store, t, done); err != nil {
		return answer{}, err
	}
	if limit == 0 {
		return answer{http.StatusOK, pollResponse{Sets: map[string]string{}}}, nil
	}
	r, err := h.wait(ctx, store, t, limit, done, q.ReturnImmediately)
	return answer{http.StatusOK, r}, err
}

// clean returns the id of a delivery as far as it may be logged.
func clean(id string) string {
	if len(id) > 64 || slices.ContainsFunc([]byte(id), func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.'
	}) {
		return "unknown"
	}
	return id
}

func known(code string) string {
	if slices.Contains(errorCodes, code) {
		return code
	}
	return "another"
}

// take removes the SETs that a receiver is done with.
func (h *Handler) take(ctx context.Context, store string, t identity.Stream, done map[string]bool) error {
	ids := make([]string, 0, len(done))
	for id := range done {
		if clean(id) == id {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return outbox.Take(ctx, h.o.Backend, store, KindPoll+"/"+t.ID, ids)
}

// wait returns what waits for a stream, or waits a while for it.
func (h *Handler) wait(ctx context.Context, store string, t identity.Stream, limit int, done map[string]bool, now bool) (pollResponse, error) {
	if !now {
		select {
		case h.polls <- struct{}{}:
			defer func() { <-h.polls }()
		default:
			now = true // too many wait
		}
	}
	deadline := time.After(h.o.LongPoll)
	for {
		r, err := h.fetch(ctx, store, t.ID, limit, done)
		if err != nil || now || len(r.Sets) > 0 {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, nil // the receiver is gone, or the server ends
		case <-deadline:
			now = true
		case <-time.After(pollEvery):
		}
	}
}

// fetch returns the SETs of a stream that wait, without those that are done.
func (h *Handler) fetch(ctx context.Context, store, stream string, limit int, done map[string]bool) (pollResponse, error) {
	r := pollResponse{Sets: map[string]string{}}
	var t identity.Stream
	var waiting []outbox.Letter
	err := h.o.Identity.ReadStore(ctx, store, func(v identity.View) (err error) {
		if t, err = identity.StreamIn(v, store, stream); err != nil {
			return err
		}
		most := limit + len(done) + 1 // of those that are done, some may be in the view still
		if t.Status != identity.StreamEnabled {
			most = maxAcked // among those that wait may be one about the stream
		}
		waiting, err = outbox.Deliveries(v, store, outbox.Filter{Target: KindPoll + "/" + stream}, "", most)
		return err
	})
	if err != nil {
		return r, err
	}
	for _, d := range waiting {
		if done[d.ID] {
			continue
		}
		a, err := decodeAbout(d.Delivery)
		if err != nil {
			return r, err
		}
		if t.Status != identity.StreamEnabled && !a.ofItself() {
			continue
		}
		if len(r.Sets) == limit {
			r.MoreAvailable = true
			break
		}
		if r.Sets[d.ID], err = h.mint(ctx, t, d.Delivery, a); err != nil {
			return r, err
		}
	}
	return r, nil
}

// drop takes away what waits for a stream that is no more. What it does not reach becomes dead letters.
func (h *Handler) drop(ctx context.Context, store string, t identity.Stream) error {
	for {
		var waiting []outbox.Letter
		err := h.o.Identity.ReadStore(ctx, store, func(v identity.View) (err error) {
			waiting, err = outbox.Deliveries(v, store, outbox.Filter{Target: KindPoll + "/" + t.ID}, "", maxAcked)
			return err
		})
		if err != nil || len(waiting) == 0 {
			return err
		}
		done := map[string]bool{}
		for _, d := range waiting {
			done[d.ID] = true
		}
		if err := h.take(ctx, store, t, done); err != nil && !errors.Is(err, ostiary.ErrPrecondition) {
			return err
		}
	}
}
