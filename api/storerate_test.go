package api_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// storeWithDocument makes a store in which ann views document:1.
func storeWithDocument(t *testing.T, h *harness) string {
	t.Helper()
	fga := openfgav1.NewOpenFGAServiceClient(h.conn)
	made, err := fga.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = fga.WriteAuthorizationModel(t.Context(), &openfgav1.WriteAuthorizationModelRequest{StoreId: made.GetId(), SchemaVersion: "1.1", TypeDefinitions: []*openfgav1.TypeDefinition{
		{Type: "user"},
		{Type: "document", Relations: map[string]*openfgav1.Userset{"viewer": {Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}},
			Metadata: &openfgav1.Metadata{Relations: map[string]*openfgav1.RelationMetadata{"viewer": {DirectlyRelatedUserTypes: []*openfgav1.RelationReference{{Type: "user"}}}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = fga.Write(t.Context(), &openfgav1.WriteRequest{StoreId: made.GetId(), Writes: &openfgav1.WriteRequestWrites{
		TupleKeys: []*openfgav1.TupleKey{{Object: "document:1", Relation: "viewer", User: "user:ann"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return made.GetId()
}

// TestStoreRate: a store that gets more requests than it may is refused more, on every surface, and no other store is;
// what takes away passes, and without the rate everything does, at once.
func TestStoreRate(t *testing.T) {
	h := start(t)
	one, other := storeWithDocument(t, h), storeWithDocument(t, h)
	admin, fga := ostiaryv1.NewStoreAdminServiceClient(h.conn), openfgav1.NewOpenFGAServiceClient(h.conn)
	setRate := func(perSecond uint32) {
		t.Helper()
		if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: one, RequestRate: &perSecond}); err != nil {
			t.Fatal(err)
		}
	}
	throttled := func(err error) bool {
		code := status.Code(err)
		return code == codes.ResourceExhausted || code == codes.Code(openfgav1.InternalErrorCode_resource_exhausted)
	}
	key := &openfgav1.CheckRequestTupleKey{Object: "document:1", Relation: "viewer", User: "user:ann"}
	check := func(store string) error {
		_, err := fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: store, TupleKey: key})
		return err
	}
	document := func(user string) []*openfgav1.TupleKey {
		return []*openfgav1.TupleKey{{Object: "document:1", Relation: "viewer", User: user}}
	}
	calls := map[string]func() error{
		"Check": func() error { return check(one) },
		"Read": func() error {
			_, err := fga.Read(t.Context(), &openfgav1.ReadRequest{StoreId: one})
			return err
		},
		"StreamedListObjects": func() error {
			stream, err := fga.StreamedListObjects(t.Context(), &openfgav1.StreamedListObjectsRequest{StoreId: one, Type: "document", Relation: "viewer", User: "user:ann"})
			if err != nil {
				return err
			}
			for err == nil {
				_, err = stream.Recv()
			}
			if throttled(err) {
				return err
			}
			return nil
		},
		"Write": func() error {
			_, err := fga.Write(t.Context(), &openfgav1.WriteRequest{StoreId: one, Writes: &openfgav1.WriteRequestWrites{TupleKeys: document("user:bob"), OnDuplicate: "ignore"}})
			return err
		},
		"Evaluation": func() error {
			_, err := authzenv1.NewAuthZenServiceClient(h.conn).Evaluation(t.Context(), &authzenv1.EvaluationRequest{StoreId: one,
				Subject: &authzenv1.Subject{Type: "user", Id: "ann"}, Action: &authzenv1.Action{Name: "viewer"}, Resource: &authzenv1.Resource{Type: "document", Id: "1"}})
			return err
		},
		"ListOrganizations": func() error {
			_, err := ostiaryv1.NewIdentityServiceClient(h.conn).ListOrganizations(t.Context(), &ostiaryv1.ListOrganizationsRequest{StoreId: one})
			return err
		},
	}
	setRate(1)
	for name, call := range calls {
		refused := false
		for range 1000 { // more than a bucket of one a second gives back meanwhile
			if err := call(); throttled(err) {
				refused = true
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !refused {
			t.Errorf("%s: 1000 requests at once were answered", name)
		}
	}
	for range 1000 {
		var header metadata.MD
		_, err := fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: one, TupleKey: key}, grpc.Header(&header))
		if err == nil {
			continue
		}
		if wait := header.Get("retry-after"); !slices.Equal(wait, []string{"1"}) || !strings.Contains(err.Error(), "ostiary store quota set") {
			t.Errorf("over gRPC: retry-after %q, %v", wait, err)
		}
		break
	}
	for _, path := range []string{"check", "read"} { // the first needs no gateway
		code, wait := 0, ""
		for range 1000 {
			body := `{"tuple_key":{"object":"document:1","relation":"viewer","user":"user:ann"}}`
			resp, err := http.Post(h.base+"/stores/"+one+"/"+path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if code, wait = resp.StatusCode, resp.Header.Get("Retry-After"); code == http.StatusTooManyRequests {
				break
			}
		}
		if code != http.StatusTooManyRequests || wait == "" {
			t.Errorf("%s over HTTP: status %d, Retry-After %q", path, code, wait)
		}
	}
	tuples := ostiaryv1.NewTupleServiceClient(h.conn)
	for range 20 {
		if err := check(other); err != nil {
			t.Fatalf("another store: %v", err)
		}
		remove := &openfgav1.WriteRequestDeletes{OnMissing: "ignore", TupleKeys: []*openfgav1.TupleKeyWithoutCondition{{Object: "document:1", Relation: "viewer", User: "user:bob"}}}
		if _, err := fga.Write(t.Context(), &openfgav1.WriteRequest{StoreId: one, Deletes: remove}); err != nil {
			t.Fatalf("a Write that only deletes: %v", err)
		}
		both := &openfgav1.WriteRequest{StoreId: one, Deletes: remove, Writes: &openfgav1.WriteRequestWrites{TupleKeys: document("user:cid"), OnDuplicate: "ignore"}}
		if _, err := fga.Write(t.Context(), both); err != nil {
			t.Fatalf("a Write that deletes, and writes too: %v", err)
		}
		if _, err := tuples.DeleteTuples(t.Context(), &ostiaryv1.DeleteTuplesRequest{StoreId: one, Filter: &ostiaryv1.TupleFilter{User: "user:bob"}}); throttled(err) {
			t.Fatalf("DeleteTuples: %v", err)
		}
		if _, err := fga.ReadChanges(t.Context(), &openfgav1.ReadChangesRequest{StoreId: one}); err != nil {
			t.Fatalf("ReadChanges: %v", err)
		}
		if got, err := admin.GetStoreQuota(t.Context(), &ostiaryv1.GetStoreQuotaRequest{StoreId: one}); err != nil || got.GetQuota().GetRequestRate() != 1 || got.GetQuota().GetMaxTuples() != 0 {
			t.Fatalf("the quota is %v, %v", got, err)
		}
	}
	if n := h.server.Connections().StoresTooOften; n == 0 {
		t.Error("nothing is counted")
	}
	setRate(0)
	for range 20 {
		if err := check(one); err != nil {
			t.Fatalf("without a rate: %v", err)
		}
	}
}

// TestStoreRateOfAll: a store with a rate of its own has that, and the others what the server says.
func TestStoreRateOfAll(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Limits.MaxStoreRequestRate = 1 })
	own, other := storeWithDocument(t, h), storeWithDocument(t, h)
	admin, fga := ostiaryv1.NewStoreAdminServiceClient(h.conn), openfgav1.NewOpenFGAServiceClient(h.conn)
	if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: own}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("nothing is set: %v", err)
	}
	many, tuples := uint32(1_000_000), uint64(5)
	if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: own, RequestRate: &many}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: other, MaxTuples: &tuples}); err != nil {
		t.Fatal(err)
	}
	if list, err := admin.ListStoreQuotas(t.Context(), &ostiaryv1.ListStoreQuotasRequest{PageSize: 1}); err != nil || len(list.GetQuotas()) != 1 || list.GetNextPageToken() == "" {
		t.Errorf("listed %v, %v", list, err)
	}
	if list, err := admin.ListStoreQuotas(t.Context(), &ostiaryv1.ListStoreQuotasRequest{}); err != nil || len(list.GetQuotas()) != 2 {
		t.Errorf("listed %v, %v", list, err)
	}
	answered := func(store string) (n int) {
		for range 200 {
			if _, err := fga.GetStore(t.Context(), &openfgav1.GetStoreRequest{StoreId: store}); err == nil {
				n++
			}
		}
		return n
	}
	if n := answered(own); n != 200 {
		t.Errorf("%d of 200 were answered of the store with a rate of its own", n)
	}
	for range 1000 {
		if answered(other) < 200 {
			return
		}
	}
	t.Error("the rate of all stores bounds none")
}

// TestStoreRateTakesNoView: where no rate is set, a question takes the view that it is answered from and no other.
func TestStoreRateTakesNoView(t *testing.T) {
	var reads, views atomic.Int64
	h := start(t, func(o *api.Options) { o.Backend = counting{o.Backend, &reads, &views} })
	store := storeWithDocument(t, h)
	fga := openfgav1.NewOpenFGAServiceClient(h.conn)
	ask := func() int64 {
		t.Helper()
		views.Store(0)
		_, err := fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: store,
			TupleKey: &openfgav1.CheckRequestTupleKey{Object: "document:1", Relation: "viewer", User: "user:ann"}})
		if err != nil {
			t.Fatal(err)
		}
		return views.Load()
	}
	ask() // the first after a change of documents looks for the rate
	if n := ask(); n != 1 {
		t.Errorf("a Check took %d views", n)
	}
}
