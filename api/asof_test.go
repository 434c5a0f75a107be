package api_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/raftstore"
)

// pastQuestions are asked after every write and again, as of then, at the end.
func pastQuestions(store string) map[string]fields {
	return map[string]fields{
		"Check":               fields{"tuple_key": key("doc:1#can_view@user:ann")}.in(store),
		"BatchCheck":          fields{"checks": []fields{{"correlation_id": "a", "tuple_key": key("doc:1#viewer@user:ann")}}}.in(store),
		"ListObjects":         fields{"user": "user:ann", "relation": "can_view", "type": "doc"}.in(store),
		"StreamedListObjects": fields{"user": "user:ann", "relation": "can_view", "type": "doc"}.in(store),
		"ListUsers":           listUsers("doc:1", "viewer", "user").in(store),
		"Read":                fields{}.in(store),
		"Expand":              fields{"tuple_key": fields{"object": "doc:1", "relation": "viewer"}}.in(store),
	}
}

// TestAsOf: what was answered then is answered as of then, under the model of then, whatever was written
// since.
func TestAsOf(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		type past struct {
			token, time, revision, model string
			bodies                       map[string]any
		}
		var pasts []past
		record := func(a answer) {
			t.Helper()
			p := past{token: a.headers.Get("Ostiary-Token"), bodies: map[string]any{}}
			for method, f := range pastQuestions(store) {
				got := c.ok(t, method, f, "ostiary-at-least", p.token)
				p.revision, p.bodies[method] = got.headers.Get("Ostiary-Revision"), got.body
				if method == "Check" {
					p.model = got.headers.Get("Openfga-Authorization-Model-Id")
				}
			}
			p.token = string(ostiary.NewToken(h.store.ClusterID(), revisionOf(t, p.revision)))
			p.time = time.Unix(0, h.store.Now()).UTC().Format(time.RFC3339Nano)
			pasts = append(pasts, p)
		}
		record(c.write(t, store, "doc:1#viewer@user:ann", "doc:2#viewer@group:g#member"))
		record(c.write(t, store, "group:g#member@user:ann", "doc:1#editor@user:bob"))
		record(c.ok(t, "Write", fields{"deletes": keys("doc:1#viewer@user:ann")}.in(store)))
		record(c.ok(t, "WriteAuthorizationModel", modelFields(t, store, strings.Replace(testModel, "viewer but not banned", "editor", 1))))
		record(c.write(t, store, "doc:1#viewer@user:ann", "doc:3#editor@user:ann"))
		record(c.ok(t, "Write", fields{"deletes": keys("group:g#member@user:ann", "doc:3#editor@user:ann")}.in(store)))
		for i, p := range pasts {
			for method, f := range pastQuestions(store) {
				for _, asOf := range []string{p.token, p.time} {
					got := c.ok(t, method, f, "ostiary-as-of", asOf)
					if !reflect.DeepEqual(got.body, p.bodies[method]) {
						t.Errorf("%s as of step %d (%s): got %v, want %v", method, i, asOf, short(got.body), short(p.bodies[method]))
					}
					if r := got.headers.Get("Ostiary-Revision"); r != p.revision {
						t.Errorf("%s as of step %d (%s): at revision %s, want %s", method, i, asOf, r, p.revision)
					}
					if m := got.headers.Get("Openfga-Authorization-Model-Id"); method == "Check" && m != p.model {
						t.Errorf("as of step %d: judged by model %s, want %s", i, m, p.model)
					}
				}
			}
		}
		if reflect.DeepEqual(pasts[0].bodies["ListObjects"], pasts[1].bodies["ListObjects"]) {
			t.Error("the steps do not differ: the test shows nothing")
		}
		c.ok(t, "DeleteStore", fields{}.in(store))
		gone := wanted{codes.Code(openfgav1.NotFoundErrorCode_store_id_not_found), http.StatusNotFound, "store_id_not_found", "Store ID not found"}
		gone.check(t, c.ask(t, "Check", pastQuestions(store)["Check"], "ostiary-as-of", pasts[0].token))
	})
}

func revisionOf(t testing.TB, header string) ostiary.Revision {
	t.Helper()
	var r ostiary.Revision
	if _, err := fmt.Sscan(header, &r); err != nil {
		t.Fatalf("revision %q: %v", header, err)
	}
	return r
}

func TestFaultyAsOf(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		written := c.write(t, store, "doc:1#viewer@user:ann").headers.Get("Ostiary-Token")
		later := c.write(t, store, "doc:2#viewer@user:ann").headers.Get("Ostiary-Token")
		cluster := h.store.ClusterID()
		other := cluster
		other[0]++
		invalid := func(text string) wanted { return wanted{codes.InvalidArgument, 400, "validation_error", text} }
		for _, tc := range []struct {
			name, method string
			headers      []string
			want         wanted
		}{
			{"neither a token nor a time", "Check", []string{"ostiary-as-of", "yesterday"}, invalid("invalid token")},
			{"another cluster", "Check", []string{"ostiary-as-of", string(ostiary.NewToken(other, 3))}, invalid("invalid token")},
			{"revision 0", "Check", []string{"ostiary-as-of", string(ostiary.NewToken(cluster, 0))}, wanted{codes.OutOfRange, 400, "out_of_range", "no longer kept"}},
			{"before the store was made", "Check", []string{"ostiary-as-of", "2001-01-01T00:00:00Z"},
				wanted{codes.Code(openfgav1.NotFoundErrorCode_store_id_not_found), 404, "store_id_not_found", "Store ID not found"}},
			{"the future", "Check", []string{"ostiary-as-of", "2200-01-01T00:00:00Z"}, number(openfgav1.ErrorCode_validation_error, "name a time that has passed")},
			{"beyond nanoseconds", "Check", []string{"ostiary-as-of", "0001-01-01T00:00:00Z"}, number(openfgav1.ErrorCode_validation_error, "name a time that has passed")},
			{"not so old", "Check", []string{"ostiary-as-of", written, "ostiary-at-least", later}, number(openfgav1.ErrorCode_validation_error,
				fmt.Sprintf("and the request is about revision %d", must(ostiary.Token(written).Revision(cluster))))},
			{"a method without a past", "ListStores", []string{"ostiary-as-of", written}, number(openfgav1.ErrorCode_validation_error, "leave out ostiary-as-of")},
			{"a write", "Write", []string{"ostiary-as-of", written}, number(openfgav1.ErrorCode_validation_error, "leave out ostiary-as-of")},
			{"a method that is no list", "Check", []string{"ostiary-continuation", "x"}, number(openfgav1.ErrorCode_validation_error, "leave out ostiary-continuation")},
		} {
			t.Run(tc.name, func(t *testing.T) {
				f := fields{"tuple_key": key("doc:1#viewer@user:ann")}.in(store)
				if tc.method == "Write" {
					f = fields{"writes": keys("doc:3#viewer@user:ann")}.in(store)
				}
				if tc.method == "ListStores" {
					f = fields{}
				}
				tc.want.check(t, c.ask(t, tc.method, f, tc.headers...))
			})
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestAsOfNotYet: a revision of the future is waited for, and is then an error.
func TestAsOfNotYet(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		token := string(ostiary.NewToken(h.store.ClusterID(), h.newest(t)+100))
		wanted{codes.Unavailable, http.StatusServiceUnavailable, "unavailable", "not applied here yet"}.check(t,
			c.ask(t, "Check", fields{"tuple_key": key("doc:1#viewer@user:ann")}.in(store), "ostiary-as-of", token))
	}, shortTimeout)
}

// TestAsOfRetention: what is older than the retention has an error of its own.
func TestAsOfRetention(t *testing.T) {
	kept, err := raftstore.Open(t.Context(), raftstore.Options{
		Dir: t.TempDir(), HistoryRetention: time.Nanosecond, CollectionInterval: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	}()
	h := start(t, func(o *api.Options) { o.Backend = backend{kept} })
	defer h.stop()
	c := h.surfaces()[1]
	store, _ := c.newStore(t, testModel)
	token := c.write(t, store, "doc:1#viewer@user:ann").headers.Get("Ostiary-Token")
	changes := c.ok(t, "ReadChanges", fields{"page_size": 1}.in(store)).text(t, "continuation_token")
	check := fields{"tuple_key": key("doc:1#viewer@user:ann")}.in(store)
	for i := 0; ; i++ {
		c.write(t, store, fmt.Sprintf("doc:1#editor@user:%d", i))
		a := c.ask(t, "Check", check, "ostiary-as-of", token)
		if a.status == http.StatusOK {
			continue
		}
		wanted{codes.OutOfRange, http.StatusBadRequest, "out_of_range", "revision is no longer kept"}.check(t, a)
		break
	}
	c.ok(t, "Check", check)
	for i := 0; ; i++ {
		c.write(t, store, fmt.Sprintf("doc:2#editor@user:%d", i))
		a := c.ask(t, "ReadChanges", fields{"continuation_token": changes}.in(store))
		if a.status == http.StatusOK {
			continue
		}
		wanted{codes.OutOfRange, http.StatusBadRequest, "out_of_range", "revision is no longer kept"}.check(t, a)
		break
	}
}
