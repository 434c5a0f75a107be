package transmitter

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/jws"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/ssf"
)

func algorithmNames() (names []string) {
	for _, a := range jws.Algorithms() {
		names = append(names, string(a))
	}
	return names
}

// The subjects of a stream, as its configuration says (a member of ours).
const (
	subjectComplex = "complex"
	subjectSession = "session"
)

// configuration is a stream as receivers see it (SSF 1.0, section 8.1.1). Members that begin with ostiary_ are ours.
type configuration struct {
	ID          string         `json:"stream_id"`
	Issuer      string         `json:"iss"`
	Audience    string         `json:"aud"`
	Supported   []string       `json:"events_supported"`
	Requested   []string       `json:"events_requested"`
	Delivered   []string       `json:"events_delivered"`
	Delivery    deliveryMember `json:"delivery"`
	MinInterval int            `json:"min_verification_interval"`
	Description string         `json:"description,omitempty"`
	Algorithm   string         `json:"ostiary_signing_alg"`
	Subject     string         `json:"ostiary_subject"`
}

// deliveryMember never shows the header by which a receiver is asked.
type deliveryMember struct {
	Method   string `json:"method"`
	Endpoint string `json:"endpoint_url"`
}

func (h *Handler) show(t identity.Stream) configuration {
	iss := issuer.Of(h.o.PublicURL, t.Store)
	c := configuration{
		ID: t.ID, Issuer: iss, Audience: t.Audience, Supported: supported, Requested: t.Requested, Delivered: delivered(t),
		MinInterval: int(identity.VerificationInterval / time.Second), Description: t.Description, Algorithm: string(t.Algorithm),
		Subject: subjectComplex, Delivery: deliveryMember{ssf.DeliveryPoll, iss + middle + pollPrefix + t.ID},
	}
	if t.Simple {
		c.Subject = subjectSession
	}
	if t.Push {
		c.Delivery = deliveryMember{ssf.DeliveryPush, t.Endpoint}
	}
	if c.Requested == nil {
		c.Requested = supported
	}
	return c
}

// asked is what a receiver says of a stream. What it left out is nil.
type asked struct {
	ID          *string   `json:"stream_id"`
	Issuer      *string   `json:"iss"`
	Audience    *audience `json:"aud"`
	Supported   *[]string `json:"events_supported"`
	Requested   *[]string `json:"events_requested"`
	Delivered   *[]string `json:"events_delivered"`
	MinInterval *int      `json:"min_verification_interval"`
	Inactivity  *int      `json:"inactivity_timeout"`
	Description *string   `json:"description"`
	Algorithm   *string   `json:"ostiary_signing_alg"`
	Subject     *string   `json:"ostiary_subject"`
	Delivery    *struct {
		Method        string  `json:"method"`
		Endpoint      string  `json:"endpoint_url"`
		Authorization *string `json:"authorization_header"`
	} `json:"delivery"`
}

// audience is a text, or a list of them.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

func parseStream(body []byte) (a asked, err error) {
	if err := json.Unmarshal(body, &a); err != nil {
		return a, badRequest("the body is not JSON as SSF 1.0, section 8.1.1 has streams")
	}
	if d := a.Delivery; d != nil && d.Method != ssf.DeliveryPush && d.Method != ssf.DeliveryPoll {
		return a, badRequest("delivery.method is neither " + ssf.DeliveryPush + " nor " + ssf.DeliveryPoll)
	}
	if a.Subject != nil && *a.Subject != subjectComplex && *a.Subject != subjectSession {
		return a, badRequest("ostiary_subject is neither " + subjectComplex + " nor " + subjectSession)
	}
	return a, nil
}

// judgeFixed refuses a change of what only this server says of a stream.
func (a asked) judgeFixed(c configuration) error {
	switch {
	case a.Issuer != nil && *a.Issuer != c.Issuer, a.Audience != nil && !slices.Equal(*a.Audience, audience{c.Audience}),
		a.Supported != nil && !slices.Equal(*a.Supported, c.Supported), a.MinInterval != nil && *a.MinInterval != c.MinInterval:
		return badRequest("iss, aud, events_supported and min_verification_interval are this server's to say: leave them as they are, or out")
	}
	return nil
}

// change puts what a receiver says into a stream. With whole, what it left out is as in a new stream.
func (a asked) change(c *identity.StreamConfiguration, whole bool) {
	if whole {
		*c = identity.StreamConfiguration{Algorithm: jws.RS256}
	}
	if a.Requested != nil {
		c.Requested = *a.Requested
	}
	if a.Description != nil {
		c.Description = *a.Description
	}
	if a.Algorithm != nil {
		c.Algorithm = jws.Algorithm(*a.Algorithm)
	}
	if a.Subject != nil {
		c.Simple = *a.Subject == subjectSession
	}
}

// delivery returns how a receiver wants to be told; nil where it does not say.
func (a asked) delivery() (*identity.StreamDelivery, error) {
	if a.Delivery == nil {
		return nil, nil
	}
	d := &identity.StreamDelivery{Push: a.Delivery.Method == ssf.DeliveryPush}
	if !d.Push {
		return d, nil
	}
	d.Endpoint = a.Delivery.Endpoint
	if a.Delivery.Authorization != nil {
		d.Authorization = *a.Delivery.Authorization
	}
	if err := egress.Judge(d.Endpoint); err != nil {
		return nil, badRequest("delivery.endpoint_url: " + err.Error())
	}
	return d, nil
}

func (h *Handler) createStream(ctx context.Context, caller *identity.StreamCaller, body []byte) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	a, err := parseStream(body)
	if err != nil {
		return answer{}, err
	}
	d, err := a.delivery()
	if err != nil {
		return answer{}, err
	}
	if d == nil {
		d = &identity.StreamDelivery{} // polled
	}
	var c identity.StreamConfiguration
	a.change(&c, true)
	// Its key is published before the receiver asks for it.
	if slices.Contains(jws.Algorithms(), c.Algorithm) {
		if _, err := h.o.Identity.Signer(ctx, caller.Receiver.Store, c.Algorithm); err != nil {
			return answer{}, err
		}
	}
	t, err := caller.CreateStream(ctx, c, *d)
	return answer{http.StatusCreated, h.show(t)}, err
}

func (h *Handler) serveStreams(ctx context.Context, caller *identity.StreamCaller, id string) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsRead, identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	if id != "" {
		t, err := caller.Stream(ctx, id)
		return answer{http.StatusOK, h.show(t)}, err
	}
	streams, err := caller.Streams(ctx)
	all := []configuration{}
	for _, t := range streams {
		all = append(all, h.show(t))
	}
	return answer{http.StatusOK, all}, err
}

// updateStream changes a stream as PATCH does, or replaces it as PUT does.
func (h *Handler) updateStream(ctx context.Context, caller *identity.StreamCaller, body []byte, whole bool) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	a, err := parseStream(body)
	if err != nil {
		return answer{}, err
	}
	if a.ID == nil {
		return answer{}, badRequest("stream_id is missing")
	}
	t, err := caller.Stream(ctx, *a.ID)
	if err != nil {
		return answer{}, err
	}
	if err := a.judgeFixed(h.show(t)); err != nil {
		return answer{}, err
	}
	d, err := a.delivery()
	if err != nil {
		return answer{}, err
	}
	t, err = caller.UpdateStream(ctx, t.ID, func(c *identity.StreamConfiguration) { a.change(c, whole) }, d)
	return answer{http.StatusOK, h.show(t)}, err
}

func (h *Handler) deleteStream(ctx context.Context, caller *identity.StreamCaller, id string) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	t, err := caller.Stream(ctx, id)
	if err != nil {
		return answer{}, err
	}
	if err := caller.DeleteStream(ctx, id); err != nil {
		return answer{}, err
	}
	if !t.Push { // what waits to be pushed the worker drops
		if err := h.drop(ctx, t.Store, t); err != nil {
			h.o.Logger.Warn("what waits for a deleted stream not dropped", "store", t.Store, "stream", id, "error", err)
		}
	}
	return answer{status: http.StatusNoContent}, nil
}

// statusMember is the status of a stream (section 8.1.2).
type statusMember struct {
	ID     string `json:"stream_id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func showStatus(t identity.Stream) statusMember {
	return statusMember{t.ID, string(t.Status), t.Reason}
}

func (h *Handler) serveStatus(ctx context.Context, caller *identity.StreamCaller, id string) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsRead, identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	t, err := caller.Stream(ctx, id)
	return answer{http.StatusOK, showStatus(t)}, err
}

func (h *Handler) setStatus(ctx context.Context, caller *identity.StreamCaller, body []byte) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	var q statusMember
	if json.Unmarshal(body, &q) != nil {
		return answer{}, badRequest("the body is not JSON with stream_id and status")
	}
	t, err := caller.SetStreamStatus(ctx, q.ID, identity.StreamStatus(q.Status), q.Reason)
	return answer{http.StatusOK, showStatus(t)}, err
}

// maxState bounds what a receiver gives to be sent back to it.
const maxState = 1 << 10

// verify queues an event by which the receiver sees that the stream works (section 8.1.4).
func (h *Handler) verify(ctx context.Context, caller *identity.StreamCaller, body []byte) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsManage, identity.ScopeStreamsRead); err != nil {
		return answer{}, err
	}
	var q struct {
		ID    string `json:"stream_id"`
		State string `json:"state"`
	}
	if json.Unmarshal(body, &q) != nil || len(q.State) > maxState {
		return answer{}, badRequest("the body is not JSON with stream_id and, if you like, a state of 1,024 bytes at most")
	}
	err := caller.VerifyStream(ctx, q.ID, func(m *ostiary.Mutation, t identity.Stream) error {
		return outbox.Queue(m, outbox.Delivery{Store: t.Store, Kind: kindOf(t), To: t.ID,
			Payload: about{Type: ssf.EventVerification, State: q.State}.encode()})
	})
	return answer{status: http.StatusNoContent}, err
}

// setSubject adds a person to a stream or removes one (section 8.1.3). Every stream is told of everybody at first.
func (h *Handler) setSubject(ctx context.Context, caller *identity.StreamCaller, body []byte, told bool) (answer, error) {
	if err := caller.Allow(identity.ScopeStreamsManage); err != nil {
		return answer{}, err
	}
	var q struct {
		ID      string          `json:"stream_id"`
		Subject json.RawMessage `json:"subject"`
	}
	if json.Unmarshal(body, &q) != nil || q.Subject == nil {
		return answer{}, badRequest("the body is not JSON with stream_id and subject")
	}
	s, err := ssf.ParseSubject(q.Subject)
	if err != nil {
		return answer{}, badRequest("the subject is no subject identifier: " + err.Error())
	}
	user, ok := personOf(s, issuer.Of(h.o.PublicURL, caller.Receiver.Store))
	if !ok {
		return answer{}, &refusal{http.StatusNotFound, "invalid_request",
			"the subject is not known: name a person by iss_sub, with this issuer and the id that events have as sub"}
	}
	if err := caller.SetStreamSubject(ctx, q.ID, user, told); err != nil {
		return answer{}, err
	}
	if told {
		return answer{status: http.StatusOK}, nil
	}
	return answer{status: http.StatusNoContent}, nil
}

// personOf returns the person whom a subject names as our events do. A complex one names nothing else.
func personOf(s ssf.Subject, iss string) (user string, ok bool) {
	if s.Format == ssf.FormatComplex {
		part, there := s.Parts[ssf.PartUser]
		if !there || len(s.Parts) != 1 {
			return "", false
		}
		s = part
	}
	return s.Subject, s.Format == ssf.FormatIssuerSubject && s.Issuer == iss && s.Subject != ""
}

// SetStatus says for an operator whether a stream delivers, and tells its receiver (section 8.1.5).
func SetStatus(ctx context.Context, s *identity.Service, store, id string, status identity.StreamStatus, reason string) (identity.Stream, error) {
	return s.SetStatusOfStream(ctx, store, id, status, reason, func(m *ostiary.Mutation, t identity.Stream) error {
		return outbox.Queue(m, outbox.Delivery{Store: t.Store, Kind: kindOf(t), To: t.ID,
			Payload: about{Type: ssf.EventStreamUpdated, Status: string(status), Reason: reason}.encode()})
	})
}
