package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func (w *world) logIn(in identity.SessionInput) identity.Session {
	w.t.Helper()
	if in.Organization == "" {
		in.Organization = "acme"
	}
	made, err := w.service.CreateSession(w.ctx(), store, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// live returns the ids of the sessions that a filter selects.
func (w *world) live(f identity.SessionFilter) []string {
	w.t.Helper()
	all, err := w.service.Sessions(w.ctx(), store, f, "", 1_000)
	if err != nil {
		w.t.Fatal(err)
	}
	ids := []string{}
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

func (w *world) wantLive(f identity.SessionFilter, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.live(f); !slices.Equal(got, want) && len(got)+len(want) > 0 {
		w.t.Errorf("sessions by %+v: got %q, want %q", f, got, want)
	}
}

// documents returns the keys of a collection.
func (w *world) documents(collection string) []string {
	w.t.Helper()
	docs, err := w.view().Documents(collection, "", 1_000, false)
	if err != nil {
		w.t.Fatal(err)
	}
	keys := []string{}
	for _, d := range docs {
		keys = append(keys, d.Key.Key)
	}
	return keys
}

// wantNoSessions fails where anything is left of any session.
func (w *world) wantNoSessions() {
	w.t.Helper()
	for _, collection := range []string{"session/" + store, "session-link/" + store} {
		if left := w.documents(collection); len(left) > 0 {
			w.t.Errorf("documents of %s: %q are left", collection, left)
		}
	}
	for t, err := range w.view().Tuples(w.t.Context(), ostiary.Filter{Store: store}, nil) {
		if err != nil {
			w.t.Fatal(err)
		}
		if t.Object.Type == "session" || t.Subject.Type == "session" {
			w.t.Errorf("tuple %s is left", t.Tuple)
		}
	}
}

func wantRefused(t *testing.T, err error, reason string) {
	t.Helper()
	refused, ok := identity.IsLoginRefused(err)
	if !ok || refused.Reason != reason {
		t.Errorf("login: %v, want it refused as %s", err, reason)
	}
}

const issuer = "https://acme.okta.test"

// IDENTITY g.3: the tuples of a session, who finds it, and that all of it ends.
func TestSessionLife(t *testing.T) {
	w := newWorld(t)
	u, agent := w.user("ann"), w.user("agent")
	parent := w.logIn(identity.SessionInput{User: u.ID, Layer: identity.LayerIDP, Connection: w.connection.ID, Issuer: issuer, SID: "Sid-1"})
	s := w.logIn(identity.SessionInput{User: u.ID, Client: "portal", Device: "d-1", Parent: parent.ID, Actor: agent.ID,
		ACR: "urn:mfa", AMR: []string{"pwd", "otp", "pwd"}, AuthNanos: w.raft.Now() - int64(time.Hour)})
	owner := " by session:acme/" + u.ID
	want := []string{}
	for _, text := range []string{
		"session:%s#subject@user:" + u.ID, "session:%s#organization@organization:acme", "organization:acme#live@session:%s#subject",
	} {
		want = append(want, fmt.Sprintf(text, s.ID)+owner, fmt.Sprintf(text, parent.ID)+owner)
	}
	for _, text := range []string{"client@client:portal", "device@device:d-1", "parent@session:" + parent.ID, "actor@user:" + agent.ID} {
		want = append(want, "session:"+s.ID+"#"+text+owner)
	}
	got := slices.DeleteFunc(w.tuples(), func(text string) bool { return !slices.Contains(want, text) })
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("tuples: got %q, want %q", got, want)
	}
	found, err := w.service.Session(w.ctx(), store, s.ID)
	if err != nil || found.User != u.ID || found.ACR != "urn:mfa" || !slices.Equal(found.AMR, []string{"pwd", "otp"}) || found.Parent != parent.ID {
		t.Errorf("session: got %+v, %v", found, err)
	}
	for _, f := range []identity.SessionFilter{
		{Client: "portal"}, {Device: "d-1"}, {Parent: parent.ID}, {Actor: agent.ID}, {User: u.ID, Client: "portal"},
	} {
		w.wantLive(f, s.ID)
	}
	for _, f := range []identity.SessionFilter{{}, {Organization: "acme"}, {User: u.ID}} {
		w.wantLive(f, parent.ID, s.ID)
	}
	w.wantLive(identity.SessionFilter{Issuer: issuer, SID: "Sid-1"}, parent.ID)
	w.wantLive(identity.SessionFilter{Issuer: issuer, SID: "Sid-1", Connection: w.connection.ID}, parent.ID)
	w.wantLive(identity.SessionFilter{Issuer: issuer, SID: "sid-1"})
	w.wantLive(identity.SessionFilter{User: agent.ID})
	if found, err := w.service.Session(w.ctx(), store, parent.ID); err != nil || found.SID != "Sid-1" {
		t.Errorf("the session's own sid: got %q, %v", found.SID, err)
	}
	w.wantVerified()

	// A page goes on after the one before.
	both := w.live(identity.SessionFilter{})
	for _, f := range []identity.SessionFilter{{}, {User: u.ID}, {Organization: "acme"}} {
		for i, after := range append([]string{""}, both...) {
			page, err := w.service.Sessions(w.ctx(), store, f, after, 1)
			if err != nil || len(page) != min(1, len(both)-i) || len(page) > 0 && page[0].ID != both[i] {
				t.Errorf("page after %q by %+v: %+v, %v", after, f, page, err)
			}
		}
	}

	ended, _, err := w.service.DeleteSession(w.ctx(), store, parent.ID)
	if err != nil || len(ended) != 2 {
		t.Errorf("end of the parent: %d sessions, %v, want it and its child", len(ended), err)
	}
	w.wantNoSessions()
	if _, _, err := w.service.DeleteSession(w.ctx(), store, parent.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("end of a session that has ended: %v", err)
	}
}

func (w *world) wantVerified() {
	w.t.Helper()
	v, err := w.service.Verify(w.ctx(), store, "acme")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range v.Findings {
		w.t.Errorf("verify: %s %s", f.Subject, f.Reason)
	}
}

func TestSessionRefusesInput(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	now := w.raft.Now()
	for name, in := range map[string]identity.SessionInput{
		"e-mail as client":       {User: u.ID, Client: "ann@acme.test"},
		"e-mail as device":       {User: u.ID, Device: "ann@acme.test"},
		"unknown layer":          {User: u.ID, Layer: "cookie"},
		"sid without issuer":     {User: u.ID, SID: "1"},
		"issuer that is no URL":  {User: u.ID, Issuer: "okta"},
		"own actor":              {User: u.ID, Actor: u.ID},
		"end in the past":        {User: u.ID, ExpiresNanos: now - 1},
		"limit in the past":      {User: u.ID, LimitNanos: now - 1},
		"parent that is not one": {User: u.ID, Parent: "acme/s"},
		"unknown connection":     {User: u.ID, Connection: "c01m824qgqx05kcwex3kxbcecwz"},
		"method that is none":    {User: u.ID, AMR: []string{"a b"}},
		"wildcard":               {User: "*"},
	} {
		in.Organization = "acme"
		if _, err := w.service.CreateSession(w.ctx(), store, in); !errors.Is(err, ostiary.ErrTupleInvalid) && !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: "nobody"})
	wantRefused(t, err, identity.RefusedUnknown)
	w.wantNoSessions()
}

// IDENTITY g.0 rule 9: what the watermark refuses, and that touch neither revives a session nor extends it past
// its limit.
func TestRule09Watermark(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	login := func(auth int64) error {
		_, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: u.ID, AuthNanos: auth})
		return err
	}
	before := w.raft.Now()
	if err := login(0); err != nil {
		t.Errorf("login without auth_time, of somebody who was never logged out: %v", err)
	}
	// An identity provider whose clock is ahead: what came of it must not outlive the revocation either.
	ahead := w.raft.Now() + int64(30*time.Second)
	if err := login(ahead); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, login(w.raft.Now()+int64(2*identity.MaxAuthAhead)), identity.RefusedReauthenticate)

	done, err := w.service.RevokeSessions(w.ctx(), store, u.ID, "acme", "test")
	if err != nil || len(done.Ended) != 2 {
		t.Fatalf("revocation: %d sessions, %v", len(done.Ended), err)
	}
	w.wantNoSessions()
	for _, auth := range []int64{0, before, ahead} {
		wantRefused(t, login(auth), identity.RefusedReauthenticate)
	}
	if err := login(ahead + 1); err != nil {
		t.Errorf("login after the revocation: %v", err)
	}
	mark, err := w.service.RevokedBefore(w.ctx(), store, u.ID, "acme")
	if err != nil || mark != ahead {
		t.Errorf("watermark: %d, %v, want %d", mark, err, ahead)
	}
	must(t)(w.service.RevokeSessions(w.ctx(), store, u.ID, "acme", "again"))
	if again, err := w.service.RevokedBefore(w.ctx(), store, u.ID, "acme"); err != nil || again <= mark {
		t.Errorf("watermark after a second revocation: %d, %v, want more than %d", again, err, mark)
	}
	// Another organization's watermark does not count here, and that of all does.
	must(t)(w.service.CreateOrganization(w.ctx(), store, "beta", "Beta"))
	must(t)(w.service.AddMember(w.ctx(), store, "beta", u.ID))
	in := identity.SessionInput{Organization: "beta", User: u.ID, AuthNanos: before}
	w.logIn(in)
	must(t)(w.service.RevokeSessions(w.ctx(), store, u.ID, "", "everywhere"))
	_, err = w.service.CreateSession(w.ctx(), store, in)
	wantRefused(t, err, identity.RefusedReauthenticate)
}

func TestRule09Touch(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	now := w.raft.Now()
	minute, hour := int64(time.Minute), int64(time.Hour)
	parent := w.logIn(identity.SessionInput{User: u.ID, ExpiresNanos: now + 2*hour})
	s := w.logIn(identity.SessionInput{User: u.ID, ExpiresNanos: now + hour, LimitNanos: now + 3*hour, Parent: parent.ID})
	touch := func(id string, to int64) identity.Session {
		t.Helper()
		touched, err := w.service.TouchSession(w.ctx(), store, id, to)
		if err != nil {
			t.Fatal(err)
		}
		return touched
	}
	if got := touch(s.ID, now+90*minute).ExpiresNanos; got != now+90*minute {
		t.Errorf("extended by %s", time.Duration(got-now))
	}
	revision := w.revision()
	if got := touch(s.ID, now+minute).ExpiresNanos; got != now+90*minute {
		t.Errorf("shortened to %s", time.Duration(got-now))
	}
	if w.revision() != revision {
		t.Error("a touch that changes nothing within a minute made a revision")
	}
	if got := touch(s.ID, now+9*hour).ExpiresNanos; got != now+2*hour {
		t.Errorf("extended past the end of the parent, by %s", time.Duration(got-now))
	}
	touch(parent.ID, now+9*hour)
	if got := touch(s.ID, now+9*hour).ExpiresNanos; got != now+3*hour {
		t.Errorf("extended past session_expiry, by %s", time.Duration(got-now))
	}
	_, _, err := w.service.DeleteSession(w.ctx(), store, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.TouchSession(w.ctx(), store, s.ID, now+hour); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("touch of a session that was ended: %v", err)
	}
	// One that has run out stays so.
	over := w.logIn(identity.SessionInput{User: u.ID, ExpiresNanos: now + hour})
	later := w.ahead(2 * time.Hour)
	if _, err := later.TouchSession(w.ctx(), store, over.ID, now+9*hour); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("touch of a session that has run out: %v", err)
	}
	if _, err := later.Session(w.ctx(), store, over.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("a session that has run out: %v", err)
	}
}

// IDENTITY g.0 rule 10: a revocation reaches every session of the person in the organization, whoever reported
// it, and those in which the person acts for others, in any.
func TestRule10Reach(t *testing.T) {
	w := newWorld(t)
	u, other := w.user("ann"), w.user("bob")
	must(t)(w.service.CreateOrganization(w.ctx(), store, "beta", "Beta"))
	must(t)(w.service.AddMember(w.ctx(), store, "beta", u.ID))
	must(t)(w.service.AddMember(w.ctx(), store, "beta", other.ID))
	second := w.connect("acme")
	w.logIn(identity.SessionInput{User: u.ID, Connection: w.connection.ID, Issuer: issuer, SID: "1"})
	w.logIn(identity.SessionInput{User: u.ID, Connection: second.ID, Issuer: issuer, SID: "2"})
	w.logIn(identity.SessionInput{User: u.ID, Layer: identity.LayerPAT})
	elsewhere := w.logIn(identity.SessionInput{Organization: "beta", User: u.ID})
	acts := w.logIn(identity.SessionInput{User: other.ID, Actor: u.ID})
	w.logIn(identity.SessionInput{User: other.ID, Parent: acts.ID})
	w.logIn(identity.SessionInput{Organization: "beta", User: other.ID, Actor: u.ID})
	others := w.logIn(identity.SessionInput{User: other.ID})

	before := w.revision()
	done, err := w.service.RevokeSessions(w.ctx(), store, u.ID, "acme", "test")
	if err != nil || len(done.Ended) != 6 || done.Unread != 0 || done.Receipt.Revision != before+1 {
		t.Errorf("revocation: %d ended, %d unread, at %d after %d, %v", len(done.Ended), done.Unread, done.Receipt.Revision, before, err)
	}
	w.wantLive(identity.SessionFilter{}, elsewhere.ID, others.ID)
	w.wantVerified()
	_, err = w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "beta", User: other.ID, Actor: u.ID})
	wantRefused(t, err, identity.RefusedReauthenticate)
	if _, err := w.service.RevokeSessions(w.ctx(), store, "nobody", "acme", "test"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("revocation of nobody: %v", err)
	}
}

// Whatever ends a person's access ends the sessions, and lets no login of before in again.
func TestDeprovisioningRevokes(t *testing.T) {
	for name, end := range map[string]func(w *world, user string) error{
		"deactivation": func(w *world, user string) error {
			w.setActive(user, false)
			return nil
		},
		"block": func(w *world, user string) error {
			_, err := w.service.BlockUser(w.ctx(), store, "acme", user)
			return err
		},
		"deletion": func(w *world, user string) error {
			ctx, d := w.directory()
			_, err := d.DeleteUser(ctx, user, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			u, other := w.user("ann"), w.user("bob")
			auth := w.raft.Now()
			for _, layer := range identity.Layers() {
				w.logIn(identity.SessionInput{User: u.ID, AuthNanos: auth, Issuer: issuer, SID: "1 of " + layer, Layer: layer})
			}
			w.logIn(identity.SessionInput{User: other.ID, Actor: u.ID, AuthNanos: auth})
			before := w.revision()
			if err := end(w, u.ID); err != nil {
				t.Fatal(err)
			}
			if after := w.revision(); after != before+1 {
				t.Errorf("it took %d revisions", after-before)
			}
			w.wantNoSessions()
			in := identity.SessionInput{Organization: "acme", User: u.ID, AuthNanos: auth}
			if _, err := w.service.CreateSession(w.ctx(), store, in); err == nil {
				t.Error("the person logs in again")
			}
			if name == "deletion" {
				if left := w.documents("logins/" + store); !slices.Equal(left, []string{other.ID}) {
					t.Errorf("logins of %q are kept", left)
				}
				return
			}
			must(t)(w.service.UnblockUser(w.ctx(), store, "acme", u.ID))
			w.setActive(u.ID, true)
			_, err := w.service.CreateSession(w.ctx(), store, in)
			wantRefused(t, err, identity.RefusedReauthenticate)
			in.AuthNanos = w.raft.Now()
			w.logIn(in)
		})
	}
}

func TestRemovedMemberRevokes(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.AddMember(w.ctx(), store, "acme", "zoe"))
	w.logIn(identity.SessionInput{User: "zoe"})
	must(t)(w.service.RemoveMember(w.ctx(), store, "acme", "zoe"))
	w.wantNoSessions()
}

// A login that races a revocation does not survive it, whichever comes first: what is live afterwards has
// authenticated after the watermark.
func TestRule09Race(t *testing.T) {
	w := newWorld(t)
	u, other := w.user("ann"), w.user("bob")
	parent := w.logIn(identity.SessionInput{User: other.ID, Actor: u.ID, AuthNanos: w.raft.Now()})
	for range 5 {
		start := make(chan struct{})
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				<-start
				for range 5 {
					in := identity.SessionInput{Organization: "acme", User: u.ID, AuthNanos: w.raft.Now()}
					if i == 1 {
						in.User, in.Actor = other.ID, u.ID
					}
					if i == 2 {
						in.Parent = parent.ID
						in.User, in.Actor = other.ID, u.ID
					}
					made, err := w.service.CreateSession(w.ctx(), store, in)
					if _, refused := identity.IsLoginRefused(err); err != nil && !refused && !errors.Is(err, ostiary.ErrNotFound) {
						t.Error(err)
					}
					if err == nil && i == 3 {
						if _, err := w.service.TouchSession(w.ctx(), store, made.ID, w.raft.Now()+int64(time.Hour*24)); err != nil && !errors.Is(err, ostiary.ErrNotFound) {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Go(func() {
			<-start
			must(t)(w.service.RevokeSessions(w.ctx(), store, u.ID, "acme", "race"))
		})
		close(start)
		all.Wait()
		mark, err := w.service.RevokedBefore(w.ctx(), store, u.ID, "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []identity.SessionFilter{{User: u.ID}, {Actor: u.ID}} {
			for _, id := range w.live(f) {
				s, err := w.service.Session(w.ctx(), store, id)
				if err != nil {
					t.Fatal(err)
				}
				if s.AuthNanos <= mark {
					t.Errorf("session %s of %d survived the revocation of %d", id, s.AuthNanos, mark)
				}
			}
		}
		w.wantVerified()
	}
}

// IDENTITY g.0 rule 14: what ends takes its dependants along, whatever it is ended by.
func TestRule14NothingDangles(t *testing.T) {
	w := newWorld(t)
	u, other := w.user("ann"), w.user("bob")
	all := []identity.Session{}
	for i := range 4 {
		parent := w.logIn(identity.SessionInput{User: u.ID, Client: "web", Issuer: issuer, SID: fmt.Sprint(i)})
		child := w.logIn(identity.SessionInput{User: u.ID, Client: "api", Parent: parent.ID})
		w.logIn(identity.SessionInput{User: other.ID, Actor: u.ID, Device: "d", Parent: child.ID})
		all = append(all, parent)
	}
	stays := w.logIn(identity.SessionInput{User: other.ID, Client: "cli"})
	count := func(f identity.SessionFilter, dry bool, want int) {
		t.Helper()
		if n, _, err := w.service.DeleteSessions(w.ctx(), store, f, dry); err != nil || n != want {
			t.Errorf("deletion by %+v: %d, %v, want %d", f, n, err, want)
		}
	}
	before := w.revision()
	count(identity.SessionFilter{Client: "web"}, true, 12)
	if w.revision() != before {
		t.Error("a dry run made a revision")
	}
	count(identity.SessionFilter{Issuer: issuer, SID: "0"}, false, 3)
	count(identity.SessionFilter{Device: "d", Parent: "acme/s01m824qgqx05kcwex3kxbcecwz"}, false, 0)
	count(identity.SessionFilter{Parent: all[1].ID}, false, 2)
	w.wantLive(identity.SessionFilter{Client: "web"}, all[1].ID, all[2].ID, all[3].ID)
	w.wantVerified()
	count(identity.SessionFilter{Client: "web"}, false, 7)
	w.wantLive(identity.SessionFilter{}, stays.ID)
	w.wantVerified()
	count(identity.SessionFilter{Organization: "acme"}, false, 1)
	w.wantNoSessions()
	if _, _, err := w.service.DeleteSessions(w.ctx(), store, identity.SessionFilter{SID: "1"}, false); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a sid without its issuer: %v", err)
	}
	if _, _, err := w.service.DeleteSessions(w.ctx(), store, identity.SessionFilter{}, false); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("deletion by nothing: %v", err)
	}
}

// stopped is a backend whose clock stands still.
type stopped struct {
	backend
	nanos int64
}

func (c stopped) Now() int64 { return c.nanos }

// ahead returns a service whose clock is off.
func (w *world) ahead(by time.Duration) *identity.Service {
	return identity.New(stopped{backend{w.raft}, w.raft.Now() + int64(by)}, identity.Options{})
}

// A node whose clock is behind revokes: who has authenticated before, by the clock of the leader, does not log in.
func TestRule09ClockBehind(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.logIn(identity.SessionInput{User: u.ID})
	auth := w.raft.Now()
	must(t)(w.ahead(-5*time.Minute).RevokeSessions(w.ctx(), store, u.ID, "acme", "test"))
	_, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: u.ID, AuthNanos: auth})
	wantRefused(t, err, identity.RefusedReauthenticate)
	mark, err := w.service.RevokedBefore(w.ctx(), store, u.ID, "acme")
	if err != nil || mark <= auth {
		t.Errorf("watermark %d, %v, want one after %d", mark, err, auth)
	}
	w.logIn(identity.SessionInput{User: u.ID, AuthNanos: w.raft.Now()})
}

// A node that has applied nothing since it revoked tells the time of then: a login that it takes later, which the log
// stamps much later, is no revocation.
func TestRule09ClockStandsStill(t *testing.T) {
	w := newWorld(t)
	u, other := w.user("ann"), w.user("bob")
	node, later := w.ahead(0), w.ahead(10*time.Second)
	must(t)(node.RevokeSessions(w.ctx(), store, u.ID, "acme", "test"))
	mark, err := w.service.RevokedBefore(w.ctx(), store, u.ID, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := later.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: other.ID}); err != nil {
		t.Fatal(err)
	}
	made, err := node.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: u.ID, AuthNanos: mark + int64(5*time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.Session(w.ctx(), store, made.ID); err != nil {
		t.Errorf("the login has ended itself: %v", err)
	}
	if now, err := w.service.RevokedBefore(w.ctx(), store, u.ID, "acme"); err != nil || now != mark {
		t.Errorf("watermark %d, %v, want %d as before the login", now, err, mark)
	}
	w.wantVerified()
}

// What has ended is taken away by later logins, with what was made of it, a few at a time.
func TestSessionsAreCollected(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	now := w.raft.Now()
	for i := range 20 {
		parent := w.logIn(identity.SessionInput{User: u.ID, ExpiresNanos: now + int64(time.Hour), Issuer: issuer, SID: fmt.Sprint(i)})
		w.logIn(identity.SessionInput{User: u.ID, Parent: parent.ID})
	}
	later := w.ahead(3 * time.Hour)
	made := map[string]bool{}
	for range 40 {
		s, err := later.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: u.ID})
		if err != nil {
			t.Fatal(err)
		}
		made[s.ID] = true
	}
	left := w.documents("session/" + store)
	for _, id := range left {
		if !made[id] {
			t.Errorf("session %s has ended, and is kept", id)
		}
	}
	if len(left) != len(made) {
		t.Errorf("%d sessions are kept, want %d", len(left), len(made))
	}
	if links := w.documents("session-link/" + store); len(links) > 0 {
		t.Errorf("links are kept: %q", links)
	}
	w.wantVerified()
}

// Revocation is never refused: of more sessions than one mutation reads the tuples go, and the rest later.
func TestRevocationOfManySessions(t *testing.T) {
	t.Cleanup(identity.SetEndedAtOnce(3))
	w := newWorld(t)
	u := w.user("ann")
	for range 8 {
		w.logIn(identity.SessionInput{User: u.ID, Client: "web"})
	}
	if _, _, err := w.service.DeleteSessions(w.ctx(), store, identity.SessionFilter{Client: "web"}, false); !errors.Is(err, ostiary.ErrTooBroad) {
		t.Errorf("deletion of more than the bound: %v", err)
	}
	w.wantVerified()
	done, err := w.service.RevokeSessions(w.ctx(), store, u.ID, "acme", "test")
	if err != nil || len(done.Ended) != 3 || done.Unread != 5 {
		t.Errorf("revocation: %d ended, %d unread, %v", len(done.Ended), done.Unread, err)
	}
	w.wantLive(identity.SessionFilter{})
	w.wantVerified()
	for range 3 {
		w.logIn(identity.SessionInput{User: u.ID, AuthNanos: w.raft.Now()})
	}
	if left := w.documents("session/" + store); len(left) != 3 {
		t.Errorf("%d sessions are kept, want 3", len(left))
	}
	w.wantVerified()
}

// between is a backend on which something is done after its first change has been committed, and before the call
// that made it knows.
type between struct {
	stopped
	then *func()
}

func (b between) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	receipt, err := b.stopped.Propose(ctx, m)
	if then := *b.then; then != nil && err == nil {
		*b.then = nil
		then()
	}
	return receipt, err
}

// A node whose clock is behind revokes, and who has authenticated before logs in before the log's time counts: that
// session does not outlive the call.
func TestRule09ClockBehindRace(t *testing.T) {
	w := newWorld(t)
	u, other := w.user("ann"), w.user("bob")
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	auth := w.raft.Now()
	later := int64(0)
	var old []identity.Session
	var fresh identity.Session
	then := func() {
		old = append(old, w.logIn(identity.SessionInput{User: u.ID, AuthNanos: auth}), w.logIn(identity.SessionInput{User: other.ID, Actor: u.ID, AuthNanos: auth}))
		old = append(old, w.logIn(identity.SessionInput{User: u.ID, AuthNanos: auth, Parent: old[0].ID}))
		later = w.raft.Now() + int64(30*time.Second)
		fresh = w.logIn(identity.SessionInput{User: other.ID, AuthNanos: later})
		cancel() // whoever asked has gone: the revocation is committed, and stands for what it says
	}
	service := identity.New(between{stopped{backend{w.raft}, w.raft.Now() - int64(5*time.Minute)}, &then}, identity.Options{})
	if _, err := service.RevokeSessions(ctx, store, u.ID, "acme", "test"); err != nil {
		t.Fatal(err)
	}
	for _, s := range old {
		if _, err := w.service.Session(w.ctx(), store, s.ID); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("session %s lives on: %v", s.ID, err)
		}
		for _, text := range w.tuples() {
			if strings.Contains(text, s.ID) {
				t.Errorf("%s is left", text)
			}
		}
	}
	w.wantLive(identity.SessionFilter{}, fresh.ID)
	w.wantVerified()
}
