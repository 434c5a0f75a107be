package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// door is one way to ask whether a person may view document:d, and what the answer holds when they may.
type door struct {
	method  string
	ask     fields
	granted string
}

// doorsOf are all ways to ask for a person who views document:d in one way or another.
func doorsOf(store, person string) []door {
	user := "user:" + person
	question := key("document:d#viewer@" + user)
	contextual := keys("document:e#viewer@"+user, "document:e#viewer@user:*")
	evaluate := evaluation(user, "viewer", "document:d")
	doors := []door{
		{"Check", fields{"tuple_key": question}, "allowed:true"},
		{"Check", fields{"tuple_key": question, "consistency": "HIGHER_CONSISTENCY"}, "allowed:true"},
		{"Check", fields{"tuple_key": key("document:e#viewer@" + user), "contextual_tuples": contextual}, "allowed:true"},
		{"Check", fields{"tuple_key": key("document:all#viewer@" + user)}, "allowed:true"},
		{"BatchCheck", fields{"checks": []fields{{"correlation_id": "1", "tuple_key": question}}}, "allowed:true"},
		{"BatchCheck", fields{"checks": []fields{{"correlation_id": "1", "tuple_key": key("document:e#viewer@" + user), "contextual_tuples": contextual}}}, "allowed:true"},
		{"ListUsers", fields{"object": fields{"type": "document", "id": "d"}, "relation": "viewer", "user_filters": []fields{{"type": "user"}}}, person},
		{"ListUsers", fields{"object": fields{"type": "document", "id": "e"}, "relation": "viewer", "user_filters": []fields{{"type": "user"}},
			"contextual_tuples": []fields{key("document:e#viewer@" + user)}}, person},
		{"Evaluation", evaluate, "decision:true"},
		{"Evaluations", evaluate.with("evaluations", []fields{{}}), "decision:true"},
		{"SubjectSearch", evaluation("user", "viewer", "document:d"), person},
		{"ResourceSearch", evaluation(user, "viewer", "document"), "id:d"},
		{"ActionSearch", fields{"subject": entity(user), "resource": entity("document:d")}, "name:viewer"},
		{"Explain", fields{"tuple_key": question}, "OUTCOME_ALLOWED"},
	}
	for _, method := range []string{"ListObjects", "StreamedListObjects"} {
		list := fields{"type": "document", "relation": "viewer", "user": user}
		doors = append(doors, door{method, list, "document:d"}, door{method, list.with("contextual_tuples", contextual), "document:e"})
	}
	for i := range doors {
		doors[i].ask = doors[i].ask.in(store)
	}
	return doors
}

// IDENTITY g.0, rules 1 and 2: whoever is disabled, blocked or deleted finds every door shut, also with contextual
// tuples that let them in. While active they find every one open.
func TestRule02EveryDoor(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	if err := w.write("document:d#viewer@user:"+ann, "document:all#viewer@user:*"); err != nil {
		t.Fatal(err)
	}
	want := func(when string, open bool) {
		t.Helper()
		for _, surface := range w.surfaces() {
			for _, d := range doorsOf(w.store, ann) {
				a := surface.ok(t, d.method, d.ask)
				body := fmt.Sprint(a.body)
				if d.method == "Explain" { // it also draws what holds behind the gate
					body = fmt.Sprint(a.body.(map[string]any)["outcome"])
				}
				if got := strings.Contains(body, d.granted); got != open {
					t.Errorf("%s, %s, %s %v: open is %v: %s", when, surface.name, d.method, short(d.ask), got, short(body))
				}
			}
		}
	}
	want("active", true)
	w.setActive(ann, false)
	want("disabled", false)
	w.setActive(ann, true)
	if _, err := w.service.BlockUser(w.admin, w.store, "acme", ann); err != nil {
		t.Fatal(err)
	}
	want("blocked", false)
	if _, err := w.service.UnblockUser(w.admin, w.store, "acme", ann); err != nil {
		t.Fatal(err)
	}
	want("active again", true)
	w.remove(ann)
	if err := w.write("document:d#viewer@user:" + ann); err != nil { // by an application that does not know
		t.Fatal(err)
	}
	want("deleted", false)
}

const ownersModel = `model
  schema 1.1
type user
type doc
  relations
    define viewer: [user, user with below]
condition below(x: int, limit: int) {
  x < limit
}
`

// IDENTITY g.0, rule 5: each owner keeps its own condition and expiry, the tuple holds if any owner's grant does, and
// a plain Delete takes the application's grant alone, and nothing where there is another.
func TestRule05OwnersKeepTheirConditions(t *testing.T) {
	w := start(t)
	c := w.surfaces()[0]
	store, _ := c.newStore(t, ownersModel)
	const tuple = "doc:1#viewer@user:ann"
	parsed, err := ostiary.ParseTuple(tuple)
	if err != nil {
		t.Fatal(err)
	}
	propose := func(op ostiary.TupleOp, g ostiary.Grant) {
		t.Helper()
		_, err := w.store.Propose(t.Context(), &ostiary.Mutation{TimeNanos: w.store.Now(), Principal: ostiary.Principal{Kind: "internal"},
			Tuples: []ostiary.TupleChange{{Op: op, Store: store, Tuple: parsed, Grant: g}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	// want asks by each x whether the tuple holds.
	want := func(when string, holds ...int) {
		t.Helper()
		for _, x := range []int{1, 5, 50} {
			a := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key(tuple), "context": fields{"x": x}})
			if got := a.body.(map[string]any)["allowed"]; got != slices.Contains(holds, x) {
				t.Errorf("%s: for %d it holds: %v, want %v", when, x, got, holds)
			}
		}
	}
	const entitlements, roles = "scim:c/u/entitlements/e", "scim:c/u/roles/r"
	c.ok(t, "Write", fields{"store_id": store, "writes": fields{"tuple_keys": []fields{conditioned(tuple, "below", fields{"limit": 3})}}})
	want("the application's", 1)
	propose(ostiary.TupleCreate, ostiary.Grant{Owner: entitlements, Condition: "below", Context: []byte(`{"limit":10}`)})
	want("and an entitlement", 1, 5)
	propose(ostiary.TupleCreate, ostiary.Grant{Owner: roles, ExpiryNanos: w.store.Now() - int64(time.Hour)})
	want("and a role that has ended", 1, 5)
	propose(ostiary.TupleTouch, ostiary.Grant{Owner: roles, ExpiryNanos: w.store.Now() + int64(24*time.Hour)})
	want("and a role that has not", 1, 5, 50)

	a := c.ask(t, "Write", fields{"store_id": store, "deletes": keys(tuple)})
	if a.code != codes.FailedPrecondition || !strings.Contains(a.message, entitlements) || !strings.Contains(a.message, roles) {
		t.Errorf("a plain Delete: code %d, %s", a.code, a.message)
	}
	want("after a plain Delete that was refused", 1, 5, 50)

	propose(ostiary.TupleRelease, ostiary.Grant{Owner: roles})
	want("the role is taken away", 1, 5)
	propose(ostiary.TupleRelease, ostiary.Grant{Owner: entitlements})
	want("and the entitlement: the application's keeps its condition", 1)
	c.ok(t, "Write", fields{"store_id": store, "deletes": keys(tuple)})
	want("and the application's")
}

// IDENTITY g.0, rule 1: a session ends by the server's clock. A caller needs to name no time, and one who names a
// time at which the session was good does not bring it back.
func TestRule01ServersClock(t *testing.T) {
	w, ann := newSessionWorld(t)
	live := func(now string) bool {
		t.Helper()
		k := tupleKeyOf(t, "organization:acme#live@user:"+ann)
		req := &openfgav1.CheckRequest{StoreId: w.store, TupleKey: &openfgav1.CheckRequestTupleKey{User: k.User, Relation: k.Relation, Object: k.Object}}
		if now != "" {
			var err error
			if req.Context, err = structpb.NewStruct(map[string]any{"current_time": now, "expires_at": "2999-01-01T00:00:00Z"}); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := w.fga.Check(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetAllowed()
	}
	before := time.Now().Add(-time.Hour).Format(time.RFC3339)
	long := w.logIn(identity.SessionInput{User: ann})
	if !live("") || !live(before) || !live("2999-01-01T00:00:00Z") {
		t.Error("a session that is good depends on what the caller says of the time")
	}
	if _, _, err := w.service.DeleteSession(w.admin, w.store, long); err != nil {
		t.Fatal(err)
	}
	w.logInFor(ann, 50*time.Millisecond)
	for live("") { // until the session has ended
		time.Sleep(time.Millisecond)
	}
	if live(before) || live("1970-01-01T00:00:00Z") {
		t.Error("a session that has ended is good by the caller's clock")
	}
}
