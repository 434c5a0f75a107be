package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// The scopes of the clients of receivers of streams.
const (
	ScopeStreamsRead   Scope = "ssf.read"   // shows streams, and polls them
	ScopeStreamsManage Scope = "ssf.manage" // makes, changes and deletes them too
)

// StreamScopes returns every scope of the clients of receivers.
func StreamScopes() []Scope { return []Scope{ScopeStreamsManage, ScopeStreamsRead} }

// StreamReceiver is who may have streams of security events of a store, by OAuth clients of its own: Service.CreateClient
// and the others take its id in place of a connection's.
type StreamReceiver struct {
	ID, Store string
	Name      string // for people
	// Organization narrows its streams to what happens there. Empty: all of the store's.
	Organization string
	// Audience is whom its events are for (aud). Empty when it is made: its id.
	Audience     string
	CreatedNanos int64
	Version      ostiary.Revision
}

type receiverBody struct {
	form
	Store        string `json:"store"`
	Name         string `json:"name"`
	Organization string `json:"organization,omitempty"`
	Audience     string `json:"aud"`
	CreatedNanos int64  `json:"created"`
}

const (
	// kindReceiver begins the ids of receivers.
	kindReceiver = "v"
	// MaxStreamReceivers bounds the receivers of a store.
	MaxStreamReceivers = 100

	maxAudienceBytes = 255
	receivers        = "stream-receiver"
)

func receiverKey(id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: receivers, Key: id}
}

// receiversOf lists the receivers of a store, by documents that say nothing.
func receiversOf(store string) string { return "stream-receiver-of/" + store }

// readReceiver returns a receiver with its document, or ErrNotFound.
func readReceiver(v View, id string) (StreamReceiver, ostiary.Document, error) {
	if !hasKind(id, kindReceiver) {
		return StreamReceiver{}, ostiary.Document{Key: receiverKey(id)}, notFound("receiver of streams", id)
	}
	d, there, err := v.Document(receiverKey(id))
	d.Key = receiverKey(id)
	if err != nil || !there {
		return StreamReceiver{}, d, orElse(err, notFound("receiver of streams", id))
	}
	b, err := decode[receiverBody](d)
	return StreamReceiver{ID: id, Store: b.Store, Name: b.Name, Organization: b.Organization, Audience: b.Audience,
		CreatedNanos: b.CreatedNanos, Version: d.Version}, d, err
}

// receiverOf returns a receiver of a store.
func receiverOf(v View, store, id string) (StreamReceiver, ostiary.Document, error) {
	if err := storeExists(v, store); err != nil {
		return StreamReceiver{}, ostiary.Document{}, err
	}
	r, d, err := readReceiver(v, id)
	if err == nil && r.Store != store {
		err = notFound("receiver of streams", id)
	}
	return r, d, err
}

// clientHolder returns the document of what may have clients: a connection of a store, or a receiver of its streams.
func clientHolder(v View, store, id string) (ostiary.Document, error) {
	if hasKind(id, kindReceiver) {
		_, d, err := receiverOf(v, store, id)
		return d, err
	}
	return connectionOf(v, store, id)
}

// principalKind is of the clients of a connection or receiver.
func principalKind(holder string) string {
	if hasKind(holder, kindReceiver) {
		return "stream"
	}
	return "scim"
}

// openHolder is openConnection that takes receivers for connections too, as far as clients are concerned.
func openHolder(v View, id string) (Connection, ostiary.DocumentKey, error) {
	if !hasKind(id, kindReceiver) {
		c, err := openConnection(v, id)
		return c, connectionKey(id), err
	}
	r, d, err := readReceiver(v, id)
	if err == nil {
		err = storeExists(v, r.Store)
	}
	if errors.Is(err, ostiary.ErrNotFound) {
		err = ErrUnauthenticated
	}
	return Connection{ID: id, Store: r.Store, Organization: r.Organization, Name: r.Name, Version: r.Version}, d.Key, err
}

// judgeHolderScopes returns the scopes asked for of a client, each once; none are all that it may have.
func judgeHolderScopes(holder string, asked []Scope) ([]Scope, error) {
	if !hasKind(holder, kindReceiver) {
		return judgeScopes(asked)
	}
	for _, scope := range asked {
		if !slices.Contains(StreamScopes(), scope) {
			return nil, invalid("scope %.100q is none of %v", scope, StreamScopes())
		}
	}
	if len(asked) == 0 {
		return StreamScopes(), nil
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

// CreateStreamReceiver makes a receiver. ID, CreatedNanos and Version of r are set by it.
func (s *Service) CreateStreamReceiver(ctx context.Context, r StreamReceiver) (StreamReceiver, error) {
	if err := judgeName("receiver", r.Name); err != nil {
		return r, err
	}
	if len(r.Audience) > maxAudienceBytes || strings.ContainsFunc(r.Audience, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return r, invalid("the audience is to be a text of %d bytes at most, without spaces", maxAudienceBytes)
	}
	row := &audit{store: r.Store, organization: r.Organization, action: "stream-receiver.create"}
	asked := r.Audience
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := restOnStore(v, m, r.Store); err != nil {
			return err
		}
		if r.Organization != "" {
			_, d, err := readOrganization(v, r.Store, r.Organization)
			if err != nil {
				return err
			}
			m.Preconditions = append(m.Preconditions, at(d))
		}
		n, err := v.CountDocuments(receiversOf(r.Store))
		if err != nil {
			return err
		}
		if n >= MaxStreamReceivers {
			return fmt.Errorf("the store has %d receivers of streams, and may have %d: %w", n, MaxStreamReceivers, ostiary.ErrTooBroad)
		}
		if r.ID, err = newID(kindReceiver, m.TimeNanos); err != nil {
			return err
		}
		if r.CreatedNanos, r.Audience = m.TimeNanos, asked; asked == "" {
			r.Audience = r.ID
		}
		row.resource = r.ID
		m.Preconditions = append(m.Preconditions, absent(receiverKey(r.ID)))
		m.Documents = append(m.Documents,
			put(receiverKey(r.ID), receiverBody{form{bodyForm}, r.Store, r.Name, r.Organization, r.Audience, r.CreatedNanos}),
			put(ostiary.DocumentKey{Collection: receiversOf(r.Store), Key: r.ID}, form{bodyForm}))
		return nil
	})
	r.Version = receipt.Revision
	return r, err
}

// StreamReceivers returns the receivers of a store, by id.
func (s *Service) StreamReceivers(ctx context.Context, store string) (all []StreamReceiver, err error) {
	err = s.ReadStore(ctx, store, func(v View) error {
		for d, err := range ostiary.EachDocument(ctx, v, receiversOf(store), "") {
			if err != nil {
				return err
			}
			r, _, err := readReceiver(v, d.Key.Key)
			if err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	return all, err
}

// DeleteStreamReceiver ends a receiver with its clients and streams. What waits for those is dropped.
func (s *Service) DeleteStreamReceiver(ctx context.Context, store, id string) (ostiary.Receipt, error) {
	row := &audit{store: store, resource: id, action: "stream-receiver.delete"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		r, d, err := receiverOf(v, store, id)
		if err != nil {
			return err
		}
		row.organization = r.Organization
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, remove(d.Key), remove(ostiary.DocumentKey{Collection: receiversOf(store), Key: id}))
		for _, collection := range []string{clientsOf(id), clientUsesOf(id)} {
			docs, err := v.Documents(collection, "", maxClients, false)
			if err != nil {
				return err
			}
			for _, d := range docs {
				m.Documents = append(m.Documents, remove(d.Key))
			}
		}
		streams, err := streamsIn(ctx, v, store)
		if err != nil {
			return err
		}
		for _, t := range streams {
			if t.Receiver == id {
				removeStream(m, store, t.ID)
			}
		}
		return nil
	})
}

// StreamCaller is a receiver that has shown an access token.
type StreamCaller struct {
	Receiver   StreamReceiver
	service    *Service
	credential credential
}

// StreamCallerOf returns which receiver of a store asks, by the value of the header Authorization. The context that
// is returned carries its client as principal. The error is ErrUnauthenticated where it is none.
func (s *Service) StreamCallerOf(ctx context.Context, store, authorization string) (context.Context, *StreamCaller, error) {
	scheme, text, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || !isAccess(text) {
		return ctx, nil, ErrUnauthenticated
	}
	x, err := s.secret(ctx)
	if err != nil {
		return ctx, nil, err
	}
	said, err := x.openAccess(text)
	if err != nil || !hasKind(said.Connection, kindReceiver) {
		return ctx, nil, orElse(err, ErrUnauthenticated)
	}
	c := &StreamCaller{service: s, credential: credential{
		clientKey(said.Connection, said.Client), said.Version, said.Client, said.Scopes, said.ExpiryNanos}}
	err = s.read(ctx, func(v View) error {
		if _, err := c.credential.judge(v, s.backend.Now()); err != nil {
			return err
		}
		r, _, err := receiverOf(v, store, said.Connection)
		if errors.Is(err, ostiary.ErrNotFound) {
			err = ErrUnauthenticated
		}
		c.Receiver = r
		return err
	})
	return ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "stream", Name: said.Connection + "/" + said.Client}), c, err
}

// Allow returns ErrForbidden where the caller's token has none of some scopes.
func (c *StreamCaller) Allow(any ...Scope) error {
	for _, scope := range any {
		if slices.Contains(c.credential.scopes, scope) {
			return nil
		}
	}
	return fmt.Errorf("%w %s", ErrForbidden, any[0])
}
