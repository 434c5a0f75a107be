package api_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/decisionlog"
)

// decisionsTold keeps what it is told.
type decisionsTold struct {
	mu  sync.Mutex
	all []decisionlog.Decision
}

func (*decisionsTold) Wants(_, _, _, object, _ string) bool { return object != "doc:unwanted" }

func (d *decisionsTold) Decided(one *decisionlog.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, *one)
}

// take returns what was told since, shortened.
func (d *decisionsTold) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var short []string
	for _, one := range d.all {
		line := fmt.Sprintf("%s %s#%s@%s %s", one.Method, one.Object, one.Relation, one.Subject, one.Result)
		if one.Result == decisionlog.Listed {
			line += fmt.Sprint(" ", one.Count)
		}
		for _, more := range []string{one.Error, one.Reason} {
			if more != "" {
				line += " " + more
			}
		}
		if one.Contextual > 0 {
			line += fmt.Sprintf(" with %d", one.Contextual)
		}
		short = append(short, line)
	}
	d.all = nil
	slices.Sort(short)
	return short
}

func (d *decisionsTold) want(t *testing.T, lines ...string) {
	t.Helper()
	slices.Sort(lines)
	if got := d.take(); !slices.Equal(got, lines) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// TestDecisions: each way to ask is told of once, with what was asked and answered.
func TestDecisions(t *testing.T) {
	var told decisionsTold
	var err error
	h := start(t, func(o *api.Options) {
		o.Decisions = &told
		keys, err := api.PresharedKeys("k3y")
		if err != nil {
			t.Fatal(err)
		}
		o.Authenticator = api.FirstOf(keys, api.Anonymous())
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer k3y", "x-request-id", "r-1")
	client, authzen := openfgav1.NewOpenFGAServiceClient(h.conn), authzenv1.NewAuthZenServiceClient(h.conn)
	c := h.surfaces()[0]
	store, model := c.newStore(t, testModel)
	c.write(t, store, "doc:1#viewer@user:ann")
	told.want(t) // nothing of these is a decision
	key := func(object, relation, user string) *openfgav1.CheckRequestTupleKey {
		return &openfgav1.CheckRequestTupleKey{User: user, Relation: relation, Object: object}
	}

	check := func(k *openfgav1.CheckRequestTupleKey, contextual ...*openfgav1.TupleKey) {
		t.Helper()
		req := &openfgav1.CheckRequest{StoreId: store, TupleKey: k, Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY}
		if len(contextual) > 0 {
			req.ContextualTuples = &openfgav1.ContextualTupleKeys{TupleKeys: contextual}
		}
		_, _ = client.Check(ctx, req) // what came of it is told
	}
	check(key("doc:1", "viewer", "user:ann"))
	told.mu.Lock()
	if len(told.all) != 1 {
		t.Fatalf("told %v", told.all)
	}
	one := told.all[0]
	told.mu.Unlock()
	if one.RequestID != "r-1" || !strings.HasPrefix(one.Principal, "preshared:") || one.Store != store || one.Model != model ||
		one.Consistency != "linearizable" || one.Revision == 0 || one.Took <= 0 || one.Time.IsZero() {
		t.Errorf("told %+v", one)
	}
	check(key("doc:2", "viewer", "user:bob"))
	check(key("doc:2", "viewer", "user:ann"), &openfgav1.TupleKey{User: "user:ann", Relation: "viewer", Object: "doc:2"})
	check(key("doc:1", "nothing", "user:ann"))
	check(key("doc:unwanted", "viewer", "user:ann"))
	told.want(t, "Check doc:1#viewer@user:ann allowed", "Check doc:2#viewer@user:bob denied", "Check doc:2#viewer@user:ann allowed with 1",
		"Check doc:1#nothing@user:ann error invalid")

	_, _ = client.Check(ctx, &openfgav1.CheckRequest{StoreId: noStore, TupleKey: key("doc:1", "viewer", "user:ann")})
	told.want(t, "Check doc:1#viewer@user:ann error failed")
	strict := start(t, func(o *api.Options) {
		o.Decisions = &told
		if o.Authenticator, err = api.PresharedKeys("k3y"); err != nil {
			t.Fatal(err)
		}
	})
	_, err = openfgav1.NewOpenFGAServiceClient(strict.conn).Check(t.Context(), &openfgav1.CheckRequest{StoreId: store, TupleKey: key("doc:1", "viewer", "user:ann")})
	if err == nil {
		t.Error("somebody without a key was answered")
	}
	told.want(t) // nobody knows who asked, and nobody was answered

	batch := &openfgav1.BatchCheckRequest{StoreId: store}
	for i, k := range []*openfgav1.CheckRequestTupleKey{key("doc:1", "viewer", "user:ann"), key("doc:1", "viewer", "user:ann"), key("doc:2", "viewer", "user:ann"), key("doc:1", "nothing", "user:ann")} {
		batch.Checks = append(batch.Checks, &openfgav1.BatchCheckItem{TupleKey: k, CorrelationId: fmt.Sprint(i)})
	}
	if _, err := client.BatchCheck(ctx, batch); err != nil {
		t.Fatal(err)
	}
	told.want(t, "BatchCheck doc:1#viewer@user:ann allowed", "BatchCheck doc:1#viewer@user:ann allowed", "BatchCheck doc:2#viewer@user:ann denied",
		"BatchCheck doc:1#nothing@user:ann error invalid")

	for path, c := range map[string]struct{ body, want string }{
		"/check":                 {`{"tuple_key": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}}`, "Check doc:1#viewer@user:ann allowed"},
		"/check?x=1":             {`{"tuple_key": {"user": "user:ann", "relation": "viewer", "object": "doc:3"}}`, "Check doc:3#viewer@user:ann denied"},
		"/batch-check":           {`{"checks": [{"tuple_key": {"user": "user:ann", "relation": "viewer", "object": "doc:3"}, "correlation_id": "1"}]}`, "BatchCheck doc:3#viewer@user:ann denied"},
		"/list-objects":          {`{"user": "user:ann", "relation": "viewer", "type": "doc"}`, "ListObjects doc#viewer@user:ann listed 1"},
		"/streamed-list-objects": {`{"user": "user:ann", "relation": "viewer", "type": "doc"}`, "StreamedListObjects doc#viewer@user:ann listed 1"},
		"/list-users":            {`{"object": {"type": "doc", "id": "1"}, "relation": "viewer", "user_filters": [{"type": "user"}]}`, "ListUsers doc:1#viewer@user listed 1"},
		"/access/v1/evaluation":  {`{"subject": {"type": "user", "id": "ann"}, "action": {"name": "viewer"}, "resource": {"type": "doc", "id": "1"}}`, "Evaluation doc:1#viewer@user:ann allowed"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/stores/"+store+path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer k3y")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, %v: %s", path, resp.StatusCode, err, text)
		}
		told.want(t, c.want)
	}

	subject, resource, action := &authzenv1.Subject{Type: "user", Id: "ann"}, &authzenv1.Resource{Type: "doc", Id: "1"}, &authzenv1.Action{Name: "viewer"}
	if _, err := authzen.Evaluations(ctx, &authzenv1.EvaluationsRequest{StoreId: store, Subject: subject, Action: action,
		Evaluations: []*authzenv1.EvaluationsItemRequest{{Resource: resource}, {Resource: &authzenv1.Resource{Type: "doc", Id: "2"}}}}); err != nil {
		t.Fatal(err)
	}
	told.want(t, "Evaluations doc:1#viewer@user:ann allowed", "Evaluations doc:2#viewer@user:ann denied")
	if _, err := authzen.SubjectSearch(ctx, &authzenv1.SubjectSearchRequest{StoreId: store, Subject: &authzenv1.SubjectFilter{Type: "user"}, Action: action, Resource: resource}); err != nil {
		t.Fatal(err)
	}
	told.want(t, "SubjectSearch doc:1#viewer@user listed 1")
	if _, err := authzen.ResourceSearch(ctx, &authzenv1.ResourceSearchRequest{StoreId: store, Subject: subject, Action: action, Resource: &authzenv1.ResourceFilter{Type: "doc"}}); err != nil {
		t.Fatal(err)
	}
	told.want(t, "ResourceSearch doc#viewer@user:ann listed 1")
	_, _ = client.ListObjects(ctx, &openfgav1.ListObjectsRequest{StoreId: store, Type: "doc", Relation: "nothing", User: "user:ann"})
	told.want(t, "ListObjects doc#nothing@user:ann error invalid")
}

// TestDecisionReasons: each check of a batch has its own reason, though the header of the answer names each once.
func TestDecisionReasons(t *testing.T) {
	var told decisionsTold
	w := newGateWorldOn(t, start(t, func(o *api.Options) { o.Decisions = &told }))
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	if err := w.write("document:1#organization@organization:acme", "document:1#viewer@user:"+ann, "document:1#viewer@user:bob"); err != nil {
		t.Fatal(err)
	}
	w.setActive(ann, false)
	batch := &openfgav1.BatchCheckRequest{StoreId: w.store}
	for i, user := range []string{ann, ann, "bob"} {
		k := tupleKeyOf(t, "document:1#viewer@user:"+user)
		item := &openfgav1.BatchCheckItem{TupleKey: &openfgav1.CheckRequestTupleKey{User: k.User, Relation: k.Relation, Object: k.Object}, CorrelationId: fmt.Sprint(i)}
		if i == 1 { // asks something else
			item.ContextualTuples = &openfgav1.ContextualTupleKeys{TupleKeys: []*openfgav1.TupleKey{tupleKeyOf(t, "document:2#viewer@user:bob")}}
		}
		batch.Checks = append(batch.Checks, item)
	}
	if _, err := w.fga.BatchCheck(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	told.want(t, "BatchCheck document:1#viewer@user:"+ann+" denied subject_disabled", "BatchCheck document:1#viewer@user:"+ann+" denied subject_disabled with 1",
		"BatchCheck document:1#viewer@user:bob allowed")
}
