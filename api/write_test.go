package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
)

const alreadyOrNot = ": tuple to be written already existed or the tuple to be deleted did not exist"

func TestWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, model := c.newStore(t, testModel)
		read := func(want ...string) {
			t.Helper()
			if got := tupleTexts(t, c.ok(t, "Read", fields{"store_id": store})); !reflect.DeepEqual(got, append([]string{}, want...)) {
				t.Errorf("got tuples %q, want %q", got, want)
			}
		}
		a := c.write(t, store, "doc:1#viewer@user:ann", "doc:1#editor@user:ann@example.com")
		if got := a.headers.Get("Openfga-Authorization-Model-Id"); got != model {
			t.Errorf("got model header %q, want %q", got, model)
		}
		read("doc:1#editor@user:ann@example.com", "doc:1#viewer@user:ann")
		c.ok(t, "Write", fields{"store_id": store,
			"writes": keys("doc:1#viewer@user:*"), "deletes": keys("doc:1#viewer@user:ann")})
		read("doc:1#editor@user:ann@example.com", "doc:1#viewer@user:*")

		ignoring := keys("doc:1#viewer@user:*", "doc:1#parent@folder:a")
		ignoring["on_duplicate"] = "ignore"
		missing := keys("doc:9#viewer@user:ann", "doc:1#editor@user:ann@example.com")
		missing["on_missing"] = "ignore"
		c.ok(t, "Write", fields{"store_id": store, "writes": ignoring, "deletes": missing})
		read("doc:1#parent@folder:a", "doc:1#viewer@user:*")

		var hundred []string
		for i := range 100 {
			hundred = append(hundred, fmt.Sprintf("doc:%d#banned@user:u%d", i, i))
		}
		c.write(t, store, hundred...)
		c.ok(t, "Write", fields{"store_id": store, "deletes": keys(hundred...)})
		read("doc:1#parent@folder:a", "doc:1#viewer@user:*")
	})
}

func TestWriteConditions(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		tuple := func(context fields) fields {
			k := key("doc:1#conditional@user:ann")
			k["condition"] = fields{"name": "below", "context": context}
			return k
		}
		write := func(onDuplicate string, k fields) answer {
			t.Helper()
			return c.ask(t, "Write", fields{"store_id": store,
				"writes": fields{"tuple_keys": []fields{k}, "on_duplicate": onDuplicate}})
		}
		if a := write("error", tuple(fields{"x": 1})); a.code != codes.OK || a.status >= 300 {
			t.Fatalf("got %d %d %s", a.code, a.status, a.message)
		}
		got := c.ok(t, "Read", fields{"store_id": store}).list(t, "tuples")[0].(map[string]any)["key"].(map[string]any)["condition"]
		want := map[string]any{"name": "below", "context": map[string]any{"x": 1.0}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got condition %v, want %v", got, want)
		}
		const words = "user: 'user:ann', relation: 'conditional', object: 'doc:1'"
		exists := number(openfgav1.ErrorCode_write_failed_due_to_invalid_input,
			"cannot write a tuple which already exists: "+words+alreadyOrNot)
		exists.check(t, write("error", tuple(fields{"x": 1})))
		exists.check(t, write("error", tuple(fields{"x": 2})))
		if a := write("ignore", tuple(fields{"x": 1})); a.code != codes.OK || a.status >= 300 {
			t.Errorf("the same tuple, ignored: got %d %d %s", a.code, a.status, a.message)
		}
		wanted{codes.Aborted, 409, "Aborted", "transactional write failed due to conflict: attempted to write a tuple " +
			"which already exists with a different condition: " + words}.check(t, write("ignore", tuple(fields{"x": 2})))
	})
}

// A tuple that another owner holds as well is not deleted by plain Write, and the owner is named.
func TestDeleteOfOwnedTuple(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:ann")
		tuple, err := ostiary.ParseTuple("doc:1#viewer@user:ann")
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.store.Propose(t.Context(), &ostiary.Mutation{
			TimeNanos: h.store.Now(), Principal: ostiary.Principal{Kind: "internal"},
			Tuples: []ostiary.TupleChange{{
				Op: ostiary.TupleCreate, Store: store, Tuple: tuple, Grant: ostiary.Grant{Owner: "scim:okta/1/groups"},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		a := c.ask(t, "Write", fields{"store_id": store, "deletes": keys("doc:1#viewer@user:ann")})
		wanted{codes.FailedPrecondition, 400, "failed_precondition", ""}.check(t, a)
		if !strings.Contains(a.message, "scim:okta/1/groups") {
			t.Errorf("%q does not name the other owner", a.message)
		}
		if got := tupleTexts(t, c.ok(t, "Read", fields{"store_id": store})); len(got) != 1 {
			t.Errorf("got tuples %q after a refused delete", got)
		}
	})
}

// Mutations say who asked for them, in the changelog too.
func TestPrincipalIsRecorded(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:ann")
		v, err := h.store.View(t.Context(), ostiary.Freshness{})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		seen := 0
		for change, err := range v.Changes(t.Context(), store, 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			seen++
			if want := (ostiary.Principal{Kind: "anonymous"}); change.Principal != want {
				t.Errorf("got principal %q, want %q", change.Principal, want)
			}
		}
		if seen != 1 {
			t.Errorf("got %d changes, want 1", seen)
		}
	})
}

// Every faulty Write is refused in OpenFGA's words, and changes nothing: not the tuples, not the
// changelog, not the revision.
func TestFaultyWrites(t *testing.T) {
	h := start(t)
	grpcClient := h.surfaces()[0]
	store, _ := grpcClient.newStore(t, testModel)
	empty := grpcClient.ok(t, "CreateStore", fields{"name": "no model"}).text(t, "id")
	grpcClient.write(t, store, "doc:1#viewer@user:there")

	long := strings.Repeat("x", 600)
	many := func(n int, form string) fields {
		texts := make([]string, n)
		for i := range texts {
			texts[i] = fmt.Sprintf(form, i)
		}
		return keys(texts...)
	}
	one := func(text string) fields { return fields{"writes": keys(text)} }
	removed := func(text string) fields { return fields{"deletes": keys(text)} }
	conditioned := func(text, name string, context fields) fields {
		k := key(text)
		k["condition"] = fields{"name": name, "context": context}
		return fields{"writes": fields{"tuple_keys": []fields{k}}}
	}
	option := func(side, name, value, text string) fields {
		k := keys(text)
		k[name] = value
		return fields{side: k}
	}
	invalid := func(reason string) wanted { return number(openfgav1.ErrorCode_validation_error, "Reason: "+reason) }
	rule := func(text string) wanted { return field(openfgav1.ErrorCode_validation_error, text) }
	const userForm = "the 'user' field is malformed"
	const objectForm = "invalid 'object' field format"
	const relationRule = `Relation: value does not match regex pattern "^[^:#@\\s]{1,50}$"`
	const objectRule = `Object: value does not match regex pattern "^[^\\s]{2,256}$"`
	tooMany := number(openfgav1.ErrorCode_exceeded_entity_limit, "The number of write operations exceeds the allowed limit of 100")
	failed := func(verb, words string) wanted {
		return number(openfgav1.ErrorCode_write_failed_due_to_invalid_input, "cannot "+verb+": "+words+alreadyOrNot)
	}
	absent := func(words string) wanted { return failed("delete a tuple which does not exist", words) }
	duplicate := number(openfgav1.ErrorCode_cannot_allow_duplicate_tuples_in_one_request,
		"duplicate tuple in write: user: 'user:q', relation: 'viewer', object: 'doc:1'")

	for _, tc := range []struct {
		name  string
		write fields
		want  wanted
	}{
		{"nothing", fields{}, number(openfgav1.ErrorCode_invalid_write_input,
			"Invalid input. Make sure you provide at least one write, or at least one delete")},
		{"no writes", fields{"writes": keys()}, rule("WriteRequestWrites.TupleKeys: value must contain at least 1 item(s)")},
		{"no deletes", fields{"deletes": keys()}, rule("WriteRequestDeletes.TupleKeys: value must contain at least 1 item(s)")},
		{"101 writes", fields{"writes": many(101, "doc:1#viewer@user:u%d")}, tooMany},
		{"60 writes and 60 deletes", fields{"writes": many(60, "doc:1#viewer@user:u%d"), "deletes": many(60, "doc:1#viewer@user:v%d")}, tooMany},
		{"on_duplicate unknown", option("writes", "on_duplicate", "bogus", "doc:1#viewer@user:q"),
			number(openfgav1.ErrorCode_validation_error, "invalid on_duplicate option: bogus")},
		{"on_missing unknown", option("deletes", "on_missing", "bogus", "doc:1#viewer@user:q"),
			number(openfgav1.ErrorCode_validation_error, "invalid on_missing option: bogus")},

		{"tuple exists", one("doc:1#viewer@user:there"),
			failed("write a tuple which already exists", "user: 'user:there', relation: 'viewer', object: 'doc:1'")},
		{"tuple exists beside a new one", fields{"writes": keys("doc:1#viewer@user:q", "doc:1#viewer@user:there")},
			failed("write a tuple which already exists", "user: 'user:there', relation: 'viewer', object: 'doc:1'")},
		{"delete of nothing", removed("doc:1#viewer@user:q"),
			failed("delete a tuple which does not exist", "user: 'user:q', relation: 'viewer', object: 'doc:1'")},
		{"delete of an unknown type", removed("nope:1#viewer@nope:q"),
			failed("delete a tuple which does not exist", "user: 'nope:q', relation: 'viewer', object: 'nope:1'")},
		{"a good write beside a delete of nothing", fields{"writes": keys("doc:1#viewer@user:q"), "deletes": keys("doc:1#viewer@user:r")},
			failed("delete a tuple which does not exist", "user: 'user:r', relation: 'viewer', object: 'doc:1'")},
		{"twice in one write", fields{"writes": keys("doc:1#viewer@user:q", "doc:1#viewer@user:q")}, duplicate},
		{"written and deleted", fields{"writes": keys("doc:1#viewer@user:q"), "deletes": keys("doc:1#viewer@user:q")}, duplicate},
		{"deleted twice", fields{"deletes": keys("doc:1#viewer@user:q", "doc:1#viewer@user:q")}, duplicate},

		{"unknown type", one("nope:1#viewer@user:q"), invalid("type 'nope' not found")},
		{"unknown relation", one("doc:1#nope@user:q"), invalid("relation 'doc#nope' not found")},
		{"unknown user type", one("doc:1#viewer@nope:q"), invalid("type 'nope' not found")},
		{"unknown userset relation", one("doc:1#viewer@group:g#nope"), invalid("relation 'group#nope' not found")},
		{"userset of an unknown type", one("doc:1#viewer@nope:g#m"), invalid("type 'nope' not found")},
		{"type not allowed", one("doc:1#viewer@group:g"), invalid("type 'group' is not an allowed type restriction for 'doc#viewer'")},
		{"wildcard not allowed", one("doc:1#editor@user:*"),
			invalid("the typed wildcard 'user:*' is not an allowed type restriction for 'doc#editor'")},
		{"userset not allowed", one("doc:1#viewer@doc:1#viewer"), invalid("'doc#viewer' is not an allowed type restriction for 'doc#viewer'")},
		{"relation without restriction", one("doc:1#can_view@user:q"), invalid("type 'user' is not an allowed type restriction for 'doc#can_view'")},
		{"userset in a tupleset", one("doc:1#parent@folder:1#viewer"), invalid("unexpected user 'folder:1#viewer' with tupleset relation 'doc#parent'")},
		{"wildcard in a tupleset", one("doc:1#parent@folder:*"), invalid("unexpected wildcard relationship with tupleset relation 'doc#parent'")},
		{"condition missing", one("doc:1#conditional@user:q"), invalid("condition is missing")},
		{"condition unknown", conditioned("doc:1#conditional@user:q", "nope", nil), invalid("undefined condition")},
		{"condition not allowed", conditioned("doc:1#viewer@user:q", "below", nil), invalid("invalid condition for type restriction")},
		{"condition parameter unknown", conditioned("doc:1#conditional@user:q", "below", fields{"y": 1}), invalid("found invalid context parameter: y")},
		{"condition context too large", conditioned("doc:1#conditional@user:q", "below", fields{"x": strings.Repeat("1", 40000)}),
			invalid("condition context size limit exceeded: 40008 bytes exceeds 32768 bytes")},
		{"condition without a name", conditioned("doc:1#conditional@user:q", "", nil),
			rule(`RelationshipCondition.Name: value does not match regex pattern "^[^\\s]{2,256}$"`)},

		{"user with a space", one("doc:1#viewer@user:a b"), invalid(userForm)},
		{"user with #", one("doc:1#viewer@user:a#b"), invalid("relation 'user#b' not found")},
		{"user with two #", one("doc:1#viewer@group:a#b#c"), invalid(userForm)},
		{"user with two colons", one("doc:1#viewer@user:a:b"), invalid(userForm)},
		{"user with NUL", one("doc:1#viewer@user:a\x00b"), invalid(userForm)},
		{"user with a control character", one("doc:1#viewer@user:a\ab"), invalid(userForm)},
		{"user with a tab", one("doc:1#viewer@user:a\tb"), invalid(userForm)},
		{"user without an id", one("doc:1#viewer@user:"), invalid(userForm)},
		{"user without a type", one("doc:1#viewer@:a"), invalid(userForm)},
		{"user without a colon", one("doc:1#viewer@a"), invalid("the 'user' field must be an object (e.g. document:1) or an " +
			"'object#relation' or a typed wildcard (e.g. group:*)")},
		{"user empty", one("doc:1#viewer@"), invalid(userForm)},
		{"user too long", one("doc:1#viewer@user:" + long), rule("TupleKey.User: value length must be at most 512 bytes")},
		{"wildcard userset", one("doc:1#viewer@group:*#member"), invalid(userForm)},

		{"object with a space", one("doc:a b#viewer@user:q"), rule("TupleKey." + objectRule)},
		{"object with #", fields{"writes": fields{"tuple_keys": []fields{{"object": "doc:a#b", "relation": "viewer", "user": "user:q"}}}}, invalid(objectForm)},
		{"object with two colons", one("doc:a:b#viewer@user:q"), invalid(objectForm)},
		{"object with NUL", one("doc:a\x00#viewer@user:q"), invalid(objectForm)},
		{"object with a control character", one("doc:a\x1b#viewer@user:q"), invalid(objectForm)},
		{"object without an id", one("doc:#viewer@user:q"), invalid(objectForm)},
		{"object without a type", one(":1#viewer@user:q"), invalid(objectForm)},
		{"object without a colon", one("doc#viewer@user:q"), invalid(objectForm)},
		{"object empty", one("#viewer@user:q"), invalid(objectForm)},
		{"object too long", one("doc:" + long + "#viewer@user:q"), rule("TupleKey." + objectRule)},
		{"object wildcard", one("doc:*#viewer@user:q"), invalid("the 'object' field cannot reference a typed wildcard")},

		{"relation with a space", one("doc:1#a b@user:q"), rule("TupleKey." + relationRule)},
		{"relation with a colon", one("doc:1#a:b@user:q"), rule("TupleKey." + relationRule)},
		{"relation with NUL", one("doc:1#a\x00@user:q"), invalid("the 'relation' field is malformed")},
		{"relation empty", one("doc:1#@user:q"), invalid("the 'relation' field is malformed")},
		{"relation too long", one("doc:1#" + long + "@user:q"), rule("TupleKey." + relationRule)},

		{"delete of a user with a space", removed("doc:1#viewer@user:a b"), invalid(userForm)},
		{"delete of nobody", removed("doc:1#viewer@"), invalid(userForm)},
		{"delete of an object without an id", removed("doc:#viewer@user:q"), absent("user: 'user:q', relation: 'viewer', object: 'doc:'")},
		{"delete without a relation", removed("doc:1#@user:q"), absent("user: 'user:q', relation: '', object: 'doc:1'")},
		{"delete of a user without a type", removed("doc:1#viewer@q"), absent("user: 'q', relation: 'viewer', object: 'doc:1'")},
		{"implicit tuple", one("group:a#member@group:a#member"), invalid("cannot write a tuple that is implicit")},
		{"delete with NUL", removed("doc:1#viewer@user:a\x00"), invalid(userForm)},

		{"unknown store", one("doc:1#viewer@user:q").in(noStore), storeGone},
		{"malformed store", one("doc:1#viewer@user:q").in("bad"), rule(`StoreId: value does not match regex pattern "^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$"`)},
		{"store without a model", one("doc:1#viewer@user:q").in(empty), number(openfgav1.ErrorCode_latest_authorization_model_not_found,
			"No authorization models found for store '"+empty+"'")},
		{"unknown model", fields{"writes": keys("doc:1#viewer@user:q"), "authorization_model_id": noStore},
			number(openfgav1.ErrorCode_authorization_model_not_found, "Authorization Model '"+noStore+"' not found")},
		{"malformed model", fields{"writes": keys("doc:1#viewer@user:q"), "authorization_model_id": "bad"},
			rule(`AuthorizationModelId: value does not match regex pattern "^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$"`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range h.surfaces() {
				t.Run("surface="+c.name, func(t *testing.T) {
					before := h.dump(t, store, empty)
					f := tc.write
					if f["store_id"] == nil {
						f = f.in(store)
					}
					tc.want.check(t, c.ask(t, "Write", f))
					if after := h.dump(t, store, empty); after != before {
						t.Errorf("a refused write changed\n%s\nto\n%s", before, after)
					}
				})
			}
		})
	}
}

// TestChangesNameDeletesFirst: in the changes of one Write the deletes stand before the writes, as in
// OpenFGA.
func TestChangesNameDeletesFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:old")
		c.ok(t, "Write", fields{
			"store_id": store, "writes": keys("doc:1#viewer@user:new"), "deletes": keys("doc:1#viewer@user:old"),
		})
		var got []string
		for _, change := range c.ok(t, "ReadChanges", fields{"store_id": store}).list(t, "changes") {
			row := change.(map[string]any)
			got = append(got, fmt.Sprint(row["operation"], " ", row["tuple_key"].(map[string]any)["user"]))
		}
		want := []string{
			"TUPLE_OPERATION_WRITE user:old", "TUPLE_OPERATION_DELETE user:old", "TUPLE_OPERATION_WRITE user:new",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestDuplicateBeforeOption: a Write with an unknown option and a tuple that stands in it twice is refused
// for the tuple, as OpenFGA does.
func TestDuplicateBeforeOption(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		writes := keys("doc:1#viewer@user:a", "doc:1#viewer@user:a")
		writes["on_duplicate"] = "nope"
		number(openfgav1.ErrorCode_cannot_allow_duplicate_tuples_in_one_request,
			"duplicate tuple in write: user: 'user:a', relation: 'viewer', object: 'doc:1'").
			check(t, c.ask(t, "Write", fields{"store_id": store, "writes": writes}))
		writes = keys("doc:1#viewer@user:a")
		writes["on_duplicate"] = "nope"
		number(openfgav1.ErrorCode_validation_error, "invalid on_duplicate option: nope").
			check(t, c.ask(t, "Write", fields{"store_id": store, "writes": writes}))
	})
}
