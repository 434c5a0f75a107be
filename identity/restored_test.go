package identity_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// session writes what a login leaves, as an identity mutation would.
func (w *world) session(id, user string) {
	w.t.Helper()
	session := ostiary.ObjectRef{Type: "session", ID: "acme/" + id}
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{
		{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: "session:" + w.connection.ID},
			Tuple: ostiary.Tuple{Object: session, Relation: "subject", Subject: ostiary.SubjectRef{Type: "user", ID: user}}},
		{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: "session:" + w.connection.ID},
			Tuple: ostiary.Tuple{Object: ostiary.ObjectRef{Type: "organization", ID: "acme"}, Relation: "live",
				Subject: ostiary.SubjectRef{Type: "session", ID: "acme/" + id, Relation: "subject"}}},
	}})
}

func (w *world) waits(user string) bool {
	w.t.Helper()
	v := w.view()
	waiting, err := identity.WaitingConnections(v, store)
	if err != nil {
		w.t.Fatal(err)
	}
	waits, err := identity.Waits(v, store, user, waiting)
	if err != nil {
		w.t.Fatal(err)
	}
	return waits
}

// A restore ends sessions, revokes tokens and lets the people of connections wait, and takes nothing else:
// IDENTITY g.0 rule 12.
func TestAfterRestore(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	w.group("staff", ann.ID)
	must(t)(w.service.AddMember(w.ctx(), store, "acme", "bob"))
	want := w.tuples()
	w.session("s1", ann.ID)
	w.session("s2", ann.ID)
	other := w.connect("acme")
	w.token(other.ID)
	if w.waits(ann.ID) {
		t.Error("who was not restored waits")
	}
	rows := len(w.auditBodies())
	done, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{})
	if err != nil || done.SessionTuples != 4 || done.Tokens != 2 || len(done.Connections) != 2 {
		t.Fatalf("got %+v, %v", done, err)
	}
	w.wantTuples(want...)
	for _, d := range w.auditBodies()[rows:] {
		if body := string(d.Body); !strings.Contains(body, `"action":"restore"`) && !strings.Contains(body, `"action":"connection.pause"`) {
			t.Errorf("a row of the restore is %s", body)
		}
	}
	for _, c := range []string{w.connection.ID, other.ID} {
		if all, err := w.service.Tokens(w.ctx(), store, c); err != nil || len(all) != 0 {
			t.Errorf("tokens of %s: %v, %v", c, all, err)
		}
	}
	if _, _, err := w.service.Directory(t.Context(), w.connection.ID, w.bearer); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("an old token: got %v", err)
	}
	if !w.waits(ann.ID) || w.waits("bob") || w.waits("nobody") {
		t.Error("those wait who are managed by a connection, and nobody else")
	}

	if c, err := w.service.Connection(w.ctx(), store, w.connection.ID); err != nil || c.Paused != identity.PausedByRestore {
		t.Errorf("got %+v, %v", c, err)
	}
	w.bearer = w.token(w.connection.ID) // a new one is served meanwhile
	eve := w.user("eve")
	if !w.waits(eve.ID) {
		t.Error("who is made meanwhile waits too")
	}
	must(t)(w.service.ResumeConnection(w.ctx(), store, other.ID))
	if !w.waits(ann.ID) {
		t.Error("another connection has synchronized")
	}
	must(t)(w.service.ResumeConnection(w.ctx(), store, w.connection.ID))
	if c, err := w.service.Connection(w.ctx(), store, w.connection.ID); err != nil || c.Paused != "" || c.Name != "Okta" {
		t.Errorf("got %+v, %v", c, err)
	}
	if w.waits(ann.ID) || w.waits(eve.ID) {
		t.Error("they wait although the connection has synchronized")
	}
	before := w.revision()
	must(t)(w.service.ResumeConnection(w.ctx(), store, w.connection.ID))
	if w.revision() != before {
		t.Error("a connection that does not wait: something was committed")
	}
	if _, err := w.service.ResumeConnection(w.ctx(), "other", w.connection.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("by another store: got %v", err)
	}
}

// What an operator has paused, before or after a restore, takes nothing but deactivations until an operator ends
// that, and its people wait until it has synchronized after that.
func TestPauseAndRestore(t *testing.T) {
	for when, steps := range map[string][]string{"before": {"pause", "restore"}, "after": {"restore", "pause"}} {
		w := newWorld(t)
		ann := w.user("ann")
		for _, step := range steps {
			if step == "pause" {
				must(t)(w.service.PauseConnection(w.ctx(), store, w.connection.ID, "wrong assignments"))
			} else {
				must(t)(w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}))
			}
		}
		w.bearer = w.token(w.connection.ID)
		ctx, d := w.directory()
		create := func(name string) error {
			_, err := d.CreateUser(ctx, identity.UserInput{UserName: name, Active: true})
			return err
		}
		if err := create("new"); !errors.Is(err, identity.ErrPaused) {
			t.Errorf("paused %s: got %v", when, err)
		}
		c, err := w.service.ResumeConnection(w.ctx(), store, w.connection.ID)
		if err != nil || c.Paused != identity.PausedByRestore || !w.waits(ann.ID) {
			t.Errorf("paused %s, resumed: got %+v, %v; waits: %v", when, c, err, w.waits(ann.ID))
		}
		if err := create("new"); err != nil {
			t.Errorf("paused %s, resumed: %v", when, err)
		}
		c, err = w.service.ResumeConnection(w.ctx(), store, w.connection.ID)
		if err != nil || c.Paused != "" || w.waits(ann.ID) {
			t.Errorf("paused %s, resumed twice: got %+v, %v", when, c, err)
		}
	}
}

// Connections that are trusted leave their people as they were, and tokens and sessions end all the same.
func TestAfterRestoreTrustsConnections(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	w.session("s1", ann.ID)
	done, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{TrustConnections: true})
	if err != nil || done.SessionTuples != 2 || done.Tokens != 1 || len(done.Connections) != 0 {
		t.Fatalf("got %+v, %v", done, err)
	}
	if w.waits(ann.ID) {
		t.Error("a person of a trusted connection waits")
	}
	// Once more, as after a restore of a backup of what was restored: people wait, and are let in once.
	for range 2 {
		if _, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := identity.WaitingConnections(w.view(), store); err != nil || !slices.Equal(got, []string{w.connection.ID}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// A store without organizations is not touched: its sessions are the application's.
func TestAfterRestoreLeavesOtherStores(t *testing.T) {
	w := newWorld(t)
	tuple := ostiary.Tuple{Object: ostiary.ObjectRef{Type: "session", ID: "1"}, Relation: "subject", Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}}
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleCreate, Store: "plain", Tuple: tuple, Grant: ostiary.Grant{Owner: "api"}}}})
	if _, err := w.service.AfterRestore(context.Background(), identity.AfterRestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, there, err := w.view().(interface {
		Tuple(store string, t ostiary.Tuple) (ostiary.StoredTuple, bool, error)
	}).Tuple("plain", tuple); err != nil || !there {
		t.Errorf("got %v, %v", there, err)
	}
}

// What was authenticated before a restore gets no session after it: nobody knows who was logged out since the
// backup was made.
func TestAfterRestoreLoginsOfBefore(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	must(t)(w.service.AddMember(w.ctx(), store, "acme", "bob"))
	before := w.raft.Now()
	if _, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{TrustConnections: true}); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{ann.ID, "bob"} { // who was never logged out
		in := identity.SessionInput{Organization: "acme", User: user}
		for _, in.AuthNanos = range []int64{0, before} {
			_, err := w.service.CreateSession(w.ctx(), store, in)
			wantRefused(t, err, identity.RefusedReauthenticate)
		}
		in.AuthNanos = w.raft.Now()
		w.logIn(in)
		if mark, err := w.service.RevokedBefore(w.ctx(), store, user, "acme"); err != nil || mark < before || mark >= in.AuthNanos {
			t.Errorf("the watermark of %s is %d, %v, and not from %d up to %d", user, mark, err, before, in.AuthNanos)
		}
	}
}

// Who waits since a restore does not act for somebody who does not.
func TestWaitingActor(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann")
	must(t)(w.service.AddMember(w.ctx(), store, "acme", "bob"))
	if _, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	in := identity.SessionInput{Organization: "acme", User: "bob", Actor: ann.ID, AuthNanos: w.raft.Now() + int64(time.Second)}
	_, err := w.service.CreateSession(w.ctx(), store, in)
	wantRefused(t, err, identity.RefusedDisabled)
	must(t)(w.service.ResumeConnection(w.ctx(), store, w.connection.ID))
	w.logIn(in)
}
