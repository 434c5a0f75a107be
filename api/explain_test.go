package api_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// eachNode calls f for each node of a tree.
func eachNode(n *ostiaryv1.ExplainNode, f func(*ostiaryv1.ExplainNode)) {
	f(n)
	for _, below := range slices.Concat(n.GetChildren(), n.GetOthers()) {
		eachNode(below, f)
	}
}

// An explanation says of which revision and model it is, what it cost, and which tuples came with it.
func TestExplainSaysWhatItRestsOn(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, model := c.newStore(t, testModel)
		c.write(t, store, checkTuples...)
		a := c.ok(t, "Explain", fields{"store_id": store, "tuple_key": key("doc:1#can_view@user:new"),
			"contextual_tuples": []fields{key("group:h#member@user:new")}, "consistency": "CONSISTENCY_LINEARIZABLE"})
		got := a.body.(map[string]any)
		if got["outcome"] != "OUTCOME_ALLOWED" || fmt.Sprint(got["revision"]) != a.headers.Get("Ostiary-Revision") || got["authorization_model_id"] != model {
			t.Errorf("got %v, with %v", got, a.headers)
		}
		cost := got["root"].(map[string]any)["cost"].(map[string]any)
		if cost["total_reads"] == nil {
			t.Errorf("no cost in %v", got["root"])
		}
		contextual, stored := 0, 0
		var walk func(n map[string]any)
		walk = func(n map[string]any) {
			switch {
			case n["tuple"] == nil || n["tuple"] == "":
			case n["contextual"] == true:
				contextual++
			default:
				stored++
			}
			children, _ := n["children"].([]any)
			for _, child := range children {
				walk(child.(map[string]any))
			}
		}
		walk(got["root"].(map[string]any))
		if contextual != 1 || stored != 2 {
			t.Errorf("got %d contextual and %d stored tuples in %v", contextual, stored, got["root"])
		}
	})
}

// An explanation says what stands before the tuples, and where the values of conditions come from.
func TestExplainGateAndSession(t *testing.T) {
	w, ann := newSessionWorld(t)
	w.grant("vault:1", "opener", "user:"+ann, "of_device", map[string]any{"wanted": "device-1"})
	explain := func(user string, values map[string]any) *ostiaryv1.ExplainResponse {
		t.Helper()
		context, err := structpb.NewStruct(values)
		if err != nil {
			t.Fatal(err)
		}
		x, err := ostiaryv1.NewOstiaryServiceClient(w.conn).Explain(t.Context(), &ostiaryv1.ExplainRequest{StoreId: w.store, Context: context,
			TupleKey: &ostiaryv1.TupleKey{User: user, Relation: "can_open", Object: "vault:1"}})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	sources := func(x *ostiaryv1.ExplainResponse) (got []string) {
		eachNode(x.GetRoot(), func(n *ostiaryv1.ExplainNode) {
			for _, c := range n.GetConditions() {
				for _, v := range c.GetValues() {
					got = append(got, v.GetName()+"="+v.GetValue()+" "+v.GetSource().String())
				}
			}
		})
		return got
	}

	session := "session:" + w.logIn(identity.SessionInput{User: ann, Device: "device-1"})
	x := explain(session, nil)
	if g := x.GetGate(); x.GetOutcome() != ostiaryv1.Outcome_OUTCOME_ALLOWED || !g.GetOpen() || g.GetUser() != "user:"+ann || g.GetSession() != session {
		t.Errorf("through a session: %v", x)
	}
	if got := fmt.Sprint(sources(x)); got != `[device="device-1" EXPLAIN_SOURCE_SESSION wanted="device-1" EXPLAIN_SOURCE_TUPLE]` {
		t.Errorf("got %s", got)
	}
	x = explain("user:"+ann, map[string]any{"device": "device-2"})
	if got := fmt.Sprint(sources(x)); x.GetOutcome() != ostiaryv1.Outcome_OUTCOME_DENIED ||
		got != `[device="device-2" EXPLAIN_SOURCE_REQUEST wanted="device-1" EXPLAIN_SOURCE_TUPLE]` {
		t.Errorf("got %s of %v", got, x)
	}

	w.setActive(ann, false)
	x = explain(session, nil)
	if x.GetReason() != "session_inactive" || !x.GetGate().GetSessionInactive() || x.GetGate().GetOpen() || x.GetGate().GetUser() != "" {
		t.Errorf("through a session that has ended: %v", x)
	}
	x = explain("user:"+ann, map[string]any{"device": "device-1"})
	g := x.GetGate()
	if x.GetReason() != "subject_disabled" || g.GetOpen() || fmt.Sprint(g.GetClosedOrganizationIds()) != "[acme]" || len(g.GetTuples()) != 1 || g.GetTuples()[0].GetPresent() {
		t.Errorf("behind the gate: %v", x)
	}
	if others := x.GetRoot().GetOthers(); len(others) != 1 || others[0].GetOutcome() != ostiaryv1.Outcome_OUTCOME_ALLOWED {
		t.Errorf("it does not show what tuples say: %v", x.GetRoot())
	}
}
