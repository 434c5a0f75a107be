package api_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/edges"
)

// slowBackend reads the subject user:slow until the gate opens, and looks at the context meanwhile.
type slowBackend struct {
	api.Backend
	gate chan struct{}
}

func (b slowBackend) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	v, err := b.Backend.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return slowView{v, b.gate}, nil
}

type slowView struct {
	api.View
	gate chan struct{}
}

func (v slowView) Reader(store string, now int64) engine.Reader {
	return slowReader{v.View.Reader(store, now), v.gate}
}

type slowReader struct {
	engine.Reader
	gate chan struct{}
}

// wait is what a read of the slow subject takes.
func (r slowReader) wait(ctx context.Context, subject ostiary.SubjectRef) error {
	for subject.ID == "slow" {
		if err := ctx.Err(); err != nil {
			return err
		}
		select {
		case <-r.gate:
			return nil
		case <-time.After(50 * time.Microsecond):
		}
	}
	return nil
}

func (r slowReader) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	if err := r.wait(ctx, subject); err != nil {
		return edges.Group{}, err
	}
	return r.Reader.SubjectEdges(ctx, subject, objectType, relation, limit)
}

func (r slowReader) SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*edges.Set, error) {
	if err := r.wait(ctx, subject); err != nil {
		return nil, err
	}
	return r.Reader.SubjectSet(ctx, subject)
}

func (r slowReader) Objects(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string,
) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		if err := r.wait(ctx, subject); err != nil {
			yield(ostiary.Edge{}, err)
			return
		}
		r.Reader.Objects(ctx, subject, objectType, relation)(yield)
	}
}

// TestHeavyListsAreBounded has one list that takes long at work and another that waits for its turn: the
// next of their store is refused, one of another store waits, and checks and light lists are answered.
func TestHeavyListsAreBounded(t *testing.T) {
	for i, surface := range []string{"grpc", "http"} {
		t.Run("surface="+surface, func(t *testing.T) {
			gate := make(chan struct{})
			h := start(t, func(o *api.Options) {
				o.Backend = slowBackend{o.Backend, gate}
				o.Limits = api.Limits{MaxHeavyLists: 1, MaxWaitingLists: 1, ListObjectsDeadline: -1}
			})
			c := h.surfaces()[i]
			store, _ := c.newStore(t, testModel)
			other, _ := c.newStore(t, testModel)
			c.write(t, store, "doc:1#viewer@user:ann")
			list := func(store, user string) answer {
				return c.ask(t, "ListObjects", fields{"store_id": store, "type": "doc", "relation": "viewer", "user": "user:" + user})
			}
			var asked sync.WaitGroup
			answers := make(chan answer, 3)
			waits := func(store string, waiting int) {
				asked.Go(func() { answers <- list(store, "slow") })
				for tries := 0; running("(*slowReader).wait")+running("slowReader.wait") == 0 || running("(*turns).take") != waiting; tries++ {
					if tries == 1000 {
						t.Errorf("%d lists wait for their turn, want %d", running("(*turns).take"), waiting)
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
			waits(store, 0)
			waits(store, 1)
			wanted{codes.Unavailable, http.StatusServiceUnavailable, openfgav1.InternalErrorCode_unavailable.String(),
				"(the bound MaxWaitingLists is 1 and 8): retry later, or ask for less at once",
			}.check(t, list(store, "slow"))
			waits(other, 2)
			if a := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")}); a.body.(map[string]any)["allowed"] != true {
				t.Errorf("check: got %v", a.body)
			}
			if got := fmt.Sprint(list(store, "ann").list(t, "objects")); got != "[doc:1]" {
				t.Errorf("light list: got %s", got)
			}
			close(gate)
			asked.Wait()
			close(answers)
			for a := range answers {
				if a.code != codes.OK || a.status >= 300 {
					t.Errorf("a list that waited: code %d, status %d, %s", a.code, a.status, a.message)
				}
			}
		})
	}
}
