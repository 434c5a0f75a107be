package api_test

import (
	"fmt"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary/api"
)

// tuplesOf returns n different tuples that testModel lets be written.
func tuplesOf(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("doc:limit#viewer@user:u%d", i)
	}
	return texts
}

// checksOf returns n checks of a batch, each with a correlation id of its own.
func checksOf(n int) []fields {
	checks := make([]fields, n)
	for i := range checks {
		checks[i] = fields{"tuple_key": key("doc:1#viewer@user:ann"), "correlation_id": fmt.Sprintf("c%d", i)}
	}
	return checks
}

// modelOf is a model with n types, whose last has one relation of the name.
func modelOf(n int, relation string) fields {
	var types []fields
	for i := range n - 1 {
		types = append(types, fields{"type": fmt.Sprintf("t%d", i)})
	}
	types = append(types, fields{"type": "last", "relations": fields{relation: fields{"this": fields{}}}, "metadata": fields{
		"relations": fields{relation: fields{"directly_related_user_types": []fields{{"type": "last"}}}},
	}})
	return fields{"schema_version": "1.1", "type_definitions": types}
}

// Every limit lets pass what reaches it and refuses one more, on both surfaces, whether it is one of the
// settings, at its default or set, or one of OpenFGA's fixed ones.
func TestLimits(t *testing.T) {
	const pageRule = "value must be inside range [1, 100]"
	validation, entity := openfgav1.ErrorCode_validation_error, openfgav1.ErrorCode_exceeded_entity_limit
	contextual := field(validation, "TupleKeys: value must contain no more than 100 item(s)")
	page := field(openfgav1.ErrorCode_page_size_invalid, pageRule)
	question := func(f fields) func(n int) fields {
		return func(n int) fields {
			g := fields{"contextual_tuples": keys(tuplesOf(n)...)}
			for name, value := range f {
				g[name] = value
			}
			return g
		}
	}
	ofPage := func(n int) fields { return fields{"page_size": n} }
	objects := fields{"type": "doc", "relation": "viewer", "user": "user:ann"}
	cases := []struct {
		name   string
		method string
		limit  int
		ask    func(n int) fields
		want   wanted
		set    bool // asked of the server whose limits are set
	}{
		{name: "writes", method: "Write", limit: 100, ask: func(n int) fields { return fields{"writes": keys(tuplesOf(n)...)} },
			want: number(entity, "The number of write operations exceeds the allowed limit of 100")},
		{name: "writes, set", method: "Write", limit: 150, ask: func(n int) fields { return fields{"writes": keys(tuplesOf(n)...)} },
			want: number(entity, "exceeds the allowed limit of 150"), set: true},

		{name: "contextual tuples of Check", method: "Check", limit: 100,
			ask: question(fields{"tuple_key": key("doc:1#viewer@user:ann")}), want: contextual},
		{name: "contextual tuples of Expand", method: "Expand", limit: 100,
			ask: question(fields{"tuple_key": fields{"object": "doc:1", "relation": "viewer"}}), want: contextual},
		{name: "contextual tuples of ListObjects", method: "ListObjects", limit: 100, ask: question(objects), want: contextual},
		{name: "contextual tuples of StreamedListObjects", method: "StreamedListObjects", limit: 100, ask: question(objects),
			want: wanted{codes.InvalidArgument, 400, "3", contextual.text}}, // a stream over HTTP has gRPC's numbers
		{name: "contextual tuples of ListUsers", method: "ListUsers", limit: 100,
			ask: func(n int) fields {
				f := listUsers("doc:1", "viewer", "user")
				f["contextual_tuples"] = keys(tuplesOf(n)...)["tuple_keys"]
				return f
			}, want: field(validation, "ContextualTuples: value must contain no more than 100 item(s)")},
		{name: "contextual tuples of BatchCheck", method: "BatchCheck", limit: 100,
			ask: func(n int) fields {
				check := checksOf(1)[0]
				check["contextual_tuples"] = keys(tuplesOf(n)...)
				return fields{"checks": []fields{check}}
			}, want: contextual},

		{name: "checks", method: "BatchCheck", limit: 50, ask: func(n int) fields { return fields{"checks": checksOf(n)} },
			want: number(validation, "batchCheck received 51 checks, the maximum allowed is 50")},
		{name: "checks, set", method: "BatchCheck", limit: 2, ask: func(n int) fields { return fields{"checks": checksOf(n)} },
			want: number(validation, "batchCheck received 3 checks, the maximum allowed is 2"), set: true},
		{name: "correlation id", method: "BatchCheck", limit: 36,
			ask: func(n int) fields {
				check := checksOf(1)[0]
				check["correlation_id"] = strings.Repeat("x", n)
				return fields{"checks": []fields{check}}
			}, want: field(validation, `CorrelationId: value does not match regex pattern "^[\\w\\d-]{1,36}$"`)},

		{name: "types", method: "WriteAuthorizationModel", limit: 100, ask: func(n int) fields { return modelOf(n, "r") },
			want: number(entity, "The number of type definitions in an authorization model exceeds the allowed limit of 100")},
		{name: "types, set", method: "WriteAuthorizationModel", limit: 3, ask: func(n int) fields { return modelOf(n, "r") },
			want: number(entity, "exceeds the allowed limit of 3"), set: true},
		{name: "name of a relation", method: "WriteAuthorizationModel", limit: 50,
			ask:  func(n int) fields { return modelOf(1, strings.Repeat("r", n)) },
			want: field(openfgav1.ErrorCode_relations_invalid_pattern, `value does not match regex pattern "^[^:#@\\s]{1,50}$"`)},
		{name: "name of a type", method: "WriteAuthorizationModel", limit: 254,
			ask: func(n int) fields {
				return fields{"schema_version": "1.1", "type_definitions": []fields{{"type": strings.Repeat("t", n)}}}
			}, want: field(openfgav1.ErrorCode_type_invalid_pattern, `Type: value does not match regex pattern "^[^:#@\\s]{1,254}$"`)},

		{name: "name of a store", method: "CreateStore", limit: 64, ask: func(n int) fields { return fields{"name": strings.Repeat("n", n)} },
			want: field(validation, `{3,64}$"`)},
		{name: "page of ListStores", method: "ListStores", limit: 100, ask: ofPage, want: page},
		{name: "page of ReadAuthorizationModels", method: "ReadAuthorizationModels", limit: 100, ask: ofPage, want: page},
		{name: "page of Read", method: "Read", limit: 100, ask: ofPage, want: page},
		{name: "page of ReadChanges", method: "ReadChanges", limit: 100, ask: ofPage, want: page},
		{name: "page of ReadChanges, set", method: "ReadChanges", limit: 7, ask: ofPage,
			want: field(openfgav1.ErrorCode_page_size_invalid, "value must be inside range [1, 7]"),
			set:  true},
	}
	set := func(o *api.Options) {
		o.Limits = api.Limits{MaxTuplesPerWrite: 150, MaxChecksPerBatch: 2, MaxTypesPerModel: 3, MaxChangesPageSize: 7}
	}
	for i, name := range []string{"grpc", "http"} {
		servers := map[bool]*harness{false: start(t), true: start(t, set)}
		for _, tc := range cases {
			t.Run(tc.name+"/surface="+name, func(t *testing.T) {
				h := servers[tc.set]
				c := h.surfaces()[i]
				store, _ := c.newStore(t, smallModel)
				before := h.newest(t)
				tc.want.check(t, c.ask(t, tc.method, tc.ask(tc.limit+1).in(store)))
				if after := h.newest(t); after != before {
					t.Errorf("a refused request moved the revision from %d to %d", before, after)
				}
				c.ok(t, tc.method, tc.ask(tc.limit).in(store))
			})
		}
	}
}

// smallModel has what the questions of TestLimits are about, in two types.
const smallModel = `model
  schema 1.1
type user
type doc
  relations
    define viewer: [user]
`

// A model may be as large as its limit, in bytes of its protobuf form, and not one byte larger.
func TestModelSizeLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
		accepted, refused := 0, 0
		for n := 1; n <= 50; n++ {
			a := c.ask(t, "WriteAuthorizationModel", modelOf(1, strings.Repeat("r", n)).in(store))
			if a.code == codes.OK && a.status < 300 {
				accepted = n
				continue
			}
			if refused == 0 {
				refused = n
				number(openfgav1.ErrorCode_exceeded_entity_limit, fmt.Sprintf("%d bytes vs %d bytes", modelLimit+2, modelLimit)).check(t, a)
			}
		}
		if accepted == 0 || refused != accepted+1 {
			t.Errorf("accepted names of up to %d bytes, refused them from %d", accepted, refused)
		}
	}, func(o *api.Options) { o.Limits.MaxModelBytes = modelLimit })
}

// modelLimit is the size of modelOf(1, name) for some name: the name stands in it twice.
const modelLimit = 87

// A default model limit is 256 KiB.
func TestDefaultModelSizeLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store := c.ok(t, "CreateStore", fields{"name": "a store"}).text(t, "id")
		relations, metadata := fields{}, fields{}
		for i := range 3000 {
			name := fmt.Sprintf("relation_%040d", i)
			relations[name] = fields{"this": fields{}}
			metadata[name] = fields{"directly_related_user_types": []fields{{"type": "doc"}}}
		}
		f := fields{"schema_version": "1.1", "type_definitions": []fields{
			{"type": "doc", "relations": relations, "metadata": fields{"relations": metadata}},
		}}
		number(openfgav1.ErrorCode_exceeded_entity_limit, "bytes vs 262144 bytes").check(t, c.ask(t, "WriteAuthorizationModel", f.in(store)))
	})
}

// Without a page size a page holds the default, and never more than the limit of the method.
func TestDefaultPageSize(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, smallModel)
		c.write(t, store, tuplesOf(60)...)
		if n := len(c.ok(t, "Read", fields{"store_id": store}).list(t, "tuples")); n != 50 {
			t.Errorf("got %d tuples, want 50", n)
		}
		if n := len(c.ok(t, "ReadChanges", fields{"store_id": store}).list(t, "changes")); n != 40 {
			t.Errorf("got %d changes, want 40", n)
		}
	}, func(o *api.Options) { o.Limits.MaxChangesPageSize = 40 })
}
