package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/dsl"
)

// The models of the source, oldest first. The second no longer lets groups be viewers.
var sourceModels = []string{`model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type doc
  relations
    define banned: [user]
    define viewer: [user, user:*, group#member, user with in_hours] but not banned

condition in_hours(hour: int, since: int) {
  hour >= since
}
`, `model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type doc
  relations
    define banned: [user]
    define owner: [user]
    define viewer: ([user, user:*, user with in_hours] or owner) but not banned

condition in_hours(hour: int, since: int) {
  hour >= since
}
`}

// sourceServer is a server to import from, reached over HTTP as an import reaches it.
type sourceServer struct {
	t   *testing.T
	url string
	c   *client
}

func newSourceAt(t *testing.T, url string) *sourceServer {
	t.Helper()
	conn, err := newRESTConn("--url", url, "", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return &sourceServer{t: t, url: url, c: &client{fga: openfgav1.NewOpenFGAServiceClient(conn), address: url}}
}

// openFGA runs the OpenFGA that OSTIARY_TEST_OPENFGA names, on its memory store, and returns the URL of
// its HTTP API.
func openFGA(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("OSTIARY_TEST_OPENFGA")
	if binary == "" {
		t.Skip("OSTIARY_TEST_OPENFGA names no openfga binary")
	}
	addresses := make([]string, 2)
	for i := range addresses {
		addresses[i] = freeAddress(t)
	}
	cmd := exec.Command(binary, "run", "--datastore-engine", "memory", "--grpc-addr", addresses[0], "--http-addr", addresses[1],
		"--playground-enabled=false", "--metrics-enabled=false", "--log-level", "error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	url := "http://" + addresses[1]
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get(url + "/healthz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return url
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer on %s", binary, url)
		}
	}
}

func (s *sourceServer) newStore(name string) string {
	s.t.Helper()
	created, err := s.c.fga.CreateStore(s.t.Context(), &openfgav1.CreateStoreRequest{Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return created.GetId()
}

func (s *sourceServer) writeModel(store, text string) string {
	s.t.Helper()
	compiled, err := dsl.Compile("model.fga", []byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := writeModelRequest(compiled)
	if err != nil {
		s.t.Fatal(err)
	}
	request.StoreId = store
	written, err := s.c.fga.WriteAuthorizationModel(s.t.Context(), request)
	if err != nil {
		s.t.Fatal(err)
	}
	return written.GetAuthorizationModelId()
}

func sourceKey(object, relation, user string) *openfgav1.TupleKey {
	return &openfgav1.TupleKey{Object: object, Relation: relation, User: user}
}

// conditional is a tuple with a condition and its context.
func conditional(object, user string, since float64) *openfgav1.TupleKey {
	key := sourceKey(object, "viewer", user)
	key.Condition = &openfgav1.RelationshipCondition{Name: "in_hours", Context: &structpb.Struct{
		Fields: map[string]*structpb.Value{"since": structpb.NewNumberValue(since)},
	}}
	return key
}

func (s *sourceServer) write(store, model string, keys ...*openfgav1.TupleKey) {
	s.t.Helper()
	for chunk := range slices.Chunk(keys, 100) {
		_, err := s.c.fga.Write(s.t.Context(), &openfgav1.WriteRequest{
			StoreId: store, AuthorizationModelId: model, Writes: &openfgav1.WriteRequestWrites{TupleKeys: chunk},
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *sourceServer) delete(store string, keys ...*openfgav1.TupleKey) {
	s.t.Helper()
	request := &openfgav1.WriteRequest{StoreId: store, Deletes: &openfgav1.WriteRequestDeletes{}}
	for _, key := range keys {
		request.Deletes.TupleKeys = append(request.Deletes.TupleKeys,
			&openfgav1.TupleKeyWithoutCondition{Object: key.Object, Relation: key.Relation, User: key.User})
	}
	if _, err := s.c.fga.Write(s.t.Context(), request); err != nil {
		s.t.Fatal(err)
	}
}

// fill makes a store with two models, tuples of both, and assertions, and returns its id.
func (s *sourceServer) fill(name string) string {
	s.t.Helper()
	store := s.newStore(name)
	first := s.writeModel(store, sourceModels[0])
	keys := []*openfgav1.TupleKey{
		sourceKey("group:eng", "member", "user:ann"), sourceKey("group:all", "member", "group:eng#member"),
		sourceKey("doc:old", "viewer", "group:all#member"), // the second model refuses it
		conditional("doc:plan", "user:cy", 9), sourceKey("doc:plan", "viewer", "user:*"), sourceKey("doc:plan", "banned", "user:bob"),
	}
	for i := range 250 {
		keys = append(keys, sourceKey(fmt.Sprintf("doc:d%d", i%50), "viewer", fmt.Sprintf("user:u%d", i)))
	}
	s.write(store, first, keys...)
	_, err := s.c.fga.WriteAssertions(s.t.Context(), &openfgav1.WriteAssertionsRequest{
		StoreId: store, AuthorizationModelId: first, Assertions: []*openfgav1.Assertion{
			{TupleKey: &openfgav1.AssertionTupleKey{Object: "doc:old", Relation: "viewer", User: "user:ann"}, Expectation: true},
			{TupleKey: &openfgav1.AssertionTupleKey{Object: "doc:old", Relation: "viewer", User: "user:bob"}, Expectation: false},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	second := s.writeModel(store, sourceModels[1])
	s.write(store, second, sourceKey("doc:plan", "owner", "user:dan"))
	return store
}

// importing runs 'import openfga' against one source.
type importing struct {
	*cli
	state string
	url   string
}

func newImporting(t *testing.T, url string) *importing {
	return &importing{cli: newCLI(t, startNode(t, api.Anonymous())), url: url, state: filepath.Join(t.TempDir(), "state.json")}
}

// do runs the command and reads its JSON.
func (i *importing) do(want int, args ...string) (result migrated, stderr string) {
	i.t.Helper()
	code, out, stderr := i.run(append([]string{"import", "openfga", "--url", i.url, "--state", i.state, "--output", "json"}, args...)...)
	if code != want {
		i.t.Fatalf("exit code %d, want %d\n%s%s", code, want, out, stderr)
	}
	if out != "" {
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			i.t.Fatal(err)
		}
	}
	return result, stderr
}

// target returns a client of the server that is imported to.
func (i *importing) target() *client {
	i.t.Helper()
	a, _, _ := i.app("")
	a.client.server, a.client.timeout = i.env["OSTIARY_SERVER"], 10*time.Second
	c, err := a.dial()
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(c.Close)
	return c
}

// testImport imports two stores and follows what changes; it is the same whatever the source.
func testImport(t *testing.T, url string) {
	from := newSourceAt(t, url)
	acme := from.fill("acme")
	from.newStore("empty")
	run := newImporting(t, url)

	result, _ := run.do(exitDone)
	if len(result.Stores) != 2 || !result.Same {
		t.Fatalf("got %+v, want two stores without a difference", result)
	}
	report := result.Stores[slices.IndexFunc(result.Stores, func(r *storeReport) bool { return r.Name == "acme" })]
	if report.Models != 2 || report.Copied != 257 || report.Rejected != 0 || report.Assertions != 2 || report.Comparison.SourceTuples != 257 ||
		report.Comparison.TargetTuples != 257 || report.Comparison.Checks != 600 {
		t.Errorf("got %+v with %+v, want 2 models, 257 tuples, 2 assertions, 600 checks", report, report.Comparison)
	}
	target := run.target()
	wantSameModels(t, from, target, acme, report.Target)
	assertions, err := target.fga.ReadAssertions(t.Context(), &openfgav1.ReadAssertionsRequest{
		StoreId: report.Target, AuthorizationModelId: run.stateOf(acme).Models[0].Target,
	})
	if err != nil || len(assertions.GetAssertions()) != 2 || !assertions.GetAssertions()[0].GetExpectation() {
		t.Errorf("got assertions %v, %v, want the source's two", assertions, err)
	}

	// A second run follows what changed: a tuple less, one more, one with another condition, a model.
	from.delete(acme, sourceKey("doc:d1", "viewer", "user:u1"), conditional("doc:plan", "user:cy", 9))
	third := from.writeModel(acme, strings.Replace(sourceModels[1], "define owner: [user]", "define owner: [user, group#member]", 1))
	from.write(acme, third, sourceKey("doc:new", "owner", "group:eng#member"), conditional("doc:plan", "user:cy", 10))
	from.write(acme, third, sourceKey("doc:gone", "owner", "user:dan"))
	from.delete(acme, sourceKey("doc:gone", "owner", "user:dan"))
	result, _ = run.do(exitDone, "--store", "acme")
	report = result.Stores[0]
	if len(result.Stores) != 1 || report.Models != 3 || report.Copied != 0 || report.Comparison.TargetTuples != 257 || !result.Same {
		t.Errorf("got %+v with %+v, want 3 models, nothing copied, 257 tuples", report, report.Comparison)
	}
	wantSameModels(t, from, target, acme, report.Target)
	if result, _ = run.do(exitDone, "--store", acme); result.Stores[0].Changes != 0 {
		t.Errorf("a run with nothing new follows %d changes", result.Stores[0].Changes)
	}

	// What only the target has is a difference.
	if _, err := target.fga.Write(t.Context(), &openfgav1.WriteRequest{
		StoreId: report.Target, Writes: &openfgav1.WriteRequestWrites{TupleKeys: []*openfgav1.TupleKey{sourceKey("doc:mine", "owner", "user:eve")}},
	}); err != nil {
		t.Fatal(err)
	}
	result, stderr := run.do(exitFailed, "--store", "acme", "--recopy")
	report = result.Stores[0]
	if result.Same || report.Comparison.SameTuples || report.Copied != 257 || report.Comparison.TargetTuples != 258 {
		t.Errorf("got %+v with %+v, want 257 tuples copied again and one too many found", report, report.Comparison)
	}
	wantContains(t, "stderr", stderr, "the servers differ")
}

func (i *importing) stateOf(store string) *migratedStore {
	i.t.Helper()
	state, err := readMigration(i.state)
	if err != nil {
		i.t.Fatal(err)
	}
	return state.store(store)
}

func wantSameModels(t *testing.T, from *sourceServer, target *client, store, copied string) {
	t.Helper()
	want, err := allModels(t.Context(), from.c, store)
	if err != nil {
		t.Fatal(err)
	}
	got, err := allModels(t.Context(), target, copied)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("got %d models, want %d", len(got), len(want))
	}
	for i := range want {
		if !sameModel(want[i], got[i]) {
			t.Errorf("model %d from the latest: got %v, want %v", i, got[i], want[i])
		}
	}
}

// TestImportFromOstiary imports from a second Ostiary, which speaks the same API.
func TestImportFromOstiary(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	testImport(t, url)
}

// TestImportFromOpenFGA imports from the real one.
func TestImportFromOpenFGA(t *testing.T) { testImport(t, openFGA(t)) }

// flaky passes requests on to a server until it is told to fail, and counts them by path.
type flaky struct {
	url   string
	reads atomic.Int64
	// failAfter is the number of reads of tuples after which the server is away; negative: never.
	failAfter atomic.Int64
	// rewrite changes the body of an answer, where it is not nil.
	rewrite func(path string, body string) string
}

func newFlaky(t *testing.T, target string) *flaky {
	t.Helper()
	base, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{}
	f.failAfter.Store(-1)
	proxy := httputil.NewSingleHostReverseProxy(base)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/read") {
			if limit := f.failAfter.Load(); f.reads.Add(1) > limit && limit >= 0 {
				http.Error(w, `{"code":"internal_error","message":"out of order"}`, http.StatusInternalServerError)
				return
			}
		}
		if f.rewrite == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		proxy.ServeHTTP(recorder, r)
		w.WriteHeader(recorder.Code)
		fmt.Fprint(w, f.rewrite(r.URL.Path, recorder.Body.String()))
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// TestImportGoesOn interrupts a copy and runs it again.
func TestImportGoesOn(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	newSourceAt(t, url).fill("acme")
	source := newFlaky(t, url)
	run := newImporting(t, source.url)
	source.failAfter.Store(3 + 2) // three pages are counted, two are copied
	_, stderr := run.do(exitFailed)
	wantContains(t, "stderr", stderr, "out of order", "run the command again to go on")
	source.failAfter.Store(-1)
	source.reads.Store(0)
	result, _ := run.do(exitDone)
	if got := result.Stores[0].Copied; got != 57 {
		t.Errorf("the second run copied %d tuples, want the 57 of the last page", got)
	}
	if got := source.reads.Load(); got != 1+3 {
		t.Errorf("the second run read %d pages, want the last one and three to compare", got)
	}
	state, err := readMigration(run.state)
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Stores) != 1 || state.Stores[0].Tuples.Total != 257 || state.Stores[0].Tuples.Copied != 257 {
		t.Errorf("got state %+v", state.Stores[0])
	}
}

// TestImportAdopts finds what an interrupted run made at the target and did not write down.
func TestImportAdopts(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	from := newSourceAt(t, url)
	acme := from.fill("acme")
	run := newImporting(t, url)
	target := run.target()
	state, err := openMigration(run.state, url, run.env["OSTIARY_SERVER"])
	if err != nil {
		t.Fatal(err)
	}
	state.Stores = []*migratedStore{{Source: acme, Name: "acme"}}
	if err := state.save(); err != nil {
		t.Fatal(err)
	}
	made, err := target.fga.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	result, _ := run.do(exitDone)
	if got := result.Stores[0].Target; got != made.GetId() {
		t.Errorf("got store %s, want the one made already, %s", got, made.GetId())
	}
	// Forget the second model, as if the run had ended after writing it.
	if state, err = readMigration(run.state); err != nil {
		t.Fatal(err)
	}
	written := state.Stores[0].Models[1]
	state.Stores[0].Models = state.Stores[0].Models[:1]
	if err := state.save(); err != nil {
		t.Fatal(err)
	}
	run.do(exitDone)
	if got := run.stateOf(acme).Models; len(got) != 2 || got[1] != written {
		t.Errorf("got models %+v, want %+v adopted", got, written)
	}
	wantSameModels(t, from, target, acme, made.GetId())
}

// TestImportRejects has a source that holds a tuple which no model allows.
func TestImportRejects(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	newSourceAt(t, url).fill("acme")
	source := newFlaky(t, url)
	source.rewrite = func(path, body string) string {
		if strings.HasSuffix(path, "/read") {
			return strings.Replace(body, `"user:u7"`, `"rocket:u7"`, 1)
		}
		return body
	}
	run := newImporting(t, source.url)
	rejects := filepath.Join(t.TempDir(), "rejects.jsonl")
	result, stderr := run.do(exitFailed, "--rejects", rejects)
	if report := result.Stores[0]; report.Copied != 256 || report.Rejected != 1 || result.Same {
		t.Errorf("got %+v, want 256 tuples copied and one refused", report)
	}
	wantContains(t, "stderr", stderr, "refused: doc:d7#viewer@rocket:u7: ")
	text, err := os.ReadFile(rejects)
	if err != nil {
		t.Fatal(err)
	}
	wantContains(t, "rejects", string(text), "# acme:1: doc:d7#viewer@rocket:u7: ", `"user":"rocket:u7"`)
}

func TestImportUsage(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	newSourceAt(t, url).newStore("twice")
	newSourceAt(t, url).newStore("twice")
	broken := write(t, "state.json", `{"version": 7}`)
	other := write(t, "state.json", `{"version":1,"source":"http://elsewhere","target":"x","stores":[]}`)
	run := newCLI(t, startNode(t, api.Anonymous()))
	fresh := filepath.Join(t.TempDir(), "state.json")
	for _, row := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{}, exitUsage, "--url is missing"},
		{[]string{"--url", "127.0.0.1:8080"}, exitUsage, `--url`},
		{[]string{"--url", "ftp://host"}, exitUsage, "is not the address of an HTTP API"},
		{[]string{"--url", "http://user:pass@host"}, exitUsage, "leave out user"},
		{[]string{"--url", url, "--sample", "-1", "--max-tuples-per-write", "0"}, exitUsage, "--sample -1 is not from 0"},
		{[]string{"--url", url, "--state", fresh, "--store", "none"}, exitUsage, "has no store of that name or id"},
		{[]string{"--url", url, "--state", fresh, "--store", "twice"}, exitUsage, "2 stores"},
		{[]string{"--url", url, "--state", broken}, exitFailed, "version 7"},
		{[]string{"--url", url, "--state", other}, exitUsage, "is of an import from http://elsewhere"},
		{[]string{"--url", url + "/nothing/here", "--state", fresh}, exitFailed, "undefined_endpoint"},
	} {
		code, out, err := run.run(append([]string{"import", "openfga"}, row.args...)...)
		if code != row.code || out != "" {
			t.Errorf("%v: exit code %d, stdout %q, want %d and nothing", row.args, code, out, row.code)
		}
		wantContains(t, fmt.Sprint(row.args), err, row.err)
	}
}

// TestImportKeys authenticates at both servers with keys of their own.
func TestImportKeys(t *testing.T) {
	keys := make([]api.Authenticator, 2)
	for i, key := range []string{"theirs", "ours"} {
		var err error
		if keys[i], err = api.PresharedKeys(key); err != nil {
			t.Fatal(err)
		}
	}
	_, url := startNodeHTTP(t, keys[0])
	conn, err := newRESTConn("--url", url, "theirs", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	(&sourceServer{t: t, url: url, c: &client{fga: openfgav1.NewOpenFGAServiceClient(conn)}}).fill("acme")
	run := newCLI(t, startNode(t, keys[1]))
	run.env["OSTIARY_TOKEN"] = "ours"
	args := []string{"import", "openfga", "--url", url, "--state", filepath.Join(t.TempDir(), "state.json")}
	code, _, stderr := run.run(args...)
	if code != exitFailed || !strings.Contains(stderr, "bearer_token_missing") || strings.Contains(stderr, "OSTIARY_TOKEN") {
		t.Errorf("without a key: exit code %d, %s", code, stderr)
	}
	run.env["OSTIARY_URL_TOKEN"] = "theirs"
	wantContains(t, "stdout", run.must(args...), "257 tuples on both, the same", "0 answered differently")
}

func TestLastChanges(t *testing.T) {
	key := sourceKey("doc:1", "viewer", "user:ann")
	changes := func(operations ...openfgav1.TupleOperation) (all []*openfgav1.TupleChange) {
		for i, operation := range operations {
			all = append(all, &openfgav1.TupleChange{TupleKey: proto.CloneOf(key), Operation: operation})
			all[i].TupleKey.Condition = &openfgav1.RelationshipCondition{Name: fmt.Sprint("c", i)}
		}
		return all
	}
	const write, remove = openfgav1.TupleOperation_TUPLE_OPERATION_WRITE, openfgav1.TupleOperation_TUPLE_OPERATION_DELETE
	for _, row := range []struct {
		operations     []openfgav1.TupleOperation
		deleted, wrote string // the condition of the change that decides
	}{
		{[]openfgav1.TupleOperation{write}, "", "c0"},
		{[]openfgav1.TupleOperation{remove}, "c0", ""},
		{[]openfgav1.TupleOperation{write, remove}, "c1", ""},
		{[]openfgav1.TupleOperation{remove, write}, "c0", "c1"},
		{[]openfgav1.TupleOperation{write, remove, write}, "c1", "c2"},
		{[]openfgav1.TupleOperation{remove, write, remove}, "c2", ""},
	} {
		deletes, writes := lastChanges(changes(row.operations...))
		names := func(keys []*openfgav1.TupleKey) string {
			var all []string
			for _, key := range keys {
				all = append(all, key.GetCondition().GetName())
			}
			return strings.Join(all, " ")
		}
		if names(deletes) != row.deleted || names(writes) != row.wrote {
			t.Errorf("%v: got deletes %q, writes %q, want %q and %q", row.operations, names(deletes), names(writes), row.deleted, row.wrote)
		}
	}
}
