package api_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// connect makes another connection of an organization and opens it.
func (w *gateWorld) connect(organization string) *gateWorld {
	w.t.Helper()
	other := *w
	c, err := w.service.CreateConnection(w.admin, identity.Connection{Store: w.store, Organization: organization, Name: "x", Kind: identity.KindGeneric})
	if err != nil {
		w.t.Fatal(err)
	}
	_, token, err := w.service.CreateToken(w.admin, w.store, c.ID, identity.Token{Name: "x"})
	if err != nil {
		w.t.Fatal(err)
	}
	if other.ctx, other.directory, err = w.service.Directory(w.t.Context(), c.ID, "Bearer "+token); err != nil {
		w.t.Fatal(err)
	}
	return &other
}

// The walks around the gate that people have tried, other than by tuples and models, which
// TestIdentityRelationsAreNotWritten and TestModelsMustPassTheGate try. All are denied. (Issue 6, attack suite.)
func TestAttacks(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.organization("evil")
	evil := w.connect("evil")
	victim, err := w.directory.CreateUser(w.ctx, identity.UserInput{
		UserName: "ceo@acme.test", ExternalID: "1", Emails: []string{"ceo@acme.test"}, Active: true})
	if err != nil {
		t.Fatal(err)
	}
	board, err := w.directory.CreateGroup(w.ctx, identity.GroupInput{DisplayName: "Board", ExternalID: "b"}, []string{victim.ID})
	if err != nil {
		t.Fatal(err)
	}
	role, err := w.service.CreateRole(w.admin, w.store, "acme", identity.Role{Value: "bookkeeper"})
	if err != nil {
		t.Fatal(err)
	}
	group := "group:acme/" + board.ID
	if err := w.write("document:secret#viewer@"+group+"#member", "document:salary#viewer@user:"+victim.ID,
		"document:secret#organization@organization:acme", "document:salary#organization@organization:acme"); err != nil {
		t.Fatal(err)
	}
	denied := map[string]bool{"document:secret#viewer": false, "document:salary#viewer": false, group + "#member": false,
		"role:acme/" + role.ID + "#assignee": false, "organization:acme#member": false}

	t.Run("e-mail take-over", func(t *testing.T) {
		thief, err := evil.directory.CreateUser(evil.ctx, identity.UserInput{
			UserName: "ceo@acme.test", ExternalID: "1", Emails: []string{"ceo@acme.test"}, Active: true})
		if err != nil {
			t.Fatal(err)
		}
		w.wantChecks("a person with the same names", thief.ID, denied)
	})
	t.Run("another organization's ids", func(t *testing.T) {
		thief := evil.user("thief")
		add := func(group string, members ...string) error {
			_, err := evil.directory.ChangeGroup(evil.ctx, group, 0, func(g identity.Group) (identity.GroupChange, error) {
				return identity.GroupChange{GroupInput: g.GroupInput, Add: members}, nil
			})
			return err
		}
		if err := add(board.ID, thief); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("joined another organization's group: %v", err)
		}
		if err := add("acme/"+board.ID, thief); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("joined another organization's group by its object: %v", err)
		}
		own, err := evil.directory.CreateGroup(evil.ctx, identity.GroupInput{DisplayName: "Board", ExternalID: "b"}, []string{thief})
		if err != nil {
			t.Fatal(err)
		}
		if err := add(own.ID, victim.ID); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("took another organization's person into a group: %v", err)
		}
		for _, name := range []string{role.ID, "bookkeeper", "acme/" + role.ID, "owner", "admin"} {
			_, err := evil.directory.ChangeUser(evil.ctx, thief, 0, func(u identity.User) (identity.UserInput, error) {
				u.Roles = []string{name}
				return u.UserInput, nil
			})
			if !errors.Is(err, ostiary.ErrTupleInvalid) {
				t.Errorf("assigned %s: %v", name, err)
			}
		}
		w.wantChecks("a person of another organization", thief, denied)
		// A group with the same names grants nothing, nor does one that is renamed.
		_, err = evil.directory.ChangeGroup(evil.ctx, own.ID, 0, func(g identity.Group) (identity.GroupChange, error) {
			return identity.GroupChange{GroupInput: identity.GroupInput{DisplayName: "acme/" + board.ID, ExternalID: board.ID}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.wantChecks("a member of a group with a colliding name", thief, denied)
		// Nobody is disabled, renamed or deleted from outside.
		if _, err := evil.directory.DeleteUser(evil.ctx, victim.ID, 0); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("deleted a person: %v", err)
		}
		if _, err := evil.directory.DeleteGroup(evil.ctx, board.ID, 0); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("deleted a group: %v", err)
		}
		w.wantChecks("the victim", victim.ID, map[string]bool{"document:secret#viewer": true, "document:salary#viewer": true})
	})
	t.Run("a person created again", func(t *testing.T) {
		if _, err := w.directory.DeleteUser(w.ctx, victim.ID, 0); err != nil {
			t.Fatal(err)
		}
		again, err := w.directory.CreateUser(w.ctx, victim.UserInput)
		if err != nil {
			t.Fatal(err)
		}
		w.wantChecks("under the same name", again.ID, map[string]bool{"document:secret#viewer": false, "document:salary#viewer": false,
			group + "#member": false, "organization:acme#member": true})
		if err := w.write("document:salary#viewer@user:" + victim.ID); err != nil {
			t.Fatal(err)
		}
		w.wantChecks("the id that was deleted", victim.ID, denied)
	})
}
