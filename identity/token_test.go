package identity_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// A token that was revoked while a request was under way changes nothing any more.
func TestRevokedTokenChangesNothing(t *testing.T) {
	w := newWorld(t)
	ctx, d := w.directory()
	tokens, err := w.service.Tokens(w.ctx(), store, w.connection.ID)
	if err != nil || len(tokens) != 1 {
		t.Fatalf("got %v, %v", tokens, err)
	}
	must(t)(w.service.RevokeToken(w.ctx(), store, w.connection.ID, tokens[0].ID))
	if _, err := d.CreateUser(ctx, identity.UserInput{UserName: "ann", Active: true}); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
	w.wantTuples()
}

// A value like an id could be taken for another role.
func TestRoleValueLikeAnID(t *testing.T) {
	w := newWorld(t)
	r, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "boss"})
	must(t)(nil, err)
	if _, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: r.ID}); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("got %v", err)
	}
}
