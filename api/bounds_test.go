package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
)

// A model that nests too deeply is refused as such before its fields are looked at, whether or not there is
// a fault at the bottom.
func TestDeepModels(t *testing.T) {
	h := start(t)
	c := openfgav1.NewOpenFGAServiceClient(h.conn)
	store := h.surfaces()[0].ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
	write := func(u *openfgav1.Userset, p *openfgav1.ConditionParamTypeRef) error {
		req := &openfgav1.WriteAuthorizationModelRequest{StoreId: store, SchemaVersion: "1.1", TypeDefinitions: []*openfgav1.TypeDefinition{
			{Type: "user"},
			{Type: "doc", Relations: map[string]*openfgav1.Userset{"viewer": u}, Metadata: &openfgav1.Metadata{
				Relations: map[string]*openfgav1.RelationMetadata{"viewer": {DirectlyRelatedUserTypes: []*openfgav1.RelationReference{{Type: "user"}}}},
			}},
		}}
		if p != nil {
			req.Conditions = map[string]*openfgav1.Condition{"c": {
				Name: "c", Expression: "x == x", Parameters: map[string]*openfgav1.ConditionParamTypeRef{"x": p},
			}}
		}
		_, err := c.WriteAuthorizationModel(t.Context(), req)
		return err
	}
	this := &openfgav1.Userset{Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}
	faulty := &openfgav1.Userset{Userset: &openfgav1.Userset_Difference{Difference: &openfgav1.Difference{}}}
	union := func(u *openfgav1.Userset) *openfgav1.Userset {
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Union{Union: &openfgav1.Usersets{Child: []*openfgav1.Userset{u}}}}
	}
	difference := func(u *openfgav1.Userset) *openfgav1.Userset {
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Difference{Difference: &openfgav1.Difference{Base: this, Subtract: u}}}
	}
	for name, tc := range map[string]struct {
		bottom *openfgav1.Userset
		around func(*openfgav1.Userset) *openfgav1.Userset
	}{"union": {this, union}, "faulty union": {faulty, union}, "difference": {this, difference}, "faulty difference": {faulty, difference}} {
		for _, depth := range []int{65, 200, 3000} {
			u := tc.bottom
			for range depth {
				u = tc.around(u)
			}
			err := write(u, nil)
			if status.Code(err) != 2056 || !strings.Contains(err.Error(), "nests deeper than 64 levels") {
				t.Errorf("%s of depth %d: got %d %s", name, depth, status.Code(err), short(err.Error()))
			}
		}
	}
	u := this
	for range 64 {
		u = difference(u)
	}
	if err := write(u, nil); err != nil {
		t.Errorf("depth 64: %v", err)
	}
	p := &openfgav1.ConditionParamTypeRef{TypeName: openfgav1.ConditionParamTypeRef_TYPE_NAME_ANY}
	for range 3000 {
		p = &openfgav1.ConditionParamTypeRef{
			TypeName: openfgav1.ConditionParamTypeRef_TYPE_NAME_LIST, GenericTypes: []*openfgav1.ConditionParamTypeRef{p},
		}
	}
	if err := write(this, p); status.Code(err) != 2056 || !strings.Contains(err.Error(), "nests deeper than 64 levels") {
		t.Errorf("type of a parameter: got %d %s", status.Code(err), short(err.Error()))
	}
}

// fill writes n tuples into a store, without a request for each hundred.
func (h *harness) fill(t testing.TB, store string, n int, tuple func(i int) ostiary.Tuple) {
	t.Helper()
	for i := 0; i < n; {
		m := &ostiary.Mutation{Principal: ostiary.Principal{Kind: "internal"}, TimeNanos: h.store.Now()}
		for range min(5000, n-i) {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{
				Op: ostiary.TupleCreate, Store: store, Tuple: tuple(i), Grant: ostiary.Grant{Owner: ostiary.OwnerAPI},
			})
			i++
		}
		if _, err := h.store.Propose(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// A page of changes of a type that is rare says how far it has looked, so that the next one goes on from
// there, and the start that the first page asked for holds for all.
func TestSparseChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		h.fill(t, store, 25_000, func(i int) ostiary.Tuple {
			typ := "doc"
			if i == 24_000 {
				typ = "rare"
			}
			return ostiary.Tuple{
				Object: ostiary.ObjectRef{Type: typ, ID: fmt.Sprint(i)}, Relation: "viewer",
				Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
			}
		})
		for _, start := range []string{"", "2001-01-01T00:00:00Z"} {
			f := fields{"store_id": store, "type": "rare"}
			if start != "" {
				f["start_time"] = start
			}
			var pages []int
			for range 4 {
				a := c.ok(t, "ReadChanges", f)
				pages = append(pages, len(a.list(t, "changes")))
				next := a.text(t, "continuation_token")
				if len(pages) < 4 && (next == "" || next == f["continuation_token"]) {
					t.Fatalf("page %d does not advance", len(pages))
				}
				f["continuation_token"] = next
			}
			if got := fmt.Sprint(pages); got != "[0 0 1 0]" {
				t.Errorf("start %q: got pages of %s changes", start, got)
			}
		}
	})
}

// What cannot be a store's id Explain does not repeat in a header.
func TestStoreHeaderIsAnID(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		question := func(store string) fields {
			return fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")}
		}
		for _, store := range []string{"nonsense", strings.Repeat("A", 100), strings.ToLower(noStore)} {
			if got := c.ask(t, "Explain", question(store)).headers.Get("Openfga-Store-Id"); got != "" {
				t.Errorf("the answer names the store %q", got)
			}
		}
		if got := c.ask(t, "Explain", question(noStore)).headers.Get("Openfga-Store-Id"); got != noStore {
			t.Errorf("got %q, want %s", got, noStore)
		}
	})
}

// There are only so many watches, and none of what is not served.
func TestHealthWatchesAreBounded(t *testing.T) {
	h := start(t)
	client := healthv1.NewHealthClient(h.conn)
	open := func(ctx context.Context, service string) error {
		stream, err := client.Watch(ctx, &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	if err := open(t.Context(), "nonsense"); status.Code(err) != codes.NotFound {
		t.Errorf("a service that is not served: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for n := 0; ; n++ {
		err := open(ctx, "")
		if status.Code(err) == codes.ResourceExhausted && n == 100 {
			break
		}
		if err != nil || n > 100 {
			t.Fatalf("watch %d: got %v", n, err)
		}
	}
	cancel()
	for open(t.Context(), "") != nil { // until the server has noticed
	}
}
