package api

import (
	"context"
	"errors"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// question is a view, a model and a reader to ask the engine with. One goroutine uses it, and closes it.
type question struct {
	view     View
	model    *authModel
	reader   engine.Reader
	nowNanos int64 // the time at which it is put
	store    string
	gated    bool // the store has organizations: see gateOf
	names    *gate.Names
	// present is the newest view, of a question that is asked of another one. It may be nil.
	present   View
	continued bool // the question is a later page of a list
	// presentNanos is the time of now, of a later page.
	presentNanos int64

	gate, gateNow identity.StoreGate // of the store, in the view and in the present
}

func (q *question) close() {
	q.view.Close()
	if q.present != nil {
		q.present.Close()
	}
}

// ask takes a view that is fresh enough, or that of the moment that the request asks for, and from it the
// store, the model and a reader.
func (s *Server) ask(ctx context.Context, c openfgav1.ConsistencyPreference, store, model string) (*question, error) {
	m, err := s.asOf(ctx)
	if err != nil {
		return nil, err
	}
	return s.askAt(ctx, m, c, store, model)
}

// askAt is ask at a moment.
func (s *Server) askAt(
	ctx context.Context, at moment, c openfgav1.ConsistencyPreference, store, model string,
) (q *question, err error) {
	v, now, err := s.viewFor(ctx, at, c, store)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	m, err := s.model(ctx, v, store, model)
	if err != nil {
		return nil, err
	}
	f, err := s.facts(v, store)
	if err != nil {
		return nil, err
	}
	if f.organizations {
		if err := m.judgeGate(f.mapping); err != nil {
			return nil, err
		}
		if err := s.judgeGateAge(ctx, at, c); err != nil {
			return nil, err
		}
	}
	q = &question{view: v, model: m, reader: v.Reader(store, now), nowNanos: now, store: store, gated: f.organizations, gate: f.gate}
	q.names = &f.mapping.Names
	if at != (moment{}) {
		err = s.seePresent(ctx, q, at, c)
	}
	return q, err
}

// withContextual returns the question's reader with contextual tuples laid over it. Each must be one
// that could be written under the model, else the question is refused: with 2027, or where its condition
// is at fault with the code given, which OpenFGA's questions differ in.
func (s *Server) withContextual(q *question, keys []*openfgav1.TupleKey, condition codes.Code) (engine.Reader, error) {
	if len(keys) == 0 {
		return q.reader, nil
	}
	edges := make([]ostiary.Edge, len(keys))
	for i, k := range keys {
		t, g, err := s.fittingTuple(q.model, k)
		if err == nil && q.gated {
			err = managedTuple(q.names, t)
		}
		if err != nil {
			code := codeInvalidTuple
			var f *fault
			if errors.As(err, &f) && f.kind == faultCondition {
				code = condition
			}
			return nil, invalidTuple(code, k, err)
		}
		edges[i] = ostiary.Edge{Tuple: t}
		if g.Condition != "" {
			edges[i].Conditions = []ostiary.Grant{g}
		}
	}
	return engine.Overlay(q.reader, edges), nil
}

// checkQuery parses the tuple key of a check and judges it by the model.
func (q *question) checkQuery(k tupleKey, context *structpb.Struct) (engine.CheckQuery, error) {
	t, err := parseTuple(k)
	if err == nil {
		err = q.model.checkNames(t)
	}
	if err != nil {
		return engine.CheckQuery{}, wrapFault("invalid relation: ", err)
	}
	return engine.CheckQuery{Object: t.Object, Relation: t.Relation, Subject: t.Subject, Context: valuesOf(context)}, nil
}

// valuesOf returns the values of a context, and nil where there are none.
func valuesOf(context *structpb.Struct) map[string]any {
	if len(context.GetFields()) == 0 {
		return nil
	}
	return context.AsMap()
}

// check answers one check of a question.
func (s *Server) check(ctx context.Context, q *question, k tupleKey, contextual []*openfgav1.TupleKey, values *structpb.Struct) (ostiary.Decision, error) {
	d, err := s.checkWith(ctx, q, k, contextual, values)
	s.tellCheck(ctx, k, len(contextual), d, err)
	return d, err
}

func (s *Server) checkWith(ctx context.Context, q *question, k tupleKey, contextual []*openfgav1.TupleKey, values *structpb.Struct) (ostiary.Decision, error) {
	query, err := q.checkQuery(k, values)
	if err != nil {
		return ostiary.Denied, err
	}
	reader, err := s.withContextual(q, contextual, codeInvalidTuple)
	if err != nil {
		return ostiary.Denied, err
	}
	c := callOf(ctx)
	query.Work = c.beginQuestion()
	span, before := c.span.Start("engine"), c.work
	d, err := q.decide(ctx, query, func(query engine.CheckQuery) (ostiary.Decision, error) {
		return s.engine.Check(ctx, q.model.Plan, reader, query)
	})
	s.endCheck(c, d, err)
	c.endEngine(span, before, q.reader, resultOf(d, err), err)
	return d, err
}

// Check answers whether a user has a relation to an object.
func (s *Server) Check(ctx context.Context, req *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	q, err := s.ask(ctx, req.GetConsistency(), req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	d, err := s.check(ctx, q, req.GetTupleKey(), req.GetContextualTuples().GetTupleKeys(), req.GetContext())
	if err != nil {
		return nil, err
	}
	return &openfgav1.CheckResponse{Allowed: d == ostiary.Allowed}, nil
}
