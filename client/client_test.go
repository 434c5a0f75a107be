package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/client"
)

func write(t *testing.T, c *client.Client, tuples ...client.Tuple) string {
	t.Helper()
	var token string
	for part := range slices.Chunk(tuples, 100) {
		var err error
		if token, err = c.Write(t.Context(), client.Changes{Writes: part}); err != nil {
			t.Fatal(err)
		}
	}
	return token
}

func TestCheck(t *testing.T) {
	c := start(t)
	before := write(t, c, client.Tuple{User: "group:eng#member", Relation: "viewer", Object: "doc:plan"})
	write(t, c, client.Tuple{User: "user:ann", Relation: "member", Object: "group:eng"})
	_, err := c.Write(t.Context(), client.Changes{
		Writes:    []client.Tuple{{User: "user:cat", Relation: "viewer", Object: "doc:plan"}},
		Condition: "until", Values: map[string]any{"end": "2026-01-01T00:00:00Z"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		user    string
		options []client.Option
		want    bool
		err     error
	}{
		"by a group":           {user: "user:ann", want: true},
		"nobody":               {user: "user:bob"},
		"before":               {user: "user:ann", options: []client.Option{client.AsOf(before)}},
		"a tuple along":        {user: "user:bob", options: []client.Option{client.With(client.Tuple{User: "user:bob", Relation: "member", Object: "group:eng"})}, want: true},
		"the newest":           {user: "user:ann", options: []client.Option{client.Newest()}, want: true},
		"at least":             {user: "user:ann", options: []client.Option{client.AtLeast(before)}, want: true},
		"condition holds":      {user: "user:cat", options: []client.Option{client.Context(map[string]any{"now": "2025-06-01T00:00:00Z"})}, want: true},
		"condition does not":   {user: "user:cat", options: []client.Option{client.Context(map[string]any{"now": "2026-06-01T00:00:00Z"})}},
		"condition unknown":    {user: "user:cat", err: client.ErrInvalid},
		"no JSON":              {user: "user:cat", options: []client.Option{client.Context(map[string]any{"now": make(chan int)})}, err: client.ErrInvalid},
		"malformed":            {user: "ann", err: client.ErrInvalid},
		"no model":             {user: "user:ann", options: []client.Option{client.Model("01ARYZ6S41TSV4RRFFQ69G5FAV")}, err: client.ErrNotFound},
		"a token of elsewhere": {user: "user:ann", options: []client.Option{client.AtLeast("x")}, err: client.ErrInvalid},
	} {
		got, err := c.Check(t.Context(), test.user, "viewer", "doc:plan", test.options...)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	var failed *client.Error
	if _, err := c.In("01ARYZ6S41TSV4RRFFQ69G5FAV").Check(t.Context(), "user:ann", "viewer", "doc:plan"); !errors.Is(err, client.ErrNotFound) ||
		!errors.As(err, &failed) || failed.RequestID == "" || failed.Attempts != 1 {
		t.Errorf("of a store that there is not: %v, %+v", err, failed)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if allowed, err := c.Check(ended, "user:ann", "viewer", "doc:plan"); allowed || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("after its context has ended: %v, %v", allowed, err)
	}
}

func TestBatchCheck(t *testing.T) {
	c := start(t)
	write(t, c, viewers("user:ann", 70)...)
	checks := append(viewers("user:ann", 70), client.Tuple{User: "user:bob", Relation: "viewer", Object: "doc:0001"},
		client.Tuple{User: "user:bob", Relation: "nothing", Object: "doc:0001"})
	answers, err := c.BatchCheck(t.Context(), checks)
	if err != nil || len(answers) != len(checks) {
		t.Fatalf("%d answers to %d checks: %v", len(answers), len(checks), err)
	}
	for i, a := range answers {
		if a.Allowed != (i < 70) || errors.Is(a.Err, client.ErrInvalid) != (i == 71) {
			t.Errorf("%v: %+v", checks[i], a)
		}
	}
}

func TestLists(t *testing.T) {
	c := start(t, func(o *api.Options) { o.Limits.ListObjectsMaxResults, o.Limits.ListUsersMaxResults = 100, 100 }).Session("")
	docs := viewers("user:ann", 250)
	write(t, c, docs...)
	var got []string
	for object, err := range c.ListObjects(t.Context(), "user:ann", "viewer", "doc") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, object); len(got) == 150 { // pages are of the first one's revision
			write(t, c, client.Tuple{User: "user:ann", Relation: "viewer", Object: "doc:9999"})
		}
	}
	if len(got) != 250 || got[0] != "doc:0000" || got[249] != "doc:0249" {
		t.Errorf("got %d objects: %v", len(got), got)
	}
	write(t, c, client.Tuple{User: "user:*", Relation: "viewer", Object: "doc:0001"}, client.Tuple{User: "group:eng#member", Relation: "viewer", Object: "doc:0001"})
	for of, want := range map[string]string{"user": "user:* user:ann", "group#member": "group:eng#member"} {
		var users []string
		for user, err := range c.ListUsers(t.Context(), "doc:0001", "viewer", of) {
			if err != nil {
				t.Fatal(err)
			}
			users = append(users, user)
		}
		if strings.Join(users, " ") != want {
			t.Errorf("users of %s: %v", of, users)
		}
	}
	for _, err := range c.ListUsers(t.Context(), "doc", "viewer", "user") {
		if !errors.Is(err, client.ErrInvalid) {
			t.Errorf("of an object without an id: %v", err)
		}
	}
	read := 0
	for _, err := range c.Read(t.Context(), client.Tuple{User: "user:ann", Object: "doc:"}) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read == 50 {
			write(t, c, client.Tuple{User: "user:ann", Relation: "viewer", Object: "doc:99999"})
		}
	}
	if read != 251 {
		t.Errorf("read %d tuples, want 251", read)
	}
	for range c.ListObjects(t.Context(), "user:ann", "viewer", "doc") {
		break // leaves nothing behind
	}
}

// TestModelOfAnotherStore: a model belongs to one store, and so another one is not asked by it.
func TestModelOfAnotherStore(t *testing.T) {
	address, store, stop, err := serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	second, err := newStore(address)
	if err != nil {
		t.Fatal(err)
	}
	fga := openfgav1.NewOpenFGAServiceClient(dial(t, address, client.Options{}).Conn())
	models, err := fga.ReadAuthorizationModels(t.Context(), &openfgav1.ReadAuthorizationModelsRequest{StoreId: store})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, address, client.Options{Store: store, Model: models.GetAuthorizationModels()[0].GetId(), Timeout: time.Minute})
	for _, one := range []*client.Client{c, c.In(store), c.In(second), c.Session("").In(second)} {
		if allowed, err := one.Check(t.Context(), "user:ann", "viewer", "doc:1"); allowed || err != nil {
			t.Errorf("got %v, %v", allowed, err)
		}
	}
}

// TestUnknownUser: a list that holds what this release does not know is an error, not a shorter list.
func TestUnknownUser(t *testing.T) {
	var got []string
	var last error
	for user, err := range startFlaky(t, &flaky{}, 1).ListUsers(t.Context(), "doc:1", "viewer", "user") {
		if last = err; err == nil {
			got = append(got, user)
		}
	}
	if len(got) > 0 || !errors.Is(last, client.ErrServer) {
		t.Errorf("got %q, %v", got, last)
	}
}

// TestListWithoutEnd: a list of which the server never has time for anything ends.
func TestListWithoutEnd(t *testing.T) {
	f := &flaky{}
	var last error
	for _, err := range startFlaky(t, f, 1).ListObjects(t.Context(), "user:ann", "viewer", "doc") {
		last = err
	}
	if !errors.Is(last, client.ErrCut) || f.failures != 3 {
		t.Errorf("got %v after %d requests", last, f.failures)
	}
}

// TestSessionGoesForward: an answer that overtook another one does not take a session back.
func TestSessionGoesForward(t *testing.T) {
	f := &flaky{ostiary: true}
	s := startFlaky(t, f, 1).Session("")
	for _, revision := range []int{0, 5, 7} {
		f.revision = revision
		if _, err := s.Check(t.Context(), "user:ann", "viewer", "doc:1"); err != nil || s.Token() != "seven" {
			t.Errorf("after an answer of revision %d the session is at %q, %v", revision, s.Token(), err)
		}
	}
	f.revision = 8
	if _, err := s.Check(t.Context(), "user:ann", "viewer", "doc:1"); err != nil || s.Token() != "another" {
		t.Errorf("the session does not go forward: %q, %v", s.Token(), err)
	}
}

func TestWriteOnce(t *testing.T) {
	c := start(t)
	changes := client.Changes{Writes: viewers("user:ann", 1), Key: "order-17"}
	first, err := c.Write(t.Context(), changes)
	if err != nil || first == "" {
		t.Fatalf("got token %q, %v", first, err)
	}
	if again, err := c.Write(t.Context(), changes); err != nil || again != first {
		t.Errorf("the same again: token %q, %v; want %q", again, err, first)
	}
	changes.Writes = viewers("user:bob", 1)
	if _, err := c.Write(t.Context(), changes); !errors.Is(err, client.ErrConflict) {
		t.Errorf("other changes by the same key: %v", err)
	}
	if _, err := c.Write(t.Context(), client.Changes{Writes: viewers("user:ann", 1)}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a tuple that is there: %v", err)
	}
	if _, err := c.Write(t.Context(), client.Changes{
		Writes: viewers("user:ann", 1), Deletes: viewers("user:bob", 1), IgnoreExisting: true, IgnoreMissing: true,
	}); err != nil {
		t.Error(err)
	}
}

// flaky is a server that loses answers.
type flaky struct {
	openfgav1.UnimplementedOpenFGAServiceServer
	mu       sync.Mutex
	fail     int        // so many requests of each kind
	refuse   codes.Code // those after them; 0: they are answered
	after    string     // how many seconds those that are refused are to wait
	revision int        // of the answers of an Ostiary; 0: 7
	ostiary  bool       // says its revision
	writes   []metadata.MD
	checks   []metadata.MD
	strict   []openfgav1.ConsistencyPreference
	failures int
}

func (f *flaky) failing(ctx context.Context) error {
	if f.failures < f.fail {
		f.failures++
		return status.Error(codes.Unavailable, "the leader went away")
	}
	if f.refuse != codes.OK {
		if f.after != "" {
			if err := grpc.SetHeader(ctx, metadata.Pairs("retry-after", f.after)); err != nil {
				return err
			}
		}
		return status.Error(f.refuse, "not now")
	}
	if f.ostiary {
		if f.revision != 0 {
			return grpc.SetHeader(ctx, metadata.Pairs("ostiary-revision", strconv.Itoa(f.revision), "ostiary-token", "another"))
		}
		return grpc.SetHeader(ctx, metadata.Pairs("ostiary-revision", "7", "ostiary-token", "seven"))
	}
	return nil
}

func (f *flaky) Write(ctx context.Context, _ *openfgav1.WriteRequest) (*openfgav1.WriteResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	f.writes = append(f.writes, md)
	return &openfgav1.WriteResponse{}, f.failing(ctx)
}

func (f *flaky) Check(ctx context.Context, r *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	f.checks, f.strict = append(f.checks, md), append(f.strict, r.GetConsistency())
	return &openfgav1.CheckResponse{Allowed: true}, f.failing(ctx) // gRPC drops the answer where there is an error
}

func (f *flaky) GetStore(ctx context.Context, _ *openfgav1.GetStoreRequest) (*openfgav1.GetStoreResponse, error) {
	if f.ostiary {
		return &openfgav1.GetStoreResponse{}, grpc.SetHeader(ctx, metadata.Pairs("ostiary-revision", "6"))
	}
	return &openfgav1.GetStoreResponse{}, nil
}

// ListObjects has no time for any object, and says each time how to go on.
func (f *flaky) ListObjects(ctx context.Context, _ *openfgav1.ListObjectsRequest) (*openfgav1.ListObjectsResponse, error) {
	f.failures++
	return &openfgav1.ListObjectsResponse{}, grpc.SetHeader(ctx, metadata.Pairs("ostiary-truncated", "true", "ostiary-continuation", "more"))
}

func (f *flaky) ListUsers(context.Context, *openfgav1.ListUsersRequest) (*openfgav1.ListUsersResponse, error) {
	return &openfgav1.ListUsersResponse{Users: []*openfgav1.User{{}}}, nil
}

func startFlaky(t *testing.T, f *flaky, attempts int) *client.Client {
	t.Helper()
	server := grpc.NewServer()
	openfgav1.RegisterOpenFGAServiceServer(server, f)
	l := listen(t)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return dial(t, l.Addr().String(), client.Options{Store: "01ARYZ6S41TSV4RRFFQ69G5FAV", Attempts: attempts, Timeout: time.Minute})
}

func TestRetries(t *testing.T) {
	changes := client.Changes{Writes: viewers("user:ann", 1)}
	for name, test := range map[string]struct {
		server   *flaky
		attempts int
		sent     int
		err      error
	}{
		"a write that was lost twice":             {&flaky{fail: 2, ostiary: true}, 4, 3, nil},
		"a write that is lost always":             {&flaky{fail: 99, ostiary: true}, 3, 3, client.ErrOutcomeUnknown},
		"a write to a server without keys":        {&flaky{fail: 1}, 4, 1, client.ErrOutcomeUnknown},
		"a write that is sent once, as was asked": {&flaky{fail: 1, ostiary: true}, 1, 1, client.ErrOutcomeUnknown},
		"a write that was lost and then refused":  {&flaky{fail: 1, ostiary: true, refuse: codes.ResourceExhausted}, 4, 2, client.ErrOutcomeUnknown},
		"a write that is to wait for too long":    {&flaky{ostiary: true, refuse: codes.ResourceExhausted, after: "600"}, 4, 1, client.ErrTooMuch},
		"a write that was refused":                {&flaky{ostiary: true, refuse: codes.ResourceExhausted}, 4, 1, client.ErrTooMuch},
	} {
		f := test.server
		c := startFlaky(t, f, test.attempts)
		_, err := c.Write(t.Context(), changes)
		if !errors.Is(err, test.err) || len(f.writes) != test.sent || errors.Is(err, client.ErrOutcomeUnknown) != (test.err == client.ErrOutcomeUnknown) {
			t.Errorf("%s: %v after %d attempts, want %v after %d", name, err, len(f.writes), test.err, test.sent)
		}
		for _, md := range f.writes {
			key := md.Get("ostiary-idempotency-key")
			if len(key) != 1 || key[0] == "" || key[0] != f.writes[0].Get("ostiary-idempotency-key")[0] {
				t.Errorf("%s: idempotency keys %q", name, key)
			}
		}
	}
	f := &flaky{fail: 2}
	if allowed, err := startFlaky(t, f, 4).Check(t.Context(), "user:ann", "viewer", "doc:1"); !allowed || err != nil || len(f.checks) != 3 {
		t.Errorf("a check that failed twice: %v, %v after %d attempts", allowed, err, len(f.checks))
	}
	f = &flaky{fail: 99}
	if allowed, err := startFlaky(t, f, 2).Check(t.Context(), "user:ann", "viewer", "doc:1"); allowed || !errors.Is(err, client.ErrUnavailable) ||
		errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("a check that always fails: %v, %v", allowed, err)
	}
}

func TestSession(t *testing.T) {
	f := &flaky{ostiary: true}
	c := startFlaky(t, f, 1)
	s := c.Session("six")
	if s.Token() != "six" || c.Token() != "" {
		t.Errorf("tokens %q, %q", s.Token(), c.Token())
	}
	if _, err := s.Write(t.Context(), client.Changes{Writes: viewers("user:ann", 1)}); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []*client.Client{s, c} {
		if _, err := ask.Check(t.Context(), "user:ann", "viewer", "doc:1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.checks[0].Get("ostiary-at-least"); !slices.Equal(got, []string{"six", "seven"}) || s.Token() != "seven" {
		t.Errorf("the session's question sent %q, and its token is %q", got, s.Token())
	}
	if got := f.checks[1].Get("ostiary-at-least"); len(got) != 0 || f.strict[0] != openfgav1.ConsistencyPreference_UNSPECIFIED {
		t.Errorf("a question outside of it sent %q", got)
	}
	plain := &flaky{}
	s = startFlaky(t, plain, 1).Session("")
	if _, err := s.Write(t.Context(), client.Changes{Writes: viewers("user:ann", 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), "user:ann", "viewer", "doc:1"); err != nil || plain.strict[0] != openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY {
		t.Errorf("after a write to a server without tokens: %v, %v", plain.strict, err)
	}
}

func TestChanges(t *testing.T) {
	c := start(t)
	write(t, c, viewers("user:ann", 150)...)
	var last client.Change
	n := 0
	for change, err := range c.Changes(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		last, n = change, n+1
	}
	if n != 150 || last.Object != "doc:0149" || last.Deleted || last.Resume == "" {
		t.Errorf("got %d changes, the last %+v", n, last)
	}
	if _, err := c.Write(t.Context(), client.Changes{Deletes: viewers("user:ann", 1)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []client.Change
	for change, err := range c.Watch(ctx, last.Resume, "") {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			break
		}
		if seen = append(seen, change); len(seen) == 1 {
			write(t, c, client.Tuple{User: "user:bob", Relation: "viewer", Object: "doc:later"})
		} else {
			cancel()
		}
	}
	if len(seen) != 2 || !seen[0].Deleted || seen[0].Object != "doc:0000" || seen[1].Object != "doc:later" {
		t.Errorf("watched %+v", seen)
	}
}

func TestRequire(t *testing.T) {
	c := start(t)
	write(t, c, client.Tuple{User: "user:ann", Relation: "owner", Object: "doc:plan"})
	user := func(r *http.Request) (string, error) {
		if r.Header.Get("User") == "broken" {
			return "user:ann", errors.New("the session store is down")
		}
		return r.Header.Get("User"), nil
	}
	object := func(r *http.Request) (string, error) {
		if r.URL.Path == "/broken" {
			return "doc:plan", errors.New("no such path")
		}
		if r.URL.Path == "/nothing" {
			return "", nil
		}
		return strings.Replace(r.URL.Path, "/docs/", "doc:", 1), nil
	}
	var served atomic.Int32
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx        context.Context
		user, path string
		want       int
	}{
		"may":               {t.Context(), "user:ann", "/docs/plan", 200},
		"may not":           {t.Context(), "user:bob", "/docs/plan", 403},
		"nobody":            {t.Context(), "", "/docs/plan", 401},
		"nobody knows who":  {t.Context(), "broken", "/docs/plan", 401},
		"nobody knows what": {t.Context(), "user:ann", "/broken", 403},
		"nothing":           {t.Context(), "user:ann", "/nothing", 403},
		"malformed":         {t.Context(), "user:ann", "/elsewhere", 503},
		"cannot be told":    {ended, "user:ann", "/docs/plan", 503},
	} {
		served.Store(0)
		r := httptest.NewRequestWithContext(test.ctx, http.MethodGet, test.path, nil)
		r.Header.Set("User", test.user)
		w := httptest.NewRecorder()
		c.Require("viewer", user, object)(next).ServeHTTP(w, r)
		if w.Code != test.want || (served.Load() == 1) != (test.want == 200) {
			t.Errorf("%s: got %d, served %d times; want %d", name, w.Code, served.Load(), test.want)
		}
	}
}

// TestRequireWithOptions: the options of a rule are those of its check.
func TestRequireWithOptions(t *testing.T) {
	c := start(t)
	who := func(*http.Request) (string, error) { return "user:bob", nil }
	what := func(*http.Request) (string, error) { return "doc:plan", nil }
	rule := c.Require("viewer", who, what, client.With(client.Tuple{User: "user:bob", Relation: "owner", Object: "doc:plan"}))
	w := httptest.NewRecorder()
	rule(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("got %d", w.Code)
	}
}

type message struct{ user, object string }

// stream is one to which a client sends one message.
type stream struct {
	grpc.ServerStream
	ctx  context.Context
	sent int
}

func (s *stream) SendHeader(metadata.MD) error { s.sent++; return nil }

func (s *stream) Context() context.Context { return s.ctx }
func (s *stream) RecvMsg(any) error        { return nil }
func (s *stream) SendMsg(any) error        { s.sent++; return nil }

func TestRequireOfGRPC(t *testing.T) {
	c := start(t)
	write(t, c, client.Tuple{User: "user:ann", Relation: "owner", Object: "doc:plan"})
	type key struct{}
	user := func(ctx context.Context) (string, error) {
		if ctx.Value(key{}) == "broken" {
			return "user:ann", errors.New("the session store is down")
		}
		return ctx.Value(key{}).(string), nil
	}
	object := func(_ context.Context, m any) (string, error) {
		if m.(*message).object == "broken" {
			return "doc:plan", errors.New("no such document")
		}
		return m.(*message).object, nil
	}
	rules := map[string]client.Rule{
		"/docs.v1.Docs/Get":  {Relation: "viewer", Object: object},
		"/docs.v1.Docs/Half": {Object: object}, "/docs.v1.Docs/Other": {Relation: "viewer"},
		"/docs.v1.Docs/Draft": {Relation: "viewer", Object: object, Options: []client.Option{
			client.With(client.Tuple{User: "user:bob", Relation: "owner", Object: "doc:plan"}),
		}},
	}
	for name, test := range map[string]struct {
		method string
		message
		want codes.Code
	}{
		"may":            {"/docs.v1.Docs/Get", message{"user:ann", "doc:plan"}, codes.OK},
		"may not":        {"/docs.v1.Docs/Get", message{"user:bob", "doc:plan"}, codes.PermissionDenied},
		"may for once":   {"/docs.v1.Docs/Draft", message{"user:bob", "doc:plan"}, codes.OK},
		"nobody":         {"/docs.v1.Docs/Get", message{"", "doc:plan"}, codes.Unauthenticated},
		"who fails":      {"/docs.v1.Docs/Get", message{"broken", "doc:plan"}, codes.Unauthenticated},
		"nothing":        {"/docs.v1.Docs/Get", message{"user:ann", ""}, codes.PermissionDenied},
		"what fails":     {"/docs.v1.Docs/Get", message{"user:ann", "broken"}, codes.PermissionDenied},
		"no rule":        {"/docs.v1.Docs/Delete", message{"user:ann", "doc:plan"}, codes.PermissionDenied},
		"no relation":    {"/docs.v1.Docs/Half", message{"user:ann", "doc:plan"}, codes.PermissionDenied},
		"no object":      {"/docs.v1.Docs/Other", message{"user:ann", "doc:plan"}, codes.PermissionDenied},
		"cannot be told": {"/docs.v1.Docs/Get", message{"user:ann", "malformed"}, codes.Unavailable},
	} {
		ctx := context.WithValue(t.Context(), key{}, test.user)
		ran := false
		_, err := c.UnaryRequire(user, rules)(ctx, &test.message, &grpc.UnaryServerInfo{FullMethod: test.method}, func(context.Context, any) (any, error) {
			ran = true
			return nil, nil
		})
		if status.Code(err) != test.want || ran != (test.want == codes.OK) {
			t.Errorf("%s: %v, served %v", name, err, ran)
		}
		s := &stream{ctx: ctx}
		err = c.StreamRequire(user, rules)(nil, s, &grpc.StreamServerInfo{FullMethod: test.method}, func(_ any, in grpc.ServerStream) error {
			if in.SendMsg(nil) == nil || in.SendHeader(nil) == nil {
				t.Errorf("%s: a stream sends before it is judged", name)
			}
			if err := in.RecvMsg(&test.message); err != nil {
				return err
			}
			return in.SendMsg(nil)
		})
		if status.Code(err) != test.want || (s.sent == 1) != (test.want == codes.OK) {
			t.Errorf("%s: a stream: %v, sent %d", name, err, s.sent)
		}
	}
}

func TestDial(t *testing.T) {
	for name, test := range map[string]struct {
		address string
		o       client.Options
		ok      bool
	}{
		"here":               {"127.0.0.1:8081", client.Options{Key: "a key"}, true},
		"here by name":       {"localhost:8081", client.Options{}, true},
		"elsewhere":          {"authz.example.com:8081", client.Options{Key: "a key"}, false},
		"elsewhere, as told": {"authz.example.com:8081", client.Options{PlainText: true}, true},
		"elsewhere, by TLS":  {"authz.example.com:8081", client.Options{Key: "a key", TLS: &tls.Config{}}, true},
		"two of them":        {"127.0.0.1:8081", client.Options{Key: "a key", Tokens: func(context.Context) (string, error) { return "", nil }}, false},
	} {
		c, err := client.Dial(test.address, test.o)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestKeys(t *testing.T) {
	keys, err := api.NewNamedKeys([]byte("shop the-key-of-the-shop"))
	if err != nil {
		t.Fatal(err)
	}
	// The store is made by a server that asks nobody who they are.
	var guard atomic.Bool
	address, store, stop, err := serve(func(o *api.Options) { o.Authenticator = sometimes{keys, &guard} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	guard.Store(true)
	for name, test := range map[string]struct {
		o   client.Options
		err error
	}{
		"the key":     {client.Options{Key: "the-key-of-the-shop"}, nil},
		"another key": {client.Options{Key: "nobody-has-this-key"}, client.ErrUnauthenticated},
		"none":        {client.Options{}, client.ErrUnauthenticated},
		"a source": {client.Options{Tokens: func(context.Context) (string, error) {
			return "the-key-of-the-shop", nil
		}}, nil},
		"a source that fails": {client.Options{Tokens: func(context.Context) (string, error) {
			return "", errors.New("the provider is down")
		}}, client.ErrUnauthenticated},
	} {
		test.o.Store, test.o.Timeout = store, time.Minute
		if _, err := dial(t, address, test.o).Check(t.Context(), "user:ann", "viewer", "doc:1"); !errors.Is(err, test.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientCredentials(t *testing.T) {
	var asked atomic.Int32
	life := "3600"
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if id != "shop" || secret != "s%26cret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("audience") != "ostiary" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(`{"access_token":"a.b.c","token_type":"bearer","expires_in":` + life + `}`)); err != nil {
			t.Error(err)
		}
	}))
	defer idp.Close()
	credentials := client.Credentials{TokenURL: idp.URL, ID: "shop", Secret: "s&cret", Audience: "ostiary", HTTP: idp.Client()}
	source, err := client.ClientCredentials(credentials)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if token, err := source(t.Context()); err != nil || token != "a.b.c" {
				t.Errorf("got token %q, %v", token, err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked the provider %d times", n)
	}
	credentials.Secret = "wrong"
	if source, err = client.ClientCredentials(credentials); err != nil {
		t.Fatal(err)
	}
	if token, err := source(t.Context()); err == nil || token != "" || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with another secret: token %q, %v", token, err)
	}
	for _, fault := range []client.Credentials{{TokenURL: "http://idp.example.com/token", ID: "a", Secret: "b"}, {TokenURL: "https://idp.example.com/token"}} {
		if _, err := client.ClientCredentials(fault); err == nil {
			t.Errorf("%+v is taken", fault)
		}
	}
}

// TestOddTokens: what is no token of a bearer is none, whoever calls it one; and who waits for another's request ends with
// its own context.
func TestOddTokens(t *testing.T) {
	status, text := http.StatusOK, ""
	asked, release := make(chan struct{}), make(chan struct{})
	close(release)
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-release
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}))
	defer idp.Close()
	credentials := client.Credentials{TokenURL: idp.URL, ID: "shop", Secret: "s", HTTP: idp.Client()}
	for _, odd := range []struct {
		status int
		text   string
	}{
		{http.StatusAccepted, `{"access_token":"a.b.c","token_type":"bearer"}`},
		{http.StatusOK, `{"access_token":"a.b.c","token_type":"mac"}`},
		{http.StatusOK, `{"access_token":"a.b.c"}`},
		{http.StatusOK, `{"access_token":"","token_type":"bearer"}`},
		{http.StatusOK, `{"access_token":"a.b.c","token_type":"bearer"`},
	} {
		status, text = odd.status, odd.text
		source, err := client.ClientCredentials(credentials)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := source(t.Context()); err == nil || token != "" {
			t.Errorf("%d %s is the token %q", odd.status, odd.text, token)
		}
	}

	status, text, release = http.StatusOK, `{"access_token":"a.b.c","token_type":"bearer"}`, make(chan struct{})
	source, err := client.ClientCredentials(credentials)
	if err != nil {
		t.Fatal(err)
	}
	var first sync.WaitGroup
	first.Go(func() {
		if token, err := source(t.Context()); err != nil || token != "a.b.c" {
			t.Errorf("got token %q, %v", token, err)
		}
	})
	<-asked
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if token, err := source(ended); !errors.Is(err, context.Canceled) || token != "" {
		t.Errorf("who waits gets token %q, %v", token, err)
	}
	close(release)
	first.Wait()
}

// TestCredentialsStay: a provider that redirects gets nobody's secret sent elsewhere, perhaps in plain text.
func TestCredentialsStay(t *testing.T) {
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		fmt.Fprint(w, `{"access_token":"a.b.c","token_type":"bearer"}`)
	}))
	defer elsewhere.Close()
	idp := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer idp.Close()
	source, err := client.ClientCredentials(client.Credentials{TokenURL: idp.URL, ID: "shop", Secret: "s&cret", HTTP: idp.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := source(t.Context()); err == nil || token != "" || reached.Load() > 0 {
		t.Errorf("got token %q, %v; %d requests went elsewhere", token, err, reached.Load())
	}
}

// sometimes asks nobody who they are until it is told to.
type sometimes struct {
	api.Authenticator
	guard *atomic.Bool
}

func (s sometimes) Authenticate(ctx context.Context, authorization string) (ostiary.Principal, error) {
	if !s.guard.Load() {
		authorization = "Bearer the-key-of-the-shop"
	}
	return s.Authenticator.Authenticate(ctx, authorization)
}
