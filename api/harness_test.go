package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(judgeAudited)) }

// backend adapts the real store to what api asks for.
type backend struct{ *raftstore.Store }

func (b backend) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	v, err := b.Store.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return view{v}, nil
}

type view struct{ *storage.View }

func (v view) Reader(store string, nowNanos int64) engine.Reader {
	return v.View.Reader(store, nowNanos)
}

// harness is a server on loopback listeners over a real store in a temporary folder.
type harness struct {
	store  *raftstore.Store
	server *api.Server
	conn   *grpc.ClientConn
	base   string // of HTTP
	stop   func() // and wait
}

func start(t testing.TB, change ...func(*api.Options)) *harness {
	t.Helper()
	return startOn(t, raftstore.Options{Dir: t.TempDir()}, change...)
}

// startOn starts a server over the store that the options describe.
func startOn(t testing.TB, on raftstore.Options, change ...func(*api.Options)) *harness {
	t.Helper()
	store, err := raftstore.Open(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	options := api.Options{
		Backend: backend{store}, Engine: engine.New(engine.Options{}), Authenticator: api.Anonymous(),
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, f := range change {
		f(&options)
	}
	server, err := api.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	grpcListener, httpListener := listen(t), listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ctx, grpcListener, httpListener); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	conn, err := grpc.NewClient(grpcListener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stop := func() { cancel(); <-done }
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		conn.Close()
		stop()
	})
	return &harness{store: store, server: server, conn: conn, base: "http://" + httpListener.Addr().String(), stop: stop}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fields is a request in the JSON form of its message.
type fields map[string]any

// answer is what came back, by whichever surface.
type answer struct {
	code    codes.Code // over gRPC
	status  int        // over HTTP
	name    string     // the "code" of an HTTP error
	message string     // of an error
	body    any        // of a success, as JSON
	headers http.Header
}

// client asks one surface.
type client struct {
	name string
	ask  func(t testing.TB, method string, f fields, headers ...string) answer
}

func (h *harness) surfaces() []client {
	return []client{{"grpc", h.askGRPC}, {"http", h.askHTTP}}
}

// onBoth runs a test on each surface, each with a server of its own.
func onBoth(t *testing.T, run func(t *testing.T, h *harness, c client), change ...func(*api.Options)) {
	for i, name := range []string{"grpc", "http"} {
		t.Run("surface="+name, func(t *testing.T) {
			h := start(t, change...)
			run(t, h, h.surfaces()[i])
		})
	}
}

var openfgaMethods = openfgav1.File_openfga_v1_openfga_service_proto.Services().ByName("OpenFGAService").Methods()
var authzenMethods = authzenv1.File_authzen_v1_authzen_service_proto.Services().ByName("AuthZenService").Methods()
var ostiaryMethods = ostiaryv1.File_ostiary_v1_ostiary_proto.Services().ByName("OstiaryService").Methods()
var blastRadiusMethods = ostiaryv1.File_ostiary_v1_blastradius_proto.Services().ByName("BlastRadiusService").Methods()

func methodOf(t testing.TB, name string) protoreflect.MethodDescriptor {
	t.Helper()
	for _, methods := range []protoreflect.MethodDescriptors{openfgaMethods, authzenMethods, ostiaryMethods, blastRadiusMethods} {
		if m := methods.ByName(protoreflect.Name(name)); m != nil {
			return m
		}
	}
	t.Fatalf("no method %q", name)
	return nil
}

func newMessage(t testing.TB, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return typ.New().Interface()
}

func (h *harness) askGRPC(t testing.TB, method string, f fields, headers ...string) answer {
	t.Helper()
	m := methodOf(t, method)
	req := newMessage(t, m.Input())
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(marshal(t, f), req); err != nil {
		t.Fatalf("%s %v: %v", method, f, err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
	path := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	if m.IsStreamingServer() {
		return h.askStream(t, ctx, path, m, req)
	}
	var md metadata.MD
	resp := newMessage(t, m.Output())
	err := h.conn.Invoke(ctx, path, req, resp, grpc.Header(&md))
	a := answer{code: status.Code(err), headers: http.Header{}}
	for k, v := range md {
		a.headers[http.CanonicalHeaderKey(k)] = v
	}
	if err != nil {
		a.message = status.Convert(err).Message()
		return a
	}
	a.body = toJSON(t, resp)
	return a
}

// askStream collects a stream: the body is the list of its messages.
func (h *harness) askStream(t testing.TB, ctx context.Context, path string, m protoreflect.MethodDescriptor, req proto.Message) answer {
	t.Helper()
	stream, err := h.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.SendMsg(req), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	all := []any{}
	for {
		resp := newMessage(t, m.Output())
		err := stream.RecvMsg(resp)
		if err == nil {
			all = append(all, toJSON(t, resp))
			continue
		}
		a := answer{headers: http.Header{}}
		md, _ := stream.Header()
		for k, v := range md {
			a.headers[http.CanonicalHeaderKey(k)] = v
		}
		if err == io.EOF {
			a.body = all
			return a
		}
		a.code, a.message = status.Code(err), status.Convert(err).Message()
		return a
	}
}

// routes are the HTTP forms of the methods.
var routes = map[string][2]string{
	"CreateStore":             {"POST", "/stores"},
	"ListStores":              {"GET", "/stores"},
	"GetStore":                {"GET", "/stores/{store_id}"},
	"DeleteStore":             {"DELETE", "/stores/{store_id}"},
	"UpdateStore":             {"PATCH", "/stores/{store_id}"},
	"WriteAuthorizationModel": {"POST", "/stores/{store_id}/authorization-models"},
	"ReadAuthorizationModels": {"GET", "/stores/{store_id}/authorization-models"},
	"ReadAuthorizationModel":  {"GET", "/stores/{store_id}/authorization-models/{id}"},
	"Write":                   {"POST", "/stores/{store_id}/write"},
	"Read":                    {"POST", "/stores/{store_id}/read"},
	"Check":                   {"POST", "/stores/{store_id}/check"},
	"BatchCheck":              {"POST", "/stores/{store_id}/batch-check"},
	"Expand":                  {"POST", "/stores/{store_id}/expand"},
	"ListObjects":             {"POST", "/stores/{store_id}/list-objects"},
	"StreamedListObjects":     {"POST", "/stores/{store_id}/streamed-list-objects"},
	"ListUsers":               {"POST", "/stores/{store_id}/list-users"},
	"ReadChanges":             {"GET", "/stores/{store_id}/changes"},
	"WriteAssertions":         {"PUT", "/stores/{store_id}/assertions/{authorization_model_id}"},
	"ReadAssertions":          {"GET", "/stores/{store_id}/assertions/{authorization_model_id}"},
	"Evaluation":              {"POST", "/stores/{store_id}/access/v1/evaluation"},
	"Evaluations":             {"POST", "/stores/{store_id}/access/v1/evaluations"},
	"SubjectSearch":           {"POST", "/stores/{store_id}/access/v1/search/subject"},
	"ResourceSearch":          {"POST", "/stores/{store_id}/access/v1/search/resource"},
	"ActionSearch":            {"POST", "/stores/{store_id}/access/v1/search/action"},
	"GetConfiguration":        {"GET", "/.well-known/authzen-configuration/{store_id}"},
	"Explain":                 {"POST", "/ostiary/v1/stores/{store_id}/explain"},
	"BlastRadius":             {"POST", "/ostiary/v1/stores/{store_id}/blast-radius"},
}

func (h *harness) askHTTP(t testing.TB, method string, f fields, headers ...string) answer {
	t.Helper()
	route, ok := routes[method]
	if !ok {
		t.Fatalf("no route for %q", method)
	}
	path, body := route[1], fields{}
	query := url.Values{}
	for name, value := range f {
		place := "{" + name + "}"
		switch {
		case strings.Contains(path, place):
			path = strings.ReplaceAll(path, place, url.PathEscape(fmt.Sprint(value)))
		case route[0] == http.MethodGet:
			query.Set(name, fmt.Sprint(value))
		default:
			body[name] = value
		}
	}
	var content io.Reader = http.NoBody
	if route[0] != http.MethodGet && route[0] != http.MethodDelete {
		content = bytes.NewReader(marshal(t, body))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	a := h.raw(t, route[0], path, content, headers...)
	if route[1] == "/stores/{store_id}/streamed-list-objects" && a.status == http.StatusOK {
		a.body = a.body.(streamed).results
	}
	return a
}

// streamed is the body of a stream: one JSON object per line.
type streamed struct{ results []any }

// send sends a request over HTTP and returns its answer, and the body of that.
func (h *harness) send(t testing.TB, method, path string, body io.Reader, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, text
}

func (h *harness) raw(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	resp, text := h.send(t, method, path, body, headers...)
	a := answer{status: resp.StatusCode, headers: resp.Header}
	if resp.StatusCode >= 300 {
		a.name, a.message = errorBody(t, path, text)
		return a
	}
	if strings.HasSuffix(path, "/streamed-list-objects") {
		s := streamed{results: []any{}}
		for line := range strings.Lines(string(text)) {
			var chunk struct{ Result any }
			if err := json.Unmarshal([]byte(line), &chunk); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			s.results = append(s.results, chunk.Result)
		}
		a.body = s
		return a
	}
	if len(text) == 0 {
		a.body = map[string]any{}
		return a
	}
	if err := json.Unmarshal(text, &a.body); err != nil {
		t.Fatalf("%s %s: %v in %q", method, path, err, text)
	}
	return a
}

func errorBody(t testing.TB, path string, text []byte) (name, message string) {
	t.Helper()
	var e struct {
		Code, Message string
		Error         *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%s: %v in %q", path, err, text)
	}
	if e.Error != nil {
		return fmt.Sprint(e.Error.Code), e.Error.Message
	}
	return e.Code, e.Message
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func toJSON(t testing.TB, m proto.Message) any {
	t.Helper()
	data, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// ok asks and requires success.
func (c client) ok(t testing.TB, method string, f fields, headers ...string) answer {
	t.Helper()
	a := c.ask(t, method, f, headers...)
	if a.code != codes.OK || a.status >= 300 {
		t.Fatalf("%s %v: code %d, status %d: %s %s", method, short(f), a.code, a.status, a.name, a.message)
	}
	return a
}

// text returns a string of the body.
func (a answer) text(t testing.TB, name string) string {
	t.Helper()
	s, ok := a.body.(map[string]any)[name].(string)
	if !ok {
		t.Fatalf("no text %q in %v", name, a.body)
	}
	return s
}

func (a answer) list(t testing.TB, name string) []any {
	t.Helper()
	l, ok := a.body.(map[string]any)[name].([]any)
	if !ok {
		t.Fatalf("no list %q in %v", name, a.body)
	}
	return l
}

func short(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}

// wanted is an expected refusal: its number over gRPC, its status and name over HTTP, and its message,
// or the end of it.
type wanted struct {
	code   codes.Code
	status int
	name   string
	text   string
}

// field is the refusal of a field's validator.
func field(name openfgav1.ErrorCode, text string) wanted {
	return wanted{codes.InvalidArgument, http.StatusBadRequest, name.String(), text}
}

// number is the refusal with one of OpenFGA's numbers.
func number(code openfgav1.ErrorCode, text string) wanted {
	return wanted{codes.Code(code), http.StatusBadRequest, code.String(), text}
}

func (w wanted) check(t testing.TB, a answer) {
	t.Helper()
	if a.code == codes.OK && a.status < 300 {
		t.Fatalf("answered %v, want refusal %d %s", short(a.body), w.code, w.text)
	}
	switch {
	case a.status != 0 && (a.status != w.status || a.name != w.name):
		t.Errorf("got HTTP %d %q, want %d %q (%s)", a.status, a.name, w.status, w.name, short(a.message))
	case a.status == 0 && a.code != w.code:
		t.Errorf("got code %d, want %d (%s)", a.code, w.code, short(a.message))
	}
	if !strings.HasSuffix(a.message, w.text) {
		t.Errorf("got message %q, want %q", short(a.message), w.text)
	}
	if a.headers.Get("X-Request-Id") == "" {
		t.Error("no x-request-id on a refusal")
	}
}

// dump returns everything that a request could have changed: the revision, the documents and tuples of
// the stores, and their changelogs.
func (h *harness) dump(t testing.TB, stores ...string) string {
	t.Helper()
	v, err := h.store.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "revision %d\n", v.Revision())
	collections := []string{"store", "latest-model"}
	for _, s := range stores {
		collections = append(collections, "model/"+s, "assertion/"+s)
	}
	for _, c := range collections {
		docs, err := v.Documents(c, "", 1000, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			fmt.Fprintf(&b, "%s %d %s\n", d.Key, d.Version, d.Body)
		}
	}
	for _, s := range stores {
		for tuple, err := range v.Tuples(t.Context(), ostiary.Filter{Store: s}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %v\n", s, tuple)
		}
		for c, err := range v.Changes(t.Context(), s, 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %v\n", s, c)
		}
	}
	return b.String()
}

// newest returns the revision of the store's newest view.
func (h *harness) newest(t testing.TB) ostiary.Revision {
	t.Helper()
	v, err := h.store.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return v.Revision()
}

// testModel has a relation of every shape.
const testModel = `model
  schema 1.1

type user

type group
  relations
    define member: [user, user:*, group#member]

type folder
  relations
    define viewer: [user, group#member]

type doc
  relations
    define parent: [folder]
    define banned: [user]
    define conditional: [user with below]
    define editor: [user]
    define viewer: [user, user:*, group#member] or editor or viewer from parent
    define can_view: viewer but not banned
    define both: viewer and editor

condition below(x: int) {
  x < 3
}
`

// modelFields returns a model in the fields of a WriteAuthorizationModel.
func modelFields(t testing.TB, store, text string) fields {
	t.Helper()
	m, err := dsl.Compile("test.fga", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	data, err := dsl.JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	f := fields{}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	f["store_id"] = store
	return f
}

// newStore makes a store with a model and returns both ids.
func (c client) newStore(t testing.TB, model string) (store, modelID string) {
	t.Helper()
	store = c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
	return store, c.ok(t, "WriteAuthorizationModel", modelFields(t, store, model)).text(t, "authorization_model_id")
}

// key is a tuple key of "object#relation@user".
func key(text string) fields {
	object, rest, _ := strings.Cut(text, "#")
	relation, user, _ := strings.Cut(rest, "@")
	return fields{"object": object, "relation": relation, "user": user}
}

func keys(texts ...string) fields {
	all := make([]fields, len(texts))
	for i, text := range texts {
		all[i] = key(text)
	}
	return fields{"tuple_keys": all}
}

func (c client) write(t testing.TB, store string, texts ...string) answer {
	t.Helper()
	var last answer
	for chunk := range slices.Chunk(texts, 100) {
		last = c.ok(t, "Write", fields{"store_id": store, "writes": keys(chunk...)})
	}
	return last
}

// noStore is the id of a store that does not exist.
const noStore = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

// shortTimeout lets waits end soon.
func shortTimeout(o *api.Options) { o.Limits.RequestTimeout = time.Second }

// listUsers returns the fields of a ListUsers for users of a type, or of "type#relation".
func listUsers(object, relation, filter string) fields {
	typ, id, _ := strings.Cut(object, ":")
	filterType, filterRelation, isUserset := strings.Cut(filter, "#")
	f := fields{"type": filterType}
	if isUserset {
		f["relation"] = filterRelation
	}
	return fields{"object": fields{"type": typ, "id": id}, "relation": relation, "user_filters": []fields{f}}
}

// in returns f with the store's id.
func (f fields) in(store string) fields {
	g := fields{"store_id": store}
	for k, v := range f {
		g[k] = v
	}
	return g
}

// tupleTexts returns the tuples of a Read as "object#relation@user", sorted.
func tupleTexts(t testing.TB, a answer) []string {
	t.Helper()
	texts := []string{}
	for _, x := range a.list(t, "tuples") {
		k := x.(map[string]any)["key"].(map[string]any)
		texts = append(texts, fmt.Sprintf("%s#%s@%s", k["object"], k["relation"], k["user"]))
	}
	slices.Sort(texts)
	return texts
}
