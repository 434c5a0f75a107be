package transmitter

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/ssf"
)

// The kinds of deliveries to streams.
const (
	KindPush = "set"
	KindPoll = "set-poll"
)

func kindOf(t identity.Stream) string {
	if t.Push {
		return KindPush
	}
	return KindPoll
}

// supported are the types of events that streams can be told of. Those about the stream itself go without asking.
var supported = []string{ssf.EventSessionRevoked}

// delivered returns the types of events that a stream is told of.
func delivered(t identity.Stream) []string {
	if len(t.Requested) == 0 {
		return supported
	}
	return slices.DeleteFunc(slices.Clone(supported), func(uri string) bool { return !slices.Contains(t.Requested, uri) })
}

// about is the payload of a delivery: what the event says beside session and person.
type about struct {
	Form   int    `json:"form"`
	Type   string `json:"type"`
	Reason string `json:"reason,omitempty"`
	State  string `json:"state,omitempty"`
	Status string `json:"status,omitempty"`
}

const payloadForm = 1

func (a about) encode() []byte {
	a.Form = payloadForm
	data, err := json.Marshal(a)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", a, err)) // texts and a number: it can be encoded
	}
	return data
}

func decodeAbout(d outbox.Delivery) (a about, err error) {
	if err := json.Unmarshal(d.Payload, &a); err != nil || a.Form != payloadForm {
		return a, fmt.Errorf("decode what delivery %s says: %w", d.ID, ostiary.ErrCorrupt)
	}
	return a, nil
}

// ofItself reports whether an event is about its stream, and goes also where the stream is not enabled.
func (a about) ofItself() bool { return a.Type == ssf.EventStreamUpdated }

// route returns what the streams of one kind are to be told of an event.
func route(ctx context.Context, v identity.View, e identity.Event, kind string) (all []outbox.Delivery, err error) {
	if e.Type != identity.EventSessionsEnded || len(e.Sessions) == 0 {
		return nil, nil
	}
	streams, err := identity.StreamsIn(ctx, v, e.Store)
	if err != nil {
		return nil, err
	}
	for _, t := range streams {
		if kindOf(t) != kind || t.Status == identity.StreamDisabled || !slices.Contains(delivered(t), ssf.EventSessionRevoked) ||
			t.Organization != "" && t.Organization != e.Organization {
			continue
		}
		tells, err := t.TellsOf(v, e.User)
		if err != nil {
			return nil, err
		}
		if !tells {
			continue
		}
		payload := about{Type: ssf.EventSessionRevoked, Reason: e.Reason}.encode()
		for _, s := range e.Sessions {
			all = append(all, outbox.Delivery{To: t.ID, User: e.User, Session: s.ID, Payload: payload})
		}
	}
	return all, nil
}

type claims struct {
	Issuer   string         `json:"iss"`
	Audience string         `json:"aud"`
	Issued   int64          `json:"iat"`
	ID       string         `json:"jti"`
	Txn      string         `json:"txn,omitempty"`
	Subject  any            `json:"sub_id"`
	Events   map[string]any `json:"events"`
}

type opaque struct {
	Format string `json:"format"`
	ID     string `json:"id"`
}

type issuerSubject struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

type sessionOfUser struct {
	Format  string        `json:"format"`
	Session opaque        `json:"session"`
	User    issuerSubject `json:"user"`
}

// reasons says in words why sessions ended, for who operates the receiver.
var reasons = map[string]string{
	identity.ReasonDeactivated: "The person was deactivated.",
	identity.ReasonBlocked:     "The person was blocked.",
	identity.ReasonRemoved:     "The person is no member any more.",
	identity.ReasonDeleted:     "The person was deleted.",
	identity.ReasonRequested:   "The identity provider has logged the person out.",
	identity.ReasonEnded:       "The session was ended.",
	identity.ReasonRevoked:     "All sessions of the person were ended.",
}

// minter makes SETs.
type minter struct {
	identity  *identity.Service
	publicURL string
}

// mint returns the SET of a delivery to a stream. Its claims are the same each time; the key is the one that signs now.
func (m minter) mint(ctx context.Context, t identity.Stream, d outbox.Delivery, a about) (string, error) {
	if m.publicURL == "" {
		return "", issuer.ErrNoURL
	}
	iss := issuer.Of(m.publicURL, d.Store)
	c := claims{Issuer: iss, Audience: t.Audience, Issued: d.QueuedNanos / int64(time.Second), ID: d.ID, Txn: d.Event}
	stream := opaque{ssf.FormatOpaque, t.ID}
	switch a.Type {
	case ssf.EventVerification:
		c.Subject = stream
		event := map[string]any{}
		if a.State != "" {
			event["state"] = a.State
		}
		c.Events = map[string]any{a.Type: event}
	case ssf.EventStreamUpdated:
		c.Subject = stream
		event := map[string]any{"status": a.Status}
		if a.Reason != "" {
			event["reason"] = a.Reason
		}
		c.Events = map[string]any{a.Type: event}
	default:
		session := opaque{ssf.FormatOpaque, d.Session}
		c.Subject = session
		if !t.Simple {
			c.Subject = sessionOfUser{ssf.FormatComplex, session, issuerSubject{ssf.FormatIssuerSubject, iss, d.User}}
		}
		event := map[string]any{"event_timestamp": d.TimeNanos / int64(time.Second), "initiating_entity": "admin"}
		if text := reasons[a.Reason]; text != "" {
			event["reason_admin"] = map[string]string{"en": text}
		}
		c.Events = map[string]any{a.Type: event}
	}
	key, err := m.identity.Signer(ctx, d.Store, t.Algorithm)
	if err != nil {
		return "", err
	}
	return key.Sign(ssf.Type, c)
}
