package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// What the operations leave behind agrees with itself; what they did not write is found. IDENTITY g.0 rule 14.
func TestVerify(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "r"}))
	must(t)(w.service.AddMember(w.ctx(), store, "acme", "bob"))
	ann, disabled, deleted := w.user("ann"), w.user("disabled"), w.user("deleted")
	inner := w.group("inner", ann.ID, deleted.ID)
	g := w.group("g", ann.ID, disabled.ID, inner.ID)
	ctx, d := w.directory()
	_, err := d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
		u.Roles = []string{"r"}
		return u.UserInput, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.setActive(disabled.ID, false)
	if _, err := d.DeleteUser(ctx, deleted.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteGroup(ctx, inner.ID, 0); err != nil {
		t.Fatal(err)
	}
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", "bob"))
	verify := func() (identity.Verification, []string) {
		t.Helper()
		found, err := w.service.Verify(w.ctx(), store, "acme")
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, f := range found.Findings {
			lines = append(lines, f.Subject+": "+f.Reason)
		}
		slices.Sort(lines)
		return found, lines
	}
	found, lines := verify()
	if len(lines) > 0 || found.Users != 2 || found.Groups != 1 || found.Members != 1 || found.Roles != 1 || found.Tuples == 0 {
		t.Fatalf("got %+v", found)
	}

	c := w.connection.ID
	change := func(op ostiary.TupleOp, text, owner string) ostiary.TupleChange {
		t.Helper()
		tuple, err := ostiary.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		return ostiary.TupleChange{Op: op, Store: store, Tuple: tuple, Grant: ostiary.Grant{Owner: owner}}
	}
	w.propose(&ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change(ostiary.TupleRelease, "organization:acme#enabled@user:"+ann.ID, "scim:"+c+"/"+ann.ID+"/active"),
		change(ostiary.TupleTouch, "organization:acme#enabled@user:"+disabled.ID, "scim:"+c+"/"+disabled.ID+"/active"),
		change(ostiary.TupleTouch, "group:acme/"+inner.ID+"#assigned@user:"+ann.ID, "scim:"+c+"/"+inner.ID+"/members"),
		change(ostiary.TupleTouch, "doc:1#viewer@user:"+deleted.ID, "api"),
		change(ostiary.TupleTouch, "doc:1#viewer@group:acme/"+inner.ID+"#member", "api"),
		change(ostiary.TupleTouch, "doc:1#viewer@group:acme/"+g.ID+"#member", "api"),
		change(ostiary.TupleTouch, "doc:1#viewer@user:eve", "api"),
	}, Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "gate/" + store, Key: disabled.ID}, Delete: true}}})
	_, lines = verify()
	want := []string{
		fmt.Sprintf("organization:acme#enabled@user:%s of scim:%s/%s/active: a resource says so, and it is not there", ann.ID, c, ann.ID),
		fmt.Sprintf("organization:acme#enabled@user:%s of scim:%s/%s/active: no resource says so", disabled.ID, c, disabled.ID),
		fmt.Sprintf("group:acme/%s#assigned@user:%s of scim:%s/%s/members: its group is gone", inner.ID, ann.ID, c, inner.ID),
		fmt.Sprintf("doc:1#viewer@user:%s: its subject was deleted", deleted.ID),
		fmt.Sprintf("doc:1#viewer@group:acme/%s#member: its subject is no group of the organization", inner.ID),
		fmt.Sprintf("user %s: is not active, and its gate does not say so", disabled.ID),
	}
	slices.Sort(want)
	if !slices.Equal(lines, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(lines, "\n\t"), strings.Join(want, "\n\t"))
	}
}
