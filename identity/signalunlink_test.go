package identity_test

import (
	"slices"
	"testing"

	"github.com/ostiary/ostiary/identity"
)

// IDENTITY d.5: where the policy says so, who is called otherwise is not found any more by the subjects of before, and
// the sessions of before end; an authentication of before the event brings neither back. What SCIM has said stays, and
// so does a link that is newer than the event.
func TestSignalUnlinks(t *testing.T) {
	for _, event := range []string{"identifier-changed", "identifier-recycled"} {
		t.Run(event, func(t *testing.T) {
			w := newWorld(t)
			ann := w.person("ann", "00u1", "ann@acme.test")
			a := w.provide(w.connection.ID, nil)
			now := w.raft.Now()
			a.AuthNanos, a.IssuedNanos = now-240*aSecond, now-240*aSecond
			w.mustShow(a)
			// Linked once, as another application's subject is that claims nothing later.
			other := a
			other.Subject = "pairwise"
			w.mustShow(other)
			other.Claimed = ""
			g := identity.Signal{Event: event, EventNanos: now - 200*aSecond, Subject: bySub(issuer, "00u1")}
			w.wantSignal(w.signals(nil), g, identity.SignalAudit)
			c := w.signals(map[string]string{event: identity.SignalUnlink})
			address := g
			address.Subject = byEmail("ann@acme.test")
			w.wantSignal(c, address, identity.SignalEndSessions)
			if left := w.documents("subject-of/" + w.connection.ID); len(left) != 1 {
				t.Fatalf("unlinked by an address: %q", left)
			}
			g.EventNanos = now - 150*aSecond
			other.AuthNanos, other.IssuedNanos = g.EventNanos-aSecond, now
			w.mustShow(other)
			done := w.wantSignal(c, g, identity.SignalUnlink)
			if done.Sessions != 1 || !slices.Equal(done.People, []string{ann.ID}) {
				t.Errorf("did %+v", done)
			}
			w.wantLive(identity.SessionFilter{User: ann.ID})
			if left := w.documents("subject-of/" + w.connection.ID); len(left) != 0 {
				t.Errorf("still linked: %q", left)
			}
			w.wantVerified()
			_, err := w.show(other, identity.LoginRequest{})
			wantRefused(t, err, identity.RefusedUnknown)
			a.IssuedNanos = now
			_, err = w.show(a, identity.LoginRequest{}) // found by SCIM's externalId, authenticated before
			wantRefused(t, err, identity.RefusedReauthenticate)

			// Linked again since: an event of before comes late, and changes nothing of that.
			a.AuthNanos = now
			made := w.mustShow(a)
			g.EventNanos = now - 100*aSecond
			w.wantSignal(c, g, identity.SignalUnlink)
			a.Claimed = ""
			w.wantLive(identity.SessionFilter{User: ann.ID}, made.ID)
			if made := w.mustShow(a); made.User != ann.ID {
				t.Errorf("logged in %+v", made)
			}
			// Somebody before: nothing is the person's of now.
			g.EventNanos = ann.CreatedNanos - 30*aMinute
			w.wantSignal(c, g, identity.SignalStale)
			w.wantVerified()
		})
	}
}

// Whom a login has made is found by nothing any more, and the next who has the name is somebody else.
func TestSignalUnlinksWhomALoginMade(t *testing.T) {
	w := newWorld(t)
	connection := w.connect("acme")
	a := w.provide(connection.ID, justInTime)
	now := w.raft.Now()
	a.AuthNanos = now - aMinute
	first := w.mustShow(a)
	c := w.signalsOf(identity.SignalSource{Connection: connection.ID, Issuer: issuer, Audience: []string{"https://authz.test"},
		Policy: map[string]string{"identifier-recycled": identity.SignalUnlink}})
	w.wantSignal(c, identity.Signal{Event: "identifier-recycled", EventNanos: now, Subject: bySub(issuer, "00u1")}, identity.SignalUnlink)
	w.wantLive(identity.SessionFilter{User: first.User})
	w.wantVerified()
	_, err := w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedReauthenticate)
	a.AuthNanos = now + aSecond
	if second := w.mustShow(a); second.User == first.User {
		t.Error("the next who is called so is the person of before")
	}
	w.wantSignal(c, identity.Signal{Event: "identifier-recycled", EventNanos: now, Subject: byID(first.User)}, identity.SignalUnlink)
	w.wantVerified()
}
