package api_test

import (
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// With its gate off, a store answers by tuples who is disabled, and denies who was deleted or is blocked all
// the same; each question by the gate of its revision. IDENTITY g.0 rule 2.
func TestGateOff(t *testing.T) {
	w := newGateWorld(t)
	leaking := []string{"define member: directory_member and enabled", "define member: directory_member"}
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann, bob, cid := w.user("ann"), w.user("bob"), w.user("cid")
	for _, id := range []string{ann, bob, cid} {
		if err := w.write("document:1#viewer@user:" + id); err != nil {
			t.Fatal(err)
		}
	}
	w.setActive(ann, false)
	if _, err := w.service.BlockUser(w.admin, w.store, "acme", bob); err != nil {
		t.Fatal(err)
	}
	w.remove(cid)
	if err := w.write("document:1#viewer@user:" + cid); err != nil { // an application that does not know
		t.Fatal(err)
	}
	wantIn := func(when string, headers []string, open bool) {
		t.Helper()
		ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
		for id, want := range map[string]bool{ann: open, bob: false, cid: false} {
			got, err := w.fga.Check(ctx, &openfgav1.CheckRequest{StoreId: w.store,
				TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:" + id, Relation: "viewer", Object: "document:1"}})
			if err != nil || got.GetAllowed() != want {
				t.Errorf("%s: check of %s: got %v, %v, want %v", when, id, got, err, want)
			}
			objects, err := w.fga.ListObjects(ctx, &openfgav1.ListObjectsRequest{StoreId: w.store, Type: "document", Relation: "viewer", User: "user:" + id})
			if err != nil || (len(objects.GetObjects()) == 1) != want {
				t.Errorf("%s: objects of %s: got %v, %v, want it there %v", when, id, objects, err, want)
			}
		}
		users, err := w.fga.ListUsers(ctx, &openfgav1.ListUsersRequest{StoreId: w.store, Relation: "viewer",
			Object: &openfgav1.Object{Type: "document", Id: "1"}, UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}}})
		if err != nil || (len(users.GetUsers()) == 1) != open || open && users.GetUsers()[0].GetObject().GetId() != ann {
			t.Errorf("%s: users: got %v, %v", when, users, err)
		}
	}
	asOf := func() []string {
		t.Helper()
		var header metadata.MD
		if _, err := w.fga.GetStore(t.Context(), &openfgav1.GetStoreRequest{StoreId: w.store}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		return []string{"ostiary-as-of", header.Get("ostiary-token")[0]}
	}
	wantIn("at first", nil, false)
	closed := asOf()
	if _, _, err := w.service.TurnGateOff(w.admin, w.store, "Moving to Okta"); err != nil {
		t.Fatal(err)
	}
	wantIn("off", nil, true)
	opened := asOf()
	wantIn("off, as of before", closed, false)
	// What its organization's model demands of her is not hers all the same.
	w.wantChecks("off", ann, map[string]bool{"organization:acme#member": false})
	// Models and identity relations are judged as ever.
	if _, err := w.model(leaking...); err == nil {
		t.Error("a model was written that lets people around the gate")
	}
	if err := w.write("organization:acme#enabled@user:" + ann); err == nil {
		t.Error("a tuple of an identity relation was written")
	}
	if _, _, err := w.service.TurnGateOn(w.admin, w.store); err != nil {
		t.Fatal(err)
	}
	wantIn("on again", nil, false)
	wantIn("on again, as of when it was off", opened, true)
}

// Explain says for which of its reasons the gate denies, and where.
func TestGateExplained(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann, bob := w.user("ann"), w.user("bob")
	if err := w.write("document:1#viewer@user:"+ann, "document:2#viewer@user:"+ann, "document:2#organization@organization:acme", "document:1#viewer@user:"+bob); err != nil {
		t.Fatal(err)
	}
	explained := func(user, object string, parts ...string) {
		t.Helper()
		x, err := ostiaryv1.NewOstiaryServiceClient(w.conn).Explain(t.Context(), &ostiaryv1.ExplainRequest{StoreId: w.store,
			TupleKey: &ostiaryv1.TupleKey{User: "user:" + user, Relation: "viewer", Object: object}})
		if err != nil || x.GetOutcome() != ostiaryv1.Outcome_OUTCOME_DENIED {
			t.Errorf("%s of %s: got %v, %v", object, user, x, err)
		}
		for _, part := range append(parts, "user:"+user) {
			if !strings.Contains(x.GetText(), part) {
				t.Errorf("%s of %s: %q is missing in %q", object, user, part, x.GetText())
			}
		}
	}
	w.setActive(ann, false)
	w.remove(bob)
	explained(ann, "document:1", "disabled or blocked in acme, and document:1 belongs to no organization")
	explained(ann, "document:2", "disabled or blocked in acme, to which document:2 belongs")
	explained(bob, "document:1", "deleted")
}

func (w *gateWorld) remove(user string) {
	w.t.Helper()
	if _, err := w.directory.DeleteUser(w.ctx, user, 0); err != nil {
		w.t.Fatal(err)
	}
}
