package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/identity"
)

// renamed are the names of a model with tenants and teams, and without roles, entitlements and sessions.
func renamed() *gate.Mapping {
	return &gate.Mapping{Names: gate.Names{
		User:           "person",
		Organization:   gate.OrganizationNames{Type: "tenant", Enabled: "active", DirectoryMember: "listed", Member: "member"},
		Group:          gate.GroupNames{Type: "team", Organization: "tenant", Assigned: "listed", Member: "member"},
		InOrganization: "tenant",
	}}
}

// newRenamedWorld is newWorld in a store with renamed names. Before there is an organization they may be set
// to anything.
func newRenamedWorld(t *testing.T) *world {
	w := newEmptyWorld(t)
	must(t)(w.service.SetMapping(w.ctx(), store, renamed()))
	w.begin()
	return w
}

func TestIdentityIsWrittenInTheModelsNames(t *testing.T) {
	w := newRenamedWorld(t)
	ann, bob := w.user("ann"), w.user("bob")
	inner := w.group("Inner", bob.ID)
	outer := w.group("Outer", ann.ID, inner.ID)
	c := w.connection.ID
	by := func(resource, attribute string) string { return " by scim:" + c + "/" + resource + "/" + attribute }
	team := func(id string) string { return "team:acme/" + id }
	always := []string{
		"tenant:acme#listed@person:" + ann.ID + by(ann.ID, "user"), "tenant:acme#listed@person:" + bob.ID + by(bob.ID, "user"),
		"tenant:acme#active@person:" + bob.ID + by(bob.ID, "active"),
		team(inner.ID) + "#tenant@tenant:acme" + by(inner.ID, "organization"), team(outer.ID) + "#tenant@tenant:acme" + by(outer.ID, "organization"),
		team(inner.ID) + "#listed@person:" + bob.ID + by(inner.ID, "members"), team(outer.ID) + "#listed@person:" + ann.ID + by(outer.ID, "members"),
	}
	nested := team(outer.ID) + "#listed@" + team(inner.ID) + "#member" + by(outer.ID, "members")
	enabled := "tenant:acme#active@person:" + ann.ID + by(ann.ID, "active")
	w.wantTuples(append([]string{nested, enabled}, always...)...)

	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var members []string
	for m, err := range v.Members(ctx, outer.ID) {
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m.ID)
	}
	if len(members) != 2 || members[0] != inner.ID || members[1] != ann.ID {
		t.Errorf("members: got %v", members)
	}
	if of, err := v.GroupsOf(ctx, ann.ID); err != nil || len(of) != 1 || of[0].ID != outer.ID {
		t.Errorf("groups of a person: got %v, %v", of, err)
	}
	if has, err := v.HasMember(ctx, outer.ID, inner.ID); err != nil || !has {
		t.Errorf("a nested group: got %v, %v", has, err)
	}
	_, err = d.ChangeGroup(ctx, inner.ID, 0, func(g identity.Group) (identity.GroupChange, error) {
		return identity.GroupChange{GroupInput: g.GroupInput, Add: []string{outer.ID}}, nil
	})
	if !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a group in itself: got %v", err)
	}

	must(t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
		u.Active = false
		return u.UserInput, nil
	}))
	w.wantTuples(append([]string{nested}, always...)...)
	if standings, _, err := w.service.Standings(w.ctx(), store, bob.ID); err != nil || len(standings) != 1 || !standings[0].Member || !standings[0].Enabled {
		t.Errorf("standings: got %+v, %v", standings, err)
	}
	if found, err := w.service.Verify(w.ctx(), store, "acme"); err != nil || len(found.Findings) > 0 {
		t.Errorf("verify: got %v, %v", found.Findings, err)
	}
	// What names the store's things names them as its model does.
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: "api"},
		Tuple: mustParse(t, "tenant:acme#active@person:x")}}})
	if found, err := w.service.Verify(w.ctx(), store, "acme"); err != nil || len(found.Findings) != 1 ||
		found.Findings[0].Subject != "tenant:acme#active@person:x of api" {
		t.Errorf("verify: got %v, %v", found.Findings, err)
	}
}

func mustParse(t *testing.T, text string) ostiary.Tuple {
	t.Helper()
	tuple, err := ostiary.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return tuple
}

// Types of the application's that have the names of the module, or of a part that is left out, are not taken for
// its own, and are left alone.
func TestTheModulesNamesAreTheApplicationsWhereTheyMeanSomethingElse(t *testing.T) {
	w := newRenamedWorld(t)
	ann := w.user("ann")
	theirs := []string{"group:acme/g1#assigned@user:" + ann.ID, "role:acme/r1#direct@user:x", "organization:acme#enabled@user:x",
		"document:1#organization@organization:acme"}
	m := &ostiary.Mutation{}
	for _, text := range theirs {
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: "api"}, Tuple: mustParse(t, text)})
	}
	w.propose(m)
	if found, err := w.service.Verify(w.ctx(), store, "acme"); err != nil || len(found.Findings) > 0 {
		t.Errorf("verify: got %v, %v", found.Findings, err)
	}
	ctx, d := w.directory()
	if _, err := d.DeleteUser(ctx, ann.ID, 0); err != nil {
		t.Fatal(err)
	}
	for i := range theirs {
		theirs[i] += " by api"
	}
	w.wantTuples(theirs...)
}

// A store whose model has no roles, or no groups, refuses them.
func TestPartsThatAreLeftOut(t *testing.T) {
	w := newRenamedWorld(t)
	if _, err := w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "bookkeeper"}); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a role: got %v", err)
	}
	ctx, d := w.directory()
	w.user("bob")
	before := w.revision()
	_, err := d.CreateUser(ctx, identity.UserInput{UserName: "ann", Active: true, Roles: []string{"bookkeeper"}})
	if !errors.Is(err, ostiary.ErrTupleInvalid) || w.revision() != before {
		t.Errorf("an assignment: got %v", err)
	}
	without := renamed()
	without.Group = gate.GroupNames{}
	must(t)(w.service.SetMapping(w.ctx(), store, without))
	if _, err := d.CreateGroup(ctx, identity.GroupInput{DisplayName: "All"}, nil); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a group: got %v", err)
	}
}

// Once there are organizations, a mapping changes only where nothing that is stored would mean something else.
func TestAMappingChangesNoMeaning(t *testing.T) {
	w := newWorld(t)
	w.user("ann")
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: "api"},
		Tuple: mustParse(t, "job:1#holder@user:ann")}}})
	set := func(change func(m *gate.Mapping)) error {
		t.Helper()
		m, err := w.service.Mapping(w.ctx(), store)
		if err != nil {
			t.Fatal(err)
		}
		to := *m
		change(&to)
		_, err = w.service.SetMapping(w.ctx(), store, &to)
		return err
	}
	refused := func(part string, change func(m *gate.Mapping)) {
		t.Helper()
		if err := set(change); !errors.Is(err, ostiary.ErrExists) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v", part, err)
		}
	}
	accepted := func(change func(m *gate.Mapping)) {
		t.Helper()
		if err := set(change); err != nil {
			t.Error(err)
		}
	}
	refused("user", func(m *gate.Mapping) { m.User = "person" })
	refused("organization.type", func(m *gate.Mapping) { m.Organization.Type = "tenant" })
	refused("in_organization", func(m *gate.Mapping) { m.InOrganization = "tenant" })
	refused("organization:acme#enabled@user:", func(m *gate.Mapping) { m.Organization.Enabled = "active" })
	refused("job:1#holder@user:ann", func(m *gate.Mapping) { m.Role.Type = "job" })
	accepted(func(m *gate.Mapping) { m.Organization.Invited = "" })
	accepted(func(m *gate.Mapping) {
		m.Group = gate.GroupNames{Type: "team", Organization: "org", Assigned: "in", Member: "member"}
	})
	accepted(func(m *gate.Mapping) {
		m.Assignable = []gate.Assignable{{Kind: gate.KindRole, Type: "document", Relation: "editor"}}
	})
	accepted(func(m *gate.Mapping) { m.Role.Holder = "has" }) // in messages alone
	before := w.revision()
	accepted(func(*gate.Mapping) {})
	if w.revision() != before {
		t.Error("a mapping that changes nothing made a revision")
	}

	group := w.group("All")
	refused("team:acme/"+group.ID+"#org@organization:acme", func(m *gate.Mapping) { m.Group.Member = "people" })
	refused("team:acme/"+group.ID, func(m *gate.Mapping) { m.Group = gate.GroupNames{} })
	must(t)(w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "bookkeeper"}))
	refused("role:acme/", func(m *gate.Mapping) { m.Role = gate.AssignedNames{} })
	if _, err := w.service.SetMapping(w.ctx(), "other", renamed()); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("in a store that is not there: got %v", err)
	}
}

// The first organization is refused where the application has written what the mapping calls its relations.
func TestNoOrganizationOverTuplesOfMappedRelations(t *testing.T) {
	w := newEmptyWorld(t)
	must(t)(w.service.SetMapping(w.ctx(), store, renamed()))
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: "api"},
		Tuple: mustParse(t, "tenant:acme#active@person:x")}}})
	_, err := w.service.CreateOrganization(w.ctx(), store, "acme", "Acme")
	if !errors.Is(err, ostiary.ErrExists) || !strings.Contains(err.Error(), "tenant:acme#active@person:x") {
		t.Errorf("got %v", err)
	}
}

// What was computed under the old names is not written under them once the names have changed.
func TestChangesRestOnTheMapping(t *testing.T) {
	w := newEmptyWorld(t)
	must(t)(w.service.SetMapping(w.ctx(), store, renamed()))
	w.begin()
	w.user("ann")
	ctx, d := w.directory()
	group := w.group("All")
	first := true
	must(t)(d.ChangeGroup(ctx, group.ID, 0, func(g identity.Group) (identity.GroupChange, error) {
		if first { // the view was taken, and nothing is proposed yet
			first = false
			to := renamed()
			to.Assignable = []gate.Assignable{{Kind: gate.KindRole, Type: "document", Relation: "editor"}}
			must(t)(w.service.SetMapping(w.ctx(), store, to))
			return identity.GroupChange{GroupInput: identity.GroupInput{DisplayName: "First"}}, nil
		}
		return identity.GroupChange{GroupInput: identity.GroupInput{DisplayName: "Again"}}, nil
	}))
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if g, err := v.Group(ctx, group.ID); err != nil || g.DisplayName != "Again" {
		t.Errorf("got %+v, %v", g, err)
	}
}
