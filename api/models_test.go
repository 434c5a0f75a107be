package api_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
)

func TestModels(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, first := c.newStore(t, testModel)
		got := c.ok(t, "ReadAuthorizationModel", fields{"store_id": store, "id": first})
		model := got.body.(map[string]any)["authorization_model"].(map[string]any)
		if model["id"] != first || model["schema_version"] != "1.1" || len(model["type_definitions"].([]any)) != 4 {
			t.Errorf("got %v", short(model))
		}
		ids := []string{first}
		for i := range 4 {
			text := fmt.Sprintf("model\n  schema 1.1\n\ntype user\n\ntype t%d\n  relations\n    define r: [user]\n", i)
			a := c.ok(t, "WriteAuthorizationModel", modelFields(t, store, text))
			if c.name == "http" && a.status != 201 {
				t.Errorf("got status %d, want 201", a.status)
			}
			ids = append([]string{a.text(t, "authorization_model_id")}, ids...)
		}
		var listed []string
		page := fields{"store_id": store, "page_size": 2}
		for {
			a := c.ok(t, "ReadAuthorizationModels", page)
			for _, m := range a.list(t, "authorization_models") {
				listed = append(listed, m.(map[string]any)["id"].(string))
			}
			if page["continuation_token"] = a.text(t, "continuation_token"); page["continuation_token"] == "" {
				break
			}
		}
		if !reflect.DeepEqual(listed, ids) {
			t.Errorf("got models %q, want the newest first: %q", listed, ids)
		}
		// The latest model judges what names none.
		latest := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("t3:1#r@user:ann")})
		if got := latest.headers.Get("Openfga-Authorization-Model-Id"); got != ids[0] {
			t.Errorf("judged by %q, want the latest %q", got, ids[0])
		}
		c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann"), "authorization_model_id": first})

		other := c.ok(t, "CreateStore", fields{"name": "other"}).text(t, "id")
		missing := number(openfgav1.ErrorCode_authorization_model_not_found, "Authorization Model '"+first+"' not found")
		missing.check(t, c.ask(t, "ReadAuthorizationModel", fields{"store_id": other, "id": first}))
		missing.check(t, c.ask(t, "Check", fields{
			"store_id": other, "tuple_key": key("doc:1#viewer@user:ann"), "authorization_model_id": first,
		}))
		token := c.ok(t, "ReadAuthorizationModels", fields{"store_id": store, "page_size": 1}).text(t, "continuation_token")
		number(openfgav1.ErrorCode_invalid_continuation_token, "Invalid continuation token").check(t,
			c.ask(t, "ReadAuthorizationModels", fields{"store_id": other, "continuation_token": token}))
	})
}

func direct(types ...string) fields {
	all := []fields{}
	for _, typ := range types {
		all = append(all, fields{"type": typ})
	}
	return fields{"directly_related_user_types": all}
}

// typeDefs returns a model of type user and one type d.
func typeDefs(relations, metadata fields) fields {
	return fields{"schema_version": "1.1", "type_definitions": []fields{
		{"type": "user"}, {"type": "d", "relations": relations, "metadata": fields{"relations": metadata}},
	}}
}

func TestFaultyModels(t *testing.T) {
	this := fields{"this": fields{}}
	computed := func(r string) fields { return fields{"computedUserset": fields{"relation": r}} }
	types := func(n int) []fields {
		all := make([]fields, n)
		for i := range all {
			all[i] = fields{"type": fmt.Sprintf("t%d", i)}
		}
		return all
	}
	wide := fields{}
	wideMetadata := fields{}
	for i := range 4000 {
		name := fmt.Sprintf("a_relation_with_a_rather_long_name_%d", i)
		wide[name], wideMetadata[name] = this, direct("user")
	}
	invalid := func(text string) wanted { return number(openfgav1.ErrorCode_invalid_authorization_model, text) }
	const typeRule = `: value does not match regex pattern "^[^:#@\\s]{1,254}$"`
	const nameRule = `: value does not match regex pattern "^[^:#@\\s]{1,50}$"`
	h := start(t)
	for _, tc := range []struct {
		name  string
		model fields
		want  wanted
		has   string // contained in the message
	}{
		{"nothing", fields{}, field(openfgav1.ErrorCode_type_definitions_too_few_items, ""), "SchemaVersion"},
		{"schema unknown", fields{"schema_version": "1.3", "type_definitions": types(1)},
			field(openfgav1.ErrorCode_validation_error, "value must be in list [1.0 1.1 1.2]"), ""},
		{"schema 1.0", fields{"schema_version": "1.0", "type_definitions": types(1)}, invalid(""), "1.0"},
		{"type with a space", fields{"schema_version": "1.1", "type_definitions": []fields{{"type": "us er"}}},
			field(openfgav1.ErrorCode_type_invalid_pattern, "invalid TypeDefinition.Type"+typeRule), ""},
		{"type twice", fields{"schema_version": "1.1", "type_definitions": []fields{{"type": "user"}, {"type": "user"}}},
			invalid(""), "user"},
		{"relation with a space", typeDefs(fields{"a b": this}, fields{"a b": direct("user")}),
			field(openfgav1.ErrorCode_relations_invalid_pattern, "invalid TypeDefinition.Relations[a b]"+nameRule), ""},
		{"relation too long", typeDefs(fields{"v": computed(strings.Repeat("x", 51))}, nil),
			field(openfgav1.ErrorCode_relation_too_long, "value length must be at most 50 bytes"), ""},
		{"difference of nothing", typeDefs(fields{"v": fields{"difference": fields{}}}, nil),
			field(openfgav1.ErrorCode_difference_base_missing_value, ""), "Base"},
		{"unknown relation", typeDefs(fields{"v": computed("w")}, nil), invalid(""), "w"},
		{"unknown type", typeDefs(fields{"v": this}, fields{"v": direct("nouser")}), invalid(""), "nouser"},
		{"no restriction", typeDefs(fields{"v": this}, nil), invalid(""), "v"},
		{"relation of itself", typeDefs(fields{"v": computed("v")}, nil), invalid(""), "v"},
		{"no rewrite", typeDefs(fields{"v": fields{}}, nil), invalid(""), "v"},
		{"too many types", fields{"schema_version": "1.1", "type_definitions": types(101)},
			number(openfgav1.ErrorCode_exceeded_entity_limit,
				"The number of type definitions in an authorization model exceeds the allowed limit of 100"), ""},
		{"too large", typeDefs(wide, wideMetadata), number(openfgav1.ErrorCode_exceeded_entity_limit, "bytes vs 262144 bytes"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range h.surfaces() {
				t.Run(c.name, func(t *testing.T) {
					store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
					before := h.dump(t, store)
					f := fields{"store_id": store}
					for k, v := range tc.model {
						f[k] = v
					}
					a := c.ask(t, "WriteAuthorizationModel", f)
					tc.want.check(t, a)
					if !strings.Contains(a.message, tc.has) {
						t.Errorf("message %q does not name %q", short(a.message), tc.has)
					}
					if after := h.dump(t, store); after != before {
						t.Errorf("a refused model changed\n%s\nto\n%s", before, after)
					}
				})
			}
		})
	}
}

// A store keeps answering by its models when the cache holds only one.
func TestModelCacheIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, first := c.newStore(t, testModel)
		second := c.ok(t, "WriteAuthorizationModel", modelFields(t, store, testModel)).text(t, "authorization_model_id")
		c.write(t, store, "doc:1#viewer@user:ann")
		for range 3 {
			for _, id := range []string{first, second} {
				a := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann"), "authorization_model_id": id})
				if a.body.(map[string]any)["allowed"] != true {
					t.Errorf("model %s: got %v", id, a.body)
				}
			}
		}
	}, func(o *api.Options) { o.Limits.MaxCachedModels = 1 })
}
