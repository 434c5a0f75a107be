package identity_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// revoker sets who signs for the connection.
func (w *world) revoker(change func(*identity.Revoker)) *identity.RevocationCaller {
	w.t.Helper()
	r := identity.Revoker{Connection: w.connection.ID, Issuer: issuer, Subject: "client"}
	if change != nil {
		change(&r)
	}
	must(w.t)(w.service.SetRevoker(w.ctx(), store, r))
	c, err := w.service.RevokerOf(w.t.Context(), w.connection.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// person makes a user with an external id and an e-mail.
func (w *world) person(name, external, email string) identity.User {
	w.t.Helper()
	ctx, d := w.directory()
	u, err := d.CreateUser(ctx, identity.UserInput{UserName: name, ExternalID: external, Emails: []string{email}, Active: true, Body: []byte("{}")})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func bySub(iss, sub string) identity.SubjectID {
	return identity.SubjectID{Format: identity.FormatIssuerSubject, Issuer: iss, Subject: sub}
}

func byEmail(text string) identity.SubjectID {
	return identity.SubjectID{Format: identity.FormatEmail, Email: text}
}

func byID(text string) identity.SubjectID {
	return identity.SubjectID{Format: identity.FormatOpaque, ID: text}
}

// IDENTITY b.4.5, g.0 rule 8: who is named is found among the people of the connection; by an e-mail all who have it.
func TestRevocationSubjects(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.person("ann", "00u1", "one@acme.test"), w.person("bob", "00u2", "One@acme.test")
	second := w.connect("acme")
	ctx, d := w.directoryOf(second.ID, w.token(second.ID))
	stranger, err := d.CreateUser(ctx, identity.UserInput{UserName: "cid", ExternalID: "00u3", Emails: []string{"cid@acme.test"}, Active: true, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	caller := w.revoker(func(r *identity.Revoker) { r.SubjectIssuer = issuer + "/oauth2/default" })
	for name, c := range map[string]struct {
		id   identity.SubjectID
		want []string
	}{
		"the provider's subject":          {bySub(issuer, "00u1"), []string{ann.ID}},
		"of its other issuer":             {bySub(issuer+"/oauth2/default", "00u1"), []string{ann.ID}},
		"of another issuer":               {bySub("https://other.test", "00u1"), nil},
		"of no issuer":                    {bySub("", "00u1"), nil},
		"our id, of another issuer":       {bySub("https://other.test", ann.ID), []string{ann.ID}},
		"an e-mail of two":                {byEmail("ONE@acme.test"), []string{ann.ID, bob.ID}},
		"an e-mail of nobody":             {byEmail("two@acme.test"), nil},
		"no e-mail":                       {byEmail(""), nil},
		"our id":                          {byID(bob.ID), []string{bob.ID}},
		"its id":                          {byID("00u2"), []string{bob.ID}},
		"a name":                          {byID("bob"), nil},
		"another connection's id":         {byID(stranger.ID), nil},
		"another connection's externalId": {byID("00u3"), nil},
		"another connection's e-mail":     {byEmail("cid@acme.test"), nil},
		"no id":                           {byID(""), nil},
		"aliases": {identity.SubjectID{Format: identity.FormatAliases, Aliases: []identity.SubjectID{
			byID("00u2"), byEmail("one@acme.test"), bySub(issuer, "00u1"), byID("00u9")}}, []string{ann.ID, bob.ID}},
		"nested aliases": {identity.SubjectID{Format: identity.FormatAliases, Aliases: []identity.SubjectID{
			{Format: identity.FormatAliases, Aliases: []identity.SubjectID{byID("00u2")}}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.revision()
			done, err := caller.Revoke(t.Context(), identity.RevocationRequest{Subject: c.id})
			slices.Sort(done.People)
			if errors.Is(err, ostiary.ErrNotFound) != (c.want == nil) || !slices.Equal(done.People, c.want) {
				t.Errorf("got %q, %v", done.People, err)
			}
			if done.Receipt.Revision != before+1 {
				t.Errorf("took effect at %d after %d", done.Receipt.Revision, before)
			}
		})
	}
}

// IDENTITY b.4.6, g.0 rules 9 and 10: sessions end wherever they came from, and who was logged out authenticates
// again; an audit row says who asked.
func TestRevocationRequested(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.person("ann", "00u1", "ann@acme.test"), w.person("bob", "00u2", "bob@acme.test")
	now := w.raft.Now()
	w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now})
	w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now, Connection: w.connection.ID, Layer: identity.LayerRefreshToken})
	w.logIn(identity.SessionInput{User: bob.ID, AuthNanos: now, Actor: ann.ID})
	kept := w.logIn(identity.SessionInput{User: bob.ID, AuthNanos: now})
	caller := w.revoker(nil)
	q := identity.RevocationRequest{Subject: bySub(issuer, "00u1"), Once: "jti-1", Body: []byte("a")}
	ctx := identity.WithRequestID(t.Context(), "request-1")
	done, err := caller.Revoke(ctx, q)
	if err != nil || done.Sessions != 3 {
		t.Fatalf("ended %d, %v", done.Sessions, err)
	}
	w.wantLive(identity.SessionFilter{}, kept.ID)
	_, err = w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: ann.ID, AuthNanos: now})
	wantRefused(t, err, identity.RefusedReauthenticate)
	rows := w.auditBodies()
	row := rows[len(rows)-1]
	for _, part := range []string{`"principal_kind":"gtr","principal_name":"` + w.connection.ID + `"`, `"request":"request-1"`,
		`"action":"gtr.revoke"`, `"resource":"` + ann.ID + `"`} {
		if row.Version != done.Receipt.Revision || !contains(row.Body, part) {
			t.Errorf("at %d: %s has no %s", row.Version, row.Body, part)
		}
	}

	// The same again is answered as before, and logs nobody out who has logged in since.
	back := w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: w.raft.Now()})
	again, err := caller.Revoke(t.Context(), q)
	if err != nil || !again.Receipt.Repeated || again.Receipt.Revision != done.Receipt.Revision {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	w.wantLive(identity.SessionFilter{}, kept.ID, back.ID)
	q.Body = []byte("b")
	if _, err := caller.Revoke(t.Context(), q); !errors.Is(err, identity.ErrReplayed) {
		t.Errorf("another body: %v", err)
	}
	// What named nobody does not stand for what names somebody.
	q = identity.RevocationRequest{Subject: byID("00u3"), Once: "jti-2", Body: []byte("c")}
	for range 2 {
		if _, err := caller.Revoke(t.Context(), q); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
	}
	w.person("cid", "00u3", "cid@acme.test")
	if _, err := caller.Revoke(t.Context(), q); !errors.Is(err, identity.ErrReplayed) {
		t.Errorf("somebody by then: %v", err)
	}
	w.wantLive(identity.SessionFilter{}, kept.ID, back.ID)
	w.wantVerified()
}

// A person whom an operator protects stays logged in; others of the same e-mail do not.
func TestRevocationProtected(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.person("ann", "00u1", "one@acme.test"), w.person("bob", "00u2", "one@acme.test")
	kept := w.logIn(identity.SessionInput{User: ann.ID})
	w.logIn(identity.SessionInput{User: bob.ID})
	caller := w.revoker(func(r *identity.Revoker) { r.Protected = []string{ann.ID} })
	done, err := caller.Revoke(t.Context(), identity.RevocationRequest{Subject: byEmail("one@acme.test")})
	if !errors.Is(err, identity.ErrProtected) || !slices.Equal(done.People, []string{bob.ID}) {
		t.Errorf("got %+v, %v", done, err)
	}
	if _, err := caller.Revoke(t.Context(), identity.RevocationRequest{Subject: byID(ann.ID)}); !errors.Is(err, identity.ErrProtected) {
		t.Errorf("got %v", err)
	}
	w.wantLive(identity.SessionFilter{}, kept.ID)
}

// IDENTITY g.0 rule 11: a connection that is paused takes revocations. One that was turned off, whose keys were
// changed meanwhile, or that is gone does not.
func TestRevocationStates(t *testing.T) {
	w := newWorld(t)
	w.person("ann", "00u1", "ann@acme.test")
	q := identity.RevocationRequest{Subject: byID("00u1")}
	none, err := w.service.RevokerOf(t.Context(), w.connection.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Revoke(t.Context(), q); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("nothing was set: %v", err)
	}
	caller := w.revoker(nil)
	must(t)(w.service.PauseConnection(w.ctx(), store, w.connection.ID, "test"))
	must(t)(caller.Revoke(t.Context(), q))
	off := w.revoker(func(r *identity.Revoker) { r.Off = true })
	if _, err := off.Revoke(t.Context(), q); !errors.Is(err, identity.ErrRevocationOff) || !errors.Is(off.Allow(), identity.ErrRevocationOff) {
		t.Errorf("off: %v", err)
	}
	if _, err := caller.Revoke(t.Context(), q); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("changed meanwhile: %v", err)
	}
	caller = w.revoker(nil)
	if _, err := w.service.DeleteConnection(w.ctx(), store, w.connection.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := caller.Revoke(t.Context(), q); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("deleted: %v", err)
	}
	if left := append(w.documents("revoker"), w.documents("revoker-use")...); len(left) > 0 {
		t.Errorf("left of the connection: %q", left)
	}
}

// IDENTITY GTR-10: a token is for revocations, or for something else.
func TestRevocationToken(t *testing.T) {
	w := newWorld(t)
	w.person("ann", "00u1", "ann@acme.test")
	ask := func(connection, text string) error {
		_, err := w.service.RevocationToken(t.Context(), connection, text)
		return err
	}
	made, text, err := w.service.CreateToken(w.ctx(), store, w.connection.ID, identity.Token{Name: "SOAR", Scopes: []identity.Scope{identity.ScopeRevoke}})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := w.service.RevocationToken(t.Context(), w.connection.ID, text)
	if err != nil {
		t.Fatal(err)
	}
	must(t)(caller.Revoke(t.Context(), identity.RevocationRequest{Subject: byID("00u1")}))
	if _, dir, err := w.service.Directory(t.Context(), w.connection.ID, "Bearer "+text); err == nil && dir.Allow(identity.ScopeUsersRead) == nil {
		t.Error("the token reads users")
	}
	_, all, err := w.service.CreateToken(w.ctx(), store, w.connection.ID, identity.Token{Name: "SCIM"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(w.connection.ID, all); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a token of all other scopes: %v", err)
	}
	if err := ask(w.connect("acme").ID, text); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("at another connection: %v", err)
	}
	must(t)(w.service.RevokeToken(w.ctx(), store, w.connection.ID, made.ID))
	if err := ask(w.connection.ID, text); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("after its end: %v", err)
	}
	if _, err := caller.Revoke(context.WithoutCancel(t.Context()), identity.RevocationRequest{Subject: byID("00u1")}); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("under way at its end: %v", err)
	}
	mixed := identity.Token{Name: "both", Scopes: []identity.Scope{identity.ScopeRevoke, identity.ScopeUsersRead}}
	if _, _, err := w.service.CreateToken(w.ctx(), store, w.connection.ID, mixed); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("mixed scopes: %v", err)
	}
}
