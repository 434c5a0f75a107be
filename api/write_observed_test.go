package api_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
)

// observer notes what the newest proposal says of the tuples that it creates.
type observer struct {
	api.Backend
	observed atomic.Uint64
}

func (o *observer) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	o.observed.Store(uint64(m.Observed))
	return o.Backend.Propose(ctx, m)
}

// TestWriteObserves: a Write that found none of the tuples it creates says at which revision, and one that
// found one says nothing, for it would be believed.
func TestWriteObserves(t *testing.T) {
	var seen *observer
	h := start(t, func(o *api.Options) {
		seen = &observer{Backend: o.Backend}
		o.Backend = seen
	})
	c := h.surfaces()[0]
	store, _ := c.newStore(t, testModel)
	write := func(tuples ...string) fields {
		k := keys(tuples...)
		k["on_duplicate"] = "ignore"
		return fields{"store_id": store, "writes": k}
	}
	tests := []struct {
		name    string
		request fields
		says    bool
	}{
		{"new tuples", write("doc:1#viewer@user:ann", "doc:2#viewer@user:ann"), true},
		{"one that is there", write("doc:3#viewer@user:ann", "doc:2#viewer@user:ann", "doc:4#viewer@user:ann"), false},
		{"delete one, create another", fields{"store_id": store, "writes": keys("doc:5#viewer@user:ann"), "deletes": keys("doc:1#viewer@user:ann")}, true},
		{"what was deleted", write("doc:1#viewer@user:ann"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := h.store.View(t.Context(), ostiary.Freshness{})
			if err != nil {
				t.Fatal(err)
			}
			newest := uint64(v.Revision())
			v.Close()
			c.ok(t, "Write", tt.request)
			want := uint64(0)
			if tt.says {
				want = newest
			}
			if got := seen.observed.Load(); got != want {
				t.Errorf("observed %d, want %d", got, want)
			}
		})
	}
}
