package api_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

var readTuples = []string{
	"doc:1#editor@user:bob",
	"doc:1#parent@folder:a",
	"doc:1#viewer@group:g#member",
	"doc:1#viewer@user:*",
	"doc:1#viewer@user:ann",
	"doc:2#viewer@user:ann",
	"folder:a#viewer@user:ann",
	"group:g#member@user:ann",
}

func TestRead(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	h.surfaces()[0].write(t, store, readTuples...)
	for _, tc := range []struct {
		name string
		key  fields // nil: no tuple key
		want []string
	}{
		{"everything", nil, readTuples},
		{"object", fields{"object": "doc:1"}, readTuples[:5]},
		{"object and relation", fields{"object": "doc:1", "relation": "viewer"}, readTuples[2:5]},
		{"object and user", fields{"object": "doc:1", "user": "user:ann"}, []string{"doc:1#viewer@user:ann"}},
		{"object and userset", fields{"object": "doc:1", "user": "group:g#member"}, []string{"doc:1#viewer@group:g#member"}},
		{"exact", fields{"object": "doc:1", "relation": "viewer", "user": "user:*"}, []string{"doc:1#viewer@user:*"}},
		{"exact, absent", fields{"object": "doc:2", "relation": "viewer", "user": "user:*"}, []string{}},
		{"type and user", fields{"object": "doc:", "user": "user:ann"}, []string{"doc:1#viewer@user:ann", "doc:2#viewer@user:ann"}},
		{"type, relation and user", fields{"object": "doc:", "relation": "editor", "user": "user:bob"}, []string{"doc:1#editor@user:bob"}},
		{"type and wildcard", fields{"object": "doc:", "user": "user:*"}, []string{"doc:1#viewer@user:*"}},
		{"a userset's object is not its userset", fields{"object": "doc:", "user": "group:g"}, []string{}},
		{"unknown relation", fields{"object": "doc:1", "relation": "nope"}, []string{}},
		{"unknown type", fields{"object": "nope:1"}, []string{}},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.name+"/surface="+c.name, func(t *testing.T) {
				f := fields{"store_id": store}
				if tc.key != nil {
					f["tuple_key"] = tc.key
				}
				if got := tupleTexts(t, c.ok(t, "Read", f)); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got %q, want %q", got, tc.want)
				}
				// The same in pages of one.
				f["page_size"] = 1
				var paged []string
				for {
					a := c.ok(t, "Read", f)
					page := tupleTexts(t, a)
					if len(page) > 1 {
						t.Fatalf("a page of one holds %q", page)
					}
					paged = append(paged, page...)
					token := a.text(t, "continuation_token")
					if token == "" {
						break
					}
					f["continuation_token"] = token
				}
				slices.Sort(paged)
				if !slices.Equal(paged, tc.want) {
					t.Errorf("in pages of one: got %q, want %q", paged, tc.want)
				}
			})
		}
	}
}

func TestFaultyReads(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[0].newStore(t, testModel)
	other, _ := h.surfaces()[0].newStore(t, testModel)
	h.surfaces()[0].write(t, store, readTuples...)
	token := h.surfaces()[0].ok(t, "Read", fields{"store_id": store, "page_size": 1}).text(t, "continuation_token")
	stores := h.surfaces()[0].ok(t, "ListStores", fields{"page_size": 1}).text(t, "continuation_token")

	empty := number(openfgav1.ErrorCode_validation_error, "the 'tuple_key' field was provided but the object type field is "+
		"required and both the object id and user cannot be empty")
	badToken := number(openfgav1.ErrorCode_invalid_continuation_token, "Invalid continuation token")
	pageSize := field(openfgav1.ErrorCode_page_size_invalid, "invalid ReadRequest.PageSize: value must be inside range [1, 100]")
	rule := func(text string) wanted { return field(openfgav1.ErrorCode_validation_error, text) }
	for _, tc := range []struct {
		name string
		read fields
		want wanted
	}{
		{"empty key", fields{"tuple_key": fields{}}, empty},
		{"type alone", fields{"tuple_key": fields{"object": "doc:"}}, empty},
		{"user alone", fields{"tuple_key": fields{"user": "user:ann"}}, empty},
		{"relation alone", fields{"tuple_key": fields{"relation": "viewer"}}, empty},
		{"object without a colon", fields{"tuple_key": fields{"object": "doc", "user": "user:ann"}}, empty},
		{"object without a type", fields{"tuple_key": fields{"object": ":1"}}, empty},
		{"user without an id", fields{"tuple_key": fields{"object": "doc:1", "user": "user:"}},
			rule(`ReadRequestTupleKey.User: value does not match regex pattern "^[^\\s]{1,511}:[^\\s]{1,511}$"`)},
		{"user with NUL", fields{"tuple_key": fields{"object": "doc:1", "user": "user:a\x00"}},
			number(openfgav1.ErrorCode_validation_error, "the 'user' field is malformed")},
		{"object with NUL", fields{"tuple_key": fields{"object": "doc:1\x00"}},
			number(openfgav1.ErrorCode_validation_error, "invalid 'object' field format")},
		{"type with NUL", fields{"tuple_key": fields{"object": "d\x00oc:", "user": "user:ann"}},
			number(openfgav1.ErrorCode_validation_error, "invalid 'object' field format")},
		{"relation with NUL", fields{"tuple_key": fields{"object": "doc:1", "relation": "v\x00"}},
			number(openfgav1.ErrorCode_validation_error, "the 'relation' field is malformed")},
		{"object with a space", fields{"tuple_key": fields{"object": "doc:1 2"}},
			rule(`ReadRequestTupleKey.Object: value does not match regex pattern "^[^\\s]{2,256}$"`)},
		{"page of none", fields{"page_size": 0}, pageSize},
		{"page too large", fields{"page_size": 101}, pageSize},
		{"token of nonsense", fields{"continuation_token": "bogus"}, badToken},
		{"token of another filter", fields{"continuation_token": token, "tuple_key": fields{"object": "doc:1"}}, badToken},
		{"token of another store", fields{"continuation_token": token}.in(other), badToken},
		{"token of another list", fields{"continuation_token": stores}, badToken},
		{"unknown store", fields{}.in(noStore), storeGone},
	} {
		for _, c := range h.surfaces() {
			t.Run(tc.name+"/surface="+c.name, func(t *testing.T) {
				f := tc.read
				if f["store_id"] == nil {
					f = f.in(store)
				}
				tc.want.check(t, c.ask(t, "Read", f))
			})
		}
	}
}

func TestReadChangesOfATypeThatIsNoText(t *testing.T) {
	h := start(t)
	store, _ := h.surfaces()[1].newStore(t, testModel)
	a := h.raw(t, http.MethodGet, "/stores/"+store+"/changes?type=%ff", nil)
	wanted{0, 400, "validation_error", "invalid ReadChangesRequest.Type: string field contains invalid UTF-8"}.check(t, a)
}

func TestReadChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		changes := func(a answer) (texts []string) {
			t.Helper()
			for _, x := range a.list(t, "changes") {
				change := x.(map[string]any)
				k := change["tuple_key"].(map[string]any)
				texts = append(texts, fmt.Sprintf("%s %s#%s@%s", change["operation"], k["object"], k["relation"], k["user"]))
			}
			return texts
		}
		if got := changes(c.ok(t, "ReadChanges", fields{"store_id": store})); len(got) != 0 {
			t.Errorf("got %q before any write", got)
		}
		c.write(t, store, "doc:1#viewer@user:ann", "folder:a#viewer@user:ann")
		c.ok(t, "Write", fields{"store_id": store, "deletes": keys("doc:1#viewer@user:ann")})
		all := []string{
			"TUPLE_OPERATION_WRITE doc:1#viewer@user:ann", "TUPLE_OPERATION_WRITE folder:a#viewer@user:ann",
			"TUPLE_OPERATION_DELETE doc:1#viewer@user:ann",
		}
		var paged []string
		page := fields{"store_id": store, "page_size": 1}
		for range all {
			a := c.ok(t, "ReadChanges", page)
			paged = append(paged, changes(a)...)
			page["continuation_token"] = a.text(t, "continuation_token")
		}
		if !reflect.DeepEqual(paged, all) {
			t.Errorf("got %q, want %q", paged, all)
		}
		end := c.ok(t, "ReadChanges", page)
		if got := changes(end); len(got) != 0 || end.text(t, "continuation_token") != page["continuation_token"] {
			t.Errorf("at the end: got %q and token %q", got, end.text(t, "continuation_token"))
		}
		c.write(t, store, "doc:2#viewer@user:ann")
		if got := changes(c.ok(t, "ReadChanges", page)); !reflect.DeepEqual(got, []string{"TUPLE_OPERATION_WRITE doc:2#viewer@user:ann"}) {
			t.Errorf("after the end: got %q", got)
		}
		folders := c.ok(t, "ReadChanges", fields{"store_id": store, "type": "folder"})
		if got := changes(folders); !reflect.DeepEqual(got, all[1:2]) {
			t.Errorf("of type folder: got %q", got)
		}
		number(openfgav1.ErrorCode_query_string_type_continuation_token_mismatch,
			"The type in the querystring and the continuation token don't match").check(t,
			c.ask(t, "ReadChanges", fields{"store_id": store, "type": "doc", "continuation_token": folders.text(t, "continuation_token")}))
		past := c.ok(t, "ReadChanges", fields{"store_id": store, "start_time": "2020-01-01T00:00:00Z"})
		if got := changes(past); len(got) != 4 {
			t.Errorf("since 2020: got %q", got)
		}
		if c.name == "http" {
			wanted{0, 400, "page_size_invalid", "invalid ReadChangesRequest.PageSize: value must be inside range [1, 100]"}.check(t,
				c.ask(t, "ReadChanges", fields{"store_id": store, "page_size": 101}))
		}
	})
}

func TestAssertions(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, model := c.newStore(t, testModel)
		f := fields{"store_id": store, "authorization_model_id": model}
		if got := c.ok(t, "ReadAssertions", f).list(t, "assertions"); len(got) != 0 {
			t.Errorf("got %v before any was written", got)
		}
		f["assertions"] = []fields{{"tuple_key": key("doc:1#viewer@user:ann"), "expectation": true}}
		if a := c.ok(t, "WriteAssertions", f); c.name == "http" && a.status != 204 {
			t.Errorf("got status %d, want 204", a.status)
		}
		delete(f, "assertions")
		got := c.ok(t, "ReadAssertions", f).list(t, "assertions")
		if len(got) != 1 || got[0].(map[string]any)["expectation"] != true {
			t.Errorf("got %v", got)
		}
		before := h.dump(t, store)
		f["assertions"] = []fields{{"tuple_key": key("doc:1#nope@user:ann")}}
		number(openfgav1.ErrorCode_validation_error, "relation 'doc#nope' not found").check(t, c.ask(t, "WriteAssertions", f))
		if after := h.dump(t, store); after != before {
			t.Errorf("refused assertions changed\n%s\nto\n%s", before, after)
		}
	})
}
