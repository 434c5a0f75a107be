package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// BatchCheck answers several checks from one view. A check that fails has its error in its place among
// the results; only what concerns them all fails the request.
func (s *Server) BatchCheck(ctx context.Context, req *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
	if err := s.checkBatchSize(len(req.GetChecks())); err != nil {
		return nil, err
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
	answers, err := s.checkItems(ctx, q, req.GetChecks())
	if err != nil {
		return nil, err
	}
	for i, item := range req.GetChecks() {
		results[item.GetCorrelationId()] = answers[i]
	}
	return &openfgav1.BatchCheckResponse{Result: results}, nil
}

func (s *Server) checkBatchSize(n int) error {
	if n > s.limits.MaxChecksPerBatch {
		return refuse(codeValidation, "batchCheck received %d checks, the maximum allowed is %d", n, s.limits.MaxChecksPerBatch)
	}
	return nil
}

// checkItems answers every item, in their order. Items that ask the same are answered once, and items
// about one object follow each other, so that the reader still has what it read of it for the one before.
func (s *Server) checkItems(
	ctx context.Context, q *question, items []*openfgav1.BatchCheckItem,
) ([]*openfgav1.BatchCheckSingleResult, error) {
	sorted := make([]asked, len(items))
	for i, item := range items {
		var err error
		if sorted[i], err = whatIsAsked(item); err != nil {
			return nil, err
		}
		sorted[i].item = i
	}
	slices.SortFunc(sorted, asked.compare)
	_ = ctx.Done() // sets a timer, so that the looks at the deadline of so many checks read no clock
	c := callOf(ctx)
	span, before := c.span.Start("engine"), c.work
	defer func() { c.endEngine(span, before, q.reader, "", nil) }()
	batch := s.engine.Batch(q.model.Plan, q.reader)
	defer batch.Close()
	answers := make([]*openfgav1.BatchCheckSingleResult, len(items))
	for i := range sorted {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at := sorted[i].item
		if i > 0 && sorted[i].same(&sorted[i-1]) {
			answers[at] = answers[sorted[i-1].item]
			s.tellSame(ctx, items[at].GetTupleKey(), len(items[at].GetContextualTuples().GetTupleKeys()))
		} else {
			answers[at] = s.checkItem(ctx, q, batch, items[at])
		}
	}
	return answers, nil
}

// asked is what two items have in common if and only if they differ at most in their correlation ids.
type asked struct {
	user, relation, object string
	with                   string // contextual tuples and context; empty without
	item                   int    // its place among the items
}

func (a *asked) same(b *asked) bool {
	return a.object == b.object && a.user == b.user && a.relation == b.relation && a.with == b.with
}

// compare sorts what is the same together, and by object before all.
func (a asked) compare(b asked) int {
	if c := cmp.Compare(a.object, b.object); c != 0 {
		return c
	}
	if c := cmp.Compare(a.user, b.user); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.relation, b.relation), cmp.Compare(a.with, b.with), cmp.Compare(a.item, b.item))
}

func whatIsAsked(item *openfgav1.BatchCheckItem) (asked, error) {
	k := item.GetTupleKey()
	a := asked{user: k.GetUser(), relation: k.GetRelation(), object: k.GetObject()}
	if item.GetContextualTuples() == nil && item.GetContext() == nil {
		return a, nil
	}
	with, err := proto.MarshalOptions{Deterministic: true}.Marshal(&openfgav1.BatchCheckItem{
		ContextualTuples: item.GetContextualTuples(), Context: item.GetContext(),
	})
	if err != nil {
		return a, fmt.Errorf("encode a check of a batch: %w", err)
	}
	a.with = string(with)
	return a, nil
}

// checkItem answers one item: in the batch, unless it has tuples of its own.
func (s *Server) checkItem(
	ctx context.Context, q *question, batch *engine.Batch, item *openfgav1.BatchCheckItem,
) *openfgav1.BatchCheckSingleResult {
	var d ostiary.Decision
	var err error
	callOf(ctx).deciding.nextCheck()
	if contextual := item.GetContextualTuples().GetTupleKeys(); len(contextual) > 0 {
		d, err = s.check(ctx, q, item.GetTupleKey(), contextual, item.GetContext())
	} else {
		var query engine.CheckQuery
		if query, err = q.checkQuery(item.GetTupleKey(), item.GetContext()); err == nil {
			c := callOf(ctx)
			query.Work = c.beginQuestion()
			d, err = q.checkIn(ctx, batch, query)
			s.endCheck(c, d, err)
		}
		s.tellCheck(ctx, item.GetTupleKey(), 0, d, err)
	}
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
	st, expected := statusOf(err, callOf(ctx).id())
	if !expected {
		s.logger.Error("check of a batch failed", "request_id", callOf(ctx).id(), "error", err)
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
