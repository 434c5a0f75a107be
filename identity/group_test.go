package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func (w *world) members(group string) []string {
	w.t.Helper()
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	ids := []string{}
	for m, err := range v.Members(ctx, group) {
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return ids
}

func (w *world) wantMembers(group string, want ...string) {
	w.t.Helper()
	want = slices.Sorted(slices.Values(want))
	if got := w.members(group); !slices.Equal(got, want) {
		w.t.Errorf("members of %s: got %q, want %q", group, got, want)
	}
}

// changeMembers keeps everything else of a group.
func changeMembers(ctx context.Context, d *identity.Directory, group string, c identity.GroupChange) (identity.Group, error) {
	return d.ChangeGroup(ctx, group, 0, func(g identity.Group) (identity.GroupChange, error) {
		c.GroupInput = g.GroupInput
		return c, nil
	})
}

func TestGroupLife(t *testing.T) {
	w := newWorld(t)
	ctx, d := w.directory()
	ann, bob := w.user("ann"), w.user("bob")
	inner := w.group("inner", bob.ID)
	outer := w.group("outer", ann.ID, inner.ID, ann.ID)
	w.wantMembers(outer.ID, ann.ID, inner.ID)
	c := w.connection.ID
	var groupTuples []string
	for _, tuple := range w.tuples() {
		if tuple[:len("group:")] == "group:" {
			groupTuples = append(groupTuples, tuple)
		}
	}
	want := []string{
		fmt.Sprintf("group:acme/%s#assigned@user:%s by scim:%s/%s/members", inner.ID, bob.ID, c, inner.ID),
		fmt.Sprintf("group:acme/%s#organization@organization:acme by scim:%s/%s/organization", inner.ID, c, inner.ID),
		fmt.Sprintf("group:acme/%s#assigned@user:%s by scim:%s/%s/members", outer.ID, ann.ID, c, outer.ID),
		fmt.Sprintf("group:acme/%s#assigned@group:acme/%s#member by scim:%s/%s/members", outer.ID, inner.ID, c, outer.ID),
		fmt.Sprintf("group:acme/%s#organization@organization:acme by scim:%s/%s/organization", outer.ID, c, outer.ID),
	}
	slices.Sort(want)
	if !slices.Equal(groupTuples, want) {
		t.Errorf("got %q\nwant %q", groupTuples, want)
	}

	// Adding what is there and removing what is not makes no revision. IDENTITY g.7.
	before := w.revision()
	same, err := changeMembers(ctx, d, outer.ID, identity.GroupChange{Add: []string{ann.ID}, Remove: []string{bob.ID, "u-nobody"}})
	if err != nil || w.revision() != before || same.Version != outer.Version {
		t.Errorf("a change of nothing: %+v, %v, revision %d after %d", same, err, w.revision(), before)
	}
	moved, err := changeMembers(ctx, d, outer.ID, identity.GroupChange{Add: []string{bob.ID}, Remove: []string{ann.ID}})
	if err != nil || moved.Version <= outer.Version || w.revision() != before+1 {
		t.Errorf("a change of two members: %+v, %v", moved, err)
	}
	w.wantMembers(outer.ID, bob.ID, inner.ID)
	if _, err := changeMembers(ctx, d, outer.ID, identity.GroupChange{Clear: true, Add: []string{ann.ID}}); err != nil {
		t.Fatal(err)
	}
	w.wantMembers(outer.ID, ann.ID)
	if _, err := changeMembers(ctx, d, outer.ID, identity.GroupChange{Clear: true, Add: []string{inner.ID, ann.ID}}); err != nil {
		t.Fatal(err)
	}

	// A rename changes no tuple; names need not be unique, external ids must be.
	tuples := w.tuples()
	renamed, err := d.ChangeGroup(ctx, outer.ID, 0, func(identity.Group) (identity.GroupChange, error) {
		return identity.GroupChange{GroupInput: identity.GroupInput{DisplayName: "Inner", ExternalID: "x1"}}, nil
	})
	if err != nil || renamed.DisplayName != "Inner" || !slices.Equal(w.tuples(), tuples) {
		t.Errorf("renamed: %+v, %v", renamed, err)
	}
	if _, err := d.CreateGroup(ctx, identity.GroupInput{DisplayName: "third", ExternalID: "x1"}, nil); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("an external id twice: %v", err)
	}
	v, err := d.View(ctx, ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if found, err := v.GroupsBy(ctx, identity.KeyDisplayName, "INNER"); err != nil || len(found) != 2 {
		t.Errorf("found by name: %v, %v", found, err)
	}
	if groups, err := v.GroupsOf(ctx, inner.ID); err != nil || len(groups) != 1 || groups[0].ID != outer.ID {
		t.Errorf("groups of a group: %v, %v", groups, err)
	}
	if groups, err := v.GroupsOf(ctx, bob.ID); err != nil || len(groups) != 1 || groups[0].ID != inner.ID {
		t.Errorf("groups of a user: %v, %v", groups, err)
	}
	for member, want := range map[string]bool{ann.ID: true, inner.ID: true, bob.ID: false, "x": false} {
		if has, err := v.HasMember(ctx, outer.ID, member); err != nil || has != want {
			t.Errorf("has member %s: %v, %v", member, has, err)
		}
	}

	// Deleting a group takes what names it along, whoever wrote it.
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{{Op: ostiary.TupleCreate, Store: store,
		Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}, Tuple: ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer",
			Subject: ostiary.SubjectRef{Type: "group", ID: "acme/" + inner.ID, Relation: "member"}}}}})
	if _, err := d.DeleteGroup(ctx, inner.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.wantMembers(outer.ID, ann.ID)
	for _, tuple := range w.tuples() {
		if strings.Contains(tuple, "doc:") || strings.Contains(tuple, inner.ID) {
			t.Errorf("%s is left", tuple)
		}
	}
	if _, err := d.DeleteGroup(ctx, inner.ID, 0); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("deleting again: %v", err)
	}
}

func TestGroupRefusals(t *testing.T) {
	w := newWorld(t)
	ctx, d := w.directory()
	ann := w.user("ann")
	a := w.group("a", ann.ID)
	b := w.group("b", a.ID)
	c := w.group("c", b.ID)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	second := w.connect("other")
	ctx2, d2 := w.directoryOf(second.ID, w.token(second.ID))
	stranger, err := d2.CreateUser(ctx2, identity.UserInput{UserName: "eve", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	strange, err := d2.CreateGroup(ctx2, identity.GroupInput{DisplayName: "a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := w.revision()
	adds := map[string]string{
		"a group in itself": a.ID, "a group that holds it": c.ID, "another organization's user": stranger.ID,
		"another organization's group": strange.ID, "nobody": "u00000000000000000000000000", "no id": "ann", "a set": "group:acme/x#member",
	}
	for name, id := range adds {
		if _, err := changeMembers(ctx, d, a.ID, identity.GroupChange{Add: []string{ann.ID, id}}); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d2.DeleteGroup(ctx2, a.ID, 0); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("another organization's group: %v", err)
	}
	if _, err := d2.DeleteUser(ctx2, ann.ID, 0); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("another organization's user: %v", err)
	}
	if _, err := changeMembers(ctx2, d2, a.ID, identity.GroupChange{Clear: true}); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("another organization's group: %v", err)
	}
	if _, err := d.DeleteGroup(ctx, a.ID, a.Version+1); !errors.Is(err, ostiary.ErrPrecondition) {
		t.Errorf("deleted at another version: %v", err)
	}
	if after := w.revision(); after != before {
		t.Errorf("refusals made %d revisions", after-before)
	}
}

// Sixteen clients change one group at once, and no change is lost. (Issue 6, "Atomicity".)
func TestConcurrentMembers(t *testing.T) {
	w := newWorld(t)
	const clients, each = 16, 4
	users := make([]string, clients*each)
	for i := range users {
		users[i] = w.user(fmt.Sprintf("user%d", i)).ID
	}
	leaving := w.user("leaving").ID
	g := w.group("g", leaving)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			ctx, d := w.directory()
			for i := range each {
				id := users[client*each+i]
				c := identity.GroupChange{Add: []string{id}, Remove: []string{leaving}}
				if _, err := changeMembers(ctx, d, g.ID, c); err != nil {
					t.Errorf("client %d: %v", client, err)
				}
				if _, err := d.ChangeGroup(ctx, g.ID, 0, func(old identity.Group) (identity.GroupChange, error) {
					old.DisplayName += "x"
					return identity.GroupChange{GroupInput: old.GroupInput}, nil
				}); err != nil {
					t.Errorf("client %d renames: %v", client, err)
				}
			}
		})
	}
	wg.Wait()
	w.wantMembers(g.ID, users...)
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	got, err := v.Group(ctx, g.ID)
	if err != nil || len(got.DisplayName) != 1+clients*each {
		t.Errorf("a rename was lost: the name has %d letters, %v", len(got.DisplayName), err)
	}
}

// Of two who replace all members at once, one is the later: the group never holds a mixture.
func TestConcurrentReplacements(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.user("ann").ID, w.user("bob").ID
	g := w.group("g")
	for range 20 {
		var wg sync.WaitGroup
		for _, id := range []string{ann, bob} {
			wg.Go(func() {
				ctx, d := w.directory()
				if _, err := changeMembers(ctx, d, g.ID, identity.GroupChange{Clear: true, Add: []string{id}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := w.members(g.ID); len(got) != 1 {
			t.Fatalf("the group holds %q", got)
		}
	}
}

// A person who is deleted while others add them to a group is in none afterwards.
func TestMemberDeletedMeanwhile(t *testing.T) {
	w := newWorld(t)
	g := w.group("g")
	for i := range 20 {
		id := w.user(fmt.Sprint("user", i)).ID
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, d := w.directory()
			if _, err := d.DeleteUser(ctx, id, 0); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			ctx, d := w.directory()
			_, err := changeMembers(ctx, d, g.ID, identity.GroupChange{Add: []string{id}})
			if err != nil && !errors.Is(err, ostiary.ErrTupleInvalid) {
				t.Error(err)
			}
		})
		wg.Wait()
		w.wantMembers(g.ID)
	}
}

// A group of 5,000 members is replaced in one revision. (Issue 6, "Atomicity".)
func TestLargeReplacementIsOneRevision(t *testing.T) {
	w := newWorld(t)
	const size = 5_000
	ctx, d := w.directory()
	users := make([]string, size)
	work := make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range work {
				u, err := d.CreateUser(ctx, identity.UserInput{UserName: fmt.Sprint("user", i), Active: true})
				if err != nil {
					t.Error(err)
				}
				users[i] = u.ID
			}
		})
	}
	for i := range size {
		work <- i
	}
	close(work)
	wg.Wait()
	g := w.group("g", users[0])
	before := w.revision()
	if _, err := changeMembers(ctx, d, g.ID, identity.GroupChange{Clear: true, Add: users}); err != nil {
		t.Fatal(err)
	}
	if after := w.revision(); after != before+1 {
		t.Errorf("it took %d revisions", after-before)
	}
	w.wantMembers(g.ID, users...)
	v, err := d.View(ctx, ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if n, err := v.CountUsers(ctx); err != nil || n != size {
		t.Errorf("the connection has %d users, %v", n, err)
	}
	listed := 0
	for u, err := range v.Users(ctx, "") {
		if err != nil || u.ID == "" {
			t.Fatalf("got %+v, %v", u, err)
		}
		listed++
	}
	if listed != size {
		t.Errorf("listed %d users", listed)
	}
}
