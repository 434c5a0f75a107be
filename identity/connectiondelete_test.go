package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// A connection that manages people is deleted with them alone, some at a time; from the first call on nobody
// is let in by it, and what is left in the end is that its people are denied for ever.
func TestDeleteConnection(t *testing.T) {
	w := newWorld(t)
	ids := w.people(120) // more than one call deletes
	for i := range 25 {
		w.group(fmt.Sprintf("group%d", i), ids[i])
	}
	if _, err := w.service.DeleteConnection(w.ctx(), store, w.connection.ID, false); !errors.Is(err, ostiary.ErrExists) {
		t.Fatalf("with people in it: got %v", err)
	}
	w.directory() // nothing has changed
	left, err := w.service.DeleteConnection(w.ctx(), store, w.connection.ID, true)
	if err != nil || left.Done || left.Users != 20 || left.Groups >= 25 {
		t.Fatalf("the first call: %+v, %v", left, err)
	}
	if _, _, err := w.service.Directory(t.Context(), w.connection.ID, w.bearer); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("by the token: got %v", err)
	}
	if _, _, err := w.service.CreateToken(w.ctx(), store, w.connection.ID, identity.Token{Name: "new"}); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("a new token: got %v", err)
	}
	if _, err := w.service.ResumeConnection(w.ctx(), store, w.connection.ID); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("resumed: got %v", err)
	}
	w.service = identity.New(backend{w.raft}, identity.Options{}) // goes on after a restart
	for calls := 0; !left.Done; calls++ {
		if calls == 10 {
			t.Fatalf("it does not end: %+v", left)
		}
		if left, err = w.service.DeleteConnection(w.ctx(), store, w.connection.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.service.DeleteConnection(w.ctx(), store, w.connection.ID, true); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("deleted again: got %v", err)
	}
	for _, id := range ids {
		if !w.gate(id).Deleted {
			t.Errorf("%s is not deleted", id)
		}
	}
	w.wantTuples()
	for _, kind := range []string{"user", "group", "group-touch", "link", "token", "token-use", "guard", "held", "client"} {
		docs, err := w.view().Documents(kind+"/"+w.connection.ID, "", 10, false)
		if err != nil || len(docs) > 0 {
			t.Errorf("%d documents of %s are left, %v", len(docs), kind, err)
		}
	}
	if found, err := w.service.Verify(w.ctx(), store, "acme"); err != nil || len(found.Findings) > 0 {
		t.Errorf("got %+v, %v", found, err)
	}
	if all, err := w.service.Connections(w.ctx(), store, ""); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	must(t)(w.service.DeleteOrganization(w.ctx(), store, "acme"))

	empty := newWorld(t)
	if left, err := empty.service.DeleteConnection(empty.ctx(), store, empty.connection.ID, false); err != nil || !left.Done {
		t.Errorf("an empty one: got %+v, %v", left, err)
	}
	last := empty.auditBodies()
	if body := string(last[len(last)-1].Body); !strings.Contains(body, `"action":"connection.delete"`) {
		t.Errorf("the last row is %s", body)
	}
}

// A connection that waits since a restore, and whose clients got access tokens, leaves neither behind.
func TestDeleteConnectionThatWaits(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	if _, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	client, _, err := w.service.CreateClient(w.ctx(), store, w.connection.ID, identity.Client{Name: "x", Method: identity.ClientSecret})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(w.service.IssueToken(t.Context(), client, client.Scopes, ""))
	if all, err := w.service.Clients(w.ctx(), store, w.connection.ID); err != nil || len(all) != 1 || all[0].UsedNanos == 0 || !w.waits(ann.ID) {
		t.Fatalf("got %+v, %v", all, err)
	}
	if left, err := w.service.DeleteConnection(w.ctx(), store, w.connection.ID, true); err != nil || !left.Done {
		t.Fatalf("got %+v, %v", left, err)
	}
	for _, kind := range []string{"client", "client-use"} {
		if docs, err := w.view().Documents(kind+"/"+w.connection.ID, "", 10, false); err != nil || len(docs) > 0 {
			t.Errorf("%d documents of %s are left, %v", len(docs), kind, err)
		}
	}
	if waiting, err := identity.WaitingConnections(w.view(), store); err != nil || len(waiting) > 0 {
		t.Errorf("%v wait, %v", waiting, err)
	}
	if !w.gate(ann.ID).Deleted {
		t.Error("the person is not deleted")
	}
}
