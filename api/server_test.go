package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
)

func TestNewServerNamesEveryFault(t *testing.T) {
	_, err := api.NewServer(api.Options{Limits: api.Limits{PageSize: -1, MaxBodyBytes: 1}})
	if err == nil {
		t.Fatal("a server without a backend was made")
	}
	for _, word := range []string{"Backend", "Engine", "Authenticator", "PageSize", "MaxBodyBytes"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
}

func TestHealth(t *testing.T) {
	authenticator, err := api.PresharedKeys("k1")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, func(o *api.Options) {
		o.Authenticator, o.Role = authenticator, func() string { return "learner" }
	})
	client := healthv1.NewHealthClient(h.conn)
	want := map[string]healthv1.HealthCheckResponse_ServingStatus{
		"":               healthv1.HealthCheckResponse_SERVING,
		"ostiary.leader": healthv1.HealthCheckResponse_NOT_SERVING, "ostiary.follower": healthv1.HealthCheckResponse_NOT_SERVING,
		"ostiary.learner": healthv1.HealthCheckResponse_SERVING,
	}
	for _, pkg := range []protoreflect.FullName{"openfga.v1", "authzen.v1", "ostiary.v1"} { // every service of theirs
		protoregistry.GlobalFiles.RangeFilesByPackage(pkg, func(f protoreflect.FileDescriptor) bool {
			for i := range f.Services().Len() {
				want[string(f.Services().Get(i).FullName())] = healthv1.HealthCheckResponse_SERVING
			}
			return true
		})
	}
	if len(want) < 10 {
		t.Fatalf("only %d services are known", len(want))
	}
	got := map[string]healthv1.HealthCheckResponse_ServingStatus{}
	list, err := client.List(t.Context(), &healthv1.HealthListRequest{})
	for service, a := range list.GetStatuses() {
		got[service] = a.GetStatus()
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("a learner lists %v, %v, want %v", got, err, want)
	}
	for service, want := range want {
		if got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service}); err != nil || got.GetStatus() != want {
			t.Errorf("a learner says of %q: %v, %v, want %v", service, got, err, want)
		}
	}
	if _, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "nope"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
	a := h.raw(t, "GET", "/healthz", http.NoBody)
	if a.status != 200 || a.text(t, "status") != "SERVING" {
		t.Errorf("got %d %v", a.status, a.body)
	}
}

// A watch says when the server stops, and does not keep it from stopping.
func TestHealthWatchEndsWithTheServer(t *testing.T) {
	h := start(t)
	stream, err := healthv1.NewHealthClient(h.conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := stream.Recv()
		if err != nil || got.GetStatus() != want {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	}
	next(healthv1.HealthCheckResponse_SERVING)
	h.stop()
	next(healthv1.HealthCheckResponse_NOT_SERVING)
	if _, err := stream.Recv(); err == nil {
		t.Error("the watch goes on after the server stopped")
	}
}

func TestPresharedKeys(t *testing.T) {
	for name, keys := range map[string][]string{
		"none": nil, "empty": {""}, "white space": {" k"}, "repeated": {"secret", "secret"},
	} {
		_, err := api.PresharedKeys(keys...)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error that does not tell a key", name, err)
		}
	}
	authenticator, err := api.PresharedKeys("k1", "k2")
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func(t *testing.T, h *harness, c client) {
		missing := wanted{codes.Code(1010), 401, "bearer_token_missing", "missing bearer token"}
		wrong := wanted{codes.Code(1500), 401, "unauthenticated", "unauthenticated"}
		before := h.dump(t)
		for authorization, want := range map[string]wanted{
			"": missing, "k1": missing, "Basic k1": missing, "Bearer": missing,
			"Bearer nope": wrong, "Bearer k": wrong, "Bearer  k1": wrong, "Bearer k1k2": wrong,
		} {
			var headers []string
			if authorization != "" {
				headers = []string{"authorization", authorization}
			}
			for _, method := range []string{"CreateStore", "ListStores"} {
				want.check(t, c.ask(t, method, fields{"name": "a store"}, headers...))
			}
			if c.name == "grpc" {
				want.code = map[codes.Code]codes.Code{1010: codes.Unauthenticated, 1500: codes.Unauthenticated}[want.code]
				want.check(t, c.ask(t, "Explain", fields{"store_id": noStore}, headers...))
			}
		}
		if after := h.dump(t); after != before {
			t.Errorf("callers who are nobody changed\n%s\nto\n%s", before, after)
		}
		ids := map[string]bool{}
		for _, authorization := range []string{"Bearer k1", "bearer k2"} {
			ids[c.ok(t, "CreateStore", fields{"name": "a store"}, "authorization", authorization).text(t, "id")] = true
		}
		if len(ids) != 2 {
			t.Errorf("got stores %v", ids)
		}
	}, func(o *api.Options) { o.Authenticator = authenticator })
}

// An authenticator that names nobody lets nobody in.
func TestNobodyIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		wanted{codes.Code(1500), 401, "unauthenticated", "unauthenticated"}.check(t, c.ask(t, "CreateStore", fields{"name": "a store"}))
	}, func(o *api.Options) { o.Authenticator = nobody{} })
}

type nobody struct{}

func (nobody) Authenticate(context.Context, string) (ostiary.Principal, error) {
	return ostiary.Principal{}, nil
}

func TestRequestID(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		if got := c.ok(t, "ListStores", fields{}, "x-request-id", "my-id.1:2").headers.Get("X-Request-Id"); got != "my-id.1:2" {
			t.Errorf("got %q, want the id that was sent", got)
		}
		for _, id := range []string{"with space", strings.Repeat("x", 200), `"quoted"`} {
			got := c.ok(t, "ListStores", fields{}, "x-request-id", id).headers.Get("X-Request-Id")
			if got == id || len(got) != 32 {
				t.Errorf("sent %q, got %q, want a new one", short(id), got)
			}
		}
		if ids := c.ok(t, "CreateStore", fields{"name": "ids"}).headers.Values("X-Request-Id"); len(ids) != 1 {
			t.Errorf("got ids %q, want one", ids)
		}
		one := c.ok(t, "CreateStore", fields{"name": "ids"}).headers.Get("X-Request-Id")
		if two := c.ok(t, "CreateStore", fields{"name": "ids"}).headers.Get("X-Request-Id"); one == two {
			t.Errorf("two requests have the id %q", one)
		}
		if id := c.ask(t, "GetStore", fields{"store_id": noStore}).headers.Get("X-Request-Id"); id == "" {
			t.Error("a refusal has no id")
		}
	})
}

// Over gRPC, what nothing else knows is not sent: the id of a question that was answered.
func TestRequestIDOfAnAnswer(t *testing.T) {
	h := start(t)
	for _, c := range h.surfaces() {
		if id := c.ok(t, "ListStores", fields{}).headers.Get("X-Request-Id"); (id == "") != (c.name == "grpc") {
			t.Errorf("%s: got the id %q", c.name, id)
		}
	}
}

// recorder is the real backend, and keeps what was proposed to it.
type recorder struct {
	api.Backend
	proposed *[]*ostiary.Mutation
}

func (b recorder) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	*b.proposed = append(*b.proposed, m)
	return b.Backend.Propose(ctx, m)
}

// Every method that changes something says in its mutation who asked, in which request and when.
func TestMutationsAreSigned(t *testing.T) {
	authenticator, err := api.PresharedKeys("open-sesame")
	if err != nil {
		t.Fatal(err)
	}
	var proposed []*ostiary.Mutation
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		proposed = nil
		headers := []string{"authorization", "Bearer open-sesame", "x-request-id", "r7"}
		store := c.ok(t, "CreateStore", fields{"name": "a store"}, headers...).text(t, "id")
		model := c.ok(t, "WriteAuthorizationModel", modelFields(t, store, testModel), headers...).text(t, "authorization_model_id")
		c.ok(t, "Write", fields{"store_id": store, "writes": keys("doc:1#viewer@user:ann")}, headers...)
		c.ok(t, "WriteAssertions", fields{"store_id": store, "authorization_model_id": model, "assertions": []fields{}}, headers...)
		c.ok(t, "UpdateStore", fields{"store_id": store, "name": "renamed"}, headers...)
		c.ok(t, "DeleteStore", fields{"store_id": store}, headers...)
		if len(proposed) != 6 {
			t.Fatalf("got %d mutations, want 6", len(proposed))
		}
		for i, m := range proposed {
			if m.Principal.Kind != "preshared" || len(m.Principal.Name) != 8 || m.RequestID != "r7" || m.TimeNanos == 0 {
				t.Errorf("mutation %d: principal %q, request %q, time %d", i, m.Principal, m.RequestID, m.TimeNanos)
			}
			if strings.Contains(fmt.Sprintf("%+v", m), "open-sesame") {
				t.Errorf("mutation %d holds the key", i)
			}
		}
	}, func(o *api.Options) { o.Authenticator, o.Backend = authenticator, recorder{o.Backend, &proposed} })
}

// The message of an error stays small, whatever was sent.
func TestErrorTextIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
		relations := fields{strings.Repeat("a b", 100_000): fields{"this": fields{}}}
		many := make([]string, 100)
		for i := range many {
			many[i] = fmt.Sprintf("doc:%d#a b@user:%s", i, strings.Repeat("x", 600))
		}
		for method, f := range map[string]fields{
			"WriteAuthorizationModel": typeDefs(relations, nil).in(store),
			"Write":                   {"store_id": store, "writes": keys(many...)},
		} {
			a := c.ask(t, method, f)
			if a.message == "" || len(a.message) > 5000 {
				t.Errorf("%s: the message has %d bytes", method, len(a.message))
			}
		}
	})
}

// trouble is the real backend with a fault put in front of View.
type trouble struct {
	api.Backend
	view func(context.Context) error
}

func (b trouble) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	if err := b.view(ctx); err != nil {
		return nil, err
	}
	return b.Backend.View(ctx, f)
}

// A panic and an unknown error are an internal error that names the request and tells nothing else, and
// the server goes on.
func TestInternalErrors(t *testing.T) {
	for name, view := range map[string]func(context.Context) error{
		"panic": func(context.Context) error { panic("secret") },
		"error": func(context.Context) error { return errors.New("secret") },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, _ *harness, c client) {
				for _, method := range []string{"ListStores", "ListStores"} {
					a := c.ask(t, method, fields{}, "x-request-id", "r1")
					wanted{codes.Code(4000), 500, "internal_error", "internal error (request r1)"}.check(t, a)
				}
				a := c.ask(t, "StreamedListObjects", fields{"store_id": noStore, "type": "doc", "relation": "viewer", "user": "user:ann"}, "x-request-id", "r1")
				wanted{codes.Code(4000), 500, "13", "internal error (request r1)"}.check(t, a)
			}, func(o *api.Options) {
				o.Backend, o.Logger = trouble{o.Backend, view}, nil
			})
		})
	}
}

// A request that is larger than the bound gets an answer that says so, on both surfaces, also when its
// length is not announced.
func TestLargeRequests(t *testing.T) {
	h := start(t)
	c := h.surfaces()[0]
	store, _ := c.newStore(t, testModel)
	before := h.dump(t, store)
	large := fields{"store_id": store, "writes": keys("doc:1#viewer@user:" + strings.Repeat("x", 10_000_000))}

	a := h.askGRPC(t, "Write", large)
	if a.code != codes.ResourceExhausted || !strings.Contains(a.message, "larger than max") {
		t.Errorf("grpc: got %d %q", a.code, short(a.message))
	}
	a = h.askHTTP(t, "Write", large)
	if a.status != http.StatusRequestEntityTooLarge || a.name != "resource_exhausted" || a.message != "request body is larger than 616448 bytes" {
		t.Errorf("http: got %d %q %q", a.status, a.name, short(a.message))
	}
	body := io.MultiReader(bytes.NewReader(marshal(t, fields{"writes": large["writes"]}))) // hides its length
	a = h.raw(t, "POST", "/stores/"+store+"/write", body)
	if a.status != http.StatusRequestEntityTooLarge || a.name != "resource_exhausted" {
		t.Errorf("chunked: got %d %q %q", a.status, a.name, short(a.message))
	}
	field(openfgav1.ErrorCode_validation_error, "TupleKey.User: value length must be at most 512 bytes").check(t,
		h.askHTTP(t, "Write", fields{"store_id": store, "writes": keys("doc:1#viewer@user:" + strings.Repeat("x", 600_000))}))
	if after := h.dump(t, store); after != before {
		t.Error("a refused request changed the store")
	}
}

func TestMalformedHTTP(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	before := h.dump(t, store)
	write := "/stores/" + store + "/write"
	for _, tc := range []struct {
		name, method, path, body string
		want                     wanted
	}{
		{"no JSON", "POST", write, `{bad json`, wanted{0, 400, "validation_error", "invalid character 'b' looking for beginning of object key string"}},
		{"cut short", "POST", write, `{"writes":`, wanted{0, 400, "validation_error", ""}},
		{"an array", "POST", write, `[]`, wanted{0, 400, "validation_error", "unexpected token ["}},
		{"a field twice", "POST", write, `{"writes":{},"writes":{}}`, wanted{0, 400, "validation_error", `duplicate field "writes"`}},
		{"a field of another type", "POST", write, `{"writes":"x"}`, wanted{0, 400, "validation_error", `unexpected token "x"`}},
		{"not UTF-8", "POST", write, "{\"writes\":{\"tuple_keys\":[{\"user\":\"user:\xff\"}]}}", wanted{0, 400, "validation_error", "invalid UTF-8 in string"}},
		{"query of another type", "GET", "/stores?page_size=foo", "", wanted{0, 400, "validation_error", "invalid syntax"}},
		{"NUL in the path", "GET", "/stores/%00", "", wanted{0, 400, "validation_error", `StoreId: value does not match regex pattern "^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$"`}},
		{"no such path", "GET", "/nothing", "", wanted{0, 404, "undefined_endpoint", "Not Found"}},
		{"no such method", "PUT", "/stores", "", wanted{0, 404, "unimplemented", "Method Not Allowed"}},
		{"method override", "POST", "/stores/" + store, "", wanted{0, 404, "unimplemented", "Method Not Allowed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := h.raw(t, tc.method, tc.path, strings.NewReader(tc.body), "Content-Type", "application/json", "X-HTTP-Method-Override", "DELETE")
			if a.headers.Get("X-Request-Id") == "" {
				t.Error("no x-request-id")
			}
			if a.status != tc.want.status || a.name != tc.want.name || !strings.HasSuffix(a.message, tc.want.text) {
				t.Errorf("got %d %q %q, want %v", a.status, a.name, a.message, tc.want)
			}
		})
	}
	if a := h.raw(t, "POST", "/stores", strings.NewReader(`{"name":"unknown fields","bogus":1}`)); a.status != 201 {
		t.Errorf("a field that is not known: got %d %q, want it to be passed over", a.status, a.message)
	}
	if got := h.raw(t, "GET", "/stores?bogus=1", http.NoBody); got.status != 200 {
		t.Errorf("a query that is not known: got %d %q", got.status, got.message)
	}
	v, err := h.store.View(t.Context(), ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for tuple := range v.Tuples(t.Context(), ostiary.Filter{Store: store}, nil) {
		t.Errorf("found %v after malformed requests only; before:\n%s", tuple, before)
	}
}

// A request whose caller leaves while it is under way changes nothing.
func TestCancelledRequests(t *testing.T) {
	entered := make(chan struct{})
	onBoth(t, func(t *testing.T, h *harness, c client) {
		before := h.dump(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-entered
			cancel()
		}()
		if c.name == "grpc" {
			_, err := openfgav1.NewOpenFGAServiceClient(h.conn).Write(ctx, &openfgav1.WriteRequest{
				StoreId: noStore, Writes: &openfgav1.WriteRequestWrites{
					TupleKeys: []*openfgav1.TupleKey{{User: "user:q", Relation: "viewer", Object: "doc:1"}},
				},
			})
			if status.Code(err) != codes.Canceled {
				t.Errorf("got %v, want Canceled", err)
			}
		} else {
			req, err := http.NewRequestWithContext(ctx, "POST", h.base+"/stores/"+noStore+"/write",
				bytes.NewReader(marshal(t, fields{"writes": keys("doc:1#viewer@user:q")})))
			if err != nil {
				t.Fatal(err)
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
				t.Error("a cancelled request was answered")
			}
		}
		h.stop() // and with it every handler
		if after := h.dump(t); after != before {
			t.Errorf("a cancelled request changed\n%s\nto\n%s", before, after)
		}
	}, func(o *api.Options) {
		o.Backend = trouble{o.Backend, func(ctx context.Context) error {
			entered <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}}
	})
}

// A deadline that the server meets in the middle of a request is an error and not an answer.
func TestDeadline(t *testing.T) {
	slow := func(ctx context.Context) error { <-ctx.Done(); return nil }
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		a := c.ask(t, "Check", fields{"store_id": noStore, "tuple_key": key("doc:1#viewer@user:ann")})
		if a.code == codes.OK && a.status < 300 {
			t.Errorf("answered %v after the deadline", a.body)
		}
	}, shortTimeout, func(o *api.Options) { o.Backend = trouble{o.Backend, slow} })
}

// What came before the store was deleted is kept, what came after is refused, and nothing lies between:
// a write that is acknowledged has a revision before the deletion's.
func TestWritesRaceWithDeleteStore(t *testing.T) {
	h := start(t)
	c := h.surfaces()[0]
	for round := range 10 {
		store, _ := c.newStore(t, testModel)
		var writers sync.WaitGroup
		begin := make(chan struct{})
		revisions := make([]string, 8)
		for w := range revisions {
			writers.Go(func() {
				<-begin
				for i := range 200 {
					a := c.ask(t, "Write", fields{"store_id": store, "writes": keys(fmt.Sprintf("doc:%d#viewer@user:w%d", i, w))})
					if a.code != codes.OK {
						storeGone.check(t, a)
						return
					}
					revisions[w] = a.headers.Get("Ostiary-Revision")
				}
				t.Errorf("writer %d met no deletion", w)
			})
		}
		close(begin)
		time.Sleep(time.Duration(round) * time.Millisecond) // vary where the deletion falls
		deleted := c.ok(t, "DeleteStore", fields{"store_id": store}).headers.Get("Ostiary-Revision")
		writers.Wait()
		for w, r := range revisions {
			if len(r) > len(deleted) || (len(r) == len(deleted) && r >= deleted) {
				t.Errorf("writer %d was acknowledged at revision %s, the store was deleted at %s", w, r, deleted)
			}
		}
	}
}

// A rename of the store in between does not fail writes: they are judged again.
func TestWritesRaceWithUpdateStore(t *testing.T) {
	h := start(t)
	c := h.surfaces()[0]
	store, _ := c.newStore(t, testModel)
	var renames sync.WaitGroup
	done := make(chan struct{})
	renames.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				c.ok(t, "UpdateStore", fields{"store_id": store, "name": fmt.Sprintf("name %d", i)})
			}
		}
	})
	aborted := 0
	for i := range 100 {
		a := c.ask(t, "Write", fields{"store_id": store, "writes": keys(fmt.Sprintf("doc:%d#viewer@user:ann", i))})
		switch a.code {
		case codes.OK:
		case codes.Aborted: // five times in a row: unlikely, and the right answer
			aborted++
		default:
			t.Errorf("got %d %s", a.code, a.message)
		}
	}
	close(done)
	renames.Wait()
	if got := len(objectsOf(t, c.ok(t, "ListObjects", fields{"store_id": store, "type": "doc", "relation": "viewer", "user": "user:ann"}))); got != 100-aborted {
		t.Errorf("got %d objects, want %d", got, 100-aborted)
	}
}

// Reflection lists both services, to callers that are somebody.
func TestReflection(t *testing.T) {
	h := start(t)
	stream, err := reflectionv1.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	stream.CloseSend()
	names := fmt.Sprint(resp.GetListServicesResponse().GetService())
	for _, want := range []string{"openfga.v1.OpenFGAService", "ostiary.v1.OstiaryService"} {
		if !strings.Contains(names, want) {
			t.Errorf("%s does not name %s", names, want)
		}
	}
	if _, err := stream.Recv(); err != io.EOF { // the server closes the stream in turn
		t.Errorf("got %v, want the end", err)
	}
}

// A request under way when the server is told to stop is answered.
func TestDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	slow := func(context.Context) error { close(entered); <-release; return nil }
	onceEach := func(t *testing.T, h *harness, c client) {
		answered := make(chan answer)
		go func() { answered <- c.ask(t, "ListStores", fields{}) }()
		<-entered
		stopped := make(chan struct{})
		go func() { h.stop(); close(stopped) }()
		select {
		case <-stopped:
			t.Error("the server stopped with a request under way")
		case <-time.After(50 * time.Millisecond):
		}
		close(release)
		if a := <-answered; a.code != codes.OK || a.status >= 300 {
			t.Errorf("got %d %d %s", a.code, a.status, a.message)
		}
		<-stopped
		entered, release = make(chan struct{}), make(chan struct{})
	}
	onBoth(t, onceEach, func(o *api.Options) { o.Backend = trouble{o.Backend, slow} })
}

// A listener that fails ends Serve with an error, and everything that it started.
func TestServeEndsWithABrokenListener(t *testing.T) {
	h := start(t)
	server, err := api.NewServer(api.Options{
		Backend: backend{h.store}, Engine: engine.New(engine.Options{}), Authenticator: api.Anonymous(),
	})
	if err != nil {
		t.Fatal(err)
	}
	broken, whole := listen(t), listen(t)
	broken.Close()
	err = server.Serve(t.Context(), broken, whole)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
	if c, err := net.Dial("tcp", whole.Addr().String()); err == nil {
		c.Close()
		t.Error("the other listener is still open")
	}
}
