package identity_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// Nobody logs in by a session of a provider that has ended before anything here was known of it, as where the logout
// overtakes the login, or an ID token is shown that somebody has kept.
func TestLogOutBeforeTheLogin(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "beta", "Beta"))
	ann := w.person("ann", "00u1", "ann@acme.test")
	must(t)(w.service.AddMember(w.ctx(), store, "beta", ann.ID))
	a := w.provide(w.connection.ID, nil)
	old := ostiary.DocumentKey{Collection: "ended-sid/" + store, Key: "acme/old"}
	if _, err := w.raft.Propose(w.ctx(), &ostiary.Mutation{TimeNanos: w.raft.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "test"},
		Documents: []ostiary.DocumentChange{{Key: old, Body: []byte(`{"form":1,"ended":1}`)}}}); err != nil {
		t.Fatal(err)
	}
	out := func(sid string) identity.Signalled {
		t.Helper()
		done, err := w.service.LogOut(t.Context(), identity.Logout{Connection: w.connection.ID, Setting: a.Setting, Issuer: a.Issuer, SID: sid,
			IssuedNanos: w.raft.Now(), Once: "of " + sid})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if done := out("s1"); done.Did != identity.SignalMissed || done.Sessions != 0 {
		t.Errorf("a session that is not known: %+v", done)
	}
	a.SID, a.AuthNanos = "s1", w.raft.Now()
	_, err := w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedReauthenticate)
	in := identity.SessionInput{Organization: "acme", User: ann.ID, Issuer: a.Issuer, SID: "s1", AuthNanos: w.raft.Now()}
	_, err = w.service.CreateSession(w.ctx(), store, in)
	wantRefused(t, err, identity.RefusedReauthenticate)

	// Another session, another issuer and another organization are none of it.
	a.SID = "s2"
	w.mustShow(a)
	in.Issuer = "https://other.test"
	w.logIn(in)
	in.Issuer, in.Organization = a.Issuer, "beta"
	w.logIn(in)

	v, err := w.raft.View(t.Context(), ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, there, err := v.Document(old); there || err != nil {
		t.Errorf("what ended long ago is kept: %v, %v", there, err)
	}
	if n, err := v.CountDocuments("ended-sid/" + store); n != 1 || err != nil {
		t.Errorf("%d are kept: %v", n, err)
	}
}

// The same holds of a session that a signal has ended, however it is named.
func TestSignalBeforeTheLogin(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "beta", "Beta"))
	ann, bob := w.person("ann", "00u1", "ann@acme.test"), w.person("bob", "00u2", "bob@acme.test")
	must(t)(w.service.AddMember(w.ctx(), store, "beta", ann.ID))
	w.revoker(func(r *identity.Revoker) { r.Protected = []string{bob.ID} })
	c := w.signals(map[string]string{"credential-change": identity.SignalEndSessions})
	in := func(user, sid string) identity.SessionInput {
		return identity.SessionInput{Organization: "acme", User: user, Issuer: issuer, SID: sid, AuthNanos: w.raft.Now()}
	}
	both := identity.SubjectID{Format: identity.FormatAliases, Aliases: []identity.SubjectID{byID("s3"), bySub(issuer, "s4"), bySub("https://other.test", "s5")}}
	for name, g := range map[string]identity.Signal{
		"s1":       {Session: byID("s1")},
		"s2":       {Subject: byID("s2")},
		"s3 or s4": {Session: both, User: bySub(issuer, "00u1")},
	} {
		g.Event = "session-revoked"
		if done := w.wantSignal(c, g, identity.SignalMissed); done.Sessions != 0 {
			t.Errorf("%s: %+v", name, done)
		}
	}
	for _, sid := range []string{"s1", "s2", "s3", "s4"} {
		_, err := w.service.CreateSession(w.ctx(), store, in(ann.ID, sid))
		wantRefused(t, err, identity.RefusedReauthenticate)
	}

	// None of it: another issuer's and another organization's; one that is about a person who is protected, or that such a
	// person has; an event that is about no session.
	w.logIn(in(ann.ID, "s5"))
	other := in(ann.ID, "s1")
	other.Issuer = "https://other.test"
	w.logIn(other)
	other.Issuer, other.Organization = issuer, "beta"
	w.logIn(other)
	w.wantSignal(c, identity.Signal{Event: "session-revoked", Session: byID("s6"), User: bySub(issuer, "00u2")}, identity.SignalMissed)
	w.logIn(in(bob.ID, "s6"))
	w.wantSignal(c, identity.Signal{Event: "session-revoked", Session: byID("s6"), User: bySub(issuer, "00u1")}, identity.SignalMissed)
	w.logIn(in(bob.ID, "s6"))
	w.wantSignal(c, identity.Signal{Event: "credential-change", Session: byID("s7"), Claims: map[string]string{"change_type": "revoke"}}, identity.SignalMissed)
	w.logIn(in(ann.ID, "s7"))
}

// Of a login and the end of its session that race, whichever is first, no session is left.
func TestEndRacesLogin(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	a := w.provide(w.connection.ID, nil)
	c := w.signalsOf(identity.SignalSource{Connection: w.connection.ID, Issuer: a.Issuer, Audience: []string{"a"}})
	for way, end := range map[string]func(sid string) error{
		"logout": func(sid string) error {
			_, err := w.service.LogOut(t.Context(), identity.Logout{Connection: w.connection.ID, Setting: a.Setting, Issuer: a.Issuer, SID: sid,
				IssuedNanos: w.raft.Now(), Once: "of " + sid})
			return err
		},
		"signal": func(sid string) error {
			_, err := c.Receive(t.Context(), identity.Signal{Event: "session-revoked", Session: byID(sid), Once: "of " + sid})
			return err
		},
	} {
		for i := range 60 {
			sid := fmt.Sprint(way, i)
			var both sync.WaitGroup
			both.Go(func() {
				_, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{
					Organization: "acme", User: ann.ID, Issuer: a.Issuer, SID: sid, AuthNanos: w.raft.Now()})
				if _, refused := identity.IsLoginRefused(err); err != nil && !refused {
					t.Error(err)
				}
			})
			both.Go(func() {
				if err := end(sid); err != nil {
					t.Error(err)
				}
			})
			both.Wait()
			if left := w.live(identity.SessionFilter{Issuer: a.Issuer, SID: sid}); len(left) != 0 {
				t.Fatalf("%s, round %d: %q are left", way, i, left)
			}
		}
	}
}
