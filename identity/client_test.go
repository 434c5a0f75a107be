package identity_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// lateBackend is a backend whose clock can be put forward.
type lateBackend struct {
	backend
	ahead *atomic.Int64
}

func (b lateBackend) Now() int64 { return b.backend.Now() + b.ahead.Load() }

// late returns the service as a node sees it whose clock can be put forward.
func (w *world) late() (*identity.Service, *atomic.Int64) {
	var ahead atomic.Int64
	return identity.New(lateBackend{backend{w.raft}, &ahead}, identity.Options{}), &ahead
}

// client makes a client with a secret.
func (w *world) client(connection string, scopes ...identity.Scope) (identity.Client, string) {
	w.t.Helper()
	c, secret, err := w.service.CreateClient(w.ctx(), store, connection,
		identity.Client{Name: "IdP", Method: identity.ClientSecret, Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return c, secret
}

// access makes an access token of a client.
func (w *world) access(c identity.Client) string {
	w.t.Helper()
	text, err := w.service.IssueToken(w.t.Context(), c, c.Scopes, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return "Bearer " + text
}

func (w *world) wantUnauthenticated(connection, bearer string) {
	w.t.Helper()
	if _, _, err := w.service.Directory(w.t.Context(), connection, bearer); !errors.Is(err, identity.ErrUnauthenticated) {
		w.t.Errorf("got %v", err)
	}
}

func TestClientSecret(t *testing.T) {
	w := newWorld(t)
	c, secret := w.client(w.connection.ID)
	found, connection, err := w.service.Client(t.Context(), c.ID)
	if err != nil || connection.ID != w.connection.ID || found.Version != c.Version {
		t.Fatalf("got %+v, %+v, %v", found, connection, err)
	}
	if !found.HoldsSecret(secret) {
		t.Error("the secret is not the client's")
	}
	for _, other := range []string{"", secret + "x", secret[1:], strings.ToUpper(secret)} {
		if found.HoldsSecret(other) {
			t.Errorf("%q is taken for the secret", other)
		}
	}
	for _, id := range []string{"", ".", w.connection.ID, c.ID + "x", strings.Replace(c.ID, w.connection.ID, w.connect("acme").ID, 1)} {
		if _, _, err := w.service.Client(t.Context(), id); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("%q: got %v", id, err)
		}
	}
	v := w.view()
	for _, collection := range []string{"client/" + w.connection.ID, "client-use/" + w.connection.ID} {
		docs, err := v.Documents(collection, "", 10, false)
		must(t)(nil, err)
		for _, d := range docs {
			if strings.Contains(string(d.Body), secret) {
				t.Errorf("the secret is stored: %s", d.Body)
			}
		}
	}
}

// An access token opens the SCIM endpoint of its own connection alone, with the scopes that were asked for, on
// every node.
func TestAccessToken(t *testing.T) {
	w := newWorld(t)
	c, _ := w.client(w.connection.ID, identity.ScopeUsersWrite, identity.ScopeGroupsRead)
	text, err := w.service.IssueToken(t.Context(), c, []identity.Scope{identity.ScopeUsersWrite}, "")
	must(t)(nil, err)
	node, _ := w.late()
	ctx, d, err := node.Directory(t.Context(), w.connection.ID, "Bearer "+text)
	must(t)(nil, err)
	must(t)(d.CreateUser(ctx, identity.UserInput{UserName: "ann", Active: true}))
	if err := d.Allow(identity.ScopeUsersRead); err != nil {
		t.Error(err)
	}
	if err := d.Allow(identity.ScopeGroupsRead); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a scope that was not asked for: %v", err)
	}
	if _, err := w.service.IssueToken(t.Context(), c, []identity.Scope{identity.ScopeGroupsWrite}, ""); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a scope that the client does not have: %v", err)
	}
	w.wantUnauthenticated(w.connect("acme").ID, "Bearer "+text)
	other := newWorld(t)
	w.wantUnauthenticated(w.connection.ID, other.access(func() identity.Client { c, _ := other.client(other.connection.ID); return c }()))
	clients, err := w.service.Clients(t.Context(), store, w.connection.ID)
	if err != nil || len(clients) != 1 || clients[0].UsedNanos == 0 || clients[0].ID != c.ID {
		t.Errorf("got %+v, %v", clients, err)
	}
}

// No access token can be made of another one.
func TestForgedAccessToken(t *testing.T) {
	w := newWorld(t)
	c, _ := w.client(w.connection.ID)
	text := strings.TrimPrefix(w.access(c), "Bearer ostiary_at_")
	data, err := base64.RawURLEncoding.DecodeString(text)
	must(t)(nil, err)
	for i := range data {
		forged := append([]byte(nil), data...)
		forged[i] ^= 1
		w.wantUnauthenticated(w.connection.ID, "Bearer ostiary_at_"+base64.RawURLEncoding.EncodeToString(forged))
	}
	for _, wrong := range []string{"", text[:len(text)-1], text + "A", text[:80], strings.Repeat("A", 100), strings.Repeat("A", 5000)} {
		w.wantUnauthenticated(w.connection.ID, "Bearer ostiary_at_"+wrong)
	}
	w.directoryOf(w.connection.ID, "Bearer ostiary_at_"+text)
}

// A client that is deleted takes its tokens along at once, also from a request that is under way; the tokens of
// another client of the connection stay.
func TestDeletedClient(t *testing.T) {
	w := newWorld(t)
	first, _ := w.client(w.connection.ID)
	second, _ := w.client(w.connection.ID)
	old, next := w.access(first), w.access(second)
	ctx, d := w.directoryOf(w.connection.ID, old)
	must(t)(w.service.DeleteClient(w.ctx(), store, w.connection.ID, first.ID))
	if _, err := d.CreateUser(ctx, identity.UserInput{UserName: "ann", Active: true}); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("under way: %v", err)
	}
	w.wantUnauthenticated(w.connection.ID, old)
	if _, err := w.service.IssueToken(t.Context(), first, first.Scopes, ""); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("another token: %v", err)
	}
	ctx, d = w.directoryOf(w.connection.ID, next)
	must(t)(d.CreateUser(ctx, identity.UserInput{UserName: "ann", Active: true}))
	for _, id := range []string{first.ID, "", "x"} {
		if _, err := w.service.DeleteClient(w.ctx(), store, w.connection.ID, id); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("delete %q: %v", id, err)
		}
	}
	if _, err := w.service.DeleteClient(w.ctx(), store, w.connect("acme").ID, second.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("delete by another connection: %v", err)
	}
}

// A token that expires while a request is under way changes nothing any more.
func TestExpiredAccessToken(t *testing.T) {
	w := newWorld(t)
	service, ahead := w.late()
	c, _ := w.client(w.connection.ID)
	bearer := w.access(c)
	ahead.Store(int64(identity.AccessTokenLife - time.Minute))
	ctx, d, err := service.Directory(t.Context(), w.connection.ID, bearer)
	must(t)(nil, err)
	must(t)(d.CreateUser(ctx, identity.UserInput{UserName: "ann", Active: true}))
	ahead.Store(int64(identity.AccessTokenLife + time.Minute))
	if _, err := d.CreateUser(ctx, identity.UserInput{UserName: "bob", Active: true}); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("under way: %v", err)
	}
	if _, _, err := service.Directory(t.Context(), w.connection.ID, bearer); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
}

// What is good for one token makes one, however many ask with it at once, and on whatever node.
func TestShownOnce(t *testing.T) {
	w := newWorld(t)
	other, _ := w.late()
	c, _ := w.client(w.connection.ID)
	second, _ := w.client(w.connection.ID)
	var made, replayed atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		service := w.service
		if i%2 == 1 {
			service = other
		}
		wg.Go(func() {
			switch _, err := service.IssueToken(context.Background(), c, c.Scopes, "jti:1"); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, identity.ErrReplayed):
				replayed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || replayed.Load() != 7 {
		t.Errorf("%d tokens were made, %d refused", made.Load(), replayed.Load())
	}
	must(t)(w.service.IssueToken(t.Context(), c, c.Scopes, "jti:2"))
	must(t)(w.service.IssueToken(t.Context(), second, second.Scopes, "jti:1"))
}

func TestClientBounds(t *testing.T) {
	w := newWorld(t)
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range 14 {
		wg.Go(func() {
			switch _, _, err := w.service.CreateClient(w.ctx(), store, w.connection.ID, identity.Client{Name: fmt.Sprint(i), Method: identity.ClientSecret}); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, ostiary.ErrTooBroad):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 10 {
		t.Errorf("%d clients were made", made.Load())
	}
	second := w.connect("acme").ID
	for name, c := range map[string]identity.Client{
		"no name":             {Method: identity.ClientSecret},
		"no method":           {Name: "a"},
		"another method":      {Name: "a", Method: "none"},
		"another scope":       {Name: "a", Method: identity.ClientSecret, Scopes: []identity.Scope{"admin"}},
		"a secret and keys":   {Name: "a", Method: identity.ClientSecret, Keys: []byte("{}")},
		"no keys":             {Name: "a", Method: identity.ClientKey},
		"keys from two sides": {Name: "a", Method: identity.ClientKey, KeysURL: "https://a.test", Issuer: "https://a.test"},
		"huge keys":           {Name: "a", Method: identity.ClientKey, Keys: make([]byte, 65<<10)},
		"a long URL":          {Name: "a", Method: identity.ClientKey, KeysURL: "https://a.test/" + strings.Repeat("a", 1024)},
	} {
		if _, _, err := w.service.CreateClient(w.ctx(), store, second, c); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := w.service.CreateClient(w.ctx(), "T", second, identity.Client{Name: "a", Method: identity.ClientSecret}); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("another store's connection: got %v", err)
	}
	all, err := w.service.Clients(t.Context(), store, second)
	if err != nil || len(all) != 0 {
		t.Errorf("got %v, %v", all, err)
	}
}

// IDENTITY g.0, rule 12: a restore revokes the clients of connections too; nobody knows who has left since.
func TestRestoreRevokesClients(t *testing.T) {
	w := newWorld(t)
	c, _ := w.client(w.connection.ID)
	bearer := w.access(c)
	must(t)(w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}))
	w.wantUnauthenticated(w.connection.ID, bearer)
	if _, _, err := w.service.Client(t.Context(), c.ID); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
	v := w.view()
	for _, collection := range []string{"client/" + w.connection.ID, "client-use/" + w.connection.ID} {
		if n, err := v.CountDocuments(collection); err != nil || n != 0 {
			t.Errorf("%s holds %d documents, %v", collection, n, err)
		}
	}
}
