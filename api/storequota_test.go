package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// TestStoreQuota: a full store takes no more tuples and nobody more, and goes on taking rights away.
func TestStoreQuota(t *testing.T) {
	w := newGateWorld(t)
	admin := ostiaryv1.NewStoreAdminServiceClient(w.conn)
	w.open()
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	ann := w.user("ann")
	if err := w.write("document:1#organization@organization:acme", "document:1#viewer@user:"+ann); err != nil {
		t.Fatal(err)
	}
	set := func(n uint64) {
		t.Helper()
		if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: w.store, MaxTuples: &n}); err != nil {
			t.Fatal(err)
		}
	}
	used := func() uint64 {
		t.Helper()
		got, err := admin.GetStoreQuota(t.Context(), &ostiaryv1.GetStoreQuotaRequest{StoreId: w.store})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetQuota().GetTuples()
	}
	set(1_000)
	n := used()
	if n < 2 {
		t.Fatalf("%d tuples are counted", n)
	}
	set(n + 1)
	if err := w.write("document:2#viewer@user:a", "document:2#viewer@user:b"); status.Code(err) != 2053 || !strings.Contains(err.Error(), fmt.Sprintf("has %d tuples of the %d", n, n+1)) {
		t.Errorf("above the quota: %v", err)
	}
	if used() != n {
		t.Errorf("a write that was refused left %d tuples, not %d", used(), n)
	}
	if err := w.write("document:2#viewer@user:a"); err != nil {
		t.Errorf("up to the quota: %v", err)
	}
	if _, err := w.directory.CreateUser(w.ctx, identity.UserInput{UserName: "bob", Active: true}); !errors.Is(err, ostiary.ErrQuota) {
		t.Errorf("a provider creates somebody in a full store: %v", err)
	}
	set(1) // there is much more
	w.setActive(ann, false)
	w.wantChecks("deactivated", ann, map[string]bool{"document:1#viewer": false})
	if _, err := w.service.BlockUser(w.admin, w.store, "acme", ann); err != nil {
		t.Errorf("block somebody in a full store: %v", err)
	}
	set(0)
	if err := w.write("document:3#viewer@user:a", "document:3#viewer@user:b"); err != nil {
		t.Errorf("without a quota: %v", err)
	}
	if list, err := admin.ListStoreQuotas(t.Context(), &ostiaryv1.ListStoreQuotasRequest{}); err != nil || len(list.GetQuotas()) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	unknown := &ostiaryv1.GetStoreQuotaRequest{StoreId: "01ARYZ6S41TSV4RRFFQ69G5FAV"}
	if _, err := admin.GetStoreQuota(t.Context(), unknown); status.Code(err) != codes.NotFound {
		t.Errorf("the quota of no store: %v", err)
	}
}

// meanwhile is the real backend, and does something once before it passes on a proposal that changes tuples.
type meanwhile struct {
	api.Backend
	do *atomic.Pointer[func()]
}

func (b meanwhile) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if len(m.Tuples) > 0 {
		if do := b.do.Swap(nil); do != nil {
			(*do)()
		}
	}
	return b.Backend.Propose(ctx, m)
}

// TestFirstStoreQuota: a Write that was built before a store had its first quota, and comes after it, is judged by it.
func TestFirstStoreQuota(t *testing.T) {
	var do atomic.Pointer[func()]
	h := start(t, func(o *api.Options) { o.Backend = meanwhile{o.Backend, &do} })
	store := storeWithDocument(t, h)
	admin, fga := ostiaryv1.NewStoreAdminServiceClient(h.conn), openfgav1.NewOpenFGAServiceClient(h.conn)
	set := func() {
		most := uint64(1)
		if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: store, MaxTuples: &most}); err != nil {
			t.Error(err)
		}
	}
	do.Store(&set)
	_, err := fga.Write(t.Context(), &openfgav1.WriteRequest{StoreId: store, Writes: &openfgav1.WriteRequestWrites{
		TupleKeys: []*openfgav1.TupleKey{{Object: "document:1", Relation: "viewer", User: "user:bob"}}}})
	if status.Code(err) != 2053 {
		t.Errorf("a Write that comes right after the first quota: %v", err)
	}
	got, err := admin.GetStoreQuota(t.Context(), &ostiaryv1.GetStoreQuotaRequest{StoreId: store})
	if err != nil || got.GetQuota().GetTuples() != 1 {
		t.Errorf("the quota is %v, %v", got, err)
	}
}

// TestFirstStoreQuotaAmongWrites: the first quota counts exactly, however many Writes go on meanwhile.
func TestFirstStoreQuotaAmongWrites(t *testing.T) {
	h := start(t)
	store := storeWithDocument(t, h)
	admin, fga := ostiaryv1.NewStoreAdminServiceClient(h.conn), openfgav1.NewOpenFGAServiceClient(h.conn)
	const writers, writes = 4, 20
	var writing sync.WaitGroup
	begun := make(chan struct{}, writers*writes)
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				_, err := fga.Write(t.Context(), &openfgav1.WriteRequest{StoreId: store, Writes: &openfgav1.WriteRequestWrites{
					TupleKeys: []*openfgav1.TupleKey{{Object: "document:1", Relation: "viewer", User: fmt.Sprintf("user:%d-%d", w, i)}}}})
				if err != nil {
					t.Error(err)
				}
				begun <- struct{}{}
			}
		})
	}
	<-begun
	for _, most := range []uint64{0, 1000, 0, 1000} { // ended, and begun anew
		if _, err := admin.SetStoreQuota(t.Context(), &ostiaryv1.SetStoreQuotaRequest{StoreId: store, MaxTuples: &most}); err != nil {
			t.Error(err)
		}
	}
	writing.Wait()
	got, err := admin.GetStoreQuota(t.Context(), &ostiaryv1.GetStoreQuotaRequest{StoreId: store})
	if err != nil || got.GetQuota().GetTuples() != 1+writers*writes {
		t.Errorf("the quota is %v, %v", got, err)
	}
}
