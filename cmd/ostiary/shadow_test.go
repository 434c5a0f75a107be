package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
)

// shadowing is a running 'shadow'.
type shadowing struct {
	t   *testing.T
	url string
	// end stops it and returns its summary and exit code.
	end func() (shadowSummary, int)
}

func startShadow(t *testing.T, args ...string) *shadowing {
	t.Helper()
	a, out, stderr := newCLI(t, "127.0.0.1:1").app("")
	addresses, codes := make(chan string, 1), make(chan int, 1)
	a.ready = func(_, address string) { addresses <- address }
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go func() {
		codes <- a.run(ctx, append([]string{"shadow", "--listen", "127.0.0.1:0", "--output", "json"}, args...))
	}()
	select {
	case address := <-addresses:
		return &shadowing{t: t, url: "http://" + address, end: func() (sum shadowSummary, code int) {
			t.Helper()
			stop()
			code = <-codes
			if err := json.Unmarshal([]byte(out.String()), &sum); err != nil {
				t.Fatalf("%v: %s%s", err, out, stderr)
			}
			return sum, code
		}}
	case code := <-codes:
		t.Fatalf("shadow %v: exit code %d\n%s", args, code, stderr)
	}
	return nil
}

// askEverything asks one question of each kind and returns the answer to the check.
func askEverything(t *testing.T, url, store string) bool {
	t.Helper()
	fga := newSourceAt(t, url).c.fga
	answer, err := fga.Check(t.Context(), &openfgav1.CheckRequest{
		StoreId: store, TupleKey: &openfgav1.CheckRequestTupleKey{Object: "doc:d3", Relation: "viewer", User: "user:u3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := fga.BatchCheck(t.Context(), &openfgav1.BatchCheckRequest{StoreId: store, Checks: []*openfgav1.BatchCheckItem{
		{TupleKey: &openfgav1.CheckRequestTupleKey{Object: "doc:d3", Relation: "viewer", User: "user:u3"}, CorrelationId: "a"},
		{TupleKey: &openfgav1.CheckRequestTupleKey{Object: "doc:d3", Relation: "nothing", User: "user:u3"}, CorrelationId: "b"},
	}})
	if err != nil || len(batch.GetResult()) != 2 {
		t.Fatal(batch, err)
	}
	objects, err := fga.ListObjects(t.Context(), &openfgav1.ListObjectsRequest{StoreId: store, Type: "doc", Relation: "banned", User: "user:bob"})
	if err != nil || !slices.Equal(objects.GetObjects(), []string{"doc:plan"}) {
		t.Errorf("got objects %v, %v, want doc:plan", objects, err)
	}
	users, err := fga.ListUsers(t.Context(), &openfgav1.ListUsersRequest{
		StoreId: store, Object: &openfgav1.Object{Type: "doc", Id: "d3"}, Relation: "viewer", UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}},
	})
	if err != nil || len(users.GetUsers()) != 5 {
		t.Errorf("got users %v, %v, want five", users, err)
	}
	if _, err := fga.Expand(t.Context(), &openfgav1.ExpandRequest{
		StoreId: store, TupleKey: &openfgav1.ExpandRequestTupleKey{Object: "doc:plan", Relation: "viewer"},
	}); err != nil {
		t.Error(err)
	}
	for _, body := range []string{`{"tuple_key":{"object":"doc:d3"}}`, `{}`} { // the second has more than one page
		if status, _ := post(t, url+"/stores/"+store+"/read", body); status != http.StatusOK {
			t.Errorf("read: status %d", status)
		}
	}
	status, streamed := post(t, url+"/stores/"+store+"/streamed-list-objects", `{"type":"doc","relation":"banned","user":"user:bob"}`)
	if status != http.StatusOK || !strings.Contains(streamed, "doc:plan") {
		t.Errorf("streamed list: status %d, %s", status, streamed)
	}
	if status, body := post(t, url+"/stores/"+store+"/check", `{"tuple_key":{"object":"doc:1","relation":"nothing","user":"user:ann"}}`); status != http.StatusBadRequest {
		t.Errorf("a check of an unknown relation: status %d, %s", status, body)
	}
	return answer.GetAllowed()
}

// testShadow imports from a source, and then shadows it, whatever it is.
func testShadow(t *testing.T, sourceURL string) {
	from := newSourceAt(t, sourceURL)
	acme := from.fill("acme")
	grpcAddr, url := startNodeHTTP(t, api.Anonymous())
	run := &importing{cli: newCLI(t, grpcAddr), url: sourceURL, state: filepath.Join(t.TempDir(), "state.json")}
	run.do(exitDone)
	target := run.stateOf(acme)

	log := filepath.Join(t.TempDir(), "log.jsonl")
	s := startShadow(t, "--primary", sourceURL, "--secondary", url, "--ids", run.state, "--log", log, "--mirror-writes")
	if !askEverything(t, s.url, acme) {
		t.Error("the shadow changes an answer")
	}
	through := newSourceAt(t, s.url)
	through.write(acme, target.Models[1].Source, sourceKey("doc:new", "viewer", "user:new"))
	through.delete(acme, sourceKey("doc:d4", "viewer", "user:u4"))
	model := target.Models[0].Source
	for _, question := range []string{
		`{"tuple_key":{"object":"doc:new","relation":"viewer","user":"user:new"}}`,
		`{"tuple_key":{"object":"doc:d4","relation":"viewer","user":"user:u4"}}`,
		`{"tuple_key":{"object":"doc:old","relation":"viewer","user":"user:ann"},"authorization_model_id":"` + model + `"}`,
	} {
		if status, body := post(t, s.url+"/stores/"+acme+"/check", question); status != http.StatusOK {
			t.Errorf("%s: status %d, %s", question, status, body)
		}
	}
	from.newStore("unknown to the import")
	sum, code := s.end()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if code != exitDone || sum.Differed != 0 || sum.Failed != 0 || len(text) != 0 {
		t.Errorf("exit code %d, %+v, want no difference\n%s", code, sum, text)
	}
	// The servers may order tuples alike, and their first pages agree then.
	if sum.Agreed+sum.Settled+sum.NotComparable != 12 || sum.NotComparable > 1 || sum.WritesMirrored != 2 || len(sum.Questions) != len(shadowKinds) {
		t.Errorf("got %+v, want 12 questions of seven kinds, at most a page not comparable, 2 writes mirrored", sum)
	}
	wantSameTuples(t, from, run.target(), acme, target.Target)

	// The other way round, with a difference made at the second server.
	from.delete(acme, sourceKey("doc:d3", "viewer", "user:u3"))
	s = startShadow(t, "--primary", url, "--secondary", sourceURL, "--ids", run.state, "--log", log)
	if !askEverything(t, s.url, target.Target) {
		t.Error("the answer is not the primary's")
	}
	sum, code = s.end()
	if code != exitFailed || sum.Differed != 4 || sum.Agreed+sum.NotComparable != 5 {
		t.Errorf("exit code %d, %+v, want four questions to differ: check, batch, users, read", code, sum)
	}
	if text, err = os.ReadFile(log); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "the log", string(text), `"kind":"check"`, `"answer":"allowed"`, `"answer":"denied"`, `"user":"user:u3"`)
	if lines := strings.Count(string(text), "\n"); lines != 4 {
		t.Errorf("got %d lines in the log, want 4\n%s", lines, text)
	}
}

func wantSameTuples(t *testing.T, from *sourceServer, target *client, store, copied string) {
	t.Helper()
	var sums [2]tupleSum
	for i, side := range []struct {
		c     *client
		store string
	}{{from.c, store}, {target, copied}} {
		if err := eachTuple(t.Context(), side.c, allOf(side.store), func(tuple *openfgav1.Tuple) bool {
			if err := sums[i].add(tuple.GetKey()); err != nil {
				t.Fatal(err)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("the tuples differ: %d and %d", sums[0].n, sums[1].n)
	}
}

// TestShadowOstiary shadows a second Ostiary, which speaks the same API.
func TestShadowOstiary(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	testShadow(t, url)
}

// TestShadowOpenFGA shadows the real one.
func TestShadowOpenFGA(t *testing.T) { testShadow(t, openFGA(t)) }

// TestShadowManyClients has clients that write and ask at once. What one server does not have yet is no
// difference.
func TestShadowManyClients(t *testing.T) {
	_, primary := startNodeHTTP(t, api.Anonymous())
	from := newSourceAt(t, primary)
	acme := from.fill("acme")
	grpcAddr, secondary := startNodeHTTP(t, api.Anonymous())
	run := &importing{cli: newCLI(t, grpcAddr), url: primary, state: filepath.Join(t.TempDir(), "state.json")}
	run.do(exitDone)
	s := startShadow(t, "--primary", primary, "--secondary", secondary, "--ids", run.state, "--mirror-writes")
	const clients, rounds = 8, 20
	var asking sync.WaitGroup
	for i := range clients {
		asking.Go(func() {
			fga := newSourceAt(t, s.url).c.fga
			for j := range rounds {
				key := sourceKey(fmt.Sprintf("doc:many%d", j), "viewer", fmt.Sprintf("user:many%d", i))
				if _, err := fga.Write(t.Context(), &openfgav1.WriteRequest{
					StoreId: acme, Writes: &openfgav1.WriteRequestWrites{TupleKeys: []*openfgav1.TupleKey{key}},
				}); err != nil {
					t.Error(err)
				}
				answer, err := fga.Check(t.Context(), &openfgav1.CheckRequest{
					StoreId: acme, TupleKey: &openfgav1.CheckRequestTupleKey{Object: key.Object, Relation: key.Relation, User: key.User},
				})
				if err != nil || !answer.GetAllowed() {
					t.Errorf("%s: got %v, %v, want allowed", tupleText(key), answer, err)
				}
			}
		})
	}
	asking.Wait()
	sum, code := s.end()
	if code != exitDone || sum.Differed != 0 || sum.Agreed+sum.Settled != clients*rounds || sum.WritesMirrored != clients*rounds {
		t.Errorf("exit code %d, %+v, want %d questions without a difference, and as many writes", code, sum, clients*rounds)
	}
	wantSameTuples(t, from, run.target(), acme, run.stateOf(acme).Target)
}

// TestShadowNeverWaits has a secondary that answers nobody: every client gets its answer, and what the
// secondary was not asked is counted.
func TestShadowNeverWaits(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	store := newSourceAt(t, url).fill("acme")
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	s := startShadow(t, "--primary", url, "--secondary", silent.URL, "--timeout", "50ms", "--concurrency", "1", "--mirror-writes")
	for range 5 {
		if !askEverything(t, s.url, store) {
			t.Error("the answer is not the primary's")
		}
	}
	newSourceAt(t, s.url).write(store, "", sourceKey("doc:new", "viewer", "user:new"))
	sum, code := s.end()
	if code != exitFailed || sum.Failed != 45 || sum.Compared != 0 || sum.WritesRefused != 1 || sum.LastFailure == "" {
		t.Errorf("exit code %d, %+v, want 45 questions failed and a write not mirrored", code, sum)
	}
}

// TestShadowSettles has a secondary that is behind at first.
func TestShadowSettles(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	store := newSourceAt(t, url).fill("acme")
	var asked atomic.Int64
	var key atomic.Value
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key.Store(r.Header.Get("Authorization"))
		fmt.Fprintf(w, `{"allowed":%v}`, asked.Add(1) > 1)
	}))
	defer late.Close()
	s := startShadow(t, "--primary", url, "--secondary", late.URL, "--secondary-token", "theirs")
	request, err := http.NewRequest(http.MethodPost, s.url+"/stores/"+store+"/check", strings.NewReader(`{"tuple_key":{"object":"doc:d3","relation":"viewer","user":"user:u3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer mine")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	sum, code := s.end()
	if code != exitDone || sum.Settled != 1 || sum.Compared != 1 || asked.Load() != 2 {
		t.Errorf("exit code %d, %+v, %d questions, want one that settled at the second", code, sum, asked.Load())
	}
	if got := key.Load(); got != "Bearer theirs" {
		t.Errorf("the secondary was given the key %q, want its own", got)
	}
}

// TestShadowPrimaryAway answers like an API when the primary cannot be reached.
func TestShadowPrimaryAway(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	s := startShadow(t, "--primary", "http://127.0.0.1:1", "--secondary", url)
	status, body := post(t, s.url+"/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/check", `{}`)
	var refusal struct{ Code, Message string }
	if err := json.Unmarshal([]byte(body), &refusal); err != nil || status != http.StatusBadGateway || refusal.Code != "unavailable" {
		t.Errorf("got status %d, %s", status, body)
	}
	if sum, code := s.end(); code != exitDone || sum.PrimaryFailed != 1 || sum.Compared != 0 {
		t.Errorf("exit code %d, %+v, want one failure of the primary", code, sum)
	}
}

func TestShadowUsage(t *testing.T) {
	run := newCLI(t, "127.0.0.1:1")
	ok := []string{"--primary", "http://127.0.0.1:1", "--secondary", "http://127.0.0.1:2"}
	state := func(stores string) string {
		file := filepath.Join(t.TempDir(), "state.json")
		text := fmt.Sprintf(`{"version": 1, "source": "http://127.0.0.1:2", "target": "127.0.0.1:1", "stores": %s}`, stores)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, row := range []struct {
		args []string
		code int
		err  string
	}{
		{nil, exitUsage, "--primary and --secondary are needed"},
		{[]string{"--primary", "x", "--secondary", "http://h"}, exitUsage, `--primary "x" is not the address`},
		{append(slices.Clone(ok), "--sample", "0"), exitUsage, "--sample 0 is not above 0"},
		{append(slices.Clone(ok), "--sample", "NaN"), exitUsage, "--sample NaN"},
		{append(slices.Clone(ok), "--concurrency", "0", "--list-limit", "0"), exitUsage, "--concurrency 0 is not"},
		{append(slices.Clone(ok), "--ids", "/nothing/here"), exitFailed, "read the state of the import"},
		{append(slices.Clone(ok), "--ids", state(`[]`)), exitFailed, "has copied no store"},
		{append(slices.Clone(ok), "--ids", state(`[{"source_id": "S", "target_id": "", "name": "acme"}]`)), exitFailed, "is not finished"},
		{append(slices.Clone(ok), "--ids", state(`[{"source_id": "S", "target_id": "T", "name": "acme", "tuples": {"total": 9, "copied": 4}}]`)), exitFailed,
			`store "acme" (S) 4 of 9 tuples are copied: run 'ostiary import openfga --url http://127.0.0.1:2 --server 127.0.0.1:1' again`},
		{append(slices.Clone(ok), "--listen", "nowhere"), exitFailed, "--listen"},
	} {
		code, out, err := run.run(append([]string{"shadow"}, row.args...)...)
		if code != row.code || out != "" {
			t.Errorf("%v: exit code %d, stdout %q, want %d and nothing", row.args, code, out, row.code)
		}
		wantContains(t, fmt.Sprint(row.args), err, row.err)
	}
}

// TestShadowCompares pins what counts as the same answer.
func TestShadowCompares(t *testing.T) {
	s := &shadow{flags: shadowFlags{listLimit: 3}}
	ok := func(body string) rawAnswer { return rawAnswer{status: 200, body: []byte(body)} }
	refused := func(status int, code string) rawAnswer {
		return rawAnswer{status: status, body: []byte(`{"code":"` + code + `","message":"whatever"}`)}
	}
	cut := ok(`{"objects":["a"]}`)
	cut.truncated = true
	for _, row := range []struct {
		name, kind string
		a, b       rawAnswer
		want       outcome
	}{
		{"same decision", kindCheck, ok(`{"allowed":true,"resolution":""}`), ok(`{"allowed":true}`), outcomeAgrees},
		{"other decision", kindCheck, ok(`{"allowed":true}`), ok(`{"allowed":false}`), outcomeDiffers},
		{"left-out false", kindCheck, ok(`{}`), ok(`{"allowed":false}`), outcomeAgrees},
		{"same error", kindCheck, refused(400, "validation_error"), refused(400, "validation_error"), outcomeAgrees},
		{"other error", kindCheck, refused(400, "validation_error"), refused(400, "type_not_found"), outcomeDiffers},
		{"error and denial", kindCheck, refused(400, "validation_error"), ok(`{"allowed":false}`), outcomeDiffers},
		{"no JSON", kindCheck, ok(`{"allowed":false}`), ok(`<html>`), outcomeDiffers},
		{"batch", kindBatch, ok(`{"result":{"a":{"allowed":true},"b":{"error":{"input_error":"validation_error","message":"x"}}}}`),
			ok(`{"result":{"b":{"error":{"input_error":"validation_error","message":"y"}},"a":{"allowed":true}}}`), outcomeAgrees},
		{"batch with an error and a denial", kindBatch, ok(`{"result":{"a":{"allowed":false}}}`),
			ok(`{"result":{"a":{"error":{"input_error":"validation_error"}}}}`), outcomeDiffers},
		{"batch without an item", kindBatch, ok(`{"result":{"a":{"allowed":false}}}`), ok(`{"result":{}}`), outcomeDiffers},
		{"list in another order", kindObjects, ok(`{"objects":["a","b"]}`), ok(`{"objects":["b","a"]}`), outcomeAgrees},
		{"list with one more", kindObjects, ok(`{"objects":["a","b"]}`), ok(`{"objects":["a"]}`), outcomeDiffers},
		{"list with one twice", kindObjects, ok(`{"objects":["a","a"]}`), ok(`{"objects":["a"]}`), outcomeDiffers},
		{"list at the limit", kindObjects, ok(`{"objects":["a","b","c"]}`), ok(`{"objects":["a","b","d"]}`), outcomeNotComparable},
		{"same list at the limit", kindObjects, ok(`{"objects":["a","b","c"]}`), ok(`{"objects":["c","a","b"]}`), outcomeAgrees},
		{"list that the server cut", kindObjects, ok(`{"objects":["a","b"]}`), cut, outcomeNotComparable},
		{"stream", kindStreamed, ok("{\"result\":{\"object\":\"a\"}}\n{\"result\":{\"object\":\"b\"}}\n"),
			ok("{\"result\":{\"object\":\"b\"}}\n{\"result\":{\"object\":\"a\"}}\n"), outcomeAgrees},
		{"stream that fails", kindStreamed, ok("{\"result\":{\"object\":\"a\"}}\n"), ok("{\"result\":{\"object\":\"a\"}}\n{\"error\":{\"code\":4}}\n"), outcomeDiffers},
		{"users", kindUsers, ok(`{"users":[{"object":{"type":"user","id":"a"}},{"wildcard":{"type":"user"}}]}`),
			ok(`{"users":[{"wildcard":{"type":"user"},"object":null},{"object":{"id":"a","type":"user"}}]}`), outcomeAgrees},
		{"other users", kindUsers, ok(`{"users":[{"object":{"type":"user","id":"a"}}]}`), ok(`{"users":[]}`), outcomeDiffers},
		{"tuples", kindRead, ok(`{"tuples":[{"key":{"object":"d:1","user":"u:1","condition":null},"timestamp":"1"}],"continuation_token":""}`),
			ok(`{"tuples":[{"key":{"object":"d:1","user":"u:1"},"timestamp":"2"}]}`), outcomeAgrees},
		{"conditions", kindRead, ok(`{"tuples":[{"key":{"object":"d:1","condition":{"name":"c","context":{}}}}]}`),
			ok(`{"tuples":[{"key":{"object":"d:1","condition":{"name":"c","context":{"x":1}}}}]}`), outcomeDiffers},
		{"a page", kindRead, ok(`{"tuples":[{"key":{"object":"d:1"}}],"continuation_token":"x"}`), ok(`{"tuples":[{"key":{"object":"d:2"}}],"continuation_token":"y"}`), outcomeNotComparable},
		{"tree", kindExpand, ok(`{"tree":{"root":{"name":"x","leaf":{"users":{"users":["b","a"]}}}}}`),
			ok(`{"tree":{"root":{"leaf":{"users":{"users":["a","b"]}},"name":"x","union":null}}}`), outcomeAgrees},
		{"other tree", kindExpand, ok(`{"tree":{"root":{"name":"x","leaf":{"users":{"users":["a"]}}}}}`), ok(`{"tree":{"root":{"name":"x","leaf":{"users":{"users":[]}}}}}`), outcomeDiffers},
	} {
		if got := s.compare(row.kind, row.a, row.b); got.outcome != row.want {
			t.Errorf("%s: got %d, want %d: %+v and %+v", row.name, got.outcome, row.want, got.primary, got.secondary)
		}
	}
}

func TestShadowTranslates(t *testing.T) {
	state := &migration{Stores: []*migratedStore{{Source: "S1", Target: "T1", Models: []migratedModel{{Source: "M1", Target: "N1"}, {Source: "M2", Refused: "x"}}}}}
	forward, reverse := &shadow{ids: newIDMap(state, false)}, &shadow{ids: newIDMap(state, true)}
	for _, row := range []struct {
		s                 *shadow
		store, kind, body string
		path, want        string // path "" is not known
	}{
		{forward, "S1", kindCheck, `{"authorization_model_id":"M1","x":1}`, "/stores/T1/check", `{"authorization_model_id":"N1","x":1}`},
		{forward, "S1", kindCheck, `{"authorizationModelId":"M1"}`, "/stores/T1/check", `{"authorizationModelId":"N1"}`},
		{forward, "S1", kindCheck, `{"authorization_model_id":""}`, "/stores/T1/check", `{"authorization_model_id":""}`},
		{forward, "S1", kindCheck, `{"authorization_model_id":null}`, "/stores/T1/check", `{"authorization_model_id":null}`},
		{forward, "S1", kindCheck, `{"authorization_model_id":"M2"}`, "", ""},
		{forward, "T1", kindCheck, `{}`, "", ""},
		{forward, "S1", kindCheck, `no JSON`, "/stores/T1/check", `no JSON`},
		{forward, "S1", kindCheck, `null`, "/stores/T1/check", `null`},
		{reverse, "T1", kindCheck, `{"authorization_model_id":"N1"}`, "/stores/S1/check", `{"authorization_model_id":"M1"}`},
		{&shadow{}, "A/B", kindCheck, `{"authorization_model_id":"M1"}`, "/stores/A%2FB/check", `{"authorization_model_id":"M1"}`},
		{&shadow{}, "A", kindWrite, `{"writes":{"tuple_keys":[],"on_duplicate":"error"},"deletes":{"tuple_keys":[],"onMissing":"error"}}`, "/stores/A/write",
			`{"deletes":{"on_missing":"ignore","tuple_keys":[]},"writes":{"on_duplicate":"ignore","tuple_keys":[]}}`},
	} {
		got, known := row.s.translate(&exchange{kind: row.kind, store: row.store, body: []byte(row.body)})
		if known != (row.path != "") || got.path != row.path || string(got.body) != row.want {
			t.Errorf("%s %s: got %v %s %s, want %s %s", row.store, row.body, known, got.path, got.body, row.path, row.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 500, 0.95: 950, 0.99: 990} {
		if got := h.quantile(q); got < want*0.99 || got > want*1.06 {
			t.Errorf("quantile %v: got %v ms, want about %v", q, got, want)
		}
	}
	var empty histogram
	if got := empty.quantile(0.99); got != 0 {
		t.Errorf("got %v of nothing, want 0", got)
	}
}
