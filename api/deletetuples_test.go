package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/raftstore"
)

// tupleWorld is a server with a store of some tuples.
type tupleWorld struct {
	*harness
	t      testing.TB
	client ostiaryv1.TupleServiceClient
	c      client
	store  string
}

func newTupleWorld(t testing.TB, h *harness, tuples ...string) *tupleWorld {
	t.Helper()
	w := &tupleWorld{harness: h, t: t, client: ostiaryv1.NewTupleServiceClient(h.conn), c: h.surfaces()[0]}
	w.store, _ = w.c.newStore(t, testModel)
	if len(tuples) > 0 {
		w.c.write(t, w.store, tuples...)
	}
	return w
}

// grant gives tuples a grant of another owner.
func (w *tupleWorld) grant(owner string, expiryNanos int64, texts ...string) {
	w.t.Helper()
	m := &ostiary.Mutation{TimeNanos: w.harness.store.Now(), Principal: ostiary.Principal{Kind: "preshared", Name: "test"}}
	for _, text := range texts {
		t, err := ostiary.ParseTuple(text)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: w.store, Tuple: t,
			Grant: ostiary.Grant{Owner: owner, ExpiryNanos: expiryNanos}})
	}
	if _, err := w.harness.store.Propose(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *tupleWorld) delete(req *ostiaryv1.DeleteTuplesRequest, o ...grpc.CallOption) (*ostiaryv1.DeleteTuplesResponse, error) {
	req.StoreId = w.store
	return w.client.DeleteTuples(w.t.Context(), req, o...)
}

// tuples returns the tuples of the store.
func (w *tupleWorld) tuples() []string {
	w.t.Helper()
	v, err := w.harness.store.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	texts := []string{}
	for t, err := range v.Tuples(w.t.Context(), ostiary.Filter{Store: w.store}, nil) {
		if err != nil {
			w.t.Fatal(err)
		}
		texts = append(texts, t.Tuple.String())
	}
	return texts
}

// changes returns what the changelog says of a revision.
func (w *tupleWorld) changes(r ostiary.Revision) []string {
	w.t.Helper()
	v, err := w.harness.store.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	texts := []string{}
	for c, err := range v.Changes(w.t.Context(), w.store, 0, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		if c.Revision == r {
			texts = append(texts, fmt.Sprintf("%d %s %s", c.Op, c.Tuple, c.Grant.Owner))
		}
	}
	return texts
}

var someTuples = []string{
	"doc:1#editor@user:ann", "doc:1#viewer@group:eng#member", "doc:1#viewer@user:ann", "doc:1#viewer@user:bob",
	"doc:2#parent@folder:f", "doc:2#viewer@user:ann", "folder:f#viewer@group:eng#member", "folder:f#viewer@user:ann",
	"group:eng#member@group:ops#member", "group:eng#member@user:ann", "group:ops#member@group:eng#member",
}

// TestDeleteTuples deletes by every kind of filter. A dry run says the same and changes nothing.
func TestDeleteTuples(t *testing.T) {
	h := start(t)
	for name, tt := range map[string]struct {
		req  *ostiaryv1.DeleteTuplesRequest
		gone func(t ostiary.Tuple) bool
	}{
		"object": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1"}},
			func(t ostiary.Tuple) bool { return t.Object.String() == "doc:1" }},
		"object and relation": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1", Relation: "viewer"}},
			func(t ostiary.Tuple) bool { return t.Object.String() == "doc:1" && t.Relation == "viewer" }},
		"type": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:"}},
			func(t ostiary.Tuple) bool { return t.Object.Type == "doc" }},
		"user": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{User: "user:ann"}},
			func(t ostiary.Tuple) bool { return t.Subject.String() == "user:ann" }},
		"userset of a type": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{User: "group:eng#member", ObjectType: "doc"}},
			func(t ostiary.Tuple) bool { return t.Subject.String() == "group:eng#member" && t.Object.Type == "doc" }},
		"owner": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Owner: "api", ObjectType: "group"}},
			func(t ostiary.Tuple) bool { return t.Object.Type == "group" }},
		"object with dependants": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "group:eng"}, IncludeDependants: true},
			func(t ostiary.Tuple) bool {
				return t.Object.String() == "group:eng" || t.Subject.Object().String() == "group:eng"
			}},
		"folder with dependants": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "folder:f"}, IncludeDependants: true},
			func(t ostiary.Tuple) bool {
				return t.Object.String() == "folder:f" || t.Subject.Object().String() == "folder:f"
			}},
		"nothing": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "nothing:here"}},
			func(ostiary.Tuple) bool { return false }},
	} {
		t.Run("filter="+strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			w := newTupleWorld(t, h, someTuples...)
			left, gone := []string{}, []string{}
			for _, text := range someTuples {
				parsed, err := ostiary.ParseTuple(text)
				if err != nil {
					t.Fatal(err)
				}
				if tt.gone(parsed) {
					gone = append(gone, text)
				} else {
					left = append(left, text)
				}
			}
			before := h.dump(t, w.store)
			tt.req.DryRun = true
			dry, err := w.delete(tt.req)
			if err != nil || int(dry.GetCount()) != len(gone) || len(dry.GetSample()) != min(len(gone), 10) {
				t.Fatalf("dry run: %v, %v, want %d", dry, err, len(gone))
			}
			for _, k := range dry.GetSample() {
				if text := k.GetObject() + "#" + k.GetRelation() + "@" + k.GetUser(); !slices.Contains(gone, text) {
					t.Errorf("the sample holds %s", text)
				}
			}
			if h.dump(t, w.store) != before {
				t.Error("a dry run changed something")
			}
			tt.req.DryRun, tt.req.Max = false, uint32(len(gone))
			var header metadata.MD
			resp, err := w.delete(tt.req, grpc.Header(&header))
			if err != nil || int(resp.GetCount()) != len(gone) || resp.GetKept() != 0 || resp.GetSample() != nil {
				t.Fatalf("%v, %v, want %d", resp, err, len(gone))
			}
			if len(header.Get("ostiary-token")) == 0 || header.Get("ostiary-revision")[0] != fmt.Sprint(h.newest(t)) {
				t.Errorf("headers %v", header)
			}
			if got := w.tuples(); !slices.Equal(got, left) {
				t.Errorf("left are %q, want %q", got, left)
			}
			changes := w.changes(h.newest(t))
			for i, text := range gone {
				gone[i] = "2 " + text + " api"
			}
			if slices.Sort(changes); !slices.Equal(changes, gone) {
				t.Errorf("changes %q, want %q", changes, gone)
			}
			again, err := w.delete(tt.req)
			if err != nil || again.GetCount() != 0 {
				t.Errorf("again: %v, %v", again, err)
			}
		})
	}
}

func TestDeleteTuplesRefuses(t *testing.T) {
	w := newTupleWorld(t, start(t), someTuples...)
	doc := &ostiaryv1.TupleFilter{Object: "doc:"}
	for name, tt := range map[string]struct {
		req  *ostiaryv1.DeleteTuplesRequest
		code codes.Code
		text string
	}{
		"no filter": {&ostiaryv1.DeleteTuplesRequest{}, codes.InvalidArgument, "exactly one of object, user and owner, and this one 0"},
		"two filters": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1", User: "user:ann"}}, codes.InvalidArgument,
			"and this one 2"},
		"relation alone":      {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Relation: "viewer"}}, codes.InvalidArgument, "and this one 0"},
		"no object":           {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc"}}, codes.InvalidArgument, "object"},
		"no type":             {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: ":"}}, codes.InvalidArgument, "object"},
		"wildcard object":     {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:*"}}, codes.InvalidArgument, "wildcard"},
		"every relation":      {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{User: "group:eng#*"}}, codes.InvalidArgument, "user"},
		"bad relation":        {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{User: "user:ann", Relation: "a#b"}}, codes.InvalidArgument, "relation"},
		"bad type":            {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{User: "user:ann", ObjectType: "a#b"}}, codes.InvalidArgument, "object_type"},
		"type beside object":  {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1", ObjectType: "doc"}}, codes.InvalidArgument, "object_type"},
		"owner":               {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Owner: "scim:c"}}, codes.InvalidArgument, `may name "api"`},
		"dependants of many":  {&ostiaryv1.DeleteTuplesRequest{Filter: doc, IncludeDependants: true}, codes.InvalidArgument, "include_dependants"},
		"dependants of a few": {&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1", Relation: "viewer"}, IncludeDependants: true}, codes.InvalidArgument, "include_dependants"},
		"max":                 {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Max: ostiary.MaxFilterRows + 1}, codes.InvalidArgument, "1000001"},
		"too many":            {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Max: 5}, codes.ResourceExhausted, "selects 6 tuples, and at most 5 may go"},
		"empty precondition": {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Preconditions: []*ostiaryv1.TuplePrecondition{{}}}, codes.InvalidArgument,
			"precondition 0: it sets none"},
		"many preconditions": {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Preconditions: make([]*ostiaryv1.TuplePrecondition, 101)}, codes.InvalidArgument, "101"},
		"not present": {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Preconditions: []*ostiaryv1.TuplePrecondition{
			{Precondition: &ostiaryv1.TuplePrecondition_Present{Present: wireKey("doc:9#viewer@user:ann")}}}}, codes.FailedPrecondition, "'doc:9#viewer@user:ann' is not there"},
		"not absent": {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Preconditions: []*ostiaryv1.TuplePrecondition{
			{Precondition: &ostiaryv1.TuplePrecondition_Absent{Absent: wireKey("doc:1#viewer@user:ann")}}}}, codes.FailedPrecondition, "'doc:1#viewer@user:ann' is there"},
		"not empty": {&ostiaryv1.DeleteTuplesRequest{Filter: doc, Preconditions: []*ostiaryv1.TuplePrecondition{
			{Precondition: &ostiaryv1.TuplePrecondition_MatchesNothing{MatchesNothing: &ostiaryv1.TupleFilter{User: "user:ann", ObjectType: "folder"}}}}},
			codes.FailedPrecondition, "'folder:f#viewer@user:ann' is there"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			before := w.dump(t, w.store)
			for _, dry := range []bool{false, true} {
				tt.req.DryRun = dry
				_, err := w.delete(tt.req)
				if status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("dry run %v: got %v, want %s with %q", dry, err, tt.code, tt.text)
				}
			}
			if w.dump(t, w.store) != before {
				t.Error("a refused call changed something")
			}
		})
	}
	unknown := &ostiaryv1.DeleteTuplesRequest{StoreId: noStore, Filter: doc}
	if _, err := w.client.DeleteTuples(t.Context(), unknown); status.Code(err) != codes.NotFound {
		t.Errorf("unknown store: %v", err)
	}
	held := &ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1", Relation: "editor"}, Preconditions: []*ostiaryv1.TuplePrecondition{
		{Precondition: &ostiaryv1.TuplePrecondition_Present{Present: wireKey("doc:1#viewer@user:ann")}},
		{Precondition: &ostiaryv1.TuplePrecondition_Absent{Absent: wireKey("doc:1#viewer@user:cid")}},
		{Precondition: &ostiaryv1.TuplePrecondition_MatchesNothing{MatchesNothing: &ostiaryv1.TupleFilter{User: "user:cid"}}},
	}}
	if resp, err := w.delete(held); err != nil || resp.GetCount() != 1 {
		t.Errorf("with preconditions that hold: %v, %v", resp, err)
	}
}

func wireKey(text string) *ostiaryv1.TupleKey {
	f := key(text)
	return &ostiaryv1.TupleKey{User: f["user"].(string), Relation: f["relation"].(string), Object: f["object"].(string)}
}

// IDENTITY g.0 rule 5: what somebody else grants too refuses the call, or stays where the request says so. A grant
// that has expired grants nothing.
func TestDeleteTuplesOfOthers(t *testing.T) {
	h := start(t)
	const owner = "scim:c1/u1/roles/r1"
	w := newTupleWorld(t, h, someTuples...)
	w.grant(owner, 0, "doc:1#viewer@user:ann", "doc:1#viewer@user:dan")
	w.grant(owner, 1, "doc:2#viewer@user:ann", "doc:2#viewer@user:dan")
	before := h.dump(t, w.store)
	_, err := w.delete(&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:"}})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "2 of the tuples") ||
		!strings.Contains(err.Error(), "'doc:1#viewer@user:ann' by "+owner) {
		t.Errorf("got %v", err)
	}
	if h.dump(t, w.store) != before {
		t.Error("a refused call changed something")
	}
	resp, err := w.delete(&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:2"}})
	if err != nil || resp.GetCount() != 2 || resp.GetKept() != 0 {
		t.Errorf("beside grants that have expired: %v, %v", resp, err)
	}
	resp, err = w.delete(&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Object: "doc:1"}, KeepOthers: true})
	if err != nil || resp.GetCount() != 4 || resp.GetKept() != 2 {
		t.Errorf("keeping: %v, %v", resp, err)
	}
	resp, err = w.delete(&ostiaryv1.DeleteTuplesRequest{Filter: &ostiaryv1.TupleFilter{Owner: "api"}})
	if err != nil || resp.GetCount() != 5 || resp.GetKept() != 0 {
		t.Errorf("of the owner: %v, %v", resp, err)
	}
	if got, want := w.tuples(), []string{"doc:1#viewer@user:ann", "doc:1#viewer@user:dan", "doc:2#viewer@user:ann", "doc:2#viewer@user:dan"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

// IDENTITY g.0 rules 1 and 14: in a store with organizations what identity providers write is not deleted, nothing
// that names a group is left behind, and the organization verifies.
func TestDeleteTuplesBesideIdentity(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	c := ostiaryv1.NewTupleServiceClient(w.conn)
	ann := w.user("ann")
	err := w.write("document:1#viewer@user:"+ann, "document:2#viewer@organization:acme#member", "document:2#organization@organization:acme")
	if err != nil {
		t.Fatal(err)
	}
	before := w.dump(t, w.store)
	named := &ostiaryv1.DeleteTuplesRequest{StoreId: w.store, Filter: &ostiaryv1.TupleFilter{Object: "organization:acme", Relation: "enabled"}}
	_, err = c.DeleteTuples(t.Context(), named)
	wantCode(t, "an identity relation", err, codes.InvalidArgument)
	person := &ostiaryv1.DeleteTuplesRequest{StoreId: w.store, Filter: &ostiaryv1.TupleFilter{User: "user:" + ann}}
	_, err = c.DeleteTuples(t.Context(), person)
	wantCode(t, "what the provider grants", err, codes.FailedPrecondition)
	if w.dump(t, w.store) != before {
		t.Error("a refused call changed something")
	}
	person.KeepOthers = true
	resp, err := c.DeleteTuples(t.Context(), person)
	if err != nil || resp.GetCount() != 1 || resp.GetKept() == 0 {
		t.Errorf("the person's: %v, %v", resp, err)
	}
	document := &ostiaryv1.DeleteTuplesRequest{StoreId: w.store, Filter: &ostiaryv1.TupleFilter{Object: "document:2"}, IncludeDependants: true}
	if resp, err = c.DeleteTuples(t.Context(), document); err != nil || resp.GetCount() != 2 {
		t.Errorf("a document: %v, %v", resp, err)
	}
	found, err := w.service.Verify(t.Context(), w.store, "acme")
	if err != nil || len(found.Findings) > 0 || found.Users != 1 {
		t.Errorf("verification: %+v, %v", found, err)
	}
}

// TestDeleteTuplesOnce: a retry with the idempotency key answers what the first call did, though more matches now.
func TestDeleteTuplesOnce(t *testing.T) {
	w := newTupleWorld(t, start(t), someTuples...)
	req := &ostiaryv1.DeleteTuplesRequest{StoreId: w.store, Filter: &ostiaryv1.TupleFilter{Object: "doc:1"}}
	ctx := metadata.AppendToOutgoingContext(t.Context(), onceHeader, "k1")
	var first, second metadata.MD
	if resp, err := w.client.DeleteTuples(ctx, req, grpc.Header(&first)); err != nil || resp.GetCount() != 4 {
		t.Fatalf("%v, %v", resp, err)
	}
	w.c.write(t, w.store, "doc:1#viewer@user:ann")
	if resp, err := w.client.DeleteTuples(ctx, req, grpc.Header(&second)); err != nil || resp.GetCount() != 4 {
		t.Errorf("again: %v, %v", resp, err)
	}
	if a, b := first.Get("ostiary-revision"), second.Get("ostiary-revision"); !slices.Equal(a, b) {
		t.Errorf("revisions %v and %v", a, b)
	}
	if !slices.Contains(w.tuples(), "doc:1#viewer@user:ann") {
		t.Error("the repetition deleted something")
	}
	req.Filter.Object = "doc:2"
	if _, err := w.client.DeleteTuples(ctx, req); status.Code(err) != codes.Aborted {
		t.Errorf("another request with the key: %v", err)
	}
}

func TestDeleteTuplesHTTP(t *testing.T) {
	w := newTupleWorld(t, start(t), someTuples...)
	resp, body := w.send(t, http.MethodPost, "/ostiary/v1/stores/"+w.store+"/tuple-deletions",
		strings.NewReader(`{"filter":{"user":"user:ann","object_type":"doc"},"dry_run":true}`))
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"count":"3"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	resp, body = w.send(t, http.MethodPost, "/ostiary/v1/stores/"+w.store+"/tuple-deletions", strings.NewReader(`{"filter":{}}`))
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// TestDeleteTuplesIsDeletingEach compares, for random tuples and filters, a deletion by filter with Writes that delete
// what it selects one by one: the tuples that are left and the set of changes are the same, also after a restart.
func TestDeleteTuplesIsDeletingEach(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	on := raftstore.Options{Dir: t.TempDir()}
	h := startOn(t, on)
	pick := func(all ...string) string { return all[random.IntN(len(all))] }
	var worlds []*tupleWorld
	var want [][]string
	for range 25 {
		seen := map[string]bool{}
		for range 30 {
			object := pick("doc", "folder") + ":" + pick("1", "2", "3")
			if pick("", "", "group") == "group" {
				object = "group:" + pick("eng", "ops")
				seen[object+"#member@"+pick("user:ann", "user:*", "group:eng#member", "group:ops#member")] = true
				continue
			}
			seen[object+"#viewer@"+pick("user:ann", "user:bob", "group:eng#member")] = true
		}
		var tuples []string
		for text := range seen {
			if object, subject, _ := strings.Cut(text, "#member@"); subject != object+"#member" {
				tuples = append(tuples, text)
			}
		}
		slices.Sort(tuples)
		whole, each := newTupleWorld(t, h, tuples...), newTupleWorld(t, h, tuples...)
		f := &ostiaryv1.TupleFilter{}
		switch random.IntN(3) {
		case 0:
			f.Object = pick("doc:", "doc:1", "folder:2", "group:eng", "group:")
		case 1:
			f.User, f.ObjectType = pick("user:ann", "user:*", "group:eng#member"), pick("", "doc", "group")
		default:
			f.Owner, f.ObjectType = "api", pick("", "doc", "group")
		}
		f.Relation = pick("", "viewer", "member")
		req := &ostiaryv1.DeleteTuplesRequest{Filter: f}
		req.IncludeDependants = strings.Contains(f.Object, ":") && !strings.HasSuffix(f.Object, ":") && f.Relation == ""
		var deletes []string
		for _, text := range tuples {
			k := wireKey(text)
			object := f.Object == "" || strings.HasPrefix(k.Object, f.Object) && (strings.HasSuffix(f.Object, ":") || k.Object == f.Object)
			user := f.User == "" || k.User == f.User
			typ := strings.HasPrefix(k.Object, f.ObjectType)
			relation := f.Relation == "" || k.Relation == f.Relation
			dependant, _, _ := strings.Cut(k.User, "#")
			if object && user && typ && relation || req.IncludeDependants && dependant == f.Object {
				deletes = append(deletes, text)
				each.c.ok(t, "Write", fields{"deletes": keys(text)}.in(each.store))
			}
		}
		resp, err := whole.delete(req)
		if err != nil || int(resp.GetCount()) != len(deletes) {
			t.Fatalf("%v of %q: %v, %v, want %q", req, tuples, resp, err, deletes)
		}
		if a, b := whole.tuples(), each.tuples(); !slices.Equal(a, b) {
			t.Fatalf("%v of %q leaves %q, and one by one %q", req, tuples, a, b)
		}
		if a, b := whole.history(), each.history(); !slices.Equal(a, b) {
			t.Fatalf("%v of %q: changes %q, and one by one %q", req, tuples, a, b)
		}
		worlds, want = append(worlds, whole), append(want, whole.tuples())
	}
	h.stop()
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	again := startOn(t, on)
	for i, w := range worlds {
		w.harness = again
		if got := w.tuples(); !slices.Equal(got, want[i]) {
			t.Errorf("after a restart %q are left, and before %q", got, want[i])
		}
	}
}

// history returns the changes of the store, without their revisions.
func (w *tupleWorld) history() []string {
	w.t.Helper()
	v, err := w.harness.store.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	var texts []string
	for c, err := range v.Changes(w.t.Context(), w.store, 0, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		texts = append(texts, fmt.Sprintf("%d %s", c.Op, c.Tuple))
	}
	slices.Sort(texts)
	return texts
}
