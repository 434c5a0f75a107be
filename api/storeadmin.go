package api

import (
	"context"
	"errors"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/deleted"
	"github.com/ostiary/ostiary/identity"
)

// storeAdminService answers ostiary.v1.StoreAdminService.
type storeAdminService struct {
	ostiaryv1.UnsafeStoreAdminServiceServer
	server *Server
}

// markDeleted returns the marker of a store that a mutation deletes, given its document.
func (s *Server) markDeleted(v View, m *ostiary.Mutation, d ostiary.Document) (ostiary.DocumentChange, error) {
	store := &openfgav1.Store{}
	if err := decodeDocument(d, store); err != nil {
		return ostiary.DocumentChange{}, err
	}
	latest, _, err := v.Document(latestModelKey(d.Key.Key))
	if err != nil {
		return ostiary.DocumentChange{}, err
	}
	body, err := deleted.Marker{Name: store.GetName(), Document: d.Body, LatestModel: latest.Body, DeletedNanos: m.TimeNanos,
		By: m.Principal, UntilNanos: m.TimeNanos + int64(s.storeRetention)}.Encode()
	return ostiary.DocumentChange{Key: deleted.Key(d.Key.Key), Body: body}, err
}

// errNotDeleted is of a store that cannot come back.
func errNotDeleted(store string) error {
	return &refusal{code: codes.NotFound, cause: ostiary.ErrNotFound,
		text: fmt.Sprintf("there is no deleted store %.100q that could come back: 'ostiary store list --deleted' shows which can", store)}
}

// UndeleteStore brings a deleted store back.
func (a *storeAdminService) UndeleteStore(
	ctx context.Context, req *ostiaryv1.UndeleteStoreRequest,
) (*ostiaryv1.UndeleteStoreResponse, error) {
	s := a.server
	store := req.GetStoreId()
	d, marker, err := s.deletedStore(ctx, store)
	if err != nil {
		return nil, err
	}
	settled, err := s.identity.AfterUndelete(carry(ctx), store, identity.AfterRestoreOptions{TrustConnections: req.GetTrustConnections()})
	if err != nil {
		return nil, err
	}
	m, err := s.newMutation(ctx)
	if err != nil {
		return nil, err
	}
	// The store's document has the version of this mutation: whatever rested on the one before is judged again.
	m.Preconditions = []ostiary.Precondition{
		{Kind: ostiary.DocumentAtVersion, Document: d.Key, Version: d.Version},
		{Kind: ostiary.DocumentAtVersion, Document: storeKey(store)},
	}
	m.Documents = []ostiary.DocumentChange{{Key: d.Key, Delete: true}, {Key: storeKey(store), Body: marker.Document}}
	if len(marker.LatestModel) > 0 {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: latestModelKey(store), Body: marker.LatestModel})
	}
	if _, err := s.commit(ctx, m); errors.Is(err, ostiary.ErrPrecondition) {
		return nil, &refusal{code: codes.Aborted, cause: err, text: "somebody else brought the store back, or its retention has ended meanwhile"}
	} else if err != nil {
		return nil, err
	}
	s.logger.Warn("a deleted store is back", "store", store, "by", principalOf(ctx), "waiting_connections", len(settled.Connections))
	resp := &ostiaryv1.UndeleteStoreResponse{StoreId: store, Name: marker.Name}
	for _, c := range settled.Connections {
		resp.WaitingConnectionIds = append(resp.WaitingConnectionIds, c.ID)
	}
	return resp, nil
}

// deletedStore returns the marker of a store that can come back.
func (s *Server) deletedStore(ctx context.Context, store string) (ostiary.Document, deleted.Marker, error) {
	v, err := s.viewAt(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return ostiary.Document{}, deleted.Marker{}, err
	}
	defer v.Close()
	if store == "" {
		return ostiary.Document{}, deleted.Marker{}, errNotDeleted(store)
	}
	d, there, err := v.Document(deleted.Key(store))
	if err != nil {
		return d, deleted.Marker{}, err
	}
	if !there {
		return d, deleted.Marker{}, errNotDeleted(store)
	}
	marker, err := deleted.Decode(d)
	if err == nil && (marker.Purging || marker.UntilNanos <= s.backend.Now()) {
		err = errNotDeleted(store)
	}
	return d, marker, err
}

// ListDeletedStores returns the deleted stores that the caller administers.
func (a *storeAdminService) ListDeletedStores(
	ctx context.Context, req *ostiaryv1.ListDeletedStoresRequest,
) (*ostiaryv1.ListDeletedStoresResponse, error) {
	v, err := a.server.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	page, next, err := identityPage(ctx, a.server, pageScope{kind: pageDeletedStores}, req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]*ostiaryv1.DeletedStore, error) {
			return a.server.deletedStores(ctx, v, after, limit)
		},
		(*ostiaryv1.DeletedStore).GetStoreId)
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.ListDeletedStoresResponse{Stores: page, NextPageToken: next}, nil
}

// deletedStores returns up to limit deleted stores that can come back and that the caller administers.
func (s *Server) deletedStores(ctx context.Context, v View, after string, limit int) (all []*ostiaryv1.DeletedStore, err error) {
	now := s.backend.Now()
	for d, err := range ostiary.EachDocument(ctx, v, deleted.Collection, after) {
		if err != nil {
			return nil, err
		}
		marker, err := deleted.Decode(d)
		if err != nil {
			return nil, err
		}
		if marker.Purging || marker.UntilNanos <= now {
			continue
		}
		may, err := s.may(ctx, v, access.Administrator, d.Key.Key)
		if err != nil {
			return nil, err
		}
		if !may {
			continue
		}
		all = append(all, &ostiaryv1.DeletedStore{StoreId: d.Key.Key, Name: marker.Name, DeletedAt: stamp(marker.DeletedNanos),
			DeletedBy: marker.By.String(), KeptUntil: stamp(marker.UntilNanos)})
		if len(all) == limit {
			break
		}
	}
	return all, nil
}
