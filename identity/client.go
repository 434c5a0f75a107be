package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// ClientMethod is how a client shows who it is when it asks for an access token.
type ClientMethod string

// The methods of clients.
const (
	// ClientSecret: by a text that the client and its connection share.
	ClientSecret ClientMethod = "client_secret"
	// ClientKey: by a JWT that the client signs (RFC 7523, section 2.2).
	ClientKey ClientMethod = "private_key_jwt"
)

// Client is who may ask for access tokens of a connection, or of a receiver of streams: an OAuth 2.0 client.
type Client struct {
	// ID names the connection too, so that it is found without being told: "c01….k01…".
	ID     string
	Name   string // for people
	Method ClientMethod
	Scopes []Scope
	// Where the public keys of a client of method ClientKey are, by one of three ways: a JWK set as text, the
	// URL of one, or the issuer whose metadata lead to one. Whoever creates a client has judged them.
	Keys    []byte
	KeysURL string
	Issuer  string

	CreatedNanos int64
	UsedNanos    int64 // when it last got an access token; zero: never
	Version      ostiary.Revision

	secretHash string // of a client of method ClientSecret
}

type clientBody struct {
	form
	Name         string       `json:"name"`
	Method       ClientMethod `json:"method"`
	Scopes       []Scope      `json:"scopes"`
	Keys         []byte       `json:"keys,omitempty"`
	KeysURL      string       `json:"keys_url,omitempty"`
	Issuer       string       `json:"issuer,omitempty"`
	SecretHash   string       `json:"secret,omitempty"`
	CreatedNanos int64        `json:"created"`
}

// clientUseBody is apart from the client, whose document changes only when its access tokens are to end.
type clientUseBody struct {
	form
	UsedNanos int64 `json:"used"`
}

// kindClient begins the keys of clients.
const kindClient = "k"

const (
	// maxClients bounds the clients of a connection, of which two are needed to change one without a gap.
	maxClients        = 10
	maxClientKeyBytes = 64 << 10
	maxClientURLBytes = 1024
	secretPrefix      = "ostiary_cs_"
)

func clientsOf(connection string) string { return "client/" + connection }

func clientKey(connection, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: clientsOf(connection), Key: id}
}

func clientUsesOf(connection string) string { return "client-use/" + connection }

func clientUseKey(connection, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: clientUsesOf(connection), Key: id}
}

// cutClientID returns the connection of a client's id and the key of its document.
func cutClientID(id string) (connection, key string, ok bool) {
	connection, key, ok = strings.Cut(id, ".")
	return connection, key, ok && (hasKind(connection, kindConnection) || hasKind(connection, kindReceiver)) && hasKind(key, kindClient)
}

// CreateClient makes a client of a connection and returns its secret, which is shown this once; a client of
// method ClientKey has none. No scopes are all of them. ID, CreatedNanos and Version of c are set by it.
func (s *Service) CreateClient(ctx context.Context, store, connection string, c Client) (Client, string, error) {
	scopes, err := judgeHolderScopes(connection, c.Scopes)
	if err != nil {
		return c, "", err
	}
	c.Scopes = scopes
	if err := c.judge(); err != nil {
		return c, "", err
	}
	var secret string
	if c.Method == ClientSecret {
		random := make([]byte, tokenRandom)
		rand.Read(random) // never fails
		secret = secretPrefix + base64.RawURLEncoding.EncodeToString(random)
		c.secretHash = tokenHash(secret)
	}
	row := &audit{store: store, connection: connection, action: "client.create"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := clientHolder(v, store, connection)
		if err != nil {
			return err
		}
		if hasKind(connection, kindConnection) {
			if c, err := decodeConnection(d); err != nil || c.Paused == PausedByDeletion {
				return orElse(err, notFound("connection", connection))
			}
		}
		n, err := v.CountDocuments(clientsOf(connection))
		if err != nil {
			return err
		}
		if n >= maxClients {
			return fmt.Errorf("connection %s has %d clients, and may have %d: delete one first: %w", connection, n, maxClients, ostiary.ErrTooBroad)
		}
		key, err := newID(kindClient, m.TimeNanos)
		if err != nil {
			return err
		}
		c.ID, c.CreatedNanos = connection+"."+key, m.TimeNanos
		row.resource = key
		m.Preconditions = append(m.Preconditions, at(d), absent(clientKey(connection, key)))
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: d.Key, Body: d.Body}, // so that clients made at once are counted
			put(clientKey(connection, key), clientBody{form{bodyForm}, c.Name, c.Method, c.Scopes, c.Keys, c.KeysURL, c.Issuer, c.secretHash, c.CreatedNanos}))
		return nil
	})
	if err != nil {
		return c, "", err
	}
	c.Version = receipt.Revision
	return c, secret, nil
}

// judge refuses what cannot be a client.
func (c Client) judge() error {
	if err := judgeName("client", c.Name); err != nil {
		return err
	}
	ways := 0
	for _, given := range []bool{len(c.Keys) > 0, c.KeysURL != "", c.Issuer != ""} {
		if given {
			ways++
		}
	}
	switch {
	case c.Method != ClientSecret && c.Method != ClientKey:
		return invalid("client method %.100q is neither %s nor %s", c.Method, ClientSecret, ClientKey)
	case c.Method == ClientSecret && ways != 0:
		return invalid("a client of method %s has no keys", ClientSecret)
	case c.Method == ClientKey && ways != 1:
		return invalid("a client of method %s has its keys as a key set, at the URL of one, or by way of an issuer: %d are given", ClientKey, ways)
	case len(c.Keys) > maxClientKeyBytes:
		return invalid("the key set of the client has %d bytes, and may have %d", len(c.Keys), maxClientKeyBytes)
	case len(c.KeysURL) > maxClientURLBytes || len(c.Issuer) > maxClientURLBytes:
		return invalid("the URL of the client's keys has more than %d bytes", maxClientURLBytes)
	}
	return nil
}

// HoldsSecret reports whether a text is the secret of the client, in a time that tells nothing of it.
func (c Client) HoldsSecret(text string) bool {
	return c.Method == ClientSecret && c.secretHash != "" && subtle.ConstantTimeCompare([]byte(tokenHash(text)), []byte(c.secretHash)) == 1
}

// Clients returns the clients of a connection, by id.
func (s *Service) Clients(ctx context.Context, store, connection string) (all []Client, err error) {
	err = s.read(ctx, func(v View) error {
		if _, err := clientHolder(v, store, connection); err != nil {
			return err
		}
		docs, err := v.Documents(clientsOf(connection), "", maxClients, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			c, err := decodeClient(connection, d)
			if err != nil {
				return err
			}
			used, there, err := v.Document(clientUseKey(connection, d.Key.Key))
			if err != nil {
				return err
			}
			if there {
				body, err := decode[clientUseBody](used)
				if err != nil {
					return err
				}
				c.UsedNanos = body.UsedNanos
			}
			all = append(all, c)
		}
		return nil
	})
	return all, err
}

func decodeClient(connection string, d ostiary.Document) (Client, error) {
	body, err := decode[clientBody](d)
	return Client{
		ID: connection + "." + d.Key.Key, Name: body.Name, Method: body.Method, Scopes: body.Scopes,
		Keys: body.Keys, KeysURL: body.KeysURL, Issuer: body.Issuer, secretHash: body.SecretHash,
		CreatedNanos: body.CreatedNanos, Version: d.Version,
	}, err
}

// DeleteClient ends a client of a connection, and with it every access token that it has.
func (s *Service) DeleteClient(ctx context.Context, store, connection, id string) (ostiary.Receipt, error) {
	of, key, ok := cutClientID(id)
	if !ok || of != connection {
		return ostiary.Receipt{}, notFound("client", id)
	}
	row := &audit{store: store, connection: connection, resource: key, action: "client.delete"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if _, err := clientHolder(v, store, connection); err != nil {
			return err
		}
		_, there, err := v.Document(clientKey(connection, key))
		if err != nil || !there {
			return orElse(err, notFound("client", id))
		}
		m.Documents = append(m.Documents, remove(clientKey(connection, key)), remove(clientUseKey(connection, key)))
		return nil
	})
}

// Client returns a client and its connection, by the client's id alone, or ErrUnauthenticated where it, its
// connection or its store is not there.
func (s *Service) Client(ctx context.Context, id string) (client Client, connection Connection, err error) {
	of, key, ok := cutClientID(id)
	if !ok {
		return client, connection, ErrUnauthenticated
	}
	err = s.read(ctx, func(v View) error {
		d, there, err := v.Document(clientKey(of, key))
		if err != nil || !there {
			return orElse(err, ErrUnauthenticated)
		}
		if client, err = decodeClient(of, d); err != nil {
			return err
		}
		connection, _, err = openHolder(v, of)
		return err
	})
	return client, connection, err
}

// openConnection returns a connection of a store that is there, or ErrUnauthenticated.
func openConnection(v View, id string) (Connection, error) {
	c, _, err := readConnection(v, id)
	if err == nil {
		err = storeExists(v, c.Store)
	}
	if errors.Is(err, ostiary.ErrNotFound) {
		err = ErrUnauthenticated
	}
	return c, err
}

// judgeScopes returns the scopes asked for, which are all where none are, each once.
func judgeScopes(asked []Scope) ([]Scope, error) {
	if len(asked) == 0 {
		return Scopes(), nil
	}
	for _, alone := range loneScopes {
		if !slices.Contains(asked, alone) {
			continue
		}
		if len(asked) > 1 {
			return nil, invalid("scope %s goes with no other: make another token for the rest", alone)
		}
		return asked, nil
	}
	var scopes []Scope
	for _, scope := range asked {
		if !slices.Contains(Scopes(), scope) {
			return nil, invalid("scope %.100q is none of %v", scope, Scopes())
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}
