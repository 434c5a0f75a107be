package api

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

func assertionKey(store, model string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "assertion/" + store, Key: model}
}

// WriteAssertions replaces the assertions of a model. They are kept for tools; nothing here runs them.
func (s *Server) WriteAssertions(ctx context.Context, req *openfgav1.WriteAssertionsRequest) (*openfgav1.WriteAssertionsResponse, error) {
	err := s.change(ctx, req.GetStoreId(), func(v View, _ ostiary.Document) (*ostiary.Mutation, error) {
		model, err := s.model(ctx, v, req.GetStoreId(), req.GetAuthorizationModelId())
		if err != nil {
			return nil, err
		}
		for _, a := range req.GetAssertions() {
			if err := s.checkAssertion(model, a); err != nil {
				return nil, err
			}
		}
		m, err := s.newMutation(ctx)
		if err != nil {
			return nil, err
		}
		body, err := encodeDocument(&openfgav1.ReadAssertionsResponse{
			AuthorizationModelId: model.ID, Assertions: req.GetAssertions(),
		})
		m.Documents = []ostiary.DocumentChange{{Key: assertionKey(req.GetStoreId(), model.ID), Body: body}}
		return m, err
	})
	if err != nil {
		return nil, err
	}
	return &openfgav1.WriteAssertionsResponse{}, nil
}

func (s *Server) checkAssertion(model *authModel, a *openfgav1.Assertion) error {
	t, err := parseTuple(a.GetTupleKey())
	if err == nil {
		err = model.checkNames(t)
	}
	if err != nil {
		return wrapFault("", err)
	}
	for _, k := range a.GetContextualTuples() {
		if _, _, err := s.fittingTuple(model, k); err != nil {
			return invalidTuple(codeValidation, k, err)
		}
	}
	return nil
}

// ReadAssertions returns the assertions of a model, of which there may be none.
func (s *Server) ReadAssertions(ctx context.Context, req *openfgav1.ReadAssertionsRequest) (*openfgav1.ReadAssertionsResponse, error) {
	q, err := s.ask(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED, req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	resp := &openfgav1.ReadAssertionsResponse{AuthorizationModelId: q.model.ID}
	d, ok, err := q.view.Document(assertionKey(req.GetStoreId(), q.model.ID))
	if err != nil || !ok {
		return resp, err
	}
	return resp, decodeDocument(d, resp)
}
