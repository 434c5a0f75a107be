package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// events returns the events that wait, in the order of their ids.
func (w *world) events() []identity.Event {
	w.t.Helper()
	docs, err := w.view().Documents(identity.Events, "", 10_000, false)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []identity.Event
	for _, d := range docs {
		e, err := identity.DecodeEvent(d)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (w *world) listen() identity.Application {
	w.t.Helper()
	a, err := w.service.CreateApplication(w.ctx(), identity.Application{
		Store: store, Client: "portal", Name: "Portal", LogoutURI: "https://portal.example/logout"}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) sessionOf(in identity.SessionInput) identity.Session {
	w.t.Helper()
	in.Organization = "acme"
	made, err := w.service.CreateSession(w.ctx(), store, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func endedIDs(all []identity.Event) []string {
	var ids []string
	for _, e := range all {
		for _, s := range e.Sessions {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// What ends sessions says so in its own mutation, once somebody listens, and with nothing that the session was
// not reported with.
func TestEventsOfRevocation(t *testing.T) {
	w := newWorld(t)
	user := w.user("ann").ID
	w.sessionOf(identity.SessionInput{User: user, Client: "portal"})
	revoke := func() identity.Revocation {
		t.Helper()
		done, err := w.service.RevokeSessions(w.ctx(), store, user, "acme", "Ann lost her laptop")
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	revoke()
	if got := w.events(); len(got) != 0 {
		t.Fatalf("nobody listens, and there are events: %+v", got)
	}
	w.listen()
	in := identity.SessionInput{User: user, Client: "portal", AuthNanos: w.raft.Now()}
	first, second := w.sessionOf(in), w.sessionOf(in)
	token := w.sessionOf(identity.SessionInput{User: user, Client: "cli", AuthNanos: in.AuthNanos, Layer: identity.LayerRefreshToken,
		Issuer: "https://op.example", SID: "secret-token"})
	done := revoke()
	all := w.events()
	if len(all) != 1 {
		t.Fatalf("%d events, want one: %+v", len(all), all)
	}
	e := all[0]
	if e.Type != identity.EventSessionsEnded || e.Store != store || e.Organization != "acme" || e.User != user || e.Revision != done.Receipt.Revision {
		t.Errorf("event %+v", e)
	}
	if e.Reason != identity.ReasonRevoked {
		t.Errorf("the reason is %q: what an operator wrote is told to nobody", e.Reason)
	}
	if want := []string{first.ID, second.ID, token.ID}; !slices.Equal(endedIDs(all), want) {
		t.Errorf("ended %q, want %q", endedIDs(all), want)
	}
	for _, s := range e.Sessions {
		sid, err := w.service.OpenSID(w.ctx(), store, s)
		if want := map[bool]string{true: "secret-token"}[s.ID == token.ID]; err != nil || sid != want {
			t.Errorf("session %s of layer %s has the sid %q, want %q: %v", s.ID, s.Layer, sid, want, err)
		}
		if want := map[bool]string{true: "cli", false: "portal"}[s.ID == token.ID]; s.Client != want {
			t.Errorf("session %s has the client %q, want %q", s.ID, s.Client, want)
		}
	}
	must(t)(w.service.DeleteApplication(w.ctx(), store, "portal"))
	revoke()
	if got := w.events(); len(got) != 1 {
		t.Errorf("nobody listens any more, and there are %d events", len(got))
	}
}

// Each way in which sessions end makes an event with its reason.
func TestEventsByReason(t *testing.T) {
	for reason, end := range map[string]func(w *world, user string, s identity.Session) error{
		identity.ReasonDeactivated: func(w *world, user string, _ identity.Session) error {
			ctx, d := w.directory()
			_, err := d.ChangeUser(ctx, user, 0, func(u identity.User) (identity.UserInput, error) {
				in := u.UserInput
				in.Active = false
				return in, nil
			})
			return err
		},
		identity.ReasonDeleted: func(w *world, user string, _ identity.Session) error {
			ctx, d := w.directory()
			_, err := d.DeleteUser(ctx, user, 0)
			return err
		},
		identity.ReasonBlocked: func(w *world, user string, _ identity.Session) error {
			_, err := w.service.BlockUser(w.ctx(), store, "acme", user)
			return err
		},
		identity.ReasonEnded: func(w *world, _ string, s identity.Session) error {
			_, _, err := w.service.DeleteSession(w.ctx(), store, s.ID)
			return err
		},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t)
			w.listen()
			user := w.user("ann").ID
			s := w.sessionOf(identity.SessionInput{User: user, Client: "portal"})
			if err := end(w, user, s); err != nil {
				t.Fatal(err)
			}
			for _, e := range w.events() {
				if e.Type == identity.EventSessionsEnded && e.Reason == reason && len(e.Sessions) == 1 && e.Sessions[0].ID == s.ID {
					return
				}
			}
			t.Errorf("no event tells of %s: %+v", s.ID, w.events())
		})
	}
}

// Webhooks are told who may come in no more, and who may again; applications are not.
func TestEventsOfUsers(t *testing.T) {
	w := newWorld(t)
	w.listen()
	user := w.user("ann").ID
	active := func(on bool) {
		t.Helper()
		ctx, d := w.directory()
		must(t)(d.ChangeUser(ctx, user, 0, func(u identity.User) (identity.UserInput, error) {
			in := u.UserInput
			in.Active = on
			return in, nil
		}))
	}
	active(false)
	active(true)
	if got := w.events(); len(got) != 0 {
		t.Fatalf("no webhook listens, and there are events: %+v", got)
	}
	if _, _, err := w.service.CreateWebhook(w.ctx(), identity.Webhook{Store: store, Name: "test", URL: "https://hooks.example"}); err != nil {
		t.Fatal(err)
	}
	active(false)
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", user))
	active(true) // the block stays
	must(t)(w.service.UnblockUser(w.ctx(), store, "acme", user))
	active(false)
	active(true)
	ctx, d := w.directory()
	must(t)(d.DeleteUser(ctx, user, 0))
	var got []string
	for _, e := range w.events() {
		if e.Organization != "acme" || e.User != user || len(e.Sessions) != 0 {
			t.Errorf("event %+v", e)
		}
		got = append(got, e.Type+" "+e.Reason)
	}
	want := []string{"user.disabled deactivated", "user.disabled blocked", "user.enabled unblocked", "user.disabled deactivated",
		"user.enabled reactivated", "user.deleted deleted"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
}

// A session in which somebody acts for another is told as the other's.
func TestEventsOfActors(t *testing.T) {
	w := newWorld(t)
	w.listen()
	ann, bob := w.user("ann").ID, w.user("bob").ID
	own := w.sessionOf(identity.SessionInput{User: ann})
	acted := w.sessionOf(identity.SessionInput{User: bob, Actor: ann})
	must(t)(w.service.RevokeSessions(w.ctx(), store, ann, "", "test"))
	told := map[string]string{}
	for _, e := range w.events() {
		for _, s := range e.Sessions {
			told[s.ID] = e.User
		}
	}
	if len(told) != 2 || told[own.ID] != ann || told[acted.ID] != bob {
		t.Errorf("told %v", told)
	}
}

// Of a person with more sessions than one revocation reads, the rest is told too, once.
func TestEventsOfUnreadSessions(t *testing.T) {
	defer identity.SetEndedAtOnce(5)()
	defer identity.SetSessionsPerEvent(3)()
	w := newWorld(t)
	w.listen()
	user := w.user("ann").ID
	var want []string
	for i := range 17 {
		want = append(want, w.sessionOf(identity.SessionInput{User: user, Client: fmt.Sprintf("app%d", i%2)}).ID)
	}
	slices.Sort(want)
	done, err := w.service.RevokeSessions(w.ctx(), store, user, "acme", "test")
	if err != nil || len(done.Ended) != 5 || done.Unread != 12 {
		t.Fatalf("%d ended, %d unread: %v", len(done.Ended), done.Unread, err)
	}
	// Logins take away what ended meanwhile, a few at a time, and tell it.
	w.sessionOf(identity.SessionInput{User: w.user("bob").ID})
	for _, e := range w.events() {
		if len(e.Sessions) > 3 || len(e.Unread) > 3 {
			t.Errorf("an event of %d sessions and %d unread ones", len(e.Sessions), len(e.Unread))
		}
		if len(e.Unread) > 0 {
			key := ostiary.DocumentKey{Collection: identity.Events, Key: store + "/" + e.ID}
			for range 2 { // the second time it is gone
				if _, err := w.service.EndUnread(w.ctx(), ostiary.Document{Key: key}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if got := endedIDs(w.events()); !slices.Equal(got, want) {
		t.Errorf("told of %d sessions:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
	for _, e := range w.events() {
		if len(e.Unread) > 0 {
			t.Errorf("unread is left: %q", e.Unread)
		}
	}
	if n, err := w.view().CountDocuments("session/" + store); err != nil || n != 1 {
		t.Errorf("%d documents of sessions are left, want bob's: %v", n, err)
	}
}
