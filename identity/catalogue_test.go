package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/identity"
)

// editors lets entitlements be assigned that are the relation editor of workspaces, and readers of two types.
func editors() *gate.Mapping {
	return &gate.Mapping{Names: *gate.Default(), Assignable: []gate.Assignable{
		{Kind: gate.KindEntitlement, Type: "workspace", Relation: "editor", TypeLabel: "Workspace role", Label: "Editor"},
		{Kind: gate.KindEntitlement, Type: "workspace", Relation: "reader", TypeLabel: "Workspace role", Label: "Reader"},
		{Kind: gate.KindEntitlement, Type: "board", Relation: "reader", TypeLabel: "Board", Label: "Reader"},
		{Kind: gate.KindRole, Type: "workspace", Relation: "editor", TypeLabel: "Workspace role", Label: "Editor"},
	}}
}

// newAssigningWorld is newWorld with a mapping and the workspaces w1 and w2 of acme.
func newAssigningWorld(t *testing.T) *world {
	w := newWorld(t)
	must(t)(w.service.SetMapping(w.ctx(), store, editors()))
	w.write("workspace:w1#organization@organization:acme", "workspace:w2#organization@organization:acme")
	return w
}

// apply changes tuples of the application's owner.
func (w *world) apply(op ostiary.TupleOp, tuples ...string) {
	w.t.Helper()
	m := &ostiary.Mutation{}
	for _, text := range tuples {
		u, err := ostiary.ParseTuple(text)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: op, Store: store, Tuple: u, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}})
	}
	w.propose(m)
}

// give makes entitlements all that a person has.
func (w *world) give(user string, entitlements ...string) (identity.User, error) {
	w.t.Helper()
	ctx, d := w.directory()
	return d.ChangeUser(ctx, user, 0, func(u identity.User) (identity.UserInput, error) {
		u.Entitlements = entitlements
		return u.UserInput, nil
	})
}

// of returns the tuples of a person that are not of identity, with their owners, sorted.
func (w *world) of(user string) []string {
	w.t.Helper()
	return slices.DeleteFunc(w.tuples(), func(text string) bool {
		return !strings.Contains(text, "@user:"+user+" ") || strings.HasPrefix(text, "organization:")
	})
}

func (w *world) wantOf(user string, want ...string) {
	w.t.Helper()
	if got := w.of(user); !slices.Equal(got, want) {
		w.t.Errorf("tuples of %s: got %q, want %q", user, got, want)
	}
}

func (w *world) findings() []string {
	w.t.Helper()
	found, err := w.service.Verify(w.ctx(), store, "acme")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, f := range found.Findings {
		all = append(all, f.Subject+": "+f.Reason)
	}
	return all
}

// catalogue lists the values, one after the other by the id before.
func (w *world) catalogue(entitlement bool) []string {
	w.t.Helper()
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	k, err := v.Catalogue()
	if err != nil {
		w.t.Fatal(err)
	}
	var values []string
	for after := ""; ; {
		last := after
		for r, err := range k.All(ctx, entitlement, after) {
			if err != nil {
				w.t.Fatal(err)
			}
			found, ok, err := k.Find(ctx, entitlement, r.ID)
			if err != nil || !ok || found != r || k.Describe(r.ID) != r {
				w.t.Errorf("%+v: found by its id %+v, %v, %v", r, found, ok, err)
			}
			values, last = append(values, r.Value), r.ID
			break
		}
		if last == after {
			return values
		}
		after = last
	}
}

func TestCatalogue(t *testing.T) {
	w := newAssigningWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	must(t)(w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "seat", Entitlement: true, Type: "Licence"}))
	must(t)(w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "clerk"}))
	w.write("board:b#organization@organization:acme", "workspace:a/b%/ü+1#organization@organization:acme", // any id
		"workspace:w3#organization@organization:other",                                                // another's
		"workspace:w4#organization@organization:acme", "workspace:w4#organization@organization:other", // of two
		"folder:f#organization@organization:acme", // not in the mapping
		"workspace:w5#editor@user:ann")            // of none
	u, err := ostiary.ParseTuple("workspace:w6#organization@organization:acme")
	if err != nil {
		t.Fatal(err)
	}
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleTouch, Store: store, Tuple: u,
		Grant: ostiary.Grant{Owner: ostiary.OwnerAPI, ExpiryNanos: 1 << 62}}}}) // for a time
	want := []string{"seat", "board:b#reader", "workspace:a/b%/ü+1#editor", "workspace:a/b%/ü+1#reader",
		"workspace:w1#editor", "workspace:w1#reader", "workspace:w2#editor", "workspace:w2#reader"}
	if got := w.catalogue(true); !slices.Equal(got, want) {
		t.Errorf("entitlements: got %q, want %q", got, want)
	}
	want = []string{"clerk", "workspace:a/b%/ü+1#editor", "workspace:w1#editor", "workspace:w2#editor"}
	if got := w.catalogue(false); !slices.Equal(got, want) {
		t.Errorf("roles: got %q, want %q", got, want)
	}
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	k, err := v.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Types(true); !slices.Equal(got, []string{"Board", "Licence", "Workspace role"}) {
		t.Errorf("types of entitlements: %q", got)
	}
	if got := k.Types(false); !slices.Equal(got, []string{"Workspace role"}) {
		t.Errorf("types of roles: %q", got)
	}
	r, ok, err := k.Find(ctx, true, "workspace:w1#editor")
	wantRole := identity.Role{ID: "med29ya3NwYWNlOncxI2VkaXRvcg", Entitlement: true, Value: "workspace:w1#editor",
		Display: "Editor (w1)", Type: "Workspace role", Description: "The relation editor of workspace:w1."}
	if err != nil || !ok || r != wantRole {
		t.Errorf("got %+v, %v, %v, want %+v", r, ok, err, wantRole)
	}
	for _, value := range []string{"workspace:w1#editor", r.ID} {
		if _, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: value}); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("a role of the value %s: got %v", value, err)
		}
	}
}

func TestAssign(t *testing.T) {
	w := newAssigningWorld(t)
	ann := w.user("ann")
	by := func(attribute, id string) string {
		return " by scim:" + w.connection.ID + "/" + ann.ID + "/" + attribute + "/" + id
	}
	const w1e, w2e, w1role = "med29ya3NwYWNlOncxI2VkaXRvcg", "med29ya3NwYWNlOncyI2VkaXRvcg", "mrd29ya3NwYWNlOncxI2VkaXRvcg"
	e1 := "workspace:w1#editor@user:" + ann.ID + by("entitlements", w1e)
	e2 := "workspace:w2#editor@user:" + ann.ID + by("entitlements", w2e)
	u, err := w.give(ann.ID, "workspace:w1#editor", w2e, w1e)
	if err != nil || !slices.Equal(u.Entitlements, []string{w1e, w2e}) {
		t.Fatalf("got %q, %v", u.Entitlements, err)
	}
	w.wantOf(ann.ID, e1, e2)

	// The same tuple as a role, and as the application's, belongs to each. IDENTITY g.0, rule 5.
	ctx, d := w.directory()
	must(t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
		u.Roles, u.Entitlements = []string{"workspace:w1#editor"}, []string{w1e}
		return u.UserInput, nil
	}))
	w.write("workspace:w1#editor@user:" + ann.ID)
	both := []string{"workspace:w1#editor@user:" + ann.ID + " by api", e1, "workspace:w1#editor@user:" + ann.ID + by("roles", w1role)}
	w.wantOf(ann.ID, both...)
	must(t)(w.give(ann.ID))
	w.wantOf(ann.ID, both[0], both[2])
	if found := w.findings(); len(found) > 0 {
		t.Errorf("findings %q", found)
	}

	// Deactivation keeps what was given, and so does what changes nothing.
	must(t)(w.give(ann.ID, w2e))
	before := w.revision()
	must(t)(w.give(ann.ID, w2e))
	if w.revision() != before {
		t.Error("giving again what was given made a revision")
	}
	w.setActive(ann.ID, false)
	if got := w.of(ann.ID); len(got) != 3 {
		t.Errorf("after deactivation %q", got)
	}
	must(t)(d.DeleteUser(ctx, ann.ID, 0))
	w.wantOf(ann.ID)

	created, err := d.CreateUser(ctx, identity.UserInput{UserName: "bob", Active: true, Entitlements: []string{"workspace:w2#editor"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.of(created.ID); len(got) != 1 {
		t.Errorf("of a new person %q", got)
	}
}

// No escalation by assignment: whatever is named that the catalogue does not hold is refused, and nothing
// changes. IDENTITY g.0, rule 6.
func TestAssignRefusals(t *testing.T) {
	w := newAssigningWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	role, err := w.service.CreateRole(w.ctx(), store, "other", identity.Role{Value: "clerk", Entitlement: true})
	if err != nil {
		t.Fatal(err)
	}
	w.write("workspace:w3#organization@organization:other", "workspace:w4#organization@organization:acme",
		"workspace:w4#organization@organization:other", "workspace:w5#owner@user:ann")
	ann := w.user("ann")
	ctx, d := w.directory()
	id := func(value string) string { // as the server makes it
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		var b strings.Builder
		b.WriteString("me")
		for bits, n, rest := 0, 0, []byte(value); len(rest) > 0 || n > 0; {
			for n < 6 && len(rest) > 0 {
				bits, n, rest = bits<<8|int(rest[0]), n+8, rest[1:]
			}
			if n < 6 {
				bits, n = bits<<(6-n), 6
			}
			b.WriteByte(digits[bits>>(n-6)&63])
			n -= 6
		}
		return b.String()
	}
	if got := id("workspace:w1#editor"); got != "med29ya3NwYWNlOncxI2VkaXRvcg" {
		t.Fatalf("the test makes the id %s", got)
	}
	before := w.revision()
	for _, name := range []string{
		"workspace:w3#editor", "workspace:w4#editor", "workspace:w5#editor", "workspace:none#editor", // not acme's
		"workspace:w1#owner", "workspace:w1#admin", "workspace:w1#viewer", "workspace:w1#organization", // not assignable
		"organization:acme#owner", "organization:acme#admin", "organization:acme#enabled", "organization:acme#directory_member",
		"workspace:w1", "workspace:w1#editor@user:x", "workspace:*#editor", "workspace:w1#editor ", " workspace:w1#editor", "Workspace:w1#editor",
		"board:w1#editor", "#", "me", "me!", "mr", role.ID, role.Value, "entitlement:other/" + role.ID,
		id("workspace:w3#editor"), id("workspace:w1#owner"), id("organization:acme#owner"), id("workspace:w1"), id(""), id("\x00"),
		id("workspace:w1#editor") + "=", id("workspace:w1#editor") + "A", "mr" + id("workspace:w1#editor")[2:],
		strings.Repeat("a", 2000),
	} {
		if _, err := w.give(ann.ID, name); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%q: got %v, want it refused as invalid", name, err)
		}
	}
	_, err = d.CreateUser(ctx, identity.UserInput{UserName: "bob", Active: true, Entitlements: []string{"workspace:w1#editor", "workspace:w3#editor"}})
	if !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("of a new person: got %v, want it refused as invalid", err)
	}
	if w.revision() != before {
		t.Error("something has changed")
	}
	w.wantOf(ann.ID)
}

// An object that leaves the organization while it is assigned is refused; the proposer's view was older.
func TestAssignWhileObjectMoves(t *testing.T) {
	w := newAssigningWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	ann := w.user("ann")
	for i, move := range []func(){
		func() { w.apply(ostiary.TupleDelete, "workspace:w1#organization@organization:acme") },
		func() { w.write("workspace:w2#organization@organization:other") },
		func() {
			mapping := editors()
			mapping.Assignable = mapping.Assignable[1:]
			must(t)(w.service.SetMapping(w.ctx(), store, mapping))
		},
	} {
		value := fmt.Sprintf("workspace:w%d#editor", i+1)
		if i == 2 {
			w.write("workspace:w3#organization@organization:acme")
		}
		service := w.meddled(move)
		ctx, d, err := service.Directory(t.Context(), w.connection.ID, w.bearer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
			u.Entitlements = []string{value}
			return u.UserInput, nil
		})
		if !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("move %d: got %v, want it refused as invalid", i, err)
		}
	}
	w.wantOf(ann.ID)
}

// What a person has and the organization cannot give any more is found by Verify, and taken away by whatever
// change of the person comes next. It never stands in the way of one.
func TestAssignedObjectLeaves(t *testing.T) {
	w := newAssigningWorld(t)
	ann, bob := w.user("ann"), w.user("bob")
	must(t)(w.give(ann.ID, "workspace:w1#editor", "workspace:w2#editor"))
	must(t)(w.give(bob.ID, "workspace:w1#editor"))
	w.apply(ostiary.TupleDelete, "workspace:w1#organization@organization:acme")
	want := []string{"user " + ann.ID + ": was given workspace:w1#editor, which is not the organization's to give any more; the next change of the user takes it away",
		"user " + bob.ID + ": was given workspace:w1#editor, which is not the organization's to give any more; the next change of the user takes it away"}
	if got := w.findings(); !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
	ctx, d := w.directory()
	u, err := d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
		u.UserName = "anna" // and everything else as it is
		return u.UserInput, nil
	})
	if err != nil || len(u.Entitlements) != 1 {
		t.Fatalf("got %+v, %v", u, err)
	}
	if got := w.of(ann.ID); len(got) != 1 || !strings.HasPrefix(got[0], "workspace:w2#editor@") {
		t.Errorf("after another change %q", got)
	}
	// A provider that names by value what the person has is not refused; what the person has not, is.
	must(t)(w.give(bob.ID, "workspace:w1#editor"))
	w.wantOf(bob.ID)
	if _, err := w.give(bob.ID, "workspace:w1#editor"); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("named again: got %v", err)
	}
	// Nothing that is said of entitlements keeps in whom the request deactivates.
	u, err = d.ChangeUser(ctx, bob.ID, 0, func(u identity.User) (identity.UserInput, error) {
		u.Active, u.Entitlements = false, []string{"workspace:w1#editor", "nonsense", "workspace:w2#editor"}
		return u.UserInput, nil
	})
	if err != nil || u.Active || !slices.Equal(u.Entitlements, []string{"med29ya3NwYWNlOncyI2VkaXRvcg"}) {
		t.Errorf("deactivated: got %+v, %v", u, err)
	}
	if g := w.gate(bob.ID); !g.Closed("acme") {
		t.Errorf("the gate is %+v", g)
	}
	if got := w.findings(); len(got) > 0 {
		t.Errorf("findings %q", got)
	}
	// The same for a relation that the mapping drops.
	must(t)(w.service.SetMapping(w.ctx(), store, &gate.Mapping{Names: *gate.Default()}))
	if got := w.findings(); len(got) != 2 {
		t.Errorf("findings %q, want one for each person", got)
	}
	must(t)(w.give(ann.ID, "workspace:w2#editor"))
	w.wantOf(ann.ID)
}

// Verify finds what a connection owns of the application's tuples and no resource says, and what a connection
// left that is gone.
func TestVerifyAssignments(t *testing.T) {
	w := newAssigningWorld(t)
	ann := w.user("ann")
	must(t)(w.give(ann.ID, "workspace:w1#editor"))
	owner := "scim:" + w.connection.ID + "/" + ann.ID + "/entitlements/mex"
	change := func(op ostiary.TupleOp, text, owner string) {
		u, err := ostiary.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: op, Store: store, Tuple: u, Grant: ostiary.Grant{Owner: owner}}}})
	}
	one, two := "workspace:w1#editor@user:"+ann.ID, "workspace:w2#editor@user:"+ann.ID
	change(ostiary.TupleTouch, two, owner)
	change(ostiary.TupleTouch, two, "scim:c00000000000000000000000000/x/entitlements/y")
	change(ostiary.TupleRelease, one, "scim:"+w.connection.ID+"/"+ann.ID+"/entitlements/med29ya3NwYWNlOncxI2VkaXRvcg")
	want := []string{
		two + " of scim:c00000000000000000000000000/x/entitlements/y: its connection is gone",
		two + " of " + owner + ": no resource says so",
		one + " of scim:" + w.connection.ID + "/" + ann.ID + "/entitlements/med29ya3NwYWNlOncxI2VkaXRvcg: a resource says so, and it is not there",
	}
	if got := w.findings(); !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
}

// In a store whose model calls the parts otherwise, assignments stand in the model's names.
func TestAssignRenamed(t *testing.T) {
	w := newEmptyWorld(t)
	mapping := renamed()
	mapping.Assignable = []gate.Assignable{
		{Kind: gate.KindEntitlement, Type: "workspace", Relation: "editor", TypeLabel: "Workspace role", Label: "Editor"},
		{Kind: gate.KindEntitlement, Type: "group", Relation: "organization", TypeLabel: "Group", Label: "Organizer"}, // no parts here
	}
	must(t)(w.service.SetMapping(w.ctx(), store, mapping))
	w.begin()
	w.write("workspace:w1#tenant@tenant:acme", "workspace:w2#organization@tenant:acme", "group:g1#tenant@tenant:acme")
	if got := w.catalogue(true); !slices.Equal(got, []string{"group:g1#organization", "workspace:w1#editor"}) {
		t.Errorf("got %q", got)
	}
	ann := w.user("ann")
	must(t)(w.give(ann.ID, "workspace:w1#editor", "group:g1#organization"))
	var got []string
	for _, text := range w.tuples() {
		if strings.HasPrefix(text, "workspace:w1#editor@person:") || strings.HasPrefix(text, "group:g1#organization@person:") {
			got = append(got, text)
		}
	}
	if len(got) != 2 {
		t.Errorf("got %q of %q", got, w.tuples())
	}
	if found := w.findings(); len(found) > 0 {
		t.Errorf("findings %q", found)
	}
	if _, err := w.give(ann.ID, "workspace:w2#editor"); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a workspace that has no tenant: got %v", err)
	}
	must(t)(w.give(ann.ID))
	for _, text := range w.tuples() {
		if strings.Contains(text, "/entitlements/") {
			t.Errorf("%s is left", text)
		}
	}
}

// A list of more objects than it may read ends with an error, and what lies beyond is found by value.
func TestCatalogueIsBounded(t *testing.T) {
	w := newAssigningWorld(t)
	w.write("workspace:w3#organization@organization:acme")
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	k, err := v.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	k.Bound(2)
	if n, err := count(ctx, k); n != 4 || !errors.Is(err, ostiary.ErrTooBroad) {
		t.Errorf("got %d, %v", n, err)
	}
	if _, found, err := k.Find(ctx, true, "workspace:w3#reader"); err != nil || !found {
		t.Errorf("got %v, %v", found, err)
	}
}

func count(ctx context.Context, k *identity.Catalogue) (n int, err error) {
	for _, err := range k.All(ctx, true, "") {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
