package api_test

import (
	"reflect"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary/api"
)

// entity is a subject or a resource of "type:id", or of a type alone.
func entity(text string) fields {
	typ, id, found := strings.Cut(text, ":")
	if !found {
		return fields{"type": typ}
	}
	return fields{"type": typ, "id": id}
}

// evaluation is the question "may the subject do the action to the resource"; empty parts are left out.
func evaluation(subject, action, resource string) fields {
	f := fields{}
	if subject != "" {
		f["subject"] = entity(subject)
	}
	if action != "" {
		f["action"] = fields{"name": action}
	}
	if resource != "" {
		f["resource"] = entity(resource)
	}
	return f
}

// with returns f with one more field.
func (f fields) with(name string, value any) fields {
	g := fields{name: value}
	for k, v := range f {
		g[k] = v
	}
	return g
}

// authzenStore is a store in which ann and, through a group, bob view doc:1, and everybody doc:2.
func authzenStore(t *testing.T, c client) (store, model string) {
	t.Helper()
	store, model = c.newStore(t, testModel)
	c.write(t, store, "doc:1#viewer@user:ann", "doc:1#viewer@group:eng#member", "group:eng#member@user:bob", "doc:2#viewer@user:*")
	return store, model
}

func TestEvaluation(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, model := authzenStore(t, c)
		for _, tc := range []struct {
			subject, action, resource string
			want                      bool
		}{
			{"user:ann", "viewer", "doc:1", true},
			{"user:bob", "can_view", "doc:1", true},
			{"user:eve", "viewer", "doc:1", false},
			{"user:eve", "viewer", "doc:2", true},
			{"user:*", "viewer", "doc:2", true},
		} {
			a := c.ok(t, "Evaluation", evaluation(tc.subject, tc.action, tc.resource).in(store))
			if got := a.body.(map[string]any)["decision"]; got != tc.want {
				t.Errorf("%s %s %s: got %v, want %v", tc.subject, tc.action, tc.resource, got, tc.want)
			}
			if a.headers.Get("Openfga-Authorization-Model-Id") != model || a.headers.Get("Ostiary-Revision") == "" {
				t.Errorf("got headers %v, want the model and the revision", a.headers)
			}
		}
		good := evaluation("user:ann", "viewer", "doc:1")
		invalid := openfgav1.ErrorCode_validation_error
		for name, tc := range map[string]struct {
			ask  fields
			want wanted
		}{
			"no subject":        {evaluation("", "viewer", "doc:1"), field(invalid, "Subject: value is required")},
			"no action":         {evaluation("user:ann", "", "doc:1"), field(invalid, "Action: value is required")},
			"no resource":       {evaluation("user:ann", "viewer", ""), field(invalid, "Resource: value is required")},
			"userset":           {evaluation("group:eng#member", "viewer", "doc:1"), field(invalid, `Id: value does not match regex pattern "^[^:#@\\s]{1,500}$"`)},
			"wildcard resource": {evaluation("user:ann", "viewer", "doc:*"), number(invalid, "invalid relation: the 'object' field cannot reference a typed wildcard")},
			"unknown action":    {evaluation("user:ann", "nope", "doc:1"), number(invalid, "invalid relation: relation 'doc#nope' not found")},
			"unknown type":      {evaluation("nope:ann", "viewer", "doc:1"), number(invalid, "invalid relation: type 'nope' not found")},
			"NUL":               {evaluation("user:a\x00b", "viewer", "doc:1"), number(invalid, "invalid relation: the 'user' field is malformed")},
			"unknown store":     {good.in(noStore), storeGone},
		} {
			t.Run(name, func(t *testing.T) {
				if tc.ask["store_id"] == nil {
					tc.ask = tc.ask.in(store)
				}
				tc.want.check(t, c.ask(t, "Evaluation", tc.ask))
			})
		}
	})
}

// The header of a request names the model that is asked; one that is no id is refused, for the latest
// model might answer otherwise.
func TestEvaluationModelHeader(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, old := authzenStore(t, c)
		latest := c.ok(t, "WriteAuthorizationModel", modelFields(t, store, smallModel)).text(t, "authorization_model_id")
		ask := func(method string, f fields, headers ...string) answer {
			return c.ask(t, method, f.in(store), headers...)
		}
		searched := fields{"subject": entity("user:ann"), "resource": entity("doc:1")}
		for method, f := range map[string]fields{
			"Evaluation":     evaluation("user:ann", "viewer", "doc:1"),
			"Evaluations":    evaluation("user:ann", "viewer", "doc:1").with("evaluations", []fields{{}}),
			"SubjectSearch":  evaluation("user", "viewer", "doc:1"),
			"ResourceSearch": evaluation("user:ann", "viewer", "doc"),
			"ActionSearch":   searched,
		} {
			for header, want := range map[string]string{"": latest, old: old, latest: latest} {
				var headers []string
				if header != "" {
					headers = []string{"openfga-authorization-model-id", header}
				}
				a := ask(method, f, headers...)
				if got := a.headers.Get("Openfga-Authorization-Model-Id"); got != want || !succeeded(a) {
					t.Errorf("%s with header %q: answered by %q, want %q (%s)", method, header, got, want, a.message)
				}
			}
			number(openfgav1.ErrorCode_authorization_model_not_found, "Authorization Model '"+noStore+"' not found").
				check(t, ask(method, f, "openfga-authorization-model-id", noStore))
			number(openfgav1.ErrorCode_validation_error, "it takes one id of an authorization model").
				check(t, ask(method, f, "openfga-authorization-model-id", "newest"))
		}
	})
}

// decisions returns the decisions of Evaluations; an answer with an error is its message.
func decisions(t *testing.T, a answer) []any {
	t.Helper()
	got := []any{}
	for _, e := range a.list(t, "evaluations") {
		one := e.(map[string]any)
		if why, ok := one["context"].(map[string]any); ok {
			failure := why["error"].(map[string]any)
			if one["decision"] != false || failure["status"] != 400.0 {
				t.Errorf("got %v, want a denial with status 400", one)
			}
			got = append(got, failure["message"])
			continue
		}
		got = append(got, one["decision"])
	}
	return got
}

func TestEvaluations(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := authzenStore(t, c)
		ann, eve := fields{"subject": entity("user:ann")}, fields{"subject": entity("user:eve")}
		unknown := fields{"action": fields{"name": "nope"}}
		const notFound = "invalid relation: relation 'doc#nope' not found"
		whole := evaluation("user:ann", "viewer", "doc:1")
		for _, tc := range []struct {
			name     string
			ask      fields
			items    []fields
			semantic string
			want     []any
		}{
			{"none", whole, nil, "", []any{true}},
			{"empty", whole, []fields{}, "", []any{true}},
			{"defaults", whole, []fields{{}, eve, {"resource": entity("doc:9")}, eve.with("resource", entity("doc:2"))}, "", []any{true, false, false, true}},
			{"each complete", fields{}, []fields{whole, evaluation("user:eve", "viewer", "doc:1")}, "", []any{true, false}},
			{"the same again", whole, []fields{{}, eve, {}, eve}, "", []any{true, false, true, false}},
			{"errors in their places", whole, []fields{{}, unknown, eve}, "", []any{true, notFound, false}},
			{"execute all", whole, []fields{eve, {}, eve}, "execute_all", []any{false, true, false}},
			{"deny on first deny", whole, []fields{{}, eve, {}}, "deny_on_first_deny", []any{true, false}},
			{"no deny", whole, []fields{{}, ann}, "deny_on_first_deny", []any{true, true}},
			{"an error denies", whole, []fields{unknown, {}}, "deny_on_first_deny", []any{notFound}},
			{"an incomplete one denies", evaluation("", "viewer", "doc:1"), []fields{ann, {}, ann}, "deny_on_first_deny", []any{true, "missing subject"}},
			{"permit on first permit", whole, []fields{eve, unknown, {}, eve}, "permit_on_first_permit", []any{false, notFound, true}},
			{"no permit", whole, []fields{eve, eve}, "permit_on_first_permit", []any{false, false}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				f := tc.ask.in(store)
				if tc.items != nil {
					f["evaluations"] = tc.items
				}
				if tc.semantic != "" {
					f["options"] = fields{"evaluations_semantic": tc.semantic}
				}
				if got := decisions(t, c.ok(t, "Evaluations", f)); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			})
		}
		invalid := openfgav1.ErrorCode_validation_error
		field(invalid, "missing subject").check(t, c.ask(t, "Evaluations", fields{}.in(store)))
		field(invalid, "missing resource").check(t, c.ask(t, "Evaluations", evaluation("user:ann", "viewer", "").in(store)))
		field(invalid, "missing action").check(t, c.ask(t, "Evaluations", evaluation("user:ann", "", "doc:1").in(store)))
		field(invalid, "evaluation 1: missing action").check(t, c.ask(t, "Evaluations",
			fields{"evaluations": []fields{whole, evaluation("user:ann", "", "doc:1")}}.in(store)))
		number(invalid, notFound).check(t, c.ask(t, "Evaluations", evaluation("user:ann", "nope", "doc:1").in(store)))
		for _, semantic := range []string{"execute_all", "deny_on_first_deny", "permit_on_first_permit"} {
			f := whole.with("options", fields{"evaluations_semantic": semantic})
			c.ok(t, "Evaluations", f.with("evaluations", []fields{{}, {}, {}, {}}).in(store))
			number(invalid, "batchCheck received 5 checks, the maximum allowed is 4").
				check(t, c.ask(t, "Evaluations", f.with("evaluations", []fields{{}, {}, {}, {}, {}}).in(store)))
		}
	}, func(o *api.Options) { o.Limits.MaxChecksPerBatch = 4 })
}

func TestSearches(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := authzenStore(t, c)
		found := func(a answer) []string {
			t.Helper()
			texts := []string{}
			for _, r := range a.list(t, "results") {
				one := r.(map[string]any)
				if name, ok := one["name"].(string); ok {
					texts = append(texts, name)
				} else {
					texts = append(texts, one["type"].(string)+":"+one["id"].(string))
				}
			}
			return texts
		}
		pair := func(subject, resource string) fields {
			return fields{"subject": entity(subject), "resource": entity(resource)}
		}
		for _, tc := range []struct {
			method string
			ask    fields
			want   []string
		}{
			{"SubjectSearch", evaluation("user", "viewer", "doc:1"), []string{"user:ann", "user:bob"}},
			{"SubjectSearch", evaluation("user:ignored", "viewer", "doc:1"), []string{"user:ann", "user:bob"}},
			{"SubjectSearch", evaluation("user", "viewer", "doc:2"), []string{"user:*"}},
			{"SubjectSearch", evaluation("group", "viewer", "doc:1"), []string{}},
			{"SubjectSearch", evaluation("user", "viewer", "doc:404"), []string{}},
			{"ResourceSearch", evaluation("user:ann", "viewer", "doc"), []string{"doc:1", "doc:2"}},
			{"ResourceSearch", evaluation("user:eve", "viewer", "doc:ignored"), []string{"doc:2"}},
			{"ResourceSearch", evaluation("user:eve", "editor", "doc"), []string{}},
			{"ActionSearch", pair("user:ann", "doc:1"), []string{"can_view", "viewer"}},
			{"ActionSearch", pair("user:eve", "doc:1"), []string{}},
			{"ActionSearch", pair("nope:ann", "doc:1"), []string{}},
			{"ActionSearch", pair("user:ann", "user:bob"), []string{}},
		} {
			if got := found(c.ok(t, tc.method, tc.ask.in(store))); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%s %v: got %q, want %q", tc.method, tc.ask, got, tc.want)
			}
		}
		number(openfgav1.ErrorCode_type_not_found, "type 'nope' not found").check(t, c.ask(t, "SubjectSearch", evaluation("nope", "viewer", "doc:1").in(store)))
		number(openfgav1.ErrorCode_relation_not_found, "relation 'doc#nope' not found").check(t, c.ask(t, "SubjectSearch", evaluation("user", "nope", "doc:1").in(store)))
		number(openfgav1.ErrorCode_type_not_found, "type 'nope' not found").check(t, c.ask(t, "ResourceSearch", evaluation("user:ann", "viewer", "nope").in(store)))
		field(openfgav1.ErrorCode_validation_error, "type 'nope' not found").check(t, c.ask(t, "ActionSearch", pair("user:ann", "nope:1").in(store)))
		for method, f := range map[string]fields{
			"SubjectSearch": evaluation("user", "viewer", "doc:1"), "ResourceSearch": evaluation("user:ann", "viewer", "doc"),
			"ActionSearch": pair("user:ann", "doc:1"),
		} {
			storeGone.check(t, c.ask(t, method, f.in(noStore)))
			field(openfgav1.ErrorCode_validation_error, "Limit: value must be less than or equal to 1000").
				check(t, c.ask(t, method, f.with("page", fields{"limit": 1001}).in(store)))
		}
	})
}

// What a limit cuts off a search is announced, and a token goes on where it was cut.
func TestSearchTruncated(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := authzenStore(t, c)
		for method, f := range map[string]fields{
			"SubjectSearch": evaluation("user", "viewer", "doc:1"), "ResourceSearch": evaluation("user:ann", "viewer", "doc"),
		} {
			a := c.ok(t, method, f.in(store))
			first := a.list(t, "results")
			if len(first) != 1 || a.headers.Get("Ostiary-Truncated") != "true" {
				t.Fatalf("%s: got %v, truncated %q, want one result and true", method, first, a.headers.Get("Ostiary-Truncated"))
			}
			next := a.body.(map[string]any)["page"].(map[string]any)["next_token"]
			a = c.ok(t, method, f.with("page", fields{"token": next}).in(store))
			second := a.list(t, "results")
			if len(second) != 1 || reflect.DeepEqual(first, second) || a.body.(map[string]any)["page"] != nil {
				t.Errorf("%s: after %v got %v, want the other result and no page", method, first, a.body)
			}
			number(openfgav1.ErrorCode_invalid_continuation_token, "Invalid continuation token").
				check(t, c.ask(t, method, f.with("page", fields{"token": "forged"}).in(store)))
		}
	}, func(o *api.Options) { o.Limits.ListObjectsMaxResults, o.Limits.ListUsersMaxResults = 1, 1 })
}

func TestAuthZENConfiguration(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
		a := c.ok(t, "GetConfiguration", fields{"store_id": store})
		base := "https://pdp.example.com/fga/stores/" + store
		for name, want := range map[string]string{
			"policy_decision_point": base, "access_evaluation_endpoint": base + "/access/v1/evaluation",
			"access_evaluations_endpoint": base + "/access/v1/evaluations", "search_subject_endpoint": base + "/access/v1/search/subject",
			"search_resource_endpoint": base + "/access/v1/search/resource", "search_action_endpoint": base + "/access/v1/search/action",
		} {
			if got := a.text(t, name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		storeGone.check(t, c.ask(t, "GetConfiguration", fields{"store_id": noStore}))
	}, func(o *api.Options) { o.AuthZENBaseURL = "https://pdp.example.com/fga/" })
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
		wanted{codes.FailedPrecondition, 400, "failed_precondition", "--authzen-base-url or OSTIARY_AUTHZEN_BASE_URL"}.
			check(t, c.ask(t, "GetConfiguration", fields{"store_id": store}))
	})
}

// No method of AuthZEN answers a caller without a key.
func TestAuthZENNeedsAKey(t *testing.T) {
	authenticator, err := api.PresharedKeys("k1")
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		for i := range authzenMethods.Len() {
			f := evaluation("user:ann", "viewer", "doc:1").in(noStore)
			if authzenMethods.Get(i).Name() == "GetConfiguration" {
				f = fields{"store_id": noStore}
			}
			wanted{codes.Code(1010), 401, "bearer_token_missing", "missing bearer token"}.
				check(t, c.ask(t, string(authzenMethods.Get(i).Name()), f))
		}
	}, func(o *api.Options) { o.Authenticator = authenticator })
}

// The properties of a subject, a resource and an action are parameters of conditions, each under its
// prefix; the context goes first where names collide. As OpenFGA 1.22.1 answered.
func TestEvaluationProperties(t *testing.T) {
	const model = `model
  schema 1.1
type user
type doc
  relations
    define by_subject: [user with cs]
    define by_resource: [user with cr]
    define by_action: [user with ca]
    define by_context: [user with cp]
condition cs(subject_x: int) {
  subject_x == 1
}
condition cr(resource_x: int) {
  resource_x == 1
}
condition ca(action_x: int) {
  action_x == 1
}
condition cp(x: int) {
  x == 1
}
`
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, model)
		conditions := map[string]string{"by_subject": "cs", "by_resource": "cr", "by_action": "ca", "by_context": "cp"}
		for relation, condition := range conditions {
			k := key("doc:1#" + relation + "@user:a")
			k["condition"] = fields{"name": condition}
			c.ok(t, "Write", fields{"store_id": store, "writes": fields{"tuple_keys": []fields{k}}})
		}
		missing := func(relation, parameter string) string {
			return "failed to evaluate relationship condition: '" + conditions[relation] + "' - tuple 'doc:1#" + relation +
				"@user:a' is missing context parameters '[" + parameter + "]'"
		}
		one := fields{"x": 1}
		subject := func(properties fields) fields { return entity("user:a").with("properties", properties) }
		for _, tc := range []struct {
			name   string
			action string
			change fields // parts of the question
			want   any    // the decision, or the message of the error
		}{
			{"of the subject", "by_subject", fields{"subject": subject(one)}, true},
			{"of the resource", "by_resource", fields{"resource": entity("doc:1").with("properties", one)}, true},
			{"of the action", "by_action", fields{"action": fields{"name": "by_action", "properties": one}}, true},
			{"of the context", "by_context", fields{"context": one}, true},
			{"none", "by_subject", fields{}, missing("by_subject", "subject_x")},
			{"of another part", "by_subject", fields{"resource": entity("doc:1").with("properties", one)}, missing("by_subject", "subject_x")},
			{"no prefix", "by_context", fields{"subject": subject(one)}, missing("by_context", "x")},
			{"the context denies", "by_subject", fields{"subject": subject(one), "context": fields{"subject_x": 2}}, false},
			{"the context allows", "by_subject", fields{"subject": subject(fields{"x": 2}), "context": fields{"subject_x": 1}}, true},
		} {
			t.Run(tc.name, func(t *testing.T) {
				f := evaluation("user:a", tc.action, "doc:1")
				for name, value := range tc.change {
					f[name] = value
				}
				a := c.ask(t, "Evaluation", f.in(store))
				if why, refused := tc.want.(string); refused {
					number(openfgav1.ErrorCode_validation_error, why).check(t, a)
				} else if !succeeded(a) || a.body.(map[string]any)["decision"] != tc.want {
					t.Errorf("got %v %s, want %v", a.body, a.message, tc.want)
				}
				items := c.ok(t, "Evaluations", f.with("evaluations", []fields{{}, {}}).in(store))
				if got := decisions(t, items); !reflect.DeepEqual(got, []any{tc.want, tc.want}) {
					t.Errorf("two at once: got %v, want %v twice", got, tc.want)
				}
			})
		}
		// A context in an evaluation replaces that of the request; it is not joined with it.
		whole := evaluation("user:a", "by_context", "doc:1").with("context", one)
		got := decisions(t, c.ok(t, "Evaluations", whole.with("evaluations", []fields{
			{}, {"context": fields{}}, {"context": fields{"other": 1}}, {"context": fields{"x": 2}},
		}).in(store)))
		absent := missing("by_context", "x")
		if want := []any{true, absent, absent, false}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}

		names := func(a answer) []any {
			t.Helper()
			all := []any{}
			for _, r := range a.list(t, "results") {
				one := r.(map[string]any)
				if one["name"] != nil {
					all = append(all, one["name"])
				} else {
					all = append(all, one["id"])
				}
			}
			return all
		}
		question := fields{"subject": subject(one), "resource": entity("doc:1"), "context": one}
		if got := names(c.ok(t, "ActionSearch", question.in(store))); !reflect.DeepEqual(got, []any{"by_context", "by_subject"}) {
			t.Errorf("actions: got %v", got)
		}
		f := evaluation("user", "by_subject", "doc:1").with("context", fields{"subject_x": 1})
		if got := names(c.ok(t, "SubjectSearch", f.in(store))); !reflect.DeepEqual(got, []any{"a"}) {
			t.Errorf("subjects: got %v", got)
		}
		f = fields{"subject": subject(one), "action": fields{"name": "by_subject"}, "resource": entity("doc")}
		if got := names(c.ok(t, "ResourceSearch", f.in(store))); !reflect.DeepEqual(got, []any{"1"}) {
			t.Errorf("resources: got %v", got)
		}
	})
}
