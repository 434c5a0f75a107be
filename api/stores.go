package api

import (
	"context"
	"errors"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

const (
	collectionStores      = "store"
	collectionLatestModel = "latest-model"
)

func storeKey(id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: collectionStores, Key: id}
}

func latestModelKey(store string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: collectionLatestModel, Key: store}
}

// maxProposals bounds how often a request is judged again because the store's document changed in
// between.
const maxProposals = 5

// newMutation returns a mutation in the name of the caller, stamped with the time of the request.
func (s *Server) newMutation(ctx context.Context) (*ostiary.Mutation, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	return &ostiary.Mutation{TimeNanos: s.backend.Now(), Principal: p, RequestID: callOf(ctx).id()}, nil
}

// commit proposes a mutation and notes its revision for the answer.
func (s *Server) commit(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	receipt, err := s.backend.Propose(ctx, m)
	if receipt.Revision != 0 {
		callOf(ctx).at(receipt.Revision)
	}
	return receipt, err
}

// change judges a request in a view and commits what build makes of it, as long as the store's document
// is the one that build saw: a store that was deleted meanwhile is not written to. When the document
// changed, the request is judged again, in a linearizable view. A nil mutation commits nothing.
func (s *Server) change(
	ctx context.Context, store string, build func(v View, d ostiary.Document) (*ostiary.Mutation, error),
) error {
	f, err := s.freshness(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return err
	}
	for proposal := 1; ; proposal++ {
		err := s.changeOnce(ctx, f, store, build)
		if err == nil || proposal == maxProposals || !errors.Is(err, ostiary.ErrPrecondition) {
			return err
		}
		f.Linearizable = true
	}
}

func (s *Server) changeOnce(
	ctx context.Context, f ostiary.Freshness, store string, build func(v View, d ostiary.Document) (*ostiary.Mutation, error),
) error {
	v, err := s.viewAt(ctx, f)
	if err != nil {
		return err
	}
	defer v.Close()
	known, err := s.facts(v, store)
	if err != nil {
		return err
	}
	m, err := build(v, known.document)
	if err != nil || m == nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, ostiary.Precondition{
		Kind: ostiary.DocumentAtVersion, Document: known.document.Key, Version: known.document.Version,
	})
	_, err = s.commit(ctx, m)
	return err
}

// storeDocument returns the document of a store that exists.
func storeDocument(v View, id string) (ostiary.Document, error) {
	d, ok, err := v.Document(storeKey(id))
	if err != nil {
		return d, err
	}
	if !ok {
		return d, storeNotFound()
	}
	return d, nil
}

// CreateStore makes a store.
func (s *Server) CreateStore(ctx context.Context, req *openfgav1.CreateStoreRequest) (*openfgav1.CreateStoreResponse, error) {
	m, err := s.newMutation(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.ids.next(m.TimeNanos)
	if err != nil {
		return nil, err
	}
	now := timestamp(m.TimeNanos)
	body, err := encodeDocument(&openfgav1.Store{Id: id, Name: req.GetName(), CreatedAt: now, UpdatedAt: now})
	if err != nil {
		return nil, err
	}
	m.Preconditions = []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: storeKey(id)}}
	m.Documents = []ostiary.DocumentChange{{Key: storeKey(id), Body: body}}
	if s.newStoreTuples > 0 {
		m.SetQuota(id, &ostiary.Quota{Tuples: s.newStoreTuples})
	}
	if _, err := s.commit(ctx, m); err != nil {
		return nil, err
	}
	return &openfgav1.CreateStoreResponse{Id: id, Name: req.GetName(), CreatedAt: now, UpdatedAt: now}, nil
}

// GetStore returns a store.
func (s *Server) GetStore(ctx context.Context, req *openfgav1.GetStoreRequest) (*openfgav1.GetStoreResponse, error) {
	v, err := s.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	store, err := readStore(v, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	return &openfgav1.GetStoreResponse{
		Id: store.GetId(), Name: store.GetName(), CreatedAt: store.GetCreatedAt(), UpdatedAt: store.GetUpdatedAt(),
	}, nil
}

func readStore(v View, id string) (*openfgav1.Store, error) {
	d, err := storeDocument(v, id)
	if err != nil {
		return nil, err
	}
	store := &openfgav1.Store{}
	return store, decodeDocument(d, store)
}

// UpdateStore renames a store.
func (s *Server) UpdateStore(ctx context.Context, req *openfgav1.UpdateStoreRequest) (*openfgav1.UpdateStoreResponse, error) {
	var store *openfgav1.Store
	err := s.change(ctx, req.GetStoreId(), func(v View, d ostiary.Document) (*ostiary.Mutation, error) {
		m, err := s.newMutation(ctx)
		if err != nil {
			return nil, err
		}
		store = &openfgav1.Store{}
		if err := decodeDocument(d, store); err != nil {
			return nil, err
		}
		store.Name, store.UpdatedAt = req.GetName(), timestamp(m.TimeNanos)
		body, err := encodeDocument(store)
		m.Documents = []ostiary.DocumentChange{{Key: d.Key, Body: body}}
		return m, err
	})
	if err != nil {
		return nil, err
	}
	return &openfgav1.UpdateStoreResponse{
		Id: store.GetId(), Name: store.GetName(), CreatedAt: store.GetCreatedAt(), UpdatedAt: store.GetUpdatedAt(),
	}, nil
}

// DeleteStore deletes a store. Deleting one that does not exist is a success. The rest of it stays on disk and out of
// reach, since every request asks for the store's document first, until its retention ends (package deleted).
func (s *Server) DeleteStore(ctx context.Context, req *openfgav1.DeleteStoreRequest) (*openfgav1.DeleteStoreResponse, error) {
	err := s.change(ctx, req.GetStoreId(), func(v View, d ostiary.Document) (*ostiary.Mutation, error) {
		m, err := s.newMutation(ctx)
		if err != nil {
			return nil, err
		}
		marker, err := s.markDeleted(v, m, d)
		m.Documents = []ostiary.DocumentChange{
			{Key: storeKey(req.GetStoreId()), Delete: true},
			{Key: latestModelKey(req.GetStoreId()), Delete: true},
			marker,
		}
		return m, err
	})
	var r *refusal
	if errors.As(err, &r) && r.code == codeStoreNotFound {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return &openfgav1.DeleteStoreResponse{}, nil
}

// storesPerRead is how many documents of stores are read at a time.
const storesPerRead = 200

// ListStores returns the stores that the caller may read, in the order of their ids, which is that of their
// making.
func (s *Server) ListStores(ctx context.Context, req *openfgav1.ListStoresRequest) (*openfgav1.ListStoresResponse, error) {
	scope := pageScope{kind: pageStores, filter: req.GetName()}
	position, err := s.placeOf(ctx, scope, req.GetContinuationToken())
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	size := s.pageSize(req.GetPageSize())
	resp := &openfgav1.ListStoresResponse{}
	for d, err := range ostiary.EachDocument(ctx, v, collectionStores, string(position)) {
		if err != nil {
			return nil, err
		}
		store := &openfgav1.Store{}
		if err := decodeDocument(d, store); err != nil {
			return nil, err
		}
		if req.GetName() != "" && store.GetName() != req.GetName() {
			continue
		}
		may, err := s.mayRead(ctx, v, d.Key.Key)
		if err != nil {
			return nil, err
		}
		if !may {
			continue
		}
		if len(resp.Stores) == size { // there is one more
			resp.ContinuationToken, err = s.pageToken(ctx, scope, positionBytes(resp.Stores[size-1].GetId()))
			return resp, err
		}
		resp.Stores = append(resp.Stores, store)
	}
	return resp, nil
}
