package identity_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// streamReceiver makes a receiver with a client, and returns it with an access token.
func (w *world) streamReceiver(t *testing.T) (identity.StreamReceiver, identity.Client, string) {
	t.Helper()
	r, err := w.service.CreateStreamReceiver(w.ctx(), identity.StreamReceiver{Store: store, Name: "Monitor"})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := w.service.CreateClient(w.ctx(), store, r.ID, identity.Client{Name: "first", Method: identity.ClientSecret})
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.service.IssueToken(t.Context(), c, c.Scopes, "")
	if err != nil {
		t.Fatal(err)
	}
	return r, c, "Bearer " + text
}

// An access token of a receiver opens its streams and nothing else, and one of a connection opens no streams.
func TestTokensOfReceivers(t *testing.T) {
	w := newWorld(t)
	r, c, bearer := w.streamReceiver(t)
	ctx, caller, err := w.service.StreamCallerOf(t.Context(), store, bearer)
	if err != nil || caller.Receiver.ID != r.ID || caller.Receiver.Audience != r.ID {
		t.Fatalf("got %+v, %v", caller, err)
	}
	if p, _ := ostiary.PrincipalOf(ctx); p.Kind != "stream" || p.Name != r.ID+"/"+c.ID[len(r.ID)+1:] {
		t.Errorf("principal %+v", p)
	}
	for _, connection := range []string{w.connection.ID, r.ID} {
		if _, _, err := w.service.Directory(t.Context(), connection, bearer); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("the people of %s: %v", connection, err)
		}
		if _, err := w.service.RevocationToken(t.Context(), connection, bearer[len("Bearer "):]); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("revocations of %s: %v", connection, err)
		}
	}
	if _, err := w.service.RevokerOf(t.Context(), r.ID); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a receiver revokes: %v", err)
	}
	ofConnection, _, err := w.service.CreateClient(w.ctx(), store, w.connection.ID, identity.Client{Name: "scim", Method: identity.ClientSecret})
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.service.IssueToken(t.Context(), ofConnection, ofConnection.Scopes, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]string{"an access token of a connection": "Bearer " + text, "a token of a connection": w.bearer} {
		if _, _, err := w.service.StreamCallerOf(t.Context(), store, shown); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Scopes do not cross over either.
	for holder, scope := range map[string]identity.Scope{r.ID: identity.ScopeUsersRead, w.connection.ID: identity.ScopeStreamsRead} {
		if _, _, err := w.service.CreateClient(w.ctx(), store, holder, identity.Client{
			Name: "x", Method: identity.ClientSecret, Scopes: []identity.Scope{scope}}); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s of %s: %v", scope, holder, err)
		}
	}
	// Without its client a token opens nothing, and a request under way changes nothing any more.
	if _, err := w.service.DeleteClient(w.ctx(), store, r.ID, c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := caller.CreateStream(ctx, identity.StreamConfiguration{Algorithm: "ES256"}, identity.StreamDelivery{}); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a caller whose client is gone: %v", err)
	}
}

// A restore ends the clients of receivers, as those of connections; their streams stay.
func TestRestoreEndsClientsOfReceivers(t *testing.T) {
	w := newWorld(t)
	r, _, bearer := w.streamReceiver(t)
	ctx, caller, err := w.service.StreamCallerOf(t.Context(), store, bearer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := caller.CreateStream(ctx, identity.StreamConfiguration{Algorithm: "ES256"}, identity.StreamDelivery{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.service.StreamCallerOf(t.Context(), store, bearer); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("after a restore: %v", err)
	}
	if clients, err := w.service.Clients(t.Context(), store, r.ID); err != nil || len(clients) != 0 {
		t.Errorf("got %v, %v", clients, err)
	}
	if all, err := w.service.Streams(t.Context(), store); err != nil || len(all) != 1 {
		t.Errorf("got %v, %v", all, err)
	}
}
