package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
)

var storeGone = wanted{codes.Code(5002), 404, "store_id_not_found", "Store ID not found"}

const nameRule = `value does not match regex pattern "^[a-zA-Z0-9\\s\\.\\-\\/^_&@]{3,64}$"`

func TestStores(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		made := c.ok(t, "CreateStore", fields{"name": "first"})
		if c.name == "http" && made.status != 201 {
			t.Errorf("create: got status %d, want 201", made.status)
		}
		id := made.text(t, "id")
		got := c.ok(t, "GetStore", fields{"store_id": id})
		if got.text(t, "name") != "first" || got.text(t, "created_at") != made.text(t, "created_at") {
			t.Errorf("got %v, want what was made: %v", got.body, made.body)
		}
		if store := got.headers.Get("Openfga-Store-Id"); store != id {
			t.Errorf("got header openfga-store-id %q, want %q", store, id)
		}
		renamed := c.ok(t, "UpdateStore", fields{"store_id": id, "name": "second"})
		if renamed.text(t, "name") != "second" || renamed.text(t, "created_at") != made.text(t, "created_at") {
			t.Errorf("got %v", renamed.body)
		}
		if got := c.ok(t, "GetStore", fields{"store_id": id}).text(t, "name"); got != "second" {
			t.Errorf("got name %q after the update", got)
		}
		deleted := c.ok(t, "DeleteStore", fields{"store_id": id})
		if c.name == "http" && deleted.status != 204 {
			t.Errorf("delete: got status %d, want 204", deleted.status)
		}
		storeGone.check(t, c.ask(t, "GetStore", fields{"store_id": id}))
		before := h.dump(t, id)
		c.ok(t, "DeleteStore", fields{"store_id": id})
		c.ok(t, "DeleteStore", fields{"store_id": noStore})
		storeGone.check(t, c.ask(t, "UpdateStore", fields{"store_id": id, "name": "third"}))
		if after := h.dump(t, id); after != before {
			t.Errorf("deleting what is not there changed\n%s\nto\n%s", before, after)
		}
	})
}

// A deleted store answers 5002 to everything, also to what named its model and had it in a cache.
func TestDeletedStoreIsOutOfReach(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, model := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:ann")
		check := fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann"), "authorization_model_id": model}
		if got := c.ok(t, "Check", check); got.body.(map[string]any)["allowed"] != true {
			t.Fatalf("got %v", got.body)
		}
		c.ok(t, "DeleteStore", fields{"store_id": store})
		before := h.dump(t, store)
		for method, f := range map[string]fields{
			"Check": {"tuple_key": key("doc:1#viewer@user:ann"), "authorization_model_id": model},
			"BatchCheck": {"checks": []fields{{"tuple_key": key("doc:1#viewer@user:ann"), "correlation_id": "1"}},
				"authorization_model_id": model},
			"Write":                   {"writes": keys("doc:1#viewer@user:bob"), "authorization_model_id": model},
			"Read":                    {},
			"Expand":                  {"tuple_key": key("doc:1#viewer@"), "authorization_model_id": model},
			"ListObjects":             {"type": "doc", "relation": "viewer", "user": "user:ann"},
			"ListUsers":               listUsers("doc:1", "viewer", "user"),
			"ReadAuthorizationModel":  {"id": model},
			"ReadAuthorizationModels": {},
			"WriteAuthorizationModel": modelFields(t, store, testModel),
			"ReadChanges":             {},
			"ReadAssertions":          {"authorization_model_id": model},
			"WriteAssertions":         {"authorization_model_id": model, "assertions": []fields{}},
		} {
			t.Run(method, func(t *testing.T) {
				f["store_id"] = store
				storeGone.check(t, c.ask(t, method, f))
			})
		}
		if after := h.dump(t, store); after != before {
			t.Errorf("refused requests changed\n%s\nto\n%s", before, after)
		}
	})
}

func TestListStores(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		var want []string
		for i := range 7 {
			want = append(want, c.ok(t, "CreateStore", fields{"name": fmt.Sprintf("store %d", i%2)}).text(t, "id"))
		}
		if !slices.IsSorted(want) {
			t.Errorf("ids do not grow: %q", want)
		}
		list := func(f fields) (ids []string, pages int) {
			t.Helper()
			for {
				a := c.ok(t, "ListStores", f)
				pages++
				for _, s := range a.list(t, "stores") {
					ids = append(ids, s.(map[string]any)["id"].(string))
				}
				token := a.text(t, "continuation_token")
				if token == "" {
					return ids, pages
				}
				f["continuation_token"] = token
			}
		}
		if got, pages := list(fields{}); !reflect.DeepEqual(got, want) || pages != 1 {
			t.Errorf("got %q in %d pages, want %q", got, pages, want)
		}
		if got, pages := list(fields{"page_size": 3}); !reflect.DeepEqual(got, want) || pages != 3 {
			t.Errorf("got %q in %d pages, want %q", got, pages, want)
		}
		odd := []string{want[1], want[3], want[5]}
		if got, pages := list(fields{"page_size": 3, "name": "store 1"}); !reflect.DeepEqual(got, odd) || pages != 1 {
			t.Errorf("got %q in %d pages, want %q", got, pages, odd)
		}
		token := c.ok(t, "ListStores", fields{"page_size": 1}).text(t, "continuation_token")
		bad := number(openfgav1.ErrorCode_invalid_continuation_token, "Invalid continuation token")
		bad.check(t, c.ask(t, "ListStores", fields{"page_size": 1, "name": "store 1", "continuation_token": token}))
		bad.check(t, c.ask(t, "ListStores", fields{"continuation_token": "eyJwayI6"}))
	})
}

// Every answer names a revision and its token, and a token can be asked for again.
func TestRevisionHeaders(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, model := c.newStore(t, testModel)
		written := c.write(t, store, "doc:1#viewer@user:ann")
		revision := func(a answer) ostiary.Revision {
			t.Helper()
			n, err := strconv.ParseUint(a.headers.Get("Ostiary-Revision"), 10, 64)
			if err != nil {
				t.Fatalf("ostiary-revision: %v in %v", err, a.headers)
			}
			r, err := ostiary.Token(a.headers.Get("Ostiary-Token")).Revision(h.store.ClusterID())
			if err != nil || uint64(r) != n {
				t.Fatalf("ostiary-token holds %d, %v, want %d", r, err, n)
			}
			if values := a.headers.Values("Ostiary-Revision"); len(values) != 1 {
				t.Errorf("ostiary-revision stands %d times", len(values))
			}
			return r
		}
		if got, want := revision(written), h.newest(t); got != want {
			t.Errorf("the write says revision %d, the store stands at %d", got, want)
		}
		check := fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")}
		read := c.ok(t, "Check", check, "ostiary-at-least", written.headers.Get("Ostiary-Token"))
		if revision(read) < revision(written) {
			t.Errorf("read at %d after a write at %d", revision(read), revision(written))
		}
		if got := read.headers.Get("Openfga-Authorization-Model-Id"); got != model {
			t.Errorf("got model %q, want %q", got, model)
		}
		check["consistency"] = "HIGHER_CONSISTENCY"
		revision(c.ok(t, "Check", check))
		revision(c.ok(t, "ListStores", fields{}))
		revision(c.ok(t, "StreamedListObjects", fields{"store_id": store, "type": "doc", "relation": "viewer", "user": "user:ann"}))

		refused := c.ask(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#nope@user:ann")})
		if revision(refused) != h.newest(t) {
			t.Error("the refusal of a check does not name the view it was judged by")
		}
		invalid := field(openfgav1.ErrorCode_validation_error, "invalid token")
		invalid.check(t, c.ask(t, "Check", check, "ostiary-at-least", "nonsense"))
		other := ostiary.NewToken(ostiary.ClusterID{1}, 1)
		invalid.check(t, c.ask(t, "Check", check, "ostiary-at-least", string(other)))
	})
}

// A token that this node has not reached is waited for within the deadline, and is then an error and
// never an older answer.
func TestRevisionNotReached(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		future := ostiary.NewToken(h.store.ClusterID(), h.newest(t)+1000)
		a := c.ask(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")}, "ostiary-at-least", string(future))
		wanted{codes.Unavailable, 503, "unavailable", "revision is not applied here yet"}.check(t, a)
	}, shortTimeout)
}

func TestStoreNames(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		before := h.dump(t)
		refused := field(openfgav1.ErrorCode_validation_error, "invalid CreateStoreRequest.Name: "+nameRule)
		for _, name := range []string{"", "a", strings.Repeat("x", 65), "abc\x00def", "abc#def", "abc:def"} {
			refused.check(t, c.ask(t, "CreateStore", fields{"name": name}))
		}
		if after := h.dump(t); after != before {
			t.Errorf("refused requests changed\n%s\nto\n%s", before, after)
		}
	})
}
