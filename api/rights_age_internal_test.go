package api

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// cutOffBackend is one that has not heard of its cluster for longer than anybody accepts, once it is cut.
type cutOffBackend struct {
	Backend
	cut atomic.Bool
}

func (b *cutOffBackend) View(ctx context.Context, f ostiary.Freshness) (View, error) {
	if b.cut.Load() && f.MaxStaleness > 0 && f.MaxStaleness <= 10*time.Second && !f.Linearizable {
		return nil, ostiary.ErrStale
	}
	return b.Backend.View(ctx, f)
}

// A node that is cut off may have missed that a caller's rights were taken away: it judges none by what it has.
func TestRightsOfNodeThatIsCutOff(t *testing.T) {
	g := newGuarded(t)
	b := &cutOffBackend{Backend: g.backend}
	g.backend = b
	check := &openfgav1.CheckRequest{StoreId: g.store}
	ctx := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "preshared", Name: "store-reader"})
	if err := g.authorize(ctx, openfgav1.OpenFGAService_Check_FullMethodName, check); err != nil {
		t.Fatalf("in touch: %v", err)
	}
	b.cut.Store(true)
	for method, req := range map[string]any{
		openfgav1.OpenFGAService_Check_FullMethodName:      check,
		openfgav1.OpenFGAService_ListStores_FullMethodName: &openfgav1.ListStoresRequest{},
	} {
		if err := g.authorize(ctx, method, req); !errors.Is(err, ostiary.ErrStale) {
			t.Errorf("%s: got %v, want ErrStale", method, err)
		}
	}
}
