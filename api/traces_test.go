package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/tracing"
	"github.com/ostiary/ostiary/tracing/tracetest"
)

const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
)

// traced starts a server that traces what callers ask it to, and returns what came to the collector since.
func traced(t *testing.T) (h *harness, spans func() map[string][]tracetest.Span) {
	t.Helper()
	c := tracetest.Start(t)
	tracer, err := tracing.New(tracing.Options{Endpoint: c.Address, ExportTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tracer.Close() })
	h = start(t, func(o *api.Options) {
		o.Tracer = tracer
		keys, err := api.PresharedKeys("k3y")
		if err != nil {
			t.Fatal(err)
		}
		o.Authenticator = api.FirstOf(keys, api.Anonymous())
	})
	return h, func() map[string][]tracetest.Span {
		t.Helper()
		if err := tracer.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := map[string][]tracetest.Span{}
		for _, s := range c.Spans() {
			all[s.Name] = append(all[s.Name], s)
		}
		return all
	}
}

// TestTraces: a request of each surface becomes spans within the trace that it brought, which say what it cost and
// nothing of who asked about whom.
func TestTraces(t *testing.T) {
	h, spans := traced(t)
	c := h.surfaces()[0]
	store, model := c.newStore(t, testModel)
	c.write(t, store, "doc:1#viewer@group:1#member", "group:1#member@user:ann")
	if got := spans(); len(got) != 0 {
		t.Fatalf("traced unasked: %v", got)
	}
	parent := "00-" + traceID + "-" + parentID + "-01"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent, "x-request-id", "r-1", "authorization", "Bearer k3y")
	client := openfgav1.NewOpenFGAServiceClient(h.conn)
	tuple := &openfgav1.CheckRequestTupleKey{User: "user:ann", Relation: "viewer", Object: "doc:1"}
	overHTTP := func(path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/stores/"+store+"/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("traceparent", parent)
		req.Header.Set("x-request-id", "r-1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", path, resp.StatusCode)
		}
	}
	const key = `"tuple_key": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}`
	for name, ask := range map[string]func(){
		"gRPC": func() {
			if r, err := client.Check(ctx, &openfgav1.CheckRequest{StoreId: store, TupleKey: tuple}); err != nil || !r.GetAllowed() {
				t.Fatalf("got %v, %v", r, err)
			}
		},
		"HTTP, plain":   func() { overHTTP("check", `{`+key+`}`) },
		"HTTP, gateway": func() { overHTTP("check", `{`+key+`, "context": {}}`) },
	} {
		ask()
		got := spans()
		request := one(t, got, "openfga.v1.OpenFGAService/Check")
		view, engine := one(t, got, "view"), one(t, got, "engine")
		if request.Parent != parentID || request.Trace != traceID || view.Parent != request.ID || engine.Parent != request.ID || engine.Trace != traceID {
			t.Errorf("%s: %v", name, got)
		}
		a := request.Attributes
		if a["ostiary.request_id"] != "r-1" || a["ostiary.store_id"] != store || a["ostiary.model_id"] != model || a["ostiary.revision"] == "" {
			t.Errorf("%s: the request has %v", name, a)
		}
		if view.Attributes["ostiary.consistency"] != "latest" {
			t.Errorf("%s: the view has %v", name, view.Attributes)
		}
		a = engine.Attributes
		if a["ostiary.result"] != "allowed" || a["ostiary.questions"] != "1" || a["ostiary.depth"] != "1" || a["ostiary.tuples_read"] == "0" {
			t.Errorf("%s: the engine has %v", name, a)
		}
		tellNothing(t, got)
	}

	batch := &openfgav1.BatchCheckRequest{StoreId: store, Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY}
	for i, o := range []string{"doc:1", "doc:2"} {
		batch.Checks = append(batch.Checks, &openfgav1.BatchCheckItem{CorrelationId: fmt.Sprint(i),
			TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:ann", Relation: "viewer", Object: o}})
	}
	if _, err := client.BatchCheck(ctx, batch); err != nil {
		t.Fatal(err)
	}
	got := spans()
	if a := one(t, got, "engine").Attributes; a["ostiary.questions"] != "2" || one(t, got, "view").Attributes["ostiary.consistency"] != "linearizable" {
		t.Errorf("a batch: %v", got)
	}
	if _, err := client.ListObjects(ctx, &openfgav1.ListObjectsRequest{StoreId: store, Type: "doc", Relation: "viewer", User: "user:ann"}); err != nil {
		t.Fatal(err)
	}
	users := &openfgav1.ListUsersRequest{StoreId: store, Object: &openfgav1.Object{Type: "doc", Id: "1"}, Relation: "viewer",
		UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}}}
	if _, err := client.ListUsers(ctx, users); err != nil {
		t.Fatal(err)
	}
	stream, err := client.StreamedListObjects(ctx, &openfgav1.StreamedListObjectsRequest{StoreId: store, Type: "doc", Relation: "viewer", User: "user:ann"})
	for err == nil {
		_, err = stream.Recv()
	}
	got = spans()
	for _, method := range []string{"ListObjects", "ListUsers", "StreamedListObjects"} {
		request := one(t, got, "openfga.v1.OpenFGAService/"+method)
		if !slices.ContainsFunc(got["engine"], func(s tracetest.Span) bool {
			return s.Parent == request.ID && s.Attributes["ostiary.tuples_read"] != "0"
		}) {
			t.Errorf("%s: %v", method, got)
		}
	}
	tellNothing(t, got)

	if _, err := client.Check(ctx, &openfgav1.CheckRequest{StoreId: "01JZ0000000000000000000000", TupleKey: tuple}); err == nil {
		t.Fatal("a check of a store that is not there was answered")
	}
	got = spans()
	if s := one(t, got, "openfga.v1.OpenFGAService/Check"); !s.Failed || s.Failure != "store_id_not_found" {
		t.Errorf("a check that failed: %v", s)
	}
	tellNothing(t, got)
}

func one(t *testing.T, spans map[string][]tracetest.Span, name string) tracetest.Span {
	t.Helper()
	if len(spans[name]) != 1 {
		t.Fatalf("got %d spans %q among %v, want one", len(spans[name]), name, spans)
	}
	return spans[name][0]
}

// tellNothing fails where a span names an object, a subject or a secret.
func tellNothing(t *testing.T, spans map[string][]tracetest.Span) {
	t.Helper()
	text := fmt.Sprint(spans)
	for _, secret := range []string{"ann", "doc:", "viewer", "k3y", "127.0.0.1"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q stands in %s", secret, text)
		}
	}
}

// TestTracesOfStrangers: who is not known has nothing traced, whatever the header says.
func TestTracesOfStrangers(t *testing.T) {
	c := tracetest.Start(t)
	tracer, err := tracing.New(tracing.Options{Endpoint: c.Address, ExportTimeout: time.Minute, Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	h := start(t, func(o *api.Options) {
		o.Tracer = tracer
		if o.Authenticator, err = api.PresharedKeys("k3y"); err != nil {
			t.Fatal(err)
		}
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+traceID+"-"+parentID+"-01", "authorization", "Bearer wrong")
	if _, err := openfgav1.NewOpenFGAServiceClient(h.conn).ListStores(ctx, &openfgav1.ListStoresRequest{}); err == nil {
		t.Fatal("a stranger was answered")
	}
	if err := tracer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Spans(); len(got) != 0 {
		t.Errorf("traced: %v", got)
	}
}
