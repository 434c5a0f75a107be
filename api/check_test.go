package api_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary/api"
)

var checkTuples = []string{
	"doc:1#viewer@user:ann",
	"doc:1#viewer@group:g#member",
	"doc:1#parent@folder:a",
	"doc:1#banned@user:bad",
	"doc:1#editor@user:bob",
	"doc:public#viewer@user:*",
	"folder:a#viewer@user:fay",
	"group:g#member@user:gus",
	"group:g#member@user:bad",
	"group:g#member@group:h#member",
	"group:h#member@user:hal",
}

func TestCheck(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	h.surfaces()[0].write(t, store, checkTuples...)
	for _, tc := range []struct {
		check      string
		contextual []string
		want       bool
	}{
		{"doc:1#viewer@user:ann", nil, true},
		{"doc:1#viewer@user:nobody", nil, false},
		{"doc:1#viewer@user:bob", nil, true},
		{"doc:1#viewer@user:fay", nil, true},
		{"doc:1#viewer@user:gus", nil, true},
		{"doc:1#viewer@user:hal", nil, true},
		{"doc:1#can_view@user:gus", nil, true},
		{"doc:1#can_view@user:bad", nil, false},
		{"doc:1#both@user:bob", nil, true},
		{"doc:1#both@user:ann", nil, false},
		{"doc:public#viewer@user:nobody", nil, true},
		{"doc:public#viewer@user:*", nil, true},
		{"doc:1#viewer@user:*", nil, false},
		{"doc:1#viewer@group:g#member", nil, true},
		{"doc:1#viewer@group:h#member", nil, true},
		{"group:g#member@group:g#member", nil, true},
		{"doc:1#viewer@group:g", nil, false},
		{"doc:9#viewer@user:ann", []string{"doc:9#viewer@user:ann"}, true},
		{"doc:9#viewer@user:hal", []string{"doc:9#viewer@group:h#member"}, true},
		{"doc:1#can_view@user:ann", []string{"doc:1#banned@user:ann"}, false},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.check+"/surface="+c.name, func(t *testing.T) {
				f := fields{"store_id": store, "tuple_key": key(tc.check)}
				if tc.contextual != nil {
					f["contextual_tuples"] = keys(tc.contextual...)
				}
				want := map[string]any{"allowed": tc.want, "resolution": ""}
				for _, consistency := range []string{"UNSPECIFIED", "MINIMIZE_LATENCY", "HIGHER_CONSISTENCY"} {
					f["consistency"] = consistency
					if got := c.ok(t, "Check", f).body; !reflect.DeepEqual(got, want) {
						t.Errorf("%s: got %v, want %v", consistency, got, want)
					}
				}
			})
		}
	}
}

// faultyQuestions are the faults that Check, BatchCheck and Explain share.
func faultyQuestions(prefix string) []struct {
	name  string
	check fields
	want  wanted
} {
	long := strings.Repeat("x", 600)
	ask := func(text string) fields { return fields{"tuple_key": key(text)} }
	with := func(contextual ...string) fields {
		return fields{"tuple_key": key("doc:1#viewer@user:ann"), "contextual_tuples": keys(contextual...)}
	}
	invalid := func(text string) wanted { return number(openfgav1.ErrorCode_validation_error, prefix+text) }
	rule := func(text string) wanted { return field(openfgav1.ErrorCode_validation_error, text) }
	tuple := func(text string) wanted { return number(openfgav1.ErrorCode_invalid_tuple, text) }
	const userRule = `CheckRequestTupleKey.User: value does not match regex pattern "^[^\\s]{2,512}$"`
	const relationRule = `CheckRequestTupleKey.Relation: value does not match regex pattern "^[^:#@\\s]{1,50}$"`
	const objectRule = `CheckRequestTupleKey.Object: value does not match regex pattern "^[^\\s]{2,256}$"`
	return []struct {
		name  string
		check fields
		want  wanted
	}{
		{"no tuple key", fields{}, field(openfgav1.ErrorCode_tuple_key_value_not_specified, "TupleKey: value is required")},
		{"unknown type", ask("nope:1#viewer@user:ann"), invalid("type 'nope' not found")},
		{"unknown relation", ask("doc:1#nope@user:ann"), invalid("relation 'doc#nope' not found")},
		{"unknown user type", ask("doc:1#viewer@nope:ann"), invalid("type 'nope' not found")},
		{"unknown userset relation", ask("doc:1#viewer@group:g#nope"), invalid("relation 'group#nope' not found")},
		{"user with a space", ask("doc:1#viewer@user:a b"), rule(userRule)},
		{"user empty", ask("doc:1#viewer@"), rule(userRule)},
		{"user too long", ask("doc:1#viewer@user:" + long), rule(userRule)},
		{"user with two colons", ask("doc:1#viewer@user:a:b"), invalid("the 'user' field is malformed")},
		{"user with NUL", ask("doc:1#viewer@user:a\x00"), invalid("the 'user' field is malformed")},
		{"user with a control character", ask("doc:1#viewer@user:a\x7f"), invalid("the 'user' field is malformed")},
		{"user with an empty relation", ask("doc:1#viewer@user:a#"), invalid("the 'user' field is malformed")},
		{"relation empty", ask("doc:1#@user:ann"), rule(relationRule)},
		{"relation too long", ask("doc:1#" + long + "@user:ann"), rule(relationRule)},
		{"relation with a colon", ask("doc:1#a:b@user:ann"), rule(relationRule)},
		{"object with a space", ask("doc:a b#viewer@user:ann"), rule(objectRule)},
		{"object with two colons", ask("doc:a:b#viewer@user:ann"), invalid("invalid 'object' field format")},
		{"object with NUL", ask("doc:a\x00#viewer@user:ann"), invalid("invalid 'object' field format")},
		{"object without a colon", ask("doc#viewer@user:ann"), invalid("invalid 'object' field format")},
		{"object wildcard", ask("doc:*#viewer@user:ann"), invalid("the 'object' field cannot reference a typed wildcard")},
		{"contextual tuple of an unknown type", with("doc:1#viewer@nope:ann"),
			tuple("Invalid tuple 'doc:1#viewer@nope:ann'. Reason: type 'nope' not found")},
		{"contextual tuple against the restriction", with("doc:1#can_view@user:ann"),
			tuple("Invalid tuple 'doc:1#can_view@user:ann'. Reason: type 'user' is not an allowed type restriction for 'doc#can_view'")},
		{"contextual tuple with a space", with("doc:1#viewer@user:a b"),
			tuple("Invalid tuple 'doc:1#viewer@user:a b'. Reason: the 'user' field is malformed")},
	}
}

func TestFaultyChecks(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	empty := h.surfaces()[0].ok(t, "CreateStore", fields{"name": "no model"}).text(t, "id")
	var tooMany []string
	for i := range 101 {
		tooMany = append(tooMany, fmt.Sprintf("doc:%d#viewer@user:ann", i))
	}
	good := fields{"tuple_key": key("doc:1#viewer@user:ann")}
	cases := append(faultyQuestions("invalid relation: "), []struct {
		name  string
		check fields
		want  wanted
	}{
		{"101 contextual tuples", fields{"tuple_key": key("doc:1#viewer@user:ann"), "contextual_tuples": keys(tooMany...)},
			field(openfgav1.ErrorCode_validation_error, "ContextualTupleKeys.TupleKeys: value must contain no more than 100 item(s)")},
		{"unknown store", good.in(noStore), storeGone},
		{"store without a model", good.in(empty), number(openfgav1.ErrorCode_latest_authorization_model_not_found,
			"No authorization models found for store '"+empty+"'")},
		{"unknown model", fields{"tuple_key": key("doc:1#viewer@user:ann"), "authorization_model_id": noStore},
			number(openfgav1.ErrorCode_authorization_model_not_found, "Authorization Model '"+noStore+"' not found")},
	}...)
	for _, tc := range cases {
		for _, c := range h.surfaces() {
			t.Run(tc.name+"/surface="+c.name, func(t *testing.T) {
				f := tc.check
				if f["store_id"] == nil {
					f = f.in(store)
				}
				tc.want.check(t, c.ask(t, "Check", f))
			})
		}
	}
}

func TestDepthLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		var chain []string
		for i := range 40 {
			chain = append(chain, fmt.Sprintf("group:%d#member@group:%d#member", i, i+1))
		}
		c.write(t, store, append(chain, "group:40#member@user:deep", "group:20#member@user:near")...)
		allowed := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("group:0#member@user:near")})
		if allowed.body.(map[string]any)["allowed"] != true {
			t.Errorf("got %v", allowed.body)
		}
		number(openfgav1.ErrorCode_authorization_model_resolution_too_complex, "Authorization Model resolution required too many "+
			"rewrite rules to be resolved. Check your authorization model for infinite recursion or too much nesting").check(t,
			c.ask(t, "Check", fields{"store_id": store, "tuple_key": key("group:0#member@user:deep")}))
		explained := c.ok(t, "Explain", fields{"store_id": store, "tuple_key": key("group:0#member@user:deep")})
		if got := explained.body.(map[string]any)["outcome"]; got != "OUTCOME_DEPTH" {
			t.Errorf("explained as %v", got)
		}
	})
}

func TestBatchCheck(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, checkTuples...)
		item := func(id, text string, contextual ...string) fields {
			f := fields{"correlation_id": id, "tuple_key": key(text)}
			if contextual != nil {
				f["contextual_tuples"] = keys(contextual...)
			}
			return f
		}
		got := c.ok(t, "BatchCheck", fields{"store_id": store, "checks": []fields{
			item("yes", "doc:1#viewer@user:ann"),
			item("no", "doc:1#viewer@user:nobody"),
			item("contextual", "doc:9#viewer@user:ann", "doc:9#viewer@user:ann"),
			item("not-contextual", "doc:9#viewer@user:ann"),
			item("unknown", "doc:1#nope@user:ann"),
			item("bad", "doc:1#viewer@user:ann", "doc:1#can_view@user:ann"),
		}}).body.(map[string]any)["result"].(map[string]any)
		for id, want := range map[string]any{
			"yes": map[string]any{"allowed": true}, "no": map[string]any{"allowed": false},
			"contextual": map[string]any{"allowed": true}, "not-contextual": map[string]any{"allowed": false},
			"unknown": map[string]any{"error": map[string]any{"input_error": "validation_error",
				"message": "invalid relation: relation 'doc#nope' not found"}},
			"bad": map[string]any{"error": map[string]any{"input_error": "invalid_tuple", "message": "Invalid tuple " +
				"'doc:1#can_view@user:ann'. Reason: type 'user' is not an allowed type restriction for 'doc#can_view'"}},
		} {
			if !reflect.DeepEqual(got[id], want) {
				t.Errorf("%s: got %v, want %v", id, got[id], want)
			}
		}
		var tooMany []fields
		for i := range 51 {
			tooMany = append(tooMany, item(fmt.Sprint(i), "doc:1#viewer@user:ann"))
		}
		refused := func(want wanted, checks ...fields) {
			t.Helper()
			want.check(t, c.ask(t, "BatchCheck", fields{"store_id": store, "checks": checks}))
		}
		refused(number(openfgav1.ErrorCode_validation_error, "batchCheck received 51 checks, the maximum allowed is 50"), tooMany...)
		refused(number(openfgav1.ErrorCode_validation_error, "received duplicate correlation id: 1"),
			item("1", "doc:1#viewer@user:ann"), item("1", "doc:1#viewer@user:bob"))
		refused(field(openfgav1.ErrorCode_validation_error, "invalid BatchCheckRequest.Checks: value must contain at least 1 item(s)"))
		refused(field(openfgav1.ErrorCode_validation_error, `BatchCheckItem.CorrelationId: value does not match regex pattern "^[\\w\\d-]{1,36}$"`),
			item("bad id!", "doc:1#viewer@user:ann"))
	})
}

func TestExplain(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, checkTuples...)
		explain := func(text string, contextual ...fields) map[string]any {
			t.Helper()
			f := fields{"store_id": store, "tuple_key": key(text), "consistency": "CONSISTENCY_LINEARIZABLE"}
			if contextual != nil {
				f["contextual_tuples"] = contextual
			}
			a := c.ok(t, "Explain", f)
			if a.headers.Get("Ostiary-Revision") == "" {
				t.Error("no ostiary-revision")
			}
			return a.body.(map[string]any)
		}
		got := explain("doc:1#can_view@user:hal")
		root := got["root"].(map[string]any)
		if got["outcome"] != "OUTCOME_ALLOWED" || root["outcome"] != "OUTCOME_ALLOWED" || root["object"] != "doc:1" || root["relation"] != "can_view" {
			t.Errorf("got %v", got)
		}
		for _, tuple := range []string{"doc:1#viewer@group:g#member", "group:g#member@group:h#member", "group:h#member@user:hal"} {
			if !strings.Contains(got["text"].(string), tuple) {
				t.Errorf("text does not name %s:\n%s", tuple, got["text"])
			}
		}
		got = explain("doc:1#can_view@user:bad")
		if got["outcome"] != "OUTCOME_DENIED" || !strings.Contains(got["text"].(string), "doc:1#banned@user:bad") {
			t.Errorf("got %v", got)
		}
		if got := explain("doc:9#viewer@user:ann", key("doc:9#viewer@user:ann")); got["outcome"] != "OUTCOME_ALLOWED" {
			t.Errorf("with a contextual tuple: got %v", got)
		}
		if c.name == "grpc" { // our own service has gRPC's codes
			for _, f := range []fields{
				{}, {"tuple_key": key("doc:1#nope@user:ann")}, {"tuple_key": key("doc:1#viewer@user:a b")},
				{"tuple_key": key("doc:1#viewer@user:ann"), "consistency": 77},
				{"tuple_key": key("doc:1#viewer@user:ann"), "contextual_tuples": []fields{key("doc:1#can_view@user:ann")}},
			} {
				if a := c.ask(t, "Explain", f.in(store)); a.code != codes.InvalidArgument {
					t.Errorf("%v: got code %d %s, want InvalidArgument", f, a.code, a.message)
				}
			}
			if a := c.ask(t, "Explain", fields{"tuple_key": key("doc:1#viewer@user:ann")}.in(noStore)); a.code != codes.NotFound {
				t.Errorf("unknown store: got code %d %s, want NotFound", a.code, a.message)
			}
		}
	})
}

func TestExpand(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	h.surfaces()[0].write(t, store, checkTuples...)
	users := func(name string, users ...any) map[string]any {
		return map[string]any{"name": name, "leaf": map[string]any{"users": map[string]any{"users": append([]any{}, users...)}}}
	}
	computed := func(name, userset string) map[string]any {
		return map[string]any{"name": name, "leaf": map[string]any{"computed": map[string]any{"userset": userset}}}
	}
	for _, tc := range []struct {
		object, relation string
		contextual       []string
		want             map[string]any
	}{
		{"folder:a", "viewer", nil, users("folder:a#viewer", "user:fay")},
		{"folder:none", "viewer", nil, users("folder:none#viewer")},
		{"folder:a", "viewer", []string{"folder:a#viewer@user:zoe"}, users("folder:a#viewer", "user:fay", "user:zoe")},
		{"doc:1", "can_view", nil, map[string]any{"name": "doc:1#can_view", "difference": map[string]any{
			"base": computed("doc:1#can_view", "doc:1#viewer"), "subtract": computed("doc:1#can_view", "doc:1#banned")}}},
		{"doc:1", "both", nil, map[string]any{"name": "doc:1#both", "intersection": map[string]any{"nodes": []any{
			computed("doc:1#both", "doc:1#viewer"), computed("doc:1#both", "doc:1#editor")}}}},
		{"doc:1", "viewer", nil, map[string]any{"name": "doc:1#viewer", "union": map[string]any{"nodes": []any{
			users("doc:1#viewer", "group:g#member", "user:ann"),
			computed("doc:1#viewer", "doc:1#editor"),
			map[string]any{"name": "doc:1#viewer", "leaf": map[string]any{"tupleToUserset": map[string]any{
				"tupleset": "doc:1#parent", "computed": []any{map[string]any{"userset": "folder:a#viewer"}}}}},
		}}}},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.object+"#"+tc.relation+"/surface="+c.name, func(t *testing.T) {
				f := fields{"store_id": store, "tuple_key": fields{"object": tc.object, "relation": tc.relation}}
				if tc.contextual != nil {
					f["contextual_tuples"] = keys(tc.contextual...)
				}
				got := c.ok(t, "Expand", f).body.(map[string]any)["tree"].(map[string]any)["root"]
				if !reflect.DeepEqual(got, any(tc.want)) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			})
		}
	}
	invalid := func(text string) wanted { return number(openfgav1.ErrorCode_validation_error, text) }
	incomplete := number(openfgav1.ErrorCode_invalid_expand_input, "Invalid input. Make sure you provide an object and a relation")
	for _, tc := range []struct {
		name   string
		expand fields
		want   wanted
	}{
		{"no object", fields{"tuple_key": fields{"relation": "viewer"}}, incomplete},
		{"no relation", fields{"tuple_key": fields{"object": "doc:1"}}, incomplete},
		{"no tuple key", fields{}, field(openfgav1.ErrorCode_tuple_key_value_not_specified, "invalid ExpandRequest.TupleKey: value is required")},
		{"unknown type", fields{"tuple_key": fields{"object": "nope:1", "relation": "viewer"}}, invalid("type 'nope' not found")},
		{"unknown relation", fields{"tuple_key": fields{"object": "doc:1", "relation": "nope"}}, invalid("relation 'doc#nope' not found")},
		{"object without a colon", fields{"tuple_key": fields{"object": "doc", "relation": "viewer"}}, invalid("invalid 'object' field format")},
		{"object wildcard", fields{"tuple_key": fields{"object": "doc:*", "relation": "viewer"}}, invalid("the 'object' field cannot reference a typed wildcard")},
		{"unknown store", fields{"tuple_key": fields{"object": "doc:1", "relation": "viewer"}, "store_id": noStore}, storeGone},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.name+"/surface="+c.name, func(t *testing.T) {
				f := tc.expand
				if f["store_id"] == nil {
					f = f.in(store)
				}
				tc.want.check(t, c.ask(t, "Expand", f))
			})
		}
	}
}

func objectsOf(t testing.TB, a answer) []string {
	t.Helper()
	ids := []string{}
	for _, o := range a.list(t, "objects") {
		ids = append(ids, o.(string))
	}
	return ids
}

func TestListObjects(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	h.surfaces()[0].write(t, store, checkTuples...)
	for _, tc := range []struct {
		typ, relation, user string
		contextual          []string
		want                []string
	}{
		{"doc", "viewer", "user:ann", nil, []string{"doc:1", "doc:public"}},
		{"doc", "viewer", "user:nobody", nil, []string{"doc:public"}},
		{"doc", "can_view", "user:bad", nil, []string{"doc:public"}},
		{"doc", "both", "user:ann", nil, []string{}},
		{"doc", "viewer", "user:*", nil, []string{"doc:public"}},
		{"doc", "viewer", "group:h#member", nil, []string{"doc:1"}},
		{"group", "member", "user:hal", nil, []string{"group:g", "group:h"}},
		{"doc", "editor", "user:ann", []string{"doc:9#editor@user:ann"}, []string{"doc:9"}},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.typ+"#"+tc.relation+"@"+tc.user+"/surface="+c.name, func(t *testing.T) {
				f := fields{"store_id": store, "type": tc.typ, "relation": tc.relation, "user": tc.user}
				if tc.contextual != nil {
					f["contextual_tuples"] = keys(tc.contextual...)
				}
				a := c.ok(t, "ListObjects", f)
				if got := objectsOf(t, a); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got %q, want %q", got, tc.want)
				}
				if a.headers.Get("Ostiary-Truncated") != "" {
					t.Error("a whole list is marked as truncated")
				}
				streamed := []string{}
				for _, x := range c.ok(t, "StreamedListObjects", f).body.([]any) {
					streamed = append(streamed, x.(map[string]any)["object"].(string))
				}
				if !reflect.DeepEqual(streamed, tc.want) {
					t.Errorf("streamed: got %q, want %q", streamed, tc.want)
				}
			})
		}
	}
	good := fields{"type": "doc", "relation": "viewer", "user": "user:ann"}
	with := func(name string, value any) fields {
		f := good.in(store)
		f[name] = value
		return f
	}
	user := func(text string) wanted {
		return number(openfgav1.ErrorCode_validation_error, "invalid 'user' value: "+text)
	}
	for _, tc := range []struct {
		name string
		list fields
		want wanted
	}{
		{"unknown type", with("type", "nope"), number(openfgav1.ErrorCode_type_not_found, "type 'nope' not found")},
		{"unknown relation", with("relation", "nope"), number(openfgav1.ErrorCode_relation_not_found, "relation 'doc#nope' not found")},
		{"type with a colon", with("type", "doc:1"),
			field(openfgav1.ErrorCode_type_invalid_pattern, `invalid ListObjectsRequest.Type: value does not match regex pattern "^[^:#@\\s]{1,254}$"`)},
		{"no user", with("user", ""), field(openfgav1.ErrorCode_validation_error, "ListObjectsRequest.User: value length must be between 1 and 512 bytes, inclusive")},
		{"unknown user type", with("user", "nope:a"), user("type 'nope' not found")},
		{"unknown userset relation", with("user", "group:g#nope"), user("relation 'group#nope' not found")},
		{"user without a colon", with("user", "a"), user("the 'user' field must be an object (e.g. document:1) or an 'object#relation' or a typed wildcard (e.g. group:*)")},
		{"user with a space", with("user", "user:a b"), user("the 'user' field is malformed")},
		{"user with NUL", with("user", "user:a\x00"), user("the 'user' field is malformed")},
		{"faulty contextual tuple", with("contextual_tuples", keys("doc:1#viewer@user:a b")),
			number(openfgav1.ErrorCode_invalid_tuple, "Invalid tuple 'doc:1#viewer@user:a b'. Reason: the 'user' field is malformed")},
		{"unknown store", good.in(noStore), storeGone},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.name+"/surface="+c.name, func(t *testing.T) {
				tc.want.check(t, c.ask(t, "ListObjects", tc.list))
			})
		}
	}
	t.Run("streamed refusal", func(t *testing.T) {
		f := with("type", "nope")
		number(openfgav1.ErrorCode_type_not_found, "type 'nope' not found").check(t, h.surfaces()[0].ask(t, "StreamedListObjects", f))
		wanted{0, 400, "3", "type 'nope' not found"}.check(t, h.surfaces()[1].ask(t, "StreamedListObjects", f))
		f = with("type", "")
		want := field(openfgav1.ErrorCode_type_invalid_pattern, `invalid StreamedListObjectsRequest.Type: value does not match regex pattern "^[^:#@\\s]{1,254}$"`)
		want.check(t, h.surfaces()[0].ask(t, "StreamedListObjects", f))
		want.name = "3"
		want.check(t, h.surfaces()[1].ask(t, "StreamedListObjects", f))
	})
}

// Lists and Expand judge contextual tuples before the question, and a check the question first.
func TestFaultyQuestionWithFaultyContextualTuple(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	faulty := []fields{key("doc:1#nope@user:ann")}
	tuple := number(openfgav1.ErrorCode_invalid_tuple, "Invalid tuple 'doc:1#nope@user:ann'. Reason: relation 'doc#nope' not found")
	check := number(openfgav1.ErrorCode_validation_error, "type 'nope' not found")
	contextual := fields{"tuple_keys": faulty}
	for _, tc := range []struct {
		method string
		ask    fields
		want   wanted
	}{
		{"ListObjects", fields{"type": "nope", "relation": "viewer", "user": "user:ann", "contextual_tuples": contextual}, tuple},
		{"ListObjects", fields{"type": "doc", "relation": "viewer", "user": "nope:1", "contextual_tuples": contextual}, tuple},
		{"ListUsers", fields{"object": fields{"type": "nope", "id": "1"}, "relation": "viewer",
			"user_filters": []fields{{"type": "user"}}, "contextual_tuples": faulty}, tuple},
		{"ListUsers", fields{"object": fields{"type": "doc", "id": "1"}, "relation": "viewer",
			"user_filters": []fields{{"type": "nope"}}, "contextual_tuples": faulty}, tuple},
		{"Expand", fields{"tuple_key": fields{"relation": "viewer", "object": "nope:1"}, "contextual_tuples": contextual}, tuple},
		{"Check", fields{"tuple_key": key("nope:1#viewer@user:ann"), "contextual_tuples": contextual}, check},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.method+"/surface="+c.name, func(t *testing.T) {
				tc.want.check(t, c.ask(t, tc.method, tc.ask.in(store)))
			})
		}
	}
	streamed := fields{"type": "nope", "relation": "viewer", "user": "user:ann", "contextual_tuples": contextual}.in(store)
	tuple.check(t, h.surfaces()[0].ask(t, "StreamedListObjects", streamed))
}

func TestListUsers(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	h.surfaces()[0].write(t, store, checkTuples...)
	object := func(id string) any { return map[string]any{"object": map[string]any{"type": "user", "id": id}} }
	wildcard := map[string]any{"wildcard": map[string]any{"type": "user"}}
	usersetOf := func(id string) any {
		return map[string]any{"userset": map[string]any{"type": "group", "id": id, "relation": "member"}}
	}
	for _, tc := range []struct {
		object, relation, filter string
		contextual               []fields
		want                     []any
	}{
		{"doc:1", "viewer", "user", nil, []any{object("ann"), object("bad"), object("bob"), object("fay"), object("gus"), object("hal")}},
		{"doc:1", "can_view", "user", nil, []any{object("ann"), object("bob"), object("fay"), object("gus"), object("hal")}},
		{"doc:1", "viewer", "group#member", nil, []any{usersetOf("g"), usersetOf("h")}},
		{"doc:public", "viewer", "user", nil, []any{wildcard}},
		{"doc:none", "viewer", "user", nil, []any{}},
		{"doc:none", "viewer", "user", []fields{key("doc:none#viewer@user:zoe")}, []any{object("zoe")}},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.object+"#"+tc.relation+"@"+tc.filter+"/surface="+c.name, func(t *testing.T) {
				f := listUsers(tc.object, tc.relation, tc.filter).in(store)
				if tc.contextual != nil {
					f["contextual_tuples"] = tc.contextual
				}
				if got := c.ok(t, "ListUsers", f).list(t, "users"); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			})
		}
	}
	noFilter := listUsers("doc:1", "viewer", "user")
	noFilter["user_filters"] = []fields{}
	for _, tc := range []struct {
		name string
		list fields
		want wanted
	}{
		{"unknown type", listUsers("nope:1", "viewer", "user"), number(openfgav1.ErrorCode_type_not_found, "type 'nope' not found")},
		{"unknown relation", listUsers("doc:1", "nope", "user"), number(openfgav1.ErrorCode_relation_not_found, "relation 'doc#nope' not found")},
		{"unknown filter type", listUsers("doc:1", "viewer", "nope"), number(openfgav1.ErrorCode_type_not_found, "type 'nope' not found")},
		{"unknown filter relation", listUsers("doc:1", "viewer", "group#nope"), number(openfgav1.ErrorCode_relation_not_found, "relation 'group#nope' not found")},
		{"no filter", noFilter, field(openfgav1.ErrorCode_validation_error, "invalid ListUsersRequest.UserFilters: value must contain exactly 1 item(s)")},
		{"object with a space", listUsers("doc:a b", "viewer", "user"), number(openfgav1.ErrorCode_validation_error, "invalid 'object' field format")},
		{"object with NUL", listUsers("doc:a\x00", "viewer", "user"), number(openfgav1.ErrorCode_validation_error, "invalid 'object' field format")},
		{"object wildcard", listUsers("doc:*", "viewer", "user"), number(openfgav1.ErrorCode_validation_error, "the 'object' field cannot reference a typed wildcard")},
		{"unknown store", listUsers("doc:1", "viewer", "user").in(noStore), storeGone},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.name+"/surface="+c.name, func(t *testing.T) {
				f := tc.list
				if f["store_id"] == nil {
					f = f.in(store)
				}
				tc.want.check(t, c.ask(t, "ListUsers", f))
			})
		}
	}
}

// A list that a limit cuts says so; a stream has no such limit.
func TestListLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:ann", "doc:2#viewer@user:ann", "doc:3#viewer@user:ann", "doc:1#viewer@user:bob")
		f := fields{"store_id": store, "type": "doc", "relation": "viewer", "user": "user:ann"}
		a := c.ok(t, "ListObjects", f)
		if got := objectsOf(t, a); !reflect.DeepEqual(got, []string{"doc:1", "doc:2"}) || a.headers.Get("Ostiary-Truncated") != "true" {
			t.Errorf("got %q, truncated %q", got, a.headers.Get("Ostiary-Truncated"))
		}
		if got := c.ok(t, "StreamedListObjects", f).body.([]any); len(got) != 3 {
			t.Errorf("streamed: got %v", got)
		}
		users := c.ok(t, "ListUsers", listUsers("doc:1", "viewer", "user").in(store))
		if got := users.list(t, "users"); len(got) != 2 || users.headers.Get("Ostiary-Truncated") != "" {
			t.Errorf("got %v, truncated %q", got, users.headers.Get("Ostiary-Truncated"))
		}
	}, func(o *api.Options) { o.Limits.ListObjectsMaxResults, o.Limits.ListUsersMaxResults = 2, 2 })
}
