package identity_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// provide sets the OpenID provider of a connection, and returns what a good ID token of it says.
func (w *world) provide(connection string, change func(*identity.OIDCIssuer)) identity.Assertion {
	w.t.Helper()
	o := w.provider()
	o.Connection = connection
	if change != nil {
		change(&o)
	}
	o, err := w.service.SetOIDCIssuer(w.ctx(), store, o)
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.raft.Now()
	return identity.Assertion{Connection: connection, Setting: o.Version, Issuer: o.Issuer, Subject: "00u1", Claimed: "00u1",
		Client: "portal", IssuedNanos: now, AuthNanos: now}
}

func justInTime(o *identity.OIDCIssuer) { o.JustInTime = true }

func (w *world) show(a identity.Assertion, q identity.LoginRequest) (identity.Session, error) {
	return w.service.LogIn(w.ctx(), store, a, q)
}

func (w *world) mustShow(a identity.Assertion) identity.Session {
	w.t.Helper()
	made, err := w.show(a, identity.LoginRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// IDENTITY g.0 rule 8: the declared claim finds a person once and links the issuer and subject, which find the person
// from then on; nothing else does.
func TestLogInLinks(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	bob := w.person("bob", "00u2", "bob@acme.test")
	a := w.provide(w.connection.ID, nil)
	for name, change := range map[string]func(*identity.Assertion){
		"nobody's claim":             func(a *identity.Assertion) { a.Claimed = "00u9" },
		"no claim, and no link yet":  func(a *identity.Assertion) { a.Claimed = "" },
		"an e-mail":                  func(a *identity.Assertion) { a.Claimed, a.Email = "", "ann@acme.test" },
		"a user name":                func(a *identity.Assertion) { a.Claimed, a.Name = "", "ann" },
		"an id of ours as the claim": func(a *identity.Assertion) { a.Claimed = ann.ID },
		"another case":               func(a *identity.Assertion) { a.Claimed = "00U1" },
	} {
		b := a
		change(&b)
		t.Run(name, func(t *testing.T) {
			_, err := w.show(b, identity.LoginRequest{})
			wantRefused(t, err, identity.RefusedUnknown)
		})
	}
	if left := w.documents("subject-of/" + w.connection.ID); len(left) != 0 {
		t.Errorf("who was refused is linked: %q", left)
	}
	a.SID, a.ACR, a.AMR = "sid-1", "urn:mfa", []string{"pwd", "otp"}
	made := w.mustShow(a)
	if made.User != ann.ID || made.Client != "portal" || made.Connection != w.connection.ID || made.Issuer != issuer || made.Layer != identity.LayerApp ||
		made.ACR != "urn:mfa" || !slices.Equal(made.AMR, a.AMR) || made.AuthNanos != a.AuthNanos || made.Organization != "acme" {
		t.Errorf("made %+v", made)
	}
	w.wantLive(identity.SessionFilter{Issuer: issuer, SID: "sid-1"}, made.ID)
	a.Claimed = ""
	if made := w.mustShow(a); made.User != ann.ID {
		t.Errorf("by the link: %+v", made)
	}
	a.Claimed = "00u2" // bob's
	_, err := w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedUnknown)
	a.Subject = "another application's"
	if made := w.mustShow(a); made.User != bob.ID {
		t.Errorf("by the claim: %+v", made)
	}
	a.Claimed, a.Issuer = "", "https://other.test"
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedUnknown)
	w.wantVerified()
}

// What links rest on takes them along: the person, and the externalId by which the person was found.
func TestSubjectLinksEnd(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	a := w.provide(w.connection.ID, nil)
	w.mustShow(a)
	a.Claimed = ""
	ctx, d := w.directory()
	rename := func(external string) {
		t.Helper()
		must(t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
			u.UserInput.ExternalID = external
			return u.UserInput, nil
		}))
	}
	rename("00u7")
	_, err := w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedUnknown)
	w.wantVerified()
	a.Claimed = "00u7"
	w.mustShow(a)
	must(t)(d.DeleteUser(ctx, ann.ID, 0))
	for _, collection := range []string{"subject-of/", "link/"} {
		if left := w.documents(collection + w.connection.ID); len(left) != 0 {
			t.Errorf("%s: %q are left", collection, left)
		}
	}
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedUnknown)
	again := w.person("ann", "00u7", "ann@acme.test")
	_, err = w.show(a, identity.LoginRequest{}) // of before the deletion
	wantRefused(t, err, identity.RefusedReauthenticate)
	a.AuthNanos = w.raft.Now()
	if made := w.mustShow(a); made.User != again.ID {
		t.Errorf("a person made again: %+v", made)
	}
	w.wantVerified()
}

// IDENTITY g.0 rule 9 for ID tokens, and who may not log in at all.
func TestLogInRefused(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	a := w.provide(w.connection.ID, nil)
	a.AuthNanos = 0
	w.mustShow(a) // nobody was logged out yet
	now := w.raft.Now()
	must(t)(w.service.RevokeSessions(w.ctx(), store, ann.ID, "acme", "test"))
	for name, auth := range map[string]int64{
		"no auth_time": 0, "before the revocation": now, "far ahead": w.raft.Now() + int64(identity.MaxAuthAhead+time.Minute),
	} {
		a.AuthNanos = auth
		t.Run(name, func(t *testing.T) {
			_, err := w.show(a, identity.LoginRequest{})
			wantRefused(t, err, identity.RefusedReauthenticate)
		})
	}
	w.wantNoSessions()
	a.AuthNanos = w.raft.Now()
	w.mustShow(a)
	for name, c := range map[string]struct {
		change func(*identity.Assertion)
		q      identity.LoginRequest
		reason string
	}{
		"a session_expiry that has passed": {func(a *identity.Assertion) { a.LimitNanos = now }, identity.LoginRequest{}, identity.RefusedReauthenticate},
		"authenticated too long ago":       {func(a *identity.Assertion) { a.AuthNanos -= int64(time.Hour) }, identity.LoginRequest{MaxAge: time.Minute}, identity.RefusedReauthenticate},
		"nobody knows how long ago":        {func(a *identity.Assertion) { a.AuthNanos = 0 }, identity.LoginRequest{MaxAge: time.Hour}, identity.RefusedReauthenticate},
		"judged by a setting of before":    {func(a *identity.Assertion) { a.Setting-- }, identity.LoginRequest{}, identity.RefusedReauthenticate},
		"an ID token of half a day ago":    {func(a *identity.Assertion) { a.IssuedNanos -= int64(identity.DefaultSessionLife) }, identity.LoginRequest{}, identity.RefusedReauthenticate},
		"asked to end before now":          {func(*identity.Assertion) {}, identity.LoginRequest{ExpiresNanos: now}, identity.RefusedReauthenticate},
	} {
		b := a
		c.change(&b)
		t.Run(name, func(t *testing.T) {
			_, err := w.show(b, c.q)
			wantRefused(t, err, c.reason)
		})
	}
	for name, change := range map[string]func(*identity.Assertion, *identity.LoginRequest){
		"an acr of 2 KiB":               func(a *identity.Assertion, _ *identity.LoginRequest) { a.ACR = string(make([]byte, 2<<10)) },
		"a client that is an address":   func(_ *identity.Assertion, q *identity.LoginRequest) { q.Client = "a@b.test" },
		"an audience that is no client": func(a *identity.Assertion, _ *identity.LoginRequest) { a.Client = "https://app.test/" },
	} {
		b, q := a, identity.LoginRequest{}
		change(&b, &q)
		if _, err := w.show(b, q); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	b := a
	b.Connection = w.connect("acme").ID
	_, err := w.show(b, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedReauthenticate) // it has no OpenID provider
	if _, err := w.service.LogIn(w.ctx(), "other", a, identity.LoginRequest{}); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("in another store: %v", err)
	}
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", ann.ID))
	a.AuthNanos = w.raft.Now()
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedDisabled)
	w.wantNoSessions()
}

// An ID token that is shown again makes a session that ends no later; nothing extends one past session_expiry.
func TestLogInBounds(t *testing.T) {
	w := newWorld(t)
	w.person("ann", "00u1", "ann@acme.test")
	a := w.provide(w.connection.ID, func(o *identity.OIDCIssuer) { o.MaxLife = 2 * time.Hour })
	a.IssuedNanos -= int64(time.Hour)
	first, second := w.mustShow(a), w.mustShow(a)
	if end := a.IssuedNanos + int64(2*time.Hour); first.ExpiresNanos != end || second.ExpiresNanos != end || first.LimitNanos != end {
		t.Errorf("ends %d and %d, not %d", first.ExpiresNanos, second.ExpiresNanos, end)
	}
	a.LimitNanos = w.raft.Now() + int64(30*time.Minute)
	third := w.mustShow(a)
	touched, err := w.service.TouchSession(w.ctx(), store, third.ID, w.raft.Now()+int64(time.Hour))
	if err != nil || touched.ExpiresNanos != a.LimitNanos {
		t.Errorf("touched: ends %d, %v, not %d", touched.ExpiresNanos, err, a.LimitNanos)
	}
	a.LimitNanos = 0
	short, err := w.show(a, identity.LoginRequest{ExpiresNanos: w.raft.Now() + int64(10*time.Minute), Client: "mobile", Device: "d-1", MaxAge: time.Hour})
	if err != nil || short.Client != "mobile" || short.Device != "d-1" || short.ExpiresNanos >= first.ExpiresNanos {
		t.Errorf("as asked: %+v, %v", short, err)
	}
}

// A login makes who is not known, as SCIM would, and nobody where SCIM does.
func TestJustInTime(t *testing.T) {
	w := newWorld(t)
	c := w.connect("acme")
	a := w.provide(c.ID, justInTime)
	a.Name, a.Email = "ann", "ann@acme.test"
	made := w.mustShow(a)
	if again := w.mustShow(a); again.User != made.User {
		t.Errorf("the second login is another person's: %s and %s", made.User, again.User)
	}
	owner := " by scim:" + c.ID + "/" + made.User
	for _, want := range []string{
		"organization:acme#directory_member@user:" + made.User + owner + "/user", "organization:acme#enabled@user:" + made.User + owner + "/active",
	} {
		if !slices.Contains(w.tuples(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	w.wantVerified()
	b := a
	b.Subject, b.Claimed = "00u2", "00u2" // the same name: another person
	other := w.mustShow(b)
	if other.User == made.User {
		t.Error("a person was found by a name")
	}
	// Global Token Revocation finds who logged in so by what the provider calls them.
	must(t)(w.service.SetRevoker(w.ctx(), store, identity.Revoker{Connection: c.ID, Issuer: "https://signer.test", Subject: "client"}))
	caller, err := w.service.RevokerOf(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := caller.Revoke(t.Context(), identity.RevocationRequest{Subject: bySub(issuer, "00u2")}); err != nil || !slices.Equal(done.People, []string{other.User}) {
		t.Errorf("revoked: %+v, %v", done, err)
	}
	// From the first SCIM token on logins make nobody; who is there logs in.
	bearer := w.token(c.ID)
	b.Subject, b.Claimed = "00u3", "00u3"
	_, err = w.show(b, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedUnknown)
	w.mustShow(a)
	// SCIM finds who logged in by the externalId, and takes them away.
	ctx, d := w.directoryOf(c.ID, bearer)
	must(t)(d.ChangeUser(ctx, made.User, 0, func(u identity.User) (identity.UserInput, error) {
		if u.ExternalID != "00u1" || u.UserName != "ann" || !slices.Equal(u.Emails, []string{"ann@acme.test"}) {
			t.Errorf("the person: %+v", u)
		}
		u.UserInput.Active = false
		return u.UserInput, nil
	}))
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedDisabled)
	if slices.ContainsFunc(w.tuples(), func(text string) bool { return text == "organization:acme#enabled@user:"+made.User+owner+"/active" }) {
		t.Error("who was deactivated is enabled")
	}
	must(t)(d.DeleteUser(ctx, made.User, 0))
	_, err = w.show(a, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedUnknown)
	w.wantVerified()
	deleted, err := w.service.DeleteConnection(w.ctx(), store, c.ID, true)
	if err != nil || !deleted.Done {
		t.Fatalf("deleted: %+v, %v", deleted, err)
	}
	for _, collection := range []string{"subject-of/" + c.ID, "link/" + c.ID, "oidc-issuer", "provisioned"} {
		if left := slices.DeleteFunc(w.documents(collection), func(key string) bool { return key == w.connection.ID }); len(left) != 0 {
			t.Errorf("%s: %q are left", collection, left)
		}
	}
}

// What happens between the judgement of a login and its mutation counts.
func TestLogInRaces(t *testing.T) {
	for name, c := range map[string]struct {
		meddle func(w *world, ann identity.User)
		reason string
	}{
		"revoked": {func(w *world, ann identity.User) {
			must(w.t)(w.service.RevokeSessions(w.ctx(), store, ann.ID, "acme", "test"))
		}, identity.RefusedReauthenticate},
		"deactivated": {func(w *world, ann identity.User) {
			ctx, d := w.directory()
			must(w.t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
				u.UserInput.Active = false
				return u.UserInput, nil
			}))
		}, identity.RefusedDisabled},
		"deleted": {func(w *world, ann identity.User) {
			ctx, d := w.directory()
			must(w.t)(d.DeleteUser(ctx, ann.ID, 0))
		}, identity.RefusedUnknown},
		"given another externalId": {func(w *world, ann identity.User) {
			ctx, d := w.directory()
			must(w.t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
				u.UserInput.ExternalID = "00u9"
				return u.UserInput, nil
			}))
		}, identity.RefusedUnknown},
		"its provider set anew": {func(w *world, _ identity.User) { w.provide(w.connection.ID, nil) }, identity.RefusedReauthenticate},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ann := w.person("ann", "00u1", "ann@acme.test")
			a := w.provide(w.connection.ID, nil)
			_, err := w.meddled(func() { c.meddle(w, ann) }).LogIn(w.ctx(), store, a, identity.LoginRequest{})
			wantRefused(t, err, c.reason)
			w.wantNoSessions()
			w.wantVerified()
		})
	}
	t.Run("deleted after a login that was first", func(t *testing.T) {
		w := newWorld(t)
		ann := w.person("ann", "00u1", "ann@acme.test")
		a := w.provide(w.connection.ID, nil)
		ctx, d, err := w.meddled(func() { w.mustShow(a) }).Directory(t.Context(), w.connection.ID, w.bearer)
		if err != nil {
			t.Fatal(err)
		}
		must(t)(d.DeleteUser(ctx, ann.ID, 0))
		if left := w.documents("link/" + w.connection.ID); len(left) != 0 {
			t.Errorf("links: %q are left", left)
		}
		w.wantNoSessions()
	})
	t.Run("given another externalId after a login that was first", func(t *testing.T) {
		w := newWorld(t)
		ann := w.person("ann", "00u1", "ann@acme.test")
		a := w.provide(w.connection.ID, nil)
		ctx, d, err := w.meddled(func() { w.mustShow(a) }).Directory(t.Context(), w.connection.ID, w.bearer)
		if err != nil {
			t.Fatal(err)
		}
		must(t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
			u.UserInput.ExternalID = "00u9"
			return u.UserInput, nil
		}))
		a.Claimed = ""
		_, err = w.show(a, identity.LoginRequest{})
		wantRefused(t, err, identity.RefusedUnknown)
	})
	t.Run("provisioned meanwhile", func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("acme")
		a := w.provide(c.ID, justInTime)
		_, err := w.meddled(func() { w.token(c.ID) }).LogIn(w.ctx(), store, a, identity.LoginRequest{})
		wantRefused(t, err, identity.RefusedUnknown)
		w.wantVerified()
	})
}

// Of logins that would make the same person at once, one does.
func TestJustInTimeOnce(t *testing.T) {
	w := newWorld(t)
	c := w.connect("acme")
	a := w.provide(c.ID, justInTime)
	services := []*identity.Service{w.service, identity.New(backend{w.raft}, identity.Options{})}
	var mu sync.Mutex
	people := map[string]bool{}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			made, err := services[i%2].LogIn(operator(context.Background()), store, a, identity.LoginRequest{})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			people[made.User] = true
		})
	}
	all.Wait()
	if len(people) != 1 || len(w.documents("user/"+c.ID)) != 1 {
		t.Errorf("people: %v", people)
	}
	w.wantVerified()
}

// Who was deleted is not made again, nor found again, by an authentication of before.
func TestLogInAfterDeletion(t *testing.T) {
	w := newWorld(t)
	c := w.connect("acme")
	a := w.provide(c.ID, justInTime)
	first := w.mustShow(a)
	signals := w.signalsOf(identity.SignalSource{Connection: c.ID, Issuer: issuer, Audience: []string{"https://authz.test"},
		Policy: map[string]string{"account-purged": "delete"}})
	w.wantSignal(signals, identity.Signal{Event: "account-purged", Subject: bySub(issuer, "00u1"), EventNanos: w.raft.Now()}, identity.SignalDelete)
	before := a
	for name, auth := range map[string]int64{"the same": a.AuthNanos, "unknown": 0} {
		before.AuthNanos = auth
		_, err := w.show(before, identity.LoginRequest{})
		if refused, ok := identity.IsLoginRefused(err); !ok || refused.Reason != identity.RefusedReauthenticate {
			t.Errorf("%s authentication: %v", name, err)
		}
	}
	a.AuthNanos = w.raft.Now()
	again := w.mustShow(a)
	if again.User == first.User {
		t.Error("an id was given again")
	}
	_, err := w.show(before, identity.LoginRequest{})
	wantRefused(t, err, identity.RefusedReauthenticate)
	w.wantVerified()
	if deleted, err := w.service.DeleteConnection(w.ctx(), store, c.ID, true); err != nil || !deleted.Done {
		t.Fatalf("deleted: %+v, %v", deleted, err)
	}
	if left := w.documents("subject-gone/" + c.ID); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
}

// Whoever has the name that another one's sub is keeps nobody from logging in.
func TestJustInTimeNamesTaken(t *testing.T) {
	w := newWorld(t)
	c := w.connect("acme")
	a := w.provide(c.ID, justInTime)
	a.Subject, a.Claimed, a.Name = "00u1", "00u1", "00u2"
	w.mustShow(a)
	for _, name := range []string{"", "00u2"} {
		b := a
		b.Subject, b.Claimed, b.Name = "00u2", "", name
		if _, err := w.show(b, identity.LoginRequest{}); err != nil {
			t.Errorf("named %q: %v", name, err)
		}
	}
	w.wantVerified()
}
