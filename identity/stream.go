package identity

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/jws"
)

// StreamStatus is whether a stream delivers (SSF 1.0, section 8.1.2).
type StreamStatus string

// The states of streams.
const (
	StreamEnabled  StreamStatus = "enabled"
	StreamPaused   StreamStatus = "paused"   // what happens is held
	StreamDisabled StreamStatus = "disabled" // what happens is not told
)

// The bounds of streams.
const (
	// MaxStreams bounds the streams of a receiver.
	MaxStreams = 10
	// VerificationInterval is how much time is between two verifications of a stream at least.
	VerificationInterval = 30 * time.Second

	maxStreamEvents      = 50
	maxStreamText        = 1 << 10 // of a description, a reason or the URI of a type
	maxRemovedSubjects   = 10_000
	maxStreamReasonBytes = 256
)

// Stream is what a receiver is told, and how (SSF 1.0, section 8.1.1).
type Stream struct {
	ID, Store, Receiver string
	StreamConfiguration
	// Push delivers to Endpoint, instead of letting the receiver poll. HasAuthorization: with a header that the
	// receiver has given.
	Push             bool
	Endpoint         string
	HasAuthorization bool
	Status           StreamStatus
	Reason           string // of the status; may be empty
	// Organization and Audience are of the receiver.
	Organization, Audience string
	CreatedNanos           int64
	// VerifiedNanos is when the receiver asked for verification last; 0: never.
	VerifiedNanos int64
	Version       ostiary.Revision
}

// StreamConfiguration is what a receiver may say of a stream and change later.
type StreamConfiguration struct {
	Requested   []string // types of events; empty: every one that there is
	Description string
	Algorithm   jws.Algorithm // by which its events are signed
	// Simple names a session alone as the subject, instead of session and person.
	Simple bool
}

type streamBody struct {
	form
	Receiver      string        `json:"receiver"`
	Requested     []string      `json:"requested,omitempty"`
	Description   string        `json:"description,omitempty"`
	Algorithm     jws.Algorithm `json:"alg"`
	Simple        bool          `json:"simple,omitempty"`
	Push          bool          `json:"push,omitempty"`
	Endpoint      string        `json:"endpoint,omitempty"`
	Authorization []byte        `json:"authorization,omitempty"` // sealed
	Status        StreamStatus  `json:"status"`
	Reason        string        `json:"reason,omitempty"`
	CreatedNanos  int64         `json:"created"`
	VerifiedNanos int64         `json:"verified,omitempty"`
}

// kindStream begins the ids of streams.
const kindStream = "x"

// ListenStream is the kind of streams among those who listen (Listener).
const ListenStream = "stream"

func streamsOf(store string) string { return "stream/" + store }

func streamKey(store, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: streamsOf(store), Key: id}
}

// removedOf lists the people of whom a stream is told nothing, by documents that say nothing.
func removedOf(stream string) string { return "stream-removed/" + stream }

func removeStream(m *ostiary.Mutation, store, id string) {
	m.Documents = append(m.Documents, remove(streamKey(store, id)))
	setListener(m, Listener(store, ListenStream, id), false)
}

func (c StreamConfiguration) judge() error {
	switch {
	case len(c.Requested) > maxStreamEvents:
		return invalid("%d types of events are requested, and %d may be", len(c.Requested), maxStreamEvents)
	case slices.ContainsFunc(c.Requested, func(uri string) bool { return len(uri) > maxStreamText }):
		return invalid("a type of events has more than %d bytes", maxStreamText)
	case len(c.Description) > maxStreamText || !utf8.ValidString(c.Description):
		return invalid("the description is to be a text of %d bytes at most", maxStreamText)
	case !slices.Contains(jws.Algorithms(), c.Algorithm):
		return invalid("the algorithm %.20q is none of %v", c.Algorithm, jws.Algorithms())
	}
	return nil
}

func readStream(v View, store, id string) (b streamBody, d ostiary.Document, err error) {
	there := false
	if hasKind(id, kindStream) {
		d, there, err = v.Document(streamKey(store, id))
	}
	d.Key = streamKey(store, id)
	if err != nil || !there {
		return b, d, orElse(err, notFound("stream", id))
	}
	b, err = decode[streamBody](d)
	return b, d, err
}

func (b streamBody) stream(v View, store string, d ostiary.Document) (Stream, error) {
	r, _, err := readReceiver(v, b.Receiver)
	return Stream{
		ID: d.Key.Key, Store: store, Receiver: b.Receiver,
		StreamConfiguration: StreamConfiguration{b.Requested, b.Description, b.Algorithm, b.Simple},
		Push:                b.Push, Endpoint: b.Endpoint, HasAuthorization: len(b.Authorization) > 0, Status: b.Status, Reason: b.Reason,
		Organization: r.Organization, Audience: r.Audience, CreatedNanos: b.CreatedNanos, VerifiedNanos: b.VerifiedNanos, Version: d.Version,
	}, err
}

func streamsIn(ctx context.Context, v View, store string) (all []Stream, err error) {
	for d, err := range ostiary.EachDocument(ctx, v, streamsOf(store), "") {
		if err != nil {
			return nil, err
		}
		b, err := decode[streamBody](d)
		if err != nil {
			return nil, err
		}
		t, err := b.stream(v, store, d)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// StreamsIn returns the streams of a store as a view shows them, by id.
func StreamsIn(ctx context.Context, v View, store string) ([]Stream, error) {
	return streamsIn(ctx, v, store)
}

// StreamIn returns a stream as a view shows it, or ErrNotFound.
func StreamIn(v View, store, id string) (Stream, error) {
	b, d, err := readStream(v, store, id)
	if err != nil {
		return Stream{}, err
	}
	return b.stream(v, store, d)
}

// TellsOf reports whether a stream is told of a person, as a view shows it.
func (t Stream) TellsOf(v View, user string) (bool, error) {
	_, removed, err := v.Document(ostiary.DocumentKey{Collection: removedOf(t.ID), Key: user})
	return !removed, err
}

// Stream returns a stream of a store, or ErrNotFound.
func (s *Service) Stream(ctx context.Context, store, id string) (t Stream, err error) {
	err = s.ReadStore(ctx, store, func(v View) error {
		t, err = StreamIn(v, store, id)
		return err
	})
	return t, err
}

// Streams returns the streams of a store, by id.
func (s *Service) Streams(ctx context.Context, store string) (all []Stream, err error) {
	err = s.ReadStore(ctx, store, func(v View) error {
		all, err = streamsIn(ctx, v, store)
		return err
	})
	return all, err
}

// StreamAuthorization returns a stream and the header Authorization with which its endpoint is asked; empty: none.
func (s *Service) StreamAuthorization(ctx context.Context, store, id string) (t Stream, header string, err error) {
	x, err := s.secret(ctx)
	if err != nil {
		return t, "", err
	}
	err = s.ReadStore(ctx, store, func(v View) error {
		b, d, err := readStream(v, store, id)
		if err != nil {
			return err
		}
		if header, err = x.openListener(d.Key, b.Authorization); err != nil {
			return err
		}
		t, err = b.stream(v, store, d)
		return err
	})
	return t, header, err
}

// judgeAuthorization refuses what can be no value of a header.
func judgeAuthorization(text string) error {
	if len(text) > maxListenerSecret {
		return invalid("the authorization header has more than %d bytes", maxListenerSecret)
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return invalid("the authorization header holds characters that no header may hold")
		}
	}
	return nil
}

// Streams returns the caller's streams.
func (c *StreamCaller) Streams(ctx context.Context) ([]Stream, error) {
	all, err := c.service.Streams(ctx, c.Receiver.Store)
	return slices.DeleteFunc(all, func(t Stream) bool { return t.Receiver != c.Receiver.ID }), err
}

// Stream returns one of the caller's streams, or ErrNotFound.
func (c *StreamCaller) Stream(ctx context.Context, id string) (Stream, error) {
	t, err := c.service.Stream(ctx, c.Receiver.Store, id)
	if err == nil && t.Receiver != c.Receiver.ID {
		return Stream{}, notFound("stream", id)
	}
	return t, err
}

// change commits a change of the caller, which rests on its credential.
func (c *StreamCaller) change(ctx context.Context, row *audit, build func(v View, m *ostiary.Mutation) error) error {
	row.store, row.organization = c.Receiver.Store, c.Receiver.Organization
	_, err := c.service.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := c.credential.judge(v, c.service.backend.Now())
		if err != nil {
			return err
		}
		if err := restOnStore(v, m, row.store); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(d))
		return build(v, m)
	})
	return err
}

// StreamDelivery is how a receiver wants to be told.
type StreamDelivery struct {
	Push     bool
	Endpoint string
	// Authorization is the value of the header Authorization with which the endpoint is asked. Empty: none.
	Authorization string
}

func (d StreamDelivery) judge() error {
	if !d.Push {
		return nil
	}
	if err := judgeListenerURL("endpoint_url", d.Endpoint); err != nil {
		return err
	}
	return judgeAuthorization(d.Authorization)
}

// CreateStream makes a stream, which is enabled. One more than MaxStreams is ErrExists.
func (c *StreamCaller) CreateStream(ctx context.Context, configuration StreamConfiguration, delivery StreamDelivery) (t Stream, err error) {
	if err := configuration.judge(); err != nil {
		return t, err
	}
	if err := delivery.judge(); err != nil {
		return t, err
	}
	x, err := c.service.secret(ctx)
	if err != nil {
		return t, err
	}
	row := &audit{action: "stream.create"}
	store := c.Receiver.Store
	err = c.change(ctx, row, func(v View, m *ostiary.Mutation) error {
		streams, err := streamsIn(ctx, v, store)
		if err != nil {
			return err
		}
		if n := len(slices.DeleteFunc(streams, func(t Stream) bool { return t.Receiver != c.Receiver.ID })); n >= MaxStreams {
			return fmt.Errorf("the receiver has %d streams, and may have %d: %w", n, MaxStreams, ostiary.ErrExists)
		}
		_, d, err := receiverOf(v, store, c.Receiver.ID)
		if err != nil {
			return err
		}
		id, err := newID(kindStream, m.TimeNanos)
		if err != nil {
			return err
		}
		key := streamKey(store, id)
		row.resource = id
		b := streamBody{
			form: form{bodyForm}, Receiver: c.Receiver.ID, Requested: configuration.Requested, Description: configuration.Description,
			Algorithm: configuration.Algorithm, Simple: configuration.Simple, Push: delivery.Push, Status: StreamEnabled, CreatedNanos: m.TimeNanos,
		}
		if delivery.Push {
			b.Endpoint, b.Authorization = delivery.Endpoint, x.sealListener(key, delivery.Authorization)
		}
		m.Preconditions = append(m.Preconditions, at(d), absent(key))
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: d.Key, Body: d.Body}, put(key, b)) // so that streams made at once are counted
		setListener(m, Listener(store, ListenStream, id), true)
		t, err = b.stream(v, store, ostiary.Document{Key: key})
		return err
	})
	return t, err
}

// changeStream changes one of the caller's streams, by its document.
func (c *StreamCaller) changeStream(
	ctx context.Context, action, id string, edit func(v View, m *ostiary.Mutation, b *streamBody) error,
) (t Stream, err error) {
	err = c.change(ctx, &audit{action: action, resource: id}, func(v View, m *ostiary.Mutation) error {
		b, d, err := readStream(v, c.Receiver.Store, id)
		if err == nil && b.Receiver != c.Receiver.ID {
			err = notFound("stream", id)
		}
		if err != nil {
			return err
		}
		if err := edit(v, m, &b); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, b))
		t, err = b.stream(v, c.Receiver.Store, d)
		return err
	})
	return t, err
}

// UpdateStream changes a stream. Where delivery is nil, it stays. It goes on by push or poll as it was made: what waits
// is in a queue of that kind.
func (c *StreamCaller) UpdateStream(ctx context.Context, id string, change func(*StreamConfiguration), delivery *StreamDelivery) (Stream, error) {
	if delivery != nil {
		if err := delivery.judge(); err != nil {
			return Stream{}, err
		}
	}
	x, err := c.service.secret(ctx)
	if err != nil {
		return Stream{}, err
	}
	return c.changeStream(ctx, "stream.update", id, func(_ View, _ *ostiary.Mutation, b *streamBody) error {
		configuration := StreamConfiguration{b.Requested, b.Description, b.Algorithm, b.Simple}
		change(&configuration)
		if err := configuration.judge(); err != nil {
			return err
		}
		b.Requested, b.Description, b.Algorithm, b.Simple = configuration.Requested, configuration.Description, configuration.Algorithm, configuration.Simple
		if delivery == nil {
			return nil
		}
		if delivery.Push != b.Push {
			return invalid("the delivery method of a stream cannot change: make another stream and delete this one")
		}
		if b.Push {
			b.Endpoint, b.Authorization = delivery.Endpoint, x.sealListener(streamKey(c.Receiver.Store, id), delivery.Authorization)
		}
		return nil
	})
}

// SetStreamStatus says whether a stream delivers.
func (c *StreamCaller) SetStreamStatus(ctx context.Context, id string, status StreamStatus, reason string) (Stream, error) {
	if err := judgeStatus(status, reason); err != nil {
		return Stream{}, err
	}
	return c.changeStream(ctx, "stream.status", id, func(_ View, _ *ostiary.Mutation, b *streamBody) error {
		b.Status, b.Reason = status, reason
		return nil
	})
}

func judgeStatus(status StreamStatus, reason string) error {
	switch {
	case !slices.Contains([]StreamStatus{StreamEnabled, StreamPaused, StreamDisabled}, status):
		return invalid("status %.20q is none of %s, %s, %s", status, StreamEnabled, StreamPaused, StreamDisabled)
	case len(reason) > maxStreamReasonBytes || !utf8.ValidString(reason):
		return invalid("the reason is to be a text of %d bytes at most", maxStreamReasonBytes)
	}
	return nil
}

// DeleteStream ends one of the caller's streams. What waits for it is dropped.
func (c *StreamCaller) DeleteStream(ctx context.Context, id string) error {
	return c.change(ctx, &audit{action: "stream.delete", resource: id}, func(v View, m *ostiary.Mutation) error {
		b, d, err := readStream(v, c.Receiver.Store, id)
		if err == nil && b.Receiver != c.Receiver.ID {
			err = notFound("stream", id)
		}
		m.Preconditions = append(m.Preconditions, at(d))
		removeStream(m, c.Receiver.Store, id)
		return err
	})
}

// TooSoonError is of a verification that comes too soon after the one before.
type TooSoonError struct{ After time.Duration }

func (e *TooSoonError) Error() string {
	return fmt.Sprintf("%s: a stream is verified once in %s: try again in %s", http.StatusText(http.StatusTooManyRequests),
		VerificationInterval, e.After.Round(time.Second))
}

// VerifyStream notes that the receiver wants to see an event of a stream, which also adds to the mutation.
func (c *StreamCaller) VerifyStream(ctx context.Context, id string, also func(m *ostiary.Mutation, t Stream) error) error {
	_, err := c.changeStream(ctx, "stream.verify", id, func(v View, m *ostiary.Mutation, b *streamBody) error {
		if left := b.VerifiedNanos + int64(VerificationInterval) - m.TimeNanos; b.VerifiedNanos != 0 && left > 0 {
			return &TooSoonError{time.Duration(left)}
		}
		b.VerifiedNanos = m.TimeNanos
		t, err := b.stream(v, c.Receiver.Store, ostiary.Document{Key: streamKey(c.Receiver.Store, id)})
		if err != nil {
			return err
		}
		return also(m, t)
	})
	return err
}

// SetStreamSubject says whether one of the caller's streams is told of a person. Each is told of everybody at first.
func (c *StreamCaller) SetStreamSubject(ctx context.Context, id, user string, told bool) error {
	if err := judgeUser(user); err != nil {
		return err
	}
	action := "stream.subject-remove"
	if told {
		action = "stream.subject-add"
	}
	_, err := c.changeStream(ctx, action, id, func(v View, m *ostiary.Mutation, _ *streamBody) error {
		key := ostiary.DocumentKey{Collection: removedOf(id), Key: user}
		if told {
			m.Documents = append(m.Documents, remove(key))
			return nil
		}
		n, err := v.CountDocuments(removedOf(id))
		if err != nil {
			return err
		}
		if n >= maxRemovedSubjects {
			return fmt.Errorf("%d people are removed from the stream, and %d may be: %w", n, maxRemovedSubjects, ostiary.ErrTooBroad)
		}
		m.Documents = append(m.Documents, put(key, form{bodyForm}))
		return nil
	})
	return err
}

// SetStatusOfStream is SetStreamStatus for an operator, who tells the receiver: also adds that to the mutation.
func (s *Service) SetStatusOfStream(
	ctx context.Context, store, id string, status StreamStatus, reason string, also func(m *ostiary.Mutation, t Stream) error,
) (t Stream, err error) {
	if err := judgeStatus(status, reason); err != nil {
		return t, err
	}
	row := &audit{store: store, resource: id, action: "stream.status"}
	_, err = s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		b, d, err := readStream(v, store, id)
		if err != nil {
			return err
		}
		b.Status, b.Reason = status, reason
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, b))
		if t, err = b.stream(v, store, d); err != nil {
			return err
		}
		row.organization = t.Organization
		return also(m, t)
	})
	return t, err
}
