package transmitter

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/ssf"
)

// pausedAgain is when a stream that its receiver has paused is looked at again.
const pausedAgain = time.Minute

// Push delivers SETs to streams whose receivers have named an endpoint (RFC 8935).
type Push struct {
	Identity *identity.Service
	Client   *egress.Client
	// PublicURL is the URL at which receivers reach this server, without a slash at its end. Without it nothing can
	// be signed, and SETs wait.
	PublicURL string
}

// Name returns KindPush.
func (p *Push) Name() string { return KindPush }

// Route returns a SET for each session and stream that is told of it.
func (p *Push) Route(ctx context.Context, v identity.View, e identity.Event) ([]outbox.Delivery, error) {
	return route(ctx, v, e, KindPush)
}

// Send posts a SET.
func (p *Push) Send(ctx context.Context, d outbox.Delivery) error {
	t, header, err := p.Identity.StreamAuthorization(ctx, d.Store, d.To)
	if errors.Is(err, ostiary.ErrNotFound) {
		return outbox.ErrNoTarget
	}
	if err != nil {
		return err
	}
	a, err := decodeAbout(d)
	switch {
	case err != nil:
		return err
	case a.ofItself() || t.Status == identity.StreamEnabled:
	case t.Status == identity.StreamDisabled:
		return outbox.ErrNoTarget
	default:
		return &outbox.Refusal{Reason: "the receiver has paused the stream", After: pausedAgain}
	}
	set, err := minter{p.Identity, p.PublicURL}.mint(ctx, t, d, a)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.Endpoint, strings.NewReader(set))
	if err != nil {
		return &outbox.Refusal{Reason: "the endpoint cannot be read", Permanent: true}
	}
	r.Header.Set("Content-Type", ssf.ContentType)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "ostiary")
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	resp, err := p.Client.Do(r)
	if err != nil {
		return err
	}
	return judge(resp)
}

// errorCodes are those by which a receiver may say why it refuses a SET (RFC 8935, section 2.4; SSF 1.0).
var errorCodes = []string{"invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed",
	"access_denied", "invalid_state"}

// judge is outbox.Judge that says more where the receiver does, in words that are known.
func judge(resp egress.Response) error {
	err := outbox.Judge(resp)
	var refusal *outbox.Refusal
	if !errors.As(err, &refusal) || resp.Status != http.StatusBadRequest {
		return err
	}
	var body struct {
		Err string `json:"err"`
	}
	if json.Unmarshal(resp.Body, &body) == nil && slices.Contains(errorCodes, body.Err) {
		refusal.Reason += ": " + body.Err
	}
	return refusal
}
