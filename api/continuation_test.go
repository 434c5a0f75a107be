package api_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/raftstore"
)

func shortLists(o *api.Options) {
	o.Limits.ListObjectsMaxResults, o.Limits.ListUsersMaxResults, o.Limits.PageSize = 3, 3, 3
}

// listAll follows the continuations of a list from the headers given, and returns its elements and the
// revisions of its pages. between is called after each page.
func listAll(t testing.TB, c client, method, list string, f fields, between func(), headers ...string) (all []any, revisions []string) {
	t.Helper()
	for {
		a := c.ok(t, method, f, headers...)
		page := a.list(t, list)
		if len(page) > 3 {
			t.Fatalf("a page of three holds %v", page)
		}
		all, revisions = append(all, page...), append(revisions, a.headers.Get("Ostiary-Revision"))
		token := a.headers.Get("Ostiary-Continuation")
		if (a.headers.Get("Ostiary-Truncated") == "true") != (token != "") {
			t.Fatalf("truncated %q, continuation %q", a.headers.Get("Ostiary-Truncated"), token)
		}
		if token == "" {
			return all, slices.Compact(revisions)
		}
		if len(page) == 0 {
			t.Fatal("an empty page goes on")
		}
		between()
		headers = []string{"ostiary-continuation", token}
	}
}

// TestPagesWhileWriting: whatever is written between the pages, and while they are read, they show one
// revision without gap or repetition.
func TestPagesWhileWriting(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		var first []string
		for i := range 20 {
			first = append(first, fmt.Sprintf("doc:%02d#viewer@user:ann", i), fmt.Sprintf("doc:05#viewer@user:u%02d", i))
		}
		c.write(t, store, first...)

		ctx, cancel := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		defer writing.Wait()
		defer cancel()
		grpc := h.surfaces()[0]
		writing.Go(func() { // deletes and writes again, object by object and user by user
			for i := 0; ctx.Err() == nil; i++ {
				n := (i / 2) % 20
				f := fields{"store_id": store, "deletes": keys(fmt.Sprintf("doc:%02d#viewer@user:ann", n), fmt.Sprintf("doc:05#viewer@user:u%02d", n))}
				if i%2 == 1 {
					f = fields{"store_id": store, "writes": keys(fmt.Sprintf("doc:%02d#viewer@user:ann", n), fmt.Sprintf("doc:05#viewer@user:u%02d", n))}
				}
				if a := grpc.ask(t, "Write", f); a.code != 0 && ctx.Err() == nil {
					t.Errorf("write: %s", a.message)
					return
				}
			}
		})
		for range 5 {
			objects := fields{"user": "user:ann", "relation": "viewer", "type": "doc"}.in(store)
			users := listUsers("doc:05", "viewer", "user").in(store)
			for _, l := range []struct {
				method, list string
				f            fields
			}{{"ListObjects", "objects", objects}, {"ListUsers", "users", users}} {
				got, revisions := listAll(t, c, l.method, l.list, l.f, func() {})
				if len(revisions) != 1 {
					t.Errorf("%s: pages at revisions %q, want one", l.method, revisions)
				}
				token := string(ostiary.NewToken(h.store.ClusterID(), revisionOf(t, revisions[0])))
				if want := h.whole(t, l.method, l.list, l.f, token); !reflect.DeepEqual(got, want) {
					t.Errorf("%s at revision %s: pages hold %v, want %v", l.method, revisions[0], got, want)
				}
			}
			var got []string
			var revisions []string
			for f := (fields{}).in(store); ; {
				a := c.ok(t, "Read", f)
				got, revisions = append(got, tupleTexts(t, a)...), append(revisions, a.headers.Get("Ostiary-Revision"))
				if f["continuation_token"] = a.text(t, "continuation_token"); f["continuation_token"] == "" {
					break
				}
			}
			if len(slices.Compact(revisions)) != 1 {
				t.Errorf("pages of Read at revisions %q, want one", revisions)
			}
			if want := h.storedAt(t, store, revisionOf(t, revisions[0])); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
				t.Errorf("Read at revision %s: pages hold %q, want %q", revisions[0], got, want)
			}
		}
	}, shortLists)
}

// whole returns a list at one revision from a server without limits on the same store.
func (h *harness) whole(t testing.TB, method, list string, f fields, token string) []any {
	t.Helper()
	unlimited := start(t, func(o *api.Options) {
		o.Backend, o.Limits.ListObjectsMaxResults, o.Limits.ListUsersMaxResults = backend{h.store}, -1, -1
	})
	defer unlimited.stop()
	return unlimited.surfaces()[0].ok(t, method, f, "ostiary-as-of", token).list(t, list)
}

func (h *harness) storedAt(t testing.TB, store string, r ostiary.Revision) []string {
	t.Helper()
	v, err := h.store.View(t.Context(), ostiary.Freshness{At: r})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var texts []string
	for u, err := range v.Tuples(t.Context(), ostiary.Filter{Store: store}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, u.Tuple.String())
	}
	slices.Sort(texts)
	return texts
}

// TestContinuationAfterRestart: a token outlives the server that made it.
func TestContinuationAfterRestart(t *testing.T) {
	dir := t.TempDir()
	open := func() *raftstore.Store {
		t.Helper()
		s, err := raftstore.Open(t.Context(), raftstore.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := open()
	h := start(t, shortLists, func(o *api.Options) { o.Backend = backend{before} })
	c := h.surfaces()[0]
	store, _ := c.newStore(t, testModel)
	for i := range 5 {
		c.write(t, store, fmt.Sprintf("doc:%d#viewer@user:ann", i))
	}
	f := fields{"user": "user:ann", "relation": "viewer", "type": "doc"}.in(store)
	list := c.ok(t, "ListObjects", f)
	read := c.ok(t, "Read", fields{}.in(store))
	c.ok(t, "Write", fields{"deletes": keys("doc:4#viewer@user:ann"), "writes": keys("doc:00#viewer@user:ann", "doc:5#viewer@user:ann")}.in(store))
	h.conn.Close()
	h.stop()
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}

	after := open()
	defer func() {
		if err := after.Close(); err != nil {
			t.Error(err)
		}
	}()
	h = start(t, shortLists, func(o *api.Options) { o.Backend = backend{after} })
	defer h.stop()
	c = h.surfaces()[0]
	got := c.ok(t, "ListObjects", f, "ostiary-continuation", list.headers.Get("Ostiary-Continuation"))
	if want := []any{"doc:3", "doc:4"}; !reflect.DeepEqual(got.list(t, "objects"), want) {
		t.Errorf("the list goes on with %v, want %v", got.list(t, "objects"), want)
	}
	rest := tupleTexts(t, c.ok(t, "Read", fields{"continuation_token": read.text(t, "continuation_token")}.in(store)))
	if want := []string{"doc:3#viewer@user:ann", "doc:4#viewer@user:ann"}; !slices.Equal(rest, want) {
		t.Errorf("the read goes on with %q, want %q", rest, want)
	}
}

// TestForgedTokens: no token is taken that was altered, or made for another list.
func TestForgedTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, model := c.newStore(t, testModel)
		other, _ := c.newStore(t, testModel)
		refused := number(openfgav1.ErrorCode_invalid_continuation_token, "Invalid continuation token")
		objects := fields{"user": "user:ann", "relation": "viewer", "type": "doc"}
		refused.check(t, c.ask(t, "ListObjects", objects.in(store), "ostiary-continuation", "AQ")) // before there is a secret
		for i := range 5 {
			c.write(t, store, fmt.Sprintf("doc:%d#viewer@user:ann", i), fmt.Sprintf("doc:1#viewer@user:u%d", i))
		}
		list := c.ok(t, "ListObjects", objects.in(store)).headers.Get("Ostiary-Continuation")
		users := c.ok(t, "ListUsers", listUsers("doc:1", "viewer", "user").in(store)).headers.Get("Ostiary-Continuation")
		read := c.ok(t, "Read", fields{}.in(store)).text(t, "continuation_token")

		ask := func(f fields, token string) answer {
			t.Helper()
			return c.ask(t, "ListObjects", f, "ostiary-continuation", token)
		}
		same := fields{"consistency": "HIGHER_CONSISTENCY", "user": "user:ann", "relation": "viewer", "type": "doc"}.in(store)
		if a := ask(same, list); a.code != 0 || a.status >= 300 {
			t.Errorf("the same request with another consistency is refused: %s", a.message)
		}
		for name, f := range map[string]fields{
			"another store":    objects.in(other),
			"another user":     fields{"user": "user:bob", "relation": "viewer", "type": "doc"}.in(store),
			"another relation": fields{"user": "user:ann", "relation": "editor", "type": "doc"}.in(store),
			"a model named":    fields{"user": "user:ann", "relation": "viewer", "type": "doc", "authorization_model_id": model}.in(store),
			"a tuple more": fields{"user": "user:ann", "relation": "viewer", "type": "doc",
				"contextual_tuples": keys("doc:9#viewer@user:ann")}.in(store),
		} {
			t.Run(name, func(t *testing.T) { refused.check(t, ask(f, list)) })
		}
		for _, token := range []string{users, read, "!", list + "A", list[:len(list)-4]} {
			refused.check(t, ask(objects.in(store), token))
		}
		refused.check(t, c.ask(t, "Read", fields{"continuation_token": list}.in(store)))
		refused.check(t, c.ask(t, "Read", fields{"continuation_token": read}.in(other)))

		whole, err := base64.RawURLEncoding.DecodeString(read)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			altered := slices.Clone(whole)
			altered[i] ^= 1 << (i % 8)
			refused.check(t, c.ask(t, "Read", fields{"continuation_token": base64.RawURLEncoding.EncodeToString(altered)}.in(store)))
		}
	}, shortLists)
}

// TestListDeadline: a list that its deadline cuts says so, and where it goes on.
func TestListDeadline(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:ann", "doc:2#viewer@user:ann")
		for method, f := range map[string]fields{
			"ListObjects": fields{"user": "user:ann", "relation": "viewer", "type": "doc"}.in(store),
			"ListUsers":   listUsers("doc:1", "viewer", "user").in(store),
		} {
			list := map[string]string{"ListObjects": "objects", "ListUsers": "users"}[method]
			a := c.ok(t, method, f)
			if len(a.list(t, list)) != 0 || a.headers.Get("Ostiary-Truncated") != "true" || a.headers.Get("Ostiary-Continuation") == "" {
				t.Errorf("%s: got %v, truncated %q, continuation %q", method, a.body, a.headers.Get("Ostiary-Truncated"), a.headers.Get("Ostiary-Continuation"))
			}
			patient := start(t, func(o *api.Options) { o.Backend = backend{h.store} })
			whole := patient.surfaces()[0].ok(t, method, f, "ostiary-continuation", a.headers.Get("Ostiary-Continuation"))
			if len(whole.list(t, list)) == 0 || whole.headers.Get("Ostiary-Revision") != a.headers.Get("Ostiary-Revision") {
				t.Errorf("%s: it goes on with %v at revision %s, want the whole list at %s",
					method, whole.body, whole.headers.Get("Ostiary-Revision"), a.headers.Get("Ostiary-Revision"))
			}
			patient.stop()
		}
	}, func(o *api.Options) {
		o.Limits.ListObjectsDeadline, o.Limits.ListUsersDeadline = time.Nanosecond, time.Nanosecond
	})
}
