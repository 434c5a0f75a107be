package api_test

import (
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/identity"
)

// A question about the past is answered as it was then for who has been disabled since; who has been deleted
// is denied for ever, also there. IDENTITY g.0 rule 2, g.7.
func TestGateOfThePast(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	if err := w.write("document:1#viewer@user:" + ann); err != nil {
		t.Fatal(err)
	}
	check := &openfgav1.CheckRequest{StoreId: w.store,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:" + ann, Relation: "viewer", Object: "document:1"}}
	var header metadata.MD
	if now, err := w.fga.Check(t.Context(), check, grpc.Header(&header)); err != nil || !now.GetAllowed() {
		t.Fatalf("got %v, %v", now, err)
	}
	then := metadata.AppendToOutgoingContext(t.Context(), "ostiary-as-of", header.Get("ostiary-token")[0])
	want := func(when string, allowed bool) {
		t.Helper()
		got, err := w.fga.Check(then, check)
		if err != nil || got.GetAllowed() != allowed {
			t.Errorf("%s: check got %v, %v, want %v", when, got, err, allowed)
		}
		objects, err := w.fga.ListObjects(then, &openfgav1.ListObjectsRequest{StoreId: w.store, Type: "document", Relation: "viewer", User: "user:" + ann})
		if err != nil || (len(objects.GetObjects()) == 1) != allowed {
			t.Errorf("%s: list got %v, %v, want it there %v", when, objects, err, allowed)
		}
	}
	w.setActive(ann, false)
	want("disabled since", true)
	if _, err := w.directory.DeleteUser(w.ctx, ann, 0); err != nil {
		t.Fatal(err)
	}
	want("deleted since", false)
}

// A later page of a list is about now: who has been disabled since the first is left out.
func TestGateOfLaterPages(t *testing.T) {
	w := newGateWorldOn(t, start(t, shortLists))
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	for _, id := range []string{"1", "2", "3", "4"} {
		if err := w.write("document:" + id + "#viewer@user:" + ann); err != nil {
			t.Fatal(err)
		}
	}
	list := &openfgav1.ListObjectsRequest{StoreId: w.store, Type: "document", Relation: "viewer", User: "user:" + ann}
	var header metadata.MD
	first, err := w.fga.ListObjects(t.Context(), list, grpc.Header(&header))
	if err != nil || len(first.GetObjects()) != 3 || len(header.Get("ostiary-continuation")) != 1 {
		t.Fatalf("the first page: %v, %v, %v", first, header, err)
	}
	next := metadata.AppendToOutgoingContext(t.Context(), "ostiary-continuation", header.Get("ostiary-continuation")[0])
	if second, err := w.fga.ListObjects(next, list); err != nil || len(second.GetObjects()) != 1 {
		t.Errorf("the second page: %v, %v", second, err)
	}
	w.setActive(ann, false)
	if second, err := w.fga.ListObjects(next, list); err != nil || len(second.GetObjects()) != 0 {
		t.Errorf("the second page of who is disabled: %v, %v", second, err)
	}
}

// A later page of a list does not go on with what was live at its first: who was logged out since begins again.
func TestLaterPagesOfLoggedOut(t *testing.T) {
	w := newGateWorldOn(t, start(t, shortLists))
	if _, err := w.model("type device\n", `type vault
  relations
    define organization: [organization]
    define opener: [user]
    define can_open: opener and live from organization

type device
`); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann, bob := w.user("ann"), w.user("bob")
	for _, id := range []string{"1", "2", "3", "4"} {
		if err := w.write("vault:"+id+"#organization@organization:acme", "vault:"+id+"#opener@user:"+ann, "vault:"+id+"#opener@user:"+bob); err != nil {
			t.Fatal(err)
		}
	}
	page := func(user, from string) (int, string, error) {
		ctx := t.Context()
		if from != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "ostiary-continuation", from)
		}
		var header metadata.MD
		got, err := w.fga.ListObjects(ctx, &openfgav1.ListObjectsRequest{StoreId: w.store, Type: "vault", Relation: "can_open", User: "user:" + user}, grpc.Header(&header))
		next := ""
		if all := header.Get("ostiary-continuation"); len(all) > 0 {
			next = all[0]
		}
		return len(got.GetObjects()), next, err
	}
	want := func(when, user, from string, count int) (next string) {
		t.Helper()
		n, next, err := page(user, from)
		if err != nil || n != count {
			t.Errorf("%s: %d objects, %v, want %d", when, n, err, count)
		}
		return next
	}
	w.logIn(identity.SessionInput{User: ann})
	w.logIn(identity.SessionInput{User: bob})
	next, ofBob := want("first page", ann, "", 3), want("first page of another", bob, "", 3)
	want("second page", ann, next, 1)
	if _, err := w.service.RevokeSessions(w.admin, w.store, ann, "acme", "test"); err != nil {
		t.Fatal(err)
	}
	want("another's second page", bob, ofBob, 1)
	if n, _, err := page(ann, next); status.Code(err) != codes.Code(openfgav1.ErrorCode_invalid_continuation_token) || n != 0 {
		t.Errorf("second page of who was logged out: %d objects, %v", n, err)
	}
	want("from the beginning", ann, "", 0)
	w.logIn(identity.SessionInput{User: ann, AuthNanos: time.Now().Add(time.Second).UnixNano()})
	want("after a login", ann, want("first page again", ann, "", 3), 1)
}
