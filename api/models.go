package api

import (
	"context"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/identity"
)

func modelCollection(store string) string { return "model/" + store }

func modelDocumentKey(store, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: modelCollection(store), Key: id}
}

// modelFile is what diagnostics call a model that came over the wire.
const modelFile = "model"

func (s *Server) pageSize(asked *wrapperspb.Int32Value) int {
	if asked == nil {
		return s.limits.PageSize
	}
	return int(asked.GetValue()) // the field's validator has bounded it
}

// WriteAuthorizationModel compiles a model and makes it the store's latest.
func (s *Server) WriteAuthorizationModel(
	ctx context.Context, req *openfgav1.WriteAuthorizationModelRequest,
) (*openfgav1.WriteAuthorizationModelResponse, error) {
	if n := len(req.GetTypeDefinitions()); n > s.limits.MaxTypesPerModel {
		return nil, refuse(codeEntityLimit,
			"The number of type definitions in an authorization model exceeds the allowed limit of %d", s.limits.MaxTypesPerModel)
	}
	written := &openfgav1.AuthorizationModel{
		SchemaVersion:   req.GetSchemaVersion(),
		TypeDefinitions: req.GetTypeDefinitions(),
		Conditions:      req.GetConditions(),
	}
	if size := proto.Size(written); size > s.limits.MaxModelBytes {
		return nil, refuse(codeEntityLimit, "model exceeds size limit: %d bytes vs %d bytes", size, s.limits.MaxModelBytes)
	}
	if err := compilable(written); err != nil {
		return nil, err
	}
	select { // one at a time, so that no more than another server can come in between
	case s.modelTurn <- struct{}{}:
		defer func() { <-s.modelTurn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err := s.change(ctx, req.GetStoreId(), func(v View, _ ostiary.Document) (*ostiary.Mutation, error) {
		return s.modelMutation(ctx, v, req.GetStoreId(), written)
	})
	if err != nil {
		return nil, err
	}
	return &openfgav1.WriteAuthorizationModelResponse{AuthorizationModelId: written.GetId()}, nil
}

func compilable(m *openfgav1.AuthorizationModel) error {
	body, err := encodeDocument(m)
	if err != nil {
		return err
	}
	_, err = dsl.CompileJSON(modelFile, body)
	return err
}

// modelMutation gives the model a new id and returns what writes it. The id is greater than that of the
// store's latest model, and the write is refused when there is a later one meanwhile: so the order of a
// store's models by their ids is that of their revisions.
func (s *Server) modelMutation(
	ctx context.Context, v View, store string, written *openfgav1.AuthorizationModel,
) (*ostiary.Mutation, error) {
	m, err := s.newMutation(ctx)
	if err != nil {
		return nil, err
	}
	latest, _, err := v.Document(latestModelKey(store))
	if err != nil {
		return nil, err
	}
	if written.Id, err = s.ids.nextAfter(m.TimeNanos, string(latest.Body)); err != nil {
		return nil, err
	}
	body, err := encodeDocument(written)
	if err != nil {
		return nil, err
	}
	m.Preconditions = []ostiary.Precondition{
		{Kind: ostiary.DocumentAtVersion, Document: modelDocumentKey(store, written.GetId())},
		{Kind: ostiary.DocumentAtVersion, Document: latestModelKey(store), Version: latest.Version},
	}
	m.Documents = []ostiary.DocumentChange{
		{Key: modelDocumentKey(store, written.GetId()), Body: body},
		{Key: latestModelKey(store), Body: []byte(written.GetId())},
	}
	return m, judgeWrittenModel(v, store, body, m)
}

// ReadAuthorizationModel returns one model as it was written.
func (s *Server) ReadAuthorizationModel(
	ctx context.Context, req *openfgav1.ReadAuthorizationModelRequest,
) (*openfgav1.ReadAuthorizationModelResponse, error) {
	v, err := s.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if _, err := storeDocument(v, req.GetStoreId()); err != nil {
		return nil, err
	}
	d, ok, err := v.Document(modelDocumentKey(req.GetStoreId(), req.GetId()))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, modelNotFound(req.GetId())
	}
	m := &openfgav1.AuthorizationModel{}
	if err := decodeDocument(d, m); err != nil {
		return nil, err
	}
	return &openfgav1.ReadAuthorizationModelResponse{AuthorizationModel: m}, nil
}

// ReadAuthorizationModels returns a store's models, the newest first.
func (s *Server) ReadAuthorizationModels(
	ctx context.Context, req *openfgav1.ReadAuthorizationModelsRequest,
) (*openfgav1.ReadAuthorizationModelsResponse, error) {
	scope := pageScope{kind: pageModels, store: req.GetStoreId()}
	position, err := s.placeOf(ctx, scope, req.GetContinuationToken())
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if _, err := storeDocument(v, req.GetStoreId()); err != nil {
		return nil, err
	}
	size := s.pageSize(req.GetPageSize())
	docs, err := v.Documents(modelCollection(req.GetStoreId()), string(position), size+1, true)
	if err != nil {
		return nil, err
	}
	resp := &openfgav1.ReadAuthorizationModelsResponse{}
	for i, d := range docs {
		if i == size {
			resp.ContinuationToken, err = s.pageToken(ctx, scope, positionBytes(docs[size-1].Key.Key))
			return resp, err
		}
		m := &openfgav1.AuthorizationModel{}
		if err := decodeDocument(d, m); err != nil {
			return nil, err
		}
		resp.AuthorizationModels = append(resp.AuthorizationModels, m)
	}
	return resp, nil
}

// model returns a model of a store that exists: the one named, or the one written last. It notes the
// model for the answer.
func (s *Server) model(ctx context.Context, v View, store, id string) (*authModel, error) {
	if id == "" {
		f, err := s.facts(v, store)
		if err != nil {
			return nil, err
		}
		if f.latestModel == "" {
			return nil, &refusal{
				code: codeNoModel, text: fmt.Sprintf("No authorization models found for store '%s'", store), cause: ostiary.ErrNotFound,
			}
		}
		id = f.latestModel
	}
	key := modelKey{store, id}
	m := s.models.get(key)
	if m == nil {
		var err error
		if m, err = loadModel(v, key); err != nil {
			return nil, err
		}
		s.models.put(key, m)
	}
	if m.Version > v.Revision() { // written after this view
		return nil, modelNotFound(id)
	}
	callOf(ctx).modelID = id
	return m, nil
}

func loadModel(v identity.View, key modelKey) (*authModel, error) {
	d, ok, err := v.Document(modelDocumentKey(key.store, key.id))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, modelNotFound(key.id)
	}
	compiled, err := dsl.CompileJSON(modelFile, d.Body)
	if err != nil { // it compiled when it was written, so this release is stricter than that one
		return nil, fmt.Errorf("compile stored model %q: %v", key.id, err)
	}
	return newAuthModel(key.id, d.Version, compiled), nil
}
