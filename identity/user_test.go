package identity_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func (w *world) setActive(id string, active bool) identity.User {
	w.t.Helper()
	ctx, d := w.directory()
	u, err := d.ChangeUser(ctx, id, 0, func(u identity.User) (identity.UserInput, error) {
		u.Active = active
		return u.UserInput, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// IDENTITY g.4: what becomes of a person's tuples from the first request to the last.
func TestUserLife(t *testing.T) {
	w := newWorld(t)
	u := w.user("Ann@acme.test")
	c := w.connection.ID
	member := fmt.Sprintf("organization:acme#directory_member@user:%s by scim:%s/%s/user", u.ID, c, u.ID)
	enabled := fmt.Sprintf("organization:acme#enabled@user:%s by scim:%s/%s/active", u.ID, c, u.ID)
	w.wantTuples(member, enabled)
	if !w.gate(u.ID).IsOpen() {
		t.Error("the gate of an active person is not open")
	}
	// An application's grant and a session, which deactivation ends. An application's membership stays.
	grant := ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: u.ID}}
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{
		{Op: ostiary.TupleCreate, Store: store, Tuple: grant, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}},
	}})
	must(t)(w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: u.ID}))

	before := w.revision()
	w.setActive(u.ID, false)
	if after := w.revision(); after != before+1 {
		t.Errorf("deactivation took %d revisions", after-before)
	}
	w.wantTuples(member, "doc:1#viewer@user:"+u.ID+" by api")
	if g := w.gate(u.ID); !g.Closed("acme") || !g.Closed("") || g.Closed("other") || g.Deleted {
		t.Errorf("the gate of a disabled person is %+v", g)
	}
	before = w.revision()
	w.setActive(u.ID, false)
	if after := w.revision(); after != before {
		t.Error("deactivating again made a revision")
	}
	if u := w.setActive(u.ID, true); !u.Active {
		t.Error("the person is not active")
	}
	w.wantTuples(member, enabled, "doc:1#viewer@user:"+u.ID+" by api")
	if !w.gate(u.ID).IsOpen() {
		t.Error("the gate of a person who is active again is not open")
	}

	ctx, d := w.directory()
	if _, err := d.DeleteUser(ctx, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.wantTuples()
	if g := w.gate(u.ID); !g.Deleted || !g.Closed("") || !g.Closed("acme") || !g.Closed("other") {
		t.Errorf("the gate of a deleted person is %+v", g)
	}
	if _, err := d.DeleteUser(ctx, u.ID, 0); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("deleting again: %v", err)
	}
}

// A person deleted and created again under the same name is another one. IDENTITY g.2.
func TestRecreatedUserInheritsNothing(t *testing.T) {
	w := newWorld(t)
	first := w.user("ann")
	ctx, d := w.directory()
	if _, err := d.DeleteUser(ctx, first.ID, 0); err != nil {
		t.Fatal(err)
	}
	second := w.user("ann")
	if first.ID == second.ID {
		t.Fatal("the id was given again")
	}
	for _, tuple := range w.tuples() {
		if strings.Contains(tuple, first.ID) {
			t.Errorf("%s is left", tuple)
		}
	}
	if !w.gate(first.ID).Deleted || !w.gate(second.ID).IsOpen() {
		t.Errorf("gates: first %+v, second %+v", w.gate(first.ID), w.gate(second.ID))
	}
}

func TestUserNamesAreUnique(t *testing.T) {
	w := newWorld(t)
	u := w.user("Straße@acme.test")
	ctx, d := w.directory()
	other, err := d.CreateUser(ctx, identity.UserInput{UserName: "bob", ExternalID: "7", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	rename := func(in identity.UserInput) error {
		_, err := d.ChangeUser(ctx, other.ID, 0, func(identity.User) (identity.UserInput, error) { return in, nil })
		return err
	}
	if _, err := d.CreateUser(ctx, identity.UserInput{UserName: "STRASSE@ACME.TEST"}); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("created under a name that is taken: %v", err)
	}
	if _, err := d.CreateUser(ctx, identity.UserInput{UserName: "carl", ExternalID: "7"}); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("created under an external id that is taken: %v", err)
	}
	if err := rename(identity.UserInput{UserName: "strasse@acme.test", ExternalID: "7"}); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("renamed to a name that is taken: %v", err)
	}
	if err := rename(identity.UserInput{UserName: "Bob", ExternalID: "8", Emails: []string{"b@acme.test", "B@acme.test"}}); err != nil {
		t.Errorf("renamed to another case of the same name: %v", err)
	}
	v, err := d.View(ctx, ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	finds := []struct {
		key   identity.Key
		value string
		want  string
	}{
		{identity.KeyUserName, "strasse@ACME.test", u.ID}, {identity.KeyUserName, "BOB", other.ID}, {identity.KeyUserName, "carl", ""},
		{identity.KeyExternalID, "8", other.ID}, {identity.KeyExternalID, "7", ""},
		{identity.KeyEmail, "b@ACME.test", other.ID}, {identity.KeyEmail, "c@acme.test", ""},
	}
	for _, f := range finds {
		users, err := v.UsersBy(ctx, f.key, f.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(users); got > 1 || got == 1 != (f.want != "") || got == 1 && users[0].ID != f.want {
			t.Errorf("%s %q: got %v, want %q", f.key, f.value, users, f.want)
		}
	}
	// Another connection has names of its own.
	second := w.connect("acme")
	ctx2, d2 := w.directoryOf(second.ID, w.token(second.ID))
	if _, err := d2.CreateUser(ctx2, identity.UserInput{UserName: "bob"}); err != nil {
		t.Errorf("the same name by another connection: %v", err)
	}
	if _, err := v.User(ctx2, "u00000000000000000000000000"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("an unknown user: %v", err)
	}
}

// Names, e-mails and whatever else is said of a person lie nowhere in clear, and are gone once the person
// is, also for views of older revisions. IDENTITY g.0 rule 13.
func TestPersonalDataIsSealed(t *testing.T) {
	w := newWorld(t)
	ctx, d := w.directory()
	const name, email, external, body = "Ann.Secretname", "ann@secret.test", "secret-external", `{"x":"secret-body"}`
	u, err := d.CreateUser(ctx, identity.UserInput{UserName: name, ExternalID: external, Emails: []string{email}, Active: true, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	read := func(at ostiary.Revision) (identity.User, error) {
		t.Helper()
		v, err := d.View(ctx, ostiary.Freshness{At: at})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		return v.User(ctx, u.ID)
	}
	there := w.revision()
	got, err := read(there)
	if err != nil || got.UserName != name || got.ExternalID != external || got.Emails[0] != email || string(got.Body) != body {
		t.Fatalf("got %+v, %v", got, err)
	}
	v := w.view()
	for _, collection := range []string{"user/" + w.connection.ID, "link/" + w.connection.ID, "shred/user/" + store, "gate/" + store} {
		docs, err := v.Documents(collection, "", 100, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			for _, secret := range []string{name, strings.ToLower(name), email, external, "secret-body"} {
				if bytes.Contains(doc.Body, []byte(secret)) || strings.Contains(doc.Key.Key, secret) {
					t.Errorf("%q shows %q", doc.Key, secret)
				}
			}
		}
	}
	if _, err := d.DeleteUser(ctx, u.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := read(there); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("a view of before the deletion shows the person: %v", err)
	}
	for _, collection := range []string{"user/" + w.connection.ID, "link/" + w.connection.ID, "shred/user/" + store} {
		if n, err := w.view().CountDocuments(collection); err != nil || n != 0 {
			t.Errorf("%s holds %d documents, %v", collection, n, err)
		}
	}
}

func TestUserVersions(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	ctx, d := w.directory()
	change := func(version ostiary.Revision, name string) (identity.User, error) {
		return d.ChangeUser(ctx, u.ID, version, func(u identity.User) (identity.UserInput, error) {
			u.UserName = name
			return u.UserInput, nil
		})
	}
	second, err := change(u.Version, "bob")
	if err != nil || second.Version <= u.Version || second.UserName != "bob" {
		t.Fatalf("got %+v, %v", second, err)
	}
	if _, err := change(u.Version, "carl"); !errors.Is(err, ostiary.ErrPrecondition) {
		t.Errorf("changed at an old version: %v", err)
	}
	if _, err := d.DeleteUser(ctx, u.ID, u.Version); !errors.Is(err, ostiary.ErrPrecondition) {
		t.Errorf("deleted at an old version: %v", err)
	}
	if same, err := change(second.Version, "bob"); err != nil || same.Version != second.Version {
		t.Errorf("a change of nothing: %+v, %v", same, err)
	}
	if _, err := change(0, " "); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("an empty name: %v", err)
	}
	refusal := errors.New("no")
	_, err = d.ChangeUser(ctx, u.ID, 0, func(identity.User) (identity.UserInput, error) { return identity.UserInput{}, refusal })
	if !errors.Is(err, refusal) {
		t.Errorf("a refused change: %v", err)
	}
}

// Roles that are taken away leave those that others have assigned, each attribute for itself. IDENTITY g.0
// rules 5 and 6.
func TestRoles(t *testing.T) {
	w := newWorld(t)
	role, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "admin-of-books", Display: "Books"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "admin-of-books"}); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("the same value twice: %v", err)
	}
	entitlement, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Entitlement: true, Value: "seat"})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	foreign, err := w.service.CreateRole(w.ctx(), store, "other", identity.Role{Value: "foreign"})
	if err != nil {
		t.Fatal(err)
	}
	u := w.user("ann")
	ctx, d := w.directory()
	set := func(roles, entitlements []string) error {
		_, err := d.ChangeUser(ctx, u.ID, 0, func(u identity.User) (identity.UserInput, error) {
			u.Roles, u.Entitlements = roles, entitlements
			return u.UserInput, nil
		})
		return err
	}
	if err := set([]string{"admin-of-books", role.ID}, []string{"seat"}); err != nil {
		t.Fatal(err)
	}
	c := w.connection.ID
	fixed := []string{
		fmt.Sprintf("organization:acme#directory_member@user:%s by scim:%s/%s/user", u.ID, c, u.ID),
		fmt.Sprintf("organization:acme#enabled@user:%s by scim:%s/%s/active", u.ID, c, u.ID),
		fmt.Sprintf("role:acme/%s#organization@organization:acme by org:acme/%s", role.ID, role.ID),
		fmt.Sprintf("entitlement:acme/%s#organization@organization:acme by org:acme/%s", entitlement.ID, entitlement.ID),
		fmt.Sprintf("role:other/%s#organization@organization:other by org:other/%s", foreign.ID, foreign.ID),
	}
	assigned := fmt.Sprintf("role:acme/%s#direct@user:%s by scim:%s/%s/roles/%s", role.ID, u.ID, c, u.ID, role.ID)
	held := fmt.Sprintf("entitlement:acme/%s#direct@user:%s by scim:%s/%s/entitlements/%s", entitlement.ID, u.ID, c, u.ID, entitlement.ID)
	w.wantTuples(append(fixed, assigned, held)...)
	before := w.revision()
	for _, wrong := range [][]string{{foreign.ID}, {"foreign"}, {"owner"}, {"admin"}, {entitlement.ID}, {"acme/" + role.ID}} {
		if err := set(wrong, nil); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("roles %v: %v", wrong, err)
		}
	}
	if w.revision() != before {
		t.Error("a refused assignment changed something")
	}
	if err := set(nil, []string{entitlement.ID}); err != nil {
		t.Fatal(err)
	}
	w.wantTuples(append(fixed, held)...)
}
