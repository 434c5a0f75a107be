package api_test

import (
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/identity"
)

// After a restore the people of a connection are denied everything, in every kind of question, until the
// connection has synchronized; nobody else is. IDENTITY g.0 rule 12.
func TestGateAfterRestore(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	if err := w.write("document:1#viewer@user:"+ann, "document:1#viewer@user:stranger"); err != nil {
		t.Fatal(err)
	}
	key := &openfgav1.CheckRequestTupleKey{User: "user:" + ann, Relation: "viewer", Object: "document:1"}
	var header metadata.MD
	if got, err := w.fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: w.store, TupleKey: key}, grpc.Header(&header)); err != nil || !got.GetAllowed() {
		t.Fatalf("before: got %v, %v", got, err)
	}
	want := func(when string, allowed bool) {
		t.Helper()
		for as, ctx := range map[string]func() (bool, error){
			"check":           func() (bool, error) { return w.check("", "document:1#viewer@user:"+ann) },
			"of organization": func() (bool, error) { return w.check("", "organization:acme#member@user:"+ann) },
			"past": func() (bool, error) {
				past := metadata.AppendToOutgoingContext(t.Context(), "ostiary-as-of", header.Get("ostiary-token")[0])
				got, err := w.fga.Check(past, &openfgav1.CheckRequest{StoreId: w.store, TupleKey: key})
				return got.GetAllowed(), err
			},
			"objects": func() (bool, error) {
				got, err := w.fga.ListObjects(t.Context(), &openfgav1.ListObjectsRequest{StoreId: w.store, Type: "document", Relation: "viewer", User: "user:" + ann})
				return len(got.GetObjects()) == 1, err
			},
			"users": func() (bool, error) {
				got, err := w.fga.ListUsers(t.Context(), &openfgav1.ListUsersRequest{StoreId: w.store, Object: &openfgav1.Object{Type: "document", Id: "1"},
					Relation: "viewer", UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}}})
				return len(got.GetUsers()) == 2, err
			},
		} {
			if got, err := ctx(); err != nil || got != allowed {
				t.Errorf("%s, %s: got %v, %v, want %v", when, as, got, err, allowed)
			}
		}
		if got, err := w.check("", "document:1#viewer@user:stranger"); err != nil || !got {
			t.Errorf("%s: a person of no connection: got %v, %v", when, got, err)
		}
	}
	want("before", true)
	if _, err := w.service.AfterRestore(t.Context(), identity.AfterRestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	want("after", false)
	// A gate that is off lets pass whom a provider has disabled, and not whom nobody knows to be.
	if _, _, err := w.service.TurnGateOff(w.admin, w.store, "a test"); err != nil {
		t.Fatal(err)
	}
	want("with the gate off", false)
	if _, _, err := w.service.TurnGateOn(w.admin, w.store); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.ResumeConnection(w.admin, w.store, w.directory.Connection().ID); err != nil {
		t.Fatal(err)
	}
	want("synchronized", true)
}
