package api

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// SetStoreQuota bounds what a store may hold.
func (a *storeAdminService) SetStoreQuota(
	ctx context.Context, req *ostiaryv1.SetStoreQuotaRequest,
) (*ostiaryv1.SetStoreQuotaResponse, error) {
	err := a.server.change(ctx, req.GetStoreId(), func(View, ostiary.Document) (*ostiary.Mutation, error) {
		m, err := a.server.newMutation(ctx)
		if err != nil {
			return nil, err
		}
		var q *ostiary.Quota
		if req.GetMaxTuples() > 0 {
			q = &ostiary.Quota{Tuples: req.GetMaxTuples()}
		}
		m.SetQuota(req.GetStoreId(), q)
		return m, nil
	})
	return &ostiaryv1.SetStoreQuotaResponse{}, err
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
	d, there, err := v.Document(ostiary.DocumentKey{Collection: ostiary.CollectionQuotas, Key: req.GetStoreId()})
	if err != nil || !there {
		return &ostiaryv1.GetStoreQuotaResponse{}, err
	}
	q, err := wireQuota(v, d)
	return &ostiaryv1.GetStoreQuotaResponse{Quota: q}, err
}

func wireQuota(v View, d ostiary.Document) (*ostiaryv1.StoreQuota, error) {
	q, err := ostiary.QuotaOf(d)
	if err != nil {
		return nil, err
	}
	n, _, err := v.CountedTuples(d.Key.Key)
	return &ostiaryv1.StoreQuota{StoreId: d.Key.Key, MaxTuples: q.Tuples, Tuples: n}, err
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
		docs, err := v.Documents(ostiary.CollectionQuotas, after, storesPerRead, false)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			_, there, err := v.Document(storeKey(d.Key.Key))
			if err != nil {
				return nil, err
			}
			may, err := s.mayRead(ctx, v, d.Key.Key)
			if err != nil {
				return nil, err
			}
			if !there || !may {
				continue
			}
			q, err := wireQuota(v, d)
			if err != nil {
				return nil, err
			}
			if all = append(all, q); len(all) == limit {
				return all, nil
			}
		}
		if len(docs) < storesPerRead {
			return all, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		after = docs[len(docs)-1].Key.Key
	}
}
