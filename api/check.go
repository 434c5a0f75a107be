package api

import (
	"context"
	"errors"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// question is a view, a model and a reader to ask the engine with. One goroutine uses it, and closes it.
type question struct {
	view   View
	model  *authModel
	reader engine.Reader
}

func (q *question) close() { q.view.Close() }

// ask takes a view that is fresh enough, and from it the store, the model and a reader.
func (s *Server) ask(ctx context.Context, c openfgav1.ConsistencyPreference, store, model string) (q *question, err error) {
	v, err := s.view(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	if _, err := storeDocument(v, store); err != nil {
		return nil, err
	}
	m, err := s.model(ctx, v, store, model)
	if err != nil {
		return nil, err
	}
	return &question{view: v, model: m, reader: v.Reader(store, s.backend.Now())}, nil
}

// withContextual returns the question's reader with contextual tuples laid over it. Each must be one
// that could be written under the model.
func (s *Server) withContextual(q *question, keys []*openfgav1.TupleKey) (engine.Reader, error) {
	if len(keys) == 0 {
		return q.reader, nil
	}
	edges := make([]ostiary.Edge, len(keys))
	for i, k := range keys {
		t, g, err := s.fittingTuple(q.model, k)
		if err != nil {
			return nil, invalidTuple(codeInvalidTuple, k, err)
		}
		edges[i] = ostiary.Edge{Tuple: t}
		if g.Condition != "" {
			edges[i].Conditions = []ostiary.Grant{g}
		}
	}
	return engine.Overlay(q.reader, edges), nil
}

// checkQuery parses the tuple key of a check and judges it by the model.
func (q *question) checkQuery(k tupleKey) (engine.CheckQuery, error) {
	t, err := parseTuple(k)
	if err == nil {
		err = q.model.checkNames(t)
	}
	if err != nil {
		return engine.CheckQuery{}, wrapFault("invalid relation: ", err)
	}
	return engine.CheckQuery{Object: t.Object, Relation: t.Relation, Subject: t.Subject}, nil
}

// check answers one check of a question.
func (s *Server) check(ctx context.Context, q *question, k tupleKey, contextual []*openfgav1.TupleKey) (ostiary.Decision, error) {
	query, err := q.checkQuery(k)
	if err != nil {
		return ostiary.Denied, err
	}
	reader, err := s.withContextual(q, contextual)
	if err != nil {
		return ostiary.Denied, err
	}
	return s.engine.Check(ctx, q.model.Plan, reader, query)
}

// Check answers whether a user has a relation to an object.
func (s *Server) Check(ctx context.Context, req *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	q, err := s.ask(ctx, req.GetConsistency(), req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	d, err := s.check(ctx, q, req.GetTupleKey(), req.GetContextualTuples().GetTupleKeys())
	if err != nil {
		return nil, err
	}
	return &openfgav1.CheckResponse{Allowed: d == ostiary.Allowed}, nil
}

// BatchCheck answers several checks from one view. A check that fails has its error in its place among
// the results; only what concerns them all fails the request.
func (s *Server) BatchCheck(ctx context.Context, req *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
	if n := len(req.GetChecks()); n > s.limits.MaxChecksPerBatch {
		return nil, refuse(codeValidation, "batchCheck received %d checks, the maximum allowed is %d", n, s.limits.MaxChecksPerBatch)
	}
	results := make(map[string]*openfgav1.BatchCheckSingleResult, len(req.GetChecks()))
	for _, item := range req.GetChecks() {
		if _, there := results[item.GetCorrelationId()]; there {
			return nil, refuse(codeValidation, "received duplicate correlation id: %s", item.GetCorrelationId())
		}
		results[item.GetCorrelationId()] = nil
	}
	q, err := s.ask(ctx, req.GetConsistency(), req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	for _, item := range req.GetChecks() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		results[item.GetCorrelationId()] = s.checkItem(ctx, q, item)
	}
	return &openfgav1.BatchCheckResponse{Result: results}, nil
}

func (s *Server) checkItem(ctx context.Context, q *question, item *openfgav1.BatchCheckItem) *openfgav1.BatchCheckSingleResult {
	d, err := s.check(ctx, q, item.GetTupleKey(), item.GetContextualTuples().GetTupleKeys())
	if err == nil {
		return &openfgav1.BatchCheckSingleResult{
			CheckResult: &openfgav1.BatchCheckSingleResult_Allowed{Allowed: d == ostiary.Allowed},
		}
	}
	return &openfgav1.BatchCheckSingleResult{
		CheckResult: &openfgav1.BatchCheckSingleResult_Error{Error: s.checkError(ctx, err)},
	}
}

// checkError is the error of one check of a batch.
func (s *Server) checkError(ctx context.Context, err error) *openfgav1.CheckError {
	st, expected := statusOf(err, callOf(ctx).requestID)
	if !expected {
		s.logger.Error("check of a batch failed", "request_id", callOf(ctx).requestID, "error", err)
	}
	e := &openfgav1.CheckError{Message: st.Message()}
	if code := st.Code(); code >= 2000 && code < 3000 {
		e.Code = &openfgav1.CheckError_InputError{InputError: openfgav1.ErrorCode(code)}
		return e
	}
	internal := openfgav1.InternalErrorCode_internal_error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		internal = openfgav1.InternalErrorCode_deadline_exceeded
	case st.Code() == codes.Unavailable:
		internal = openfgav1.InternalErrorCode_unavailable
	}
	e.Code = &openfgav1.CheckError_InternalError{InternalError: internal}
	return e
}
