package identity_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// write creates tuples as an application does.
func (w *world) write(texts ...string) {
	w.t.Helper()
	m := &ostiary.Mutation{}
	for _, text := range texts {
		tuple, err := ostiary.ParseTuple(text)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleCreate, Store: store, Tuple: tuple,
			Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}})
	}
	w.propose(m)
}

// Nothing that names an organization outlasts it, and its id is never given again, so that nobody inherits
// what was granted to it. IDENTITY g.0 rules 2 and 14.
func TestDeletedOrganizationLeavesNothing(t *testing.T) {
	w := newWorld(t)
	ctx := w.ctx()
	for _, id := range []string{"beta", "beta2"} {
		must(t)(w.service.CreateOrganization(ctx, store, id, id))
	}
	role, err := w.service.CreateRole(ctx, store, "beta", identity.Role{Value: "boss"})
	must(t)(nil, err)
	seat, err := w.service.CreateRole(ctx, store, "beta", identity.Role{Value: "seat", Entitlement: true})
	must(t)(nil, err)
	kept := []string{
		"document:x#viewer@user:eve", "document:x#viewer@organization:beta2#member", "document:x#viewer@group:beta2/g#member",
		"document:beta/x#viewer@user:eve", "document:x#viewer@team:beta/x#member", "organization:beta2#auditor@user:eve",
	}
	w.write(kept...)
	w.write("document:x#viewer@organization:beta#member", "document:x#editor@organization:beta#admin",
		"document:x#organization@organization:beta", "document:y#organization@organization:beta",
		"document:x#viewer@role:beta/"+role.ID+"#assignee", "document:x#viewer@entitlement:beta/"+seat.ID+"#holder",
		"document:x#viewer@group:beta/g#member", "group:beta/g#owner@user:eve", "organization:beta#auditor@user:eve",
		"organization:beta2#parent@organization:beta", "session:beta/s#device@user:eve")
	must(t)(w.service.DeleteOrganization(ctx, store, "beta"))
	var want []string
	for _, text := range kept {
		want = append(want, text+" by "+ostiary.OwnerAPI)
	}
	w.wantTuples(want...)
	for _, collection := range []string{"role/S/beta", "role-value/S/beta", "member/S/beta"} {
		if docs, err := w.view().Documents(collection, "", 10, false); err != nil || len(docs) > 0 {
			t.Errorf("%s is left: %v, %v", collection, docs, err)
		}
	}
	if _, err := w.service.CreateOrganization(ctx, store, "beta", "Beta"); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("the id of an organization that was deleted is given again: %v", err)
	}
	if _, err := w.service.DeleteOrganization(ctx, store, "beta"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("deleted again: %v", err)
	}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: "T"}, Body: []byte("{}")}}})
	must(t)(w.service.CreateOrganization(ctx, "T", "beta", "Beta")) // another store is another world
}
