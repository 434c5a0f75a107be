package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/identity"
)

// IDENTITY e.1: a logout token ends what was made of a provider's session, or of all of a person's there, and nobody
// logs in by them again.
func TestLogOut(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "beta", "Beta"))
	ann, bob := w.person("ann", "00u1", "ann@acme.test"), w.person("bob", "00u2", "bob@acme.test")
	must(t)(w.service.AddMember(w.ctx(), store, "beta", ann.ID))
	a := w.provide(w.connection.ID, nil)
	now := w.raft.Now()
	var all map[string]string
	sids := 0
	sid := func(name string) string { return fmt.Sprint(name, "-", sids) }
	open := func() {
		t.Helper()
		sids++
		all = map[string]string{}
		for _, u := range []string{ann.ID, bob.ID} {
			if _, _, err := w.service.DeleteSessions(w.ctx(), store, identity.SessionFilter{User: u}, false); err != nil {
				t.Fatal(err)
			}
		}
		in := func(name string, s identity.SessionInput) {
			s.AuthNanos = w.raft.Now()
			all[name] = w.logIn(s).ID
		}
		in("first", identity.SessionInput{User: ann.ID, Issuer: a.Issuer, SID: sid("s1")})
		in("made of it", identity.SessionInput{User: ann.ID, Parent: all["first"]})
		in("second", identity.SessionInput{User: ann.ID, Issuer: a.Issuer, SID: sid("s2")})
		in("of the connection", identity.SessionInput{User: ann.ID, Connection: w.connection.ID})
		in("of another issuer", identity.SessionInput{User: ann.ID, Issuer: "https://other.test", SID: sid("s1")})
		in("acting", identity.SessionInput{User: bob.ID, Actor: ann.ID, Issuer: a.Issuer})
		in("beta", identity.SessionInput{User: ann.ID, Organization: "beta", Issuer: a.Issuer, SID: sid("s1")})
		in("bob", identity.SessionInput{User: bob.ID, Issuer: a.Issuer, SID: sid("s3")})
	}
	n := 0
	out := func(change func(*identity.Logout)) identity.Signalled {
		t.Helper()
		n++
		q := identity.Logout{Connection: w.connection.ID, Setting: a.Setting, Issuer: a.Issuer, IssuedNanos: w.raft.Now(), Once: fmt.Sprint(n)}
		change(&q)
		done, err := w.service.LogOut(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	want := func(what string, ended ...string) {
		t.Helper()
		left := w.live(identity.SessionFilter{})
		for name, id := range all {
			if slices.Contains(left, id) == slices.Contains(ended, name) {
				t.Errorf("%s: session %q lives %v", what, name, slices.Contains(left, id))
			}
		}
	}
	for _, test := range []struct {
		what         string
		subject, sid string
		ended        []string
	}{
		{"a session", "", "s1", []string{"first", "made of it"}},
		{"a session of its person", "00u1", "s1", []string{"first", "made of it"}},
		{"a session of another person", "00u2", "s1", nil},
		{"a session of somebody who is not known", "00u9", "s1", []string{"first", "made of it"}},
		{"a session that is not known", "", "s9", nil},
		{"a person", "00u1", "", []string{"first", "made of it", "second", "of the connection", "acting"}},
		{"nobody", "00u9", "", nil},
		{"an id of ours", ann.ID, "", nil},
	} {
		open()
		out(func(q *identity.Logout) {
			if q.Subject = test.subject; test.sid != "" {
				q.SID = sid(test.sid)
			}
		})
		want(test.what, test.ended...)
	}

	// Nobody logs in by them again: not by the session, and not by who authenticated before.
	open()
	out(func(q *identity.Logout) { q.SID = sid("s1") })
	again := identity.SessionInput{Organization: "acme", User: ann.ID, Issuer: a.Issuer, SID: sid("s1"), AuthNanos: w.raft.Now()}
	_, err := w.service.CreateSession(w.ctx(), store, again)
	wantRefused(t, err, identity.RefusedReauthenticate)
	a.SID = sid("s1")
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedReauthenticate)
	again.SID = sid("s4")
	before := w.logIn(again)
	a.SID, a.AuthNanos = "", w.raft.Now()
	w.mustShow(a)
	out(func(q *identity.Logout) { q.Subject = "00u1" })
	if slices.Contains(w.live(identity.SessionFilter{}), before.ID) {
		t.Error("the person is logged in")
	}
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedReauthenticate)
	again.SID, again.AuthNanos = sid("s5"), now
	_, err = w.service.CreateSession(w.ctx(), store, again)
	wantRefused(t, err, identity.RefusedReauthenticate)
	again.Issuer = "https://other.test"
	w.logIn(again)
	again.Issuer, again.AuthNanos = a.Issuer, w.raft.Now()
	w.logIn(again)

	// The same token again changes nothing, and its id with another body is refused; so is what was judged by a setting
	// of before.
	open()
	q := identity.Logout{Connection: w.connection.ID, Setting: a.Setting, Issuer: a.Issuer, SID: sid("s2"), IssuedNanos: now, Once: "x", Body: []byte("1")}
	for range 2 {
		must(t)(w.service.LogOut(t.Context(), q))
	}
	want("a repetition", "second")
	q.Body = []byte("2")
	if _, err := w.service.LogOut(t.Context(), q); !errors.Is(err, identity.ErrReplayed) {
		t.Errorf("got %v", err)
	}
	w.provide(w.connection.ID, nil)
	q.Once = "y"
	if _, err := w.service.LogOut(t.Context(), q); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
}

// IDENTITY g.0 rule 9: a session that a signal has ended by what its provider calls it does not come again.
func TestSignalledSessionDoesNotComeAgain(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	in := identity.SessionInput{Organization: "acme", User: ann.ID, Issuer: issuer, SID: "s1", AuthNanos: w.raft.Now()}
	w.logIn(in)
	w.wantSignal(w.signals(nil), identity.Signal{Event: "session-revoked", Session: byID("s1")}, identity.SignalEndSessions)
	_, err := w.service.CreateSession(w.ctx(), store, in)
	wantRefused(t, err, identity.RefusedReauthenticate)
	in.SID = "s2"
	w.logIn(in)
}

// A logout reaches who acts for another, and what an application says of a connection without its issuer; and no login
// of before it comes after it by these ways.
func TestLogOutReach(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.person("ann", "00u1", "ann@acme.test"), w.person("bob", "00u2", "bob@acme.test")
	a := w.provide(w.connection.ID, nil)
	auth := w.raft.Now()
	bySID := identity.SessionInput{Organization: "acme", User: bob.ID, Actor: ann.ID, Issuer: a.Issuer, SID: "s1", AuthNanos: auth}
	acting := identity.SessionInput{Organization: "acme", User: bob.ID, Actor: ann.ID, Issuer: a.Issuer, AuthNanos: auth}
	unnamed := identity.SessionInput{Organization: "acme", User: ann.ID, Connection: w.connection.ID, AuthNanos: auth}
	stays := w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: auth})
	w.logIn(bySID)
	out := func(sid string) {
		t.Helper()
		if _, err := w.service.LogOut(t.Context(), identity.Logout{Connection: w.connection.ID, Setting: a.Setting, Issuer: a.Issuer,
			Subject: "00u1", SID: sid, IssuedNanos: w.raft.Now(), Once: "of " + sid}); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string, in identity.SessionInput) {
		t.Helper()
		if _, err := w.service.CreateSession(w.ctx(), store, in); err == nil {
			t.Errorf("%s: logged in", what)
		} else {
			wantRefused(t, err, identity.RefusedReauthenticate)
		}
	}
	out("s1")
	w.wantLive(identity.SessionFilter{}, stays.ID)
	refused("by a session that has ended", bySID)
	w.logIn(acting)
	w.logIn(unnamed)
	out("")
	w.wantLive(identity.SessionFilter{}, stays.ID)
	refused("acting", acting)
	refused("of the connection alone", unnamed)
	acting.AuthNanos, unnamed.AuthNanos = w.raft.Now(), w.raft.Now()
	w.logIn(acting)
	w.logIn(unnamed)
	w.wantVerified()
}
