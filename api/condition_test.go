package api_test

import (
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

const conditionModel = `
model
  schema 1.1
type user
type folder
  relations
    define viewer: [user, user:* with below]
type doc
  relations
    define parent: [folder with below]
    define direct: [user with below]
    define plain: [user]
    define viewer: direct or plain or viewer from parent
    define inline: [user with $expression]
condition below(x: int, limit: int) {
  x < limit
}
`

func conditioned(tuple, name string, context fields) fields {
	k := key(tuple)
	k["condition"] = fields{"name": name, "context": context}
	return k
}

// missing is the refusal for a context that lacks parameters.
func missing(tuple, names string) wanted {
	return number(openfgav1.ErrorCode_validation_error,
		"failed to evaluate relationship condition: 'below' - tuple '"+tuple+"' is missing context parameters '["+names+"]'")
}

func TestConditions(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, conditionModel)
		c.ok(t, "Write", fields{"store_id": store, "writes": fields{"tuple_keys": []fields{
			conditioned("doc:1#direct@user:ann", "below", fields{"limit": 3}),
			conditioned("doc:2#parent@folder:f", "below", fields{"x": 1}),
			conditioned("folder:f#viewer@user:*", "below", fields{"limit": 3}),
			key("doc:3#plain@user:ann"),
			conditioned("doc:3#direct@user:ann", "below", nil),
			conditioned("doc:4#inline@user:ann", "$expression", fields{"expression": "env == 'prod' && n > 5", "parameters": fields{"n": "int"}}),
		}}})
		ask := func(tuple string, context fields) fields {
			return fields{"store_id": store, "tuple_key": key(tuple), "context": context}
		}
		for _, tc := range []struct {
			tuple   string
			context fields
			allowed bool
		}{
			{"doc:1#direct@user:ann", fields{"x": 1}, true},
			{"doc:1#direct@user:ann", fields{"x": "2"}, true},
			{"doc:1#direct@user:ann", fields{"x": 3}, false},
			{"doc:1#direct@user:ann", fields{"x": 5, "limit": 10}, false}, // the tuple's limit counts
			{"doc:1#direct@user:bob", nil, false},
			{"doc:2#viewer@user:bob", fields{"x": 2, "limit": 2}, true}, // x of one tuple, limit of the other
			{"doc:2#viewer@user:bob", fields{"x": 5, "limit": 2}, false},
			{"doc:3#viewer@user:ann", nil, true}, // another branch decides
			{"doc:4#inline@user:ann", fields{"env": "prod", "n": 6}, true},
			{"doc:4#inline@user:ann", fields{"env": "prod", "n": 5}, false},
		} {
			got := c.ok(t, "Check", ask(tc.tuple, tc.context)).body.(map[string]any)["allowed"]
			if got != nil && got != tc.allowed || got == nil && tc.allowed {
				t.Errorf("%s with %v: got %v, want %t", tc.tuple, tc.context, got, tc.allowed)
			}
			explained := c.ok(t, "Explain", ask(tc.tuple, tc.context)).body.(map[string]any)
			if want := map[bool]string{true: "OUTCOME_ALLOWED", false: "OUTCOME_DENIED"}[tc.allowed]; explained["outcome"] != want {
				t.Errorf("%s with %v: explained as %v, want %s", tc.tuple, tc.context, explained, want)
			}
		}

		missing("doc:1#direct@user:ann", "x").check(t, c.ask(t, "Check", ask("doc:1#direct@user:ann", nil)))
		missing("doc:3#direct@user:ann", "limit x").check(t, c.ask(t, "Check", ask("doc:3#direct@user:ann", nil)))
		number(openfgav1.ErrorCode_validation_error, "failed to evaluate relationship condition: parameter type error on condition "+
			`'below' - failed to convert context parameter 'x': expected an int, found the text "no"`).
			check(t, c.ask(t, "Check", ask("doc:1#direct@user:ann", fields{"x": "no"})))
		explained := c.ok(t, "Explain", ask("doc:1#direct@user:ann", nil)).body.(map[string]any)
		if explained["outcome"] != "OUTCOME_ERROR" || !strings.Contains(explained["text"].(string), `condition below with {"limit":3}`) {
			t.Errorf("explained as %v", explained)
		}

		list := fields{"store_id": store, "type": "doc", "relation": "direct", "user": "user:ann", "context": fields{"x": 1, "limit": 3}}
		objects := c.ok(t, "ListObjects", list).body.(map[string]any)["objects"]
		if got := len(objects.([]any)); got != 2 {
			t.Errorf("got %v, want doc:1 and doc:3", objects)
		}
		list["context"] = fields{"x": 1}
		missing("doc:3#direct@user:ann", "limit").check(t, c.ask(t, "ListObjects", list))
		users := fields{"store_id": store, "object": fields{"type": "doc", "id": "1"}, "relation": "direct", "user_filters": []fields{{"type": "user"}}}
		missing("doc:1#direct@user:ann", "x").check(t, c.ask(t, "ListUsers", users))
		users["context"] = fields{"x": 1}
		if got := c.ok(t, "ListUsers", users).body.(map[string]any)["users"].([]any); len(got) != 1 {
			t.Errorf("got users %v, want ann", got)
		}

		// Contextual tuples carry conditions too, and are judged like written ones.
		contextual := ask("doc:9#direct@user:zoe", fields{"x": 1})
		contextual["contextual_tuples"] = fields{"tuple_keys": []fields{conditioned("doc:9#direct@user:zoe", "below", fields{"limit": 2})}}
		if got := c.ok(t, "Check", contextual).body.(map[string]any)["allowed"]; got != true {
			t.Errorf("contextual: got %v, want allowed", got)
		}
		contextual["contextual_tuples"] = fields{"tuple_keys": []fields{conditioned("doc:9#direct@user:zoe", "below", fields{"limit": "none"})}}
		number(openfgav1.ErrorCode_invalid_tuple, "Invalid tuple 'doc:9#direct@user:zoe (condition below)'. Reason: parameter type error on "+
			`condition 'below' - failed to convert context parameter 'limit': expected an int, found the text "none"`).
			check(t, c.ask(t, "Check", contextual))
		list["contextual_tuples"] = contextual["contextual_tuples"] // the lists have another number for it
		number(openfgav1.ErrorCode_validation_error, "Invalid tuple 'doc:9#direct@user:zoe (condition below)'. Reason: parameter type error on "+
			`condition 'below' - failed to convert context parameter 'limit': expected an int, found the text "none"`).
			check(t, c.ask(t, "ListObjects", list))

		items := c.ok(t, "BatchCheck", fields{"store_id": store, "checks": []fields{
			{"correlation_id": "a", "tuple_key": key("doc:1#direct@user:ann"), "context": fields{"x": 1}},
			{"correlation_id": "b", "tuple_key": key("doc:1#direct@user:ann")},
		}}).body.(map[string]any)["result"].(map[string]any)
		if items["a"].(map[string]any)["allowed"] != true || items["b"].(map[string]any)["error"] == nil {
			t.Errorf("batch: got %v, want a allowed and b an error", items)
		}
	})
}

func TestWriteJudgesConditionContext(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, conditionModel)
		for _, tc := range []struct {
			tuple fields
			why   string
		}{
			{conditioned("doc:1#direct@user:ann", "below", fields{"limit": "x"}), "(condition below)'. Reason: parameter type error on condition 'below' - " +
				`failed to convert context parameter 'limit': expected an int, found the text "x"`},
			{conditioned("doc:1#direct@user:ann", "below", fields{"y": 1}), "(condition below)'. Reason: found invalid context parameter: y"},
			{conditioned("doc:1#inline@user:ann", "$expression", nil), `(condition $expression)'. Reason: $expression: missing required context field "expression"`},
			{conditioned("doc:1#inline@user:ann", "$expression", fields{"expression": "env"}),
				"Reason: failed to compile expression on condition '$expression' - the expression yields string; a condition yields bool"},
		} {
			a := c.ask(t, "Write", fields{"store_id": store, "writes": fields{"tuple_keys": []fields{tc.tuple}}})
			number(openfgav1.ErrorCode_validation_error, tc.why).check(t, a)
		}
	})
}

func TestModelWithFaultyCondition(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "conditions"}).text(t, "id")
		before := h.dump(t, store)
		write := func(expression string) answer {
			return c.ask(t, "WriteAuthorizationModel", fields{
				"store_id": store, "schema_version": "1.1",
				"type_definitions": []fields{{"type": "user"}, {
					"type": "doc", "relations": fields{"viewer": fields{"this": fields{}}},
					"metadata": fields{"relations": fields{"viewer": fields{
						"directly_related_user_types": []fields{{"type": "user", "condition": "below"}}}}},
				}},
				"conditions": fields{"below": fields{"name": "below", "expression": expression,
					"parameters": fields{"x": fields{"type_name": "TYPE_NAME_INT"}}}},
			})
		}
		for expression, why := range map[string]string{
			"x":       "E032: condition `below`: the expression yields int; a condition yields bool; an expression is CEL over the parameters of the condition, and yields true or false, such as `x < 100`",
			"y < 3":   "E032: condition `below`: undeclared reference to `y` (line 1, column 1 of the expression); its parameters: `x`",
			"x < 1.5": "E032: condition `below`: found no matching overload for `_<_` applied to `(int, double)` (line 1, column 3 of the expression); CEL converts nothing by itself: both sides have the same type, and conversions are written, such as `double(x) < 1.5`",
		} {
			number(openfgav1.ErrorCode_invalid_authorization_model, why).check(t, write(expression))
		}
		field(openfgav1.ErrorCode_validation_error, "Condition.Expression: value length must be at most 512 bytes").
			check(t, write("x < "+strings.Repeat("1 + ", 150)+"1"))
		if after := h.dump(t, store); after != before {
			t.Errorf("a refused model changed something:\n%s\nbefore:\n%s", after, before)
		}
	})
}
