package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// The kinds of connections: which identity provider it is.
const (
	KindOkta    = "okta"
	KindEntra   = "entra"
	KindGeneric = "generic"
)

// The dialects of connections.
const (
	// DialectCompat takes what Okta and Entra ID send in practice.
	DialectCompat = "compat"
	// DialectStrict is IPSIE's interoperability profile.
	DialectStrict = "ipsie-strict"
)

// Connection is how one identity provider fills one organization.
type Connection struct {
	ID           string
	Store        string
	Organization string
	Name         string // for people
	Kind         string // KindOkta, …
	Dialect      string // DialectCompat, …
	CreatedNanos int64
	Paused       string // why it is; empty while it is not: PausedByRestore, …
	Guard        Guard  // what its provider may take away at once
	Version      ostiary.Revision
}

// UniqueGroupNames reports whether no two groups of the connection may have the same displayName: Entra ID finds
// groups by it, and IPSIE asks for it. Kind and dialect of a connection never change.
func (c Connection) UniqueGroupNames() bool { return c.Kind == KindEntra || c.Dialect == DialectStrict }

// TakesAccessTokensAlone reports whether only OAuth access tokens open the connection, as IPSIE asks for, and none
// that an operator made.
func (c Connection) TakesAccessTokensAlone() bool { return c.Dialect == DialectStrict }

type connectionBody struct {
	form
	Store        string `json:"store"`
	Organization string `json:"organization"`
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Dialect      string `json:"dialect"`
	CreatedNanos int64  `json:"created"`
	Paused       string `json:"paused,omitempty"`
	Guard        Guard  `json:"guard,omitzero"`
}

// maxConnections bounds the connections of a cluster.
const maxConnections = 10_000

// connectionTurnKey is of a document that each creation of a connection writes, so that of those made at
// once each counts the others.
var connectionTurnKey = ostiary.DocumentKey{Collection: "connection-turn", Key: "turn"}

// connectionOfKey is of a document by which the connections of one organization are found.
func connectionOfKey(store, organization, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: connectionsOf(store, organization), Key: id}
}

func connectionsOf(store, organization string) string {
	return "connection-of/" + store + "/" + organization
}

// CreateConnection makes a connection of an organization. An empty dialect is DialectCompat. ID,
// CreatedNanos and Version of c are set by it.
func (s *Service) CreateConnection(ctx context.Context, c Connection) (Connection, error) {
	if c.Dialect == "" {
		c.Dialect = DialectCompat
	}
	switch {
	case !slices.Contains([]string{KindOkta, KindEntra, KindGeneric}, c.Kind):
		return c, invalid("connection kind %.100q is none of %s, %s, %s", c.Kind, KindOkta, KindEntra, KindGeneric)
	case !slices.Contains([]string{DialectCompat, DialectStrict}, c.Dialect):
		return c, invalid("dialect %.100q is neither %s nor %s", c.Dialect, DialectCompat, DialectStrict)
	}
	if err := judgeName("connection", c.Name); err != nil {
		return c, err
	}
	if err := c.Guard.judge(); err != nil {
		return c, err
	}
	row := &audit{store: c.Store, organization: c.Organization, action: "connection.create"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) (err error) {
		_, d, err := readOrganization(v, c.Store, c.Organization)
		if err != nil {
			return err
		}
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: d.Key, Body: d.Body}) // so that it is not deleted meanwhile
		if err := restOnStore(v, m, c.Store); err != nil {
			return err
		}
		turn, _, err := v.Document(connectionTurnKey)
		if err != nil {
			return err
		}
		turn.Key = connectionTurnKey
		n, err := v.CountDocuments(connections)
		if err != nil {
			return err
		}
		if n >= maxConnections {
			return fmt.Errorf("there are %d connections, and may be %d (maxConnections): %w", n, maxConnections, ostiary.ErrTooBroad)
		}
		c.CreatedNanos = m.TimeNanos
		if c.ID, err = newID(kindConnection, m.TimeNanos); err != nil {
			return err
		}
		row.connection, row.resource = c.ID, c.ID
		m.Preconditions = append(m.Preconditions, at(d), at(turn), absent(connectionKey(c.ID)), absent(goneConnectionKey(c.ID)))
		m.Documents = append(m.Documents, put(connectionOfKey(c.Store, c.Organization, c.ID), form{bodyForm}))
		m.Documents = append(m.Documents, put(connectionTurnKey, form{bodyForm}), put(connectionKey(c.ID), connectionBody{
			form: form{bodyForm}, Store: c.Store, Organization: c.Organization, Name: c.Name, Kind: c.Kind, Dialect: c.Dialect,
			CreatedNanos: c.CreatedNanos, Guard: c.Guard}))
		return nil
	})
	c.Version = receipt.Revision
	return c, err
}

// readConnection returns a connection of whatever store.
func readConnection(v View, id string) (Connection, ostiary.Document, error) {
	if !hasKind(id, kindConnection) {
		return Connection{}, ostiary.Document{}, notFound("connection", id)
	}
	d, there, err := v.Document(connectionKey(id))
	if err != nil {
		return Connection{}, d, err
	}
	if !there {
		return Connection{}, d, notFound("connection", id)
	}
	c, err := decodeConnection(d)
	return c, d, err
}

func decodeConnection(d ostiary.Document) (Connection, error) {
	body, err := decode[connectionBody](d)
	return Connection{
		ID: d.Key.Key, Store: body.Store, Organization: body.Organization, Name: body.Name,
		Kind: body.Kind, Dialect: body.Dialect, CreatedNanos: body.CreatedNanos, Paused: body.Paused, Guard: body.Guard, Version: d.Version,
	}, err
}

// Connection returns a connection of a store.
func (s *Service) Connection(ctx context.Context, store, id string) (c Connection, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		c, _, err = readConnection(v, id)
		if err == nil && c.Store != store {
			err = notFound("connection", id)
		}
		return err
	})
	return c, err
}

// Connections returns the connections of a store, or of one organization of it, by id.
func (s *Service) Connections(ctx context.Context, store, organization string) (all []Connection, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		for d, err := range ostiary.EachDocument(ctx, v, connections, "") {
			if err != nil {
				return err
			}
			c, err := decodeConnection(d)
			if err != nil {
				return err
			}
			if c.Store == store && (organization == "" || c.Organization == organization) {
				all = append(all, c)
			}
		}
		return nil
	})
	return all, err
}

// owner returns the owner of what a connection grants by an attribute of a resource, or by one value of it.
// Ids hold no slash.
func (c Connection) owner(resource, attribute string) string {
	return "scim:" + c.ID + "/" + resource + "/" + attribute
}
