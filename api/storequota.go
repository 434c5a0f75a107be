package api

import (
	"context"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// SetStoreQuota bounds what a store may hold and how many requests it may get.
func (a *storeAdminService) SetStoreQuota(
	ctx context.Context, req *ostiaryv1.SetStoreQuotaRequest,
) (*ostiaryv1.SetStoreQuotaResponse, error) {
	if req.MaxTuples == nil && req.RequestRate == nil {
		return nil, refuse(codes.InvalidArgument, "neither max_tuples nor request_rate is set: set what is to change, to 0 where a bound is to end")
	}
	if req.GetRequestRate() > maxRequestRate {
		return nil, refuse(codes.InvalidArgument, "request_rate is %d: it must be at most %d", req.GetRequestRate(), maxRequestRate)
	}
	err := a.server.change(ctx, req.GetStoreId(), func(v View, d ostiary.Document) (*ostiary.Mutation, error) {
		m, err := a.server.newMutation(ctx)
		if err != nil {
			return nil, err
		}
		if req.MaxTuples != nil {
			if err := a.server.setTupleQuota(v, m, d, req.GetMaxTuples()); err != nil {
				return nil, err
			}
		}
		if req.RequestRate != nil {
			m.SetRate(req.GetStoreId(), req.GetRequestRate())
		}
		return m, nil
	})
	return &ostiaryv1.SetStoreQuotaResponse{}, err
}

// setTupleQuota makes m give a store a quota of tuples, or with zero take it away. A first quota writes the store's
// document again, as it is: Writes under way, which were built without a quota, find it at another version and are built
// anew.
func (s *Server) setTupleQuota(v View, m *ostiary.Mutation, store ostiary.Document, tuples uint64) error {
	if tuples == 0 {
		m.SetQuota(store.Key.Key, nil)
		return nil
	}
	known, err := s.facts(v, store.Key.Key)
	if err != nil {
		return err
	}
	if !known.quota {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: store.Key, Body: store.Body})
	}
	m.SetQuota(store.Key.Key, &ostiary.Quota{Tuples: tuples})
	return nil
}

// GetStoreQuota returns the quota of a store.
func (a *storeAdminService) GetStoreQuota(
	ctx context.Context, req *ostiaryv1.GetStoreQuotaRequest,
) (*ostiaryv1.GetStoreQuotaResponse, error) {
	v, err := a.server.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if _, err := storeDocument(v, req.GetStoreId()); err != nil {
		return nil, err
	}
	q, err := wireQuota(v, req.GetStoreId())
	return &ostiaryv1.GetStoreQuotaResponse{Quota: q}, err
}

// wireQuota returns the quota of a store, and nil where it has none of either kind.
func wireQuota(v View, store string) (*ostiaryv1.StoreQuota, error) {
	rate, err := rateIn(v, store)
	if err != nil {
		return nil, err
	}
	d, there, err := v.Document(ostiary.DocumentKey{Collection: ostiary.CollectionQuotas, Key: store})
	switch {
	case err != nil:
		return nil, err
	case !there && rate == 0:
		return nil, nil
	case !there:
		return &ostiaryv1.StoreQuota{StoreId: store, RequestRate: rate}, nil
	}
	q, err := ostiary.QuotaOf(d)
	if err != nil {
		return nil, err
	}
	n, _, err := v.CountedTuples(store)
	return &ostiaryv1.StoreQuota{StoreId: store, MaxTuples: q.Tuples, Tuples: n, RequestRate: rate}, err
}

// ListStoreQuotas returns the quotas of the stores that the caller may read.
func (a *storeAdminService) ListStoreQuotas(
	ctx context.Context, req *ostiaryv1.ListStoreQuotasRequest,
) (*ostiaryv1.ListStoreQuotasResponse, error) {
	v, err := a.server.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	page, next, err := identityPage(ctx, a.server, pageScope{kind: pageStoreQuotas}, req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]*ostiaryv1.StoreQuota, error) {
			return a.server.quotas(ctx, v, after, limit)
		},
		(*ostiaryv1.StoreQuota).GetStoreId)
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.ListStoreQuotasResponse{Quotas: page, NextPageToken: next}, nil
}

// quotas returns up to limit quotas of stores that are there and that the caller may read.
func (s *Server) quotas(ctx context.Context, v View, after string, limit int) (all []*ostiaryv1.StoreQuota, err error) {
	for {
		stores, more, err := quotaStores(v, after)
		if err != nil {
			return nil, err
		}
		for _, store := range stores {
			_, there, err := v.Document(storeKey(store))
			if err != nil {
				return nil, err
			}
			may, err := s.mayRead(ctx, v, store)
			if err != nil {
				return nil, err
			}
			if !there || !may {
				continue
			}
			q, err := wireQuota(v, store)
			if err != nil {
				return nil, err
			}
			if all = append(all, q); len(all) == limit {
				return all, nil
			}
		}
		if !more {
			return all, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		after = stores[len(stores)-1]
	}
}

// quotaStores returns ids of stores with a quota of either kind, in their order, and whether more follow.
func quotaStores(v View, after string) (stores []string, more bool, err error) {
	last := ""
	for _, collection := range []string{ostiary.CollectionQuotas, ostiary.CollectionRates} {
		docs, err := v.Documents(collection, after, storesPerRead, false)
		if err != nil {
			return nil, false, err
		}
		for _, d := range docs {
			stores = append(stores, d.Key.Key)
		}
		if len(docs) == storesPerRead { // nothing is known of what is behind
			if end := docs[len(docs)-1].Key.Key; !more || end < last {
				last = end
			}
			more = true
		}
	}
	slices.Sort(stores)
	stores = slices.Compact(stores)
	if more {
		behind, _ := slices.BinarySearch(stores, last)
		stores = stores[:behind+1]
	}
	return stores, more, nil
}
