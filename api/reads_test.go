package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/edges"
)

// withGroups makes a store in which doc:1 is shared with n groups of one user each.
func (h *harness) withGroups(t *testing.T, n int) (store string) {
	t.Helper()
	store, _ = h.surfaces()[0].newStore(t, testModel)
	h.fill(t, store, 2*n, func(i int) ostiary.Tuple {
		group := fmt.Sprint(i / 2)
		if i%2 == 0 {
			return ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer",
				Subject: ostiary.SubjectRef{Type: "group", ID: group, Relation: "member"}}
		}
		return ostiary.Tuple{Object: ostiary.ObjectRef{Type: "group", ID: group}, Relation: "member",
			Subject: ostiary.SubjectRef{Type: "user", ID: group}}
	})
	return store
}

func usersOfDoc(store string) fields {
	return fields{"store_id": store, "object": fields{"type": "doc", "id": "1"}, "relation": "viewer", "user_filters": []fields{{"type": "user"}}}
}

// TestReadsAreBounded asks what reads more tuples, and puts more into sets, than the engine may: both
// surfaces say which bound it was, and the server goes on.
func TestReadsAreBounded(t *testing.T) {
	for _, c := range []struct {
		bound  string
		engine engine.Options
		words  string
	}{
		{"MaxReads", engine.Options{MaxReads: 100}, "read more than 100 tuples (the bound MaxReads)"},
		{"MaxSetEntries", engine.Options{MaxSetEntries: 100}, "put more than 100 entries into sets (the bound MaxSetEntries)"},
	} {
		t.Run("bound="+c.bound, func(t *testing.T) {
			h := start(t, func(o *api.Options) { o.Engine = engine.New(c.engine) })
			store := h.withGroups(t, 300)
			for _, surface := range h.surfaces() {
				a := surface.ask(t, "ListUsers", usersOfDoc(store))
				want := number(openfgav1.ErrorCode_exceeded_entity_limit, "")
				want.check(t, a)
				if !strings.Contains(a.message, c.words) {
					t.Errorf("%s: got %q, want %q", surface.name, a.message, c.words)
				}
				surface.ok(t, "Check", fields{"store_id": store, "tuple_key": key("group:7#member@user:7")})
			}
		})
	}
}

// leavingBackend makes the client leave at the 50th read of an evaluation, and counts reads after that.
type leavingBackend struct {
	api.Backend
	reads, after *atomic.Int64
	leave        func()
}

func (b leavingBackend) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	v, err := b.Backend.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return leavingView{v, b}, nil
}

type leavingView struct {
	api.View
	b leavingBackend
}

func (v leavingView) Reader(store string, now int64) engine.Reader {
	return leavingReader{v.View.Reader(store, now), v.b}
}

type leavingReader struct {
	engine.Reader
	b leavingBackend
}

func (r leavingReader) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	switch n := r.b.reads.Add(1); {
	case n == 50:
		r.b.leave()
		<-ctx.Done() // the server knows
	case n > 50:
		r.b.after.Add(1)
	}
	return r.Reader.ObjectEdges(ctx, object)
}

// TestCancelledRequestsEnd has clients leave in the middle of a long evaluation: it reads no more than
// the engine does between two looks at its context, a fraction of a millisecond's worth.
func TestCancelledRequestsEnd(t *testing.T) {
	const pollEvery = 64 // of package engine
	for _, surface := range []string{"grpc", "http"} {
		t.Run("surface="+surface, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var reads, after atomic.Int64
			h := start(t, func(o *api.Options) { o.Backend = leavingBackend{o.Backend, &reads, &after, cancel} })
			store := h.withGroups(t, 5000)
			var err error
			if surface == "grpc" {
				_, err = openfgav1.NewOpenFGAServiceClient(h.conn).ListUsers(ctx, &openfgav1.ListUsersRequest{
					StoreId: store, Object: &openfgav1.Object{Type: "doc", Id: "1"}, Relation: "viewer",
					UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}},
				})
			} else {
				f := usersOfDoc(store)
				delete(f, "store_id")
				var req *http.Request
				req, err = http.NewRequestWithContext(ctx, http.MethodPost, h.base+"/stores/"+store+"/list-users", strings.NewReader(string(marshal(t, f))))
				if err != nil {
					t.Fatal(err)
				}
				var resp *http.Response
				if resp, err = http.DefaultClient.Do(req); err == nil {
					resp.Body.Close()
				}
			}
			if err == nil {
				t.Fatal("a client that left was answered")
			}
			for tries := 0; running("(*Engine).ListUsers") > 0; tries++ {
				if tries == 1000 {
					t.Fatal("the evaluation goes on")
				}
				time.Sleep(5 * time.Millisecond)
			}
			if reads.Load() < 50 {
				t.Fatalf("%d reads: the evaluation ended before the client left", reads.Load())
			}
			if n := after.Load(); n > pollEvery {
				t.Errorf("%d reads after the client left, want at most %d", n, pollEvery)
			}
		})
	}
}
