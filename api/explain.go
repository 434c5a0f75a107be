package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/engine"
)

// ostiaryService answers ostiary.v1.
type ostiaryService struct {
	ostiaryv1.UnsafeOstiaryServiceServer
	server    *Server
	backingUp atomic.Bool // CreateBackup runs
}

// maxExplainContextual bounds the contextual tuples of an Explain, as OpenFGA's validators bound those
// of a Check.
const maxExplainContextual = 100

// Explain answers a check together with why.
func (o *ostiaryService) Explain(ctx context.Context, req *ostiaryv1.ExplainRequest) (*ostiaryv1.ExplainResponse, error) {
	check, err := explainedCheck(req)
	if err != nil {
		return nil, err
	}
	s := o.server
	q, err := s.ask(ctx, check.GetConsistency(), check.GetStoreId(), check.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	query, err := q.checkQuery(check.GetTupleKey(), check.GetContext())
	if err != nil {
		return nil, err
	}
	reader, err := s.withContextual(q, check.GetContextualTuples().GetTupleKeys(), codeInvalidTuple)
	if err != nil {
		return nil, err
	}
	return s.explain(ctx, q, reader, query)
}

// explain answers a check as decide does, and says why.
func (s *Server) explain(ctx context.Context, q *question, reader engine.Reader, query engine.CheckQuery) (*ostiaryv1.ExplainResponse, error) {
	d, undecided := q.decide(ctx, query, func(query engine.CheckQuery) (ostiary.Decision, error) {
		return s.engine.Check(ctx, q.model.Plan, reader, query)
	})
	if undecided != nil && !errors.Is(undecided, ostiary.ErrDepthExceeded) && !errors.Is(undecided, ostiary.ErrConditionUndecided) {
		return nil, undecided
	}
	x, named, gate, err := s.reasons(ctx, q, reader, query)
	if err != nil {
		return nil, err
	}
	if undecided == nil && x.Outcome != engine.Outcome(d.String()) {
		x.Note = strings.TrimPrefix(x.Note+"; "+callOf(ctx).reasonText(), "; ")
		x.Outcome = engine.Outcome(d.String())
	}
	root := wireExplanation(x, named)
	return &ostiaryv1.ExplainResponse{
		Outcome: root.GetOutcome(), Root: root, Text: x.String(), Revision: uint64(q.view.Revision()),
		AuthorizationModelId: q.model.ID, Gate: gate, Reason: callOf(ctx).reasonText(),
	}, nil
}

// reasons explains a check: by the session or the gate where they deny it, else by tuples. What tuples would say
// behind a gate that denies is among the others.
func (s *Server) reasons(ctx context.Context, q *question, reader engine.Reader, query engine.CheckQuery) (
	x *engine.Explanation, t through, gate *ostiaryv1.ExplainGate, err error,
) {
	named := query
	t, open, err := q.enter(ctx, &query)
	if err != nil {
		return nil, t, nil, err
	}
	if gate, err = q.explainGate(ctx, named, query, t, open); err != nil {
		return nil, t, nil, err
	}
	if !open {
		return behindSession(named, t), t, gate, nil
	}
	if x, err = s.engine.Explain(ctx, q.model.Plan, reader, query); err != nil {
		return nil, t, nil, err
	}
	closed, err := q.behindGate(ctx, query)
	if err == nil && closed != nil {
		closed.Others = []*engine.Explanation{x}
		x = closed
	}
	return x, t, gate, err
}

// explainedCheck turns an Explain into the Check that it explains, with the same rules for its fields.
func explainedCheck(req *ostiaryv1.ExplainRequest) (*openfgav1.CheckRequest, error) {
	if n := len(req.GetContextualTuples()); n > maxExplainContextual {
		return nil, refuse(codes.InvalidArgument, "contextual_tuples has %d items: it must have at most %d", n, maxExplainContextual)
	}
	check := &openfgav1.CheckRequest{StoreId: req.GetStoreId(), AuthorizationModelId: req.GetAuthorizationModelId(),
		Context: req.GetContext()}
	var err error
	if check.Consistency, err = preferenceOf(req.GetConsistency()); err != nil {
		return nil, err
	}
	if k := req.GetTupleKey(); k != nil {
		check.TupleKey = &openfgav1.CheckRequestTupleKey{User: k.GetUser(), Relation: k.GetRelation(), Object: k.GetObject()}
	}
	if len(req.GetContextualTuples()) > 0 {
		check.ContextualTuples = &openfgav1.ContextualTupleKeys{}
		for _, k := range req.GetContextualTuples() {
			check.ContextualTuples.TupleKeys = append(check.ContextualTuples.TupleKeys,
				&openfgav1.TupleKey{User: k.GetUser(), Relation: k.GetRelation(), Object: k.GetObject()})
		}
	}
	if err := check.ValidateAll(); err != nil {
		return nil, refuse(codes.InvalidArgument, "%s", innermost(err.Error()))
	}
	return check, nil
}

// preferenceOf returns a consistency in the words of openfga.v1.
func preferenceOf(c ostiaryv1.Consistency) (openfgav1.ConsistencyPreference, error) {
	switch c {
	case ostiaryv1.Consistency_CONSISTENCY_UNSPECIFIED:
		return openfgav1.ConsistencyPreference_UNSPECIFIED, nil
	case ostiaryv1.Consistency_CONSISTENCY_MINIMIZE_LATENCY:
		return openfgav1.ConsistencyPreference_MINIMIZE_LATENCY, nil
	case ostiaryv1.Consistency_CONSISTENCY_LINEARIZABLE:
		return openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY, nil
	}
	return 0, refuse(codes.InvalidArgument, "consistency %d is not known", c)
}

var wireOutcomes = map[engine.Outcome]ostiaryv1.Outcome{
	engine.OutcomeAllowed: ostiaryv1.Outcome_OUTCOME_ALLOWED,
	engine.OutcomeDenied:  ostiaryv1.Outcome_OUTCOME_DENIED,
	engine.OutcomeError:   ostiaryv1.Outcome_OUTCOME_ERROR,
	engine.OutcomeCycle:   ostiaryv1.Outcome_OUTCOME_CYCLE,
	engine.OutcomeDepth:   ostiaryv1.Outcome_OUTCOME_DEPTH,
	engine.OutcomeSkipped: ostiaryv1.Outcome_OUTCOME_SKIPPED,
}

// wireExplanation returns a tree as it is sent. t is the session that the question names.
func wireExplanation(x *engine.Explanation, t through) *ostiaryv1.ExplainNode {
	outcome, ok := wireOutcomes[x.Outcome]
	if !ok {
		panic(fmt.Sprintf("explanation has the outcome %q, which ostiary.v1 has no word for", x.Outcome))
	}
	node := &ostiaryv1.ExplainNode{
		Outcome: outcome, Kind: string(x.Kind), Object: x.Object, Relation: x.Relation, Tuple: x.Tuple,
		Note: x.Note, More: uint32(x.More), Contextual: x.Contextual, Undefined: x.Undefined,
	}
	if c := x.Cost; c != (engine.Cost{}) {
		node.Cost = &ostiaryv1.ExplainCost{
			Reads: uint64(c.Reads), Micros: micros(c.Nanos), TotalReads: uint64(c.TotalReads), TotalMicros: micros(c.TotalNanos),
			Cached: uint64(c.Cached), Fetched: uint64(c.Fetched),
		}
	}
	for i := range x.Conditions {
		node.Conditions = append(node.Conditions, wireCondition(&x.Conditions[i], t))
	}
	for _, child := range x.Children {
		node.Children = append(node.Children, wireExplanation(child, t))
	}
	for _, other := range x.Others {
		node.Others = append(node.Others, wireExplanation(other, t))
	}
	return node
}

// micros rounds to the nearest microsecond.
func micros(nanos int64) uint64 { return uint64((nanos + 500) / 1000) }

func wireCondition(c *engine.ExplainedCondition, t through) *ostiaryv1.ExplainCondition {
	wire := &ostiaryv1.ExplainCondition{
		Name: c.Name, Outcome: wireOutcomes[c.Outcome], More: uint32(c.More), Missing: c.Missing, Error: c.Error,
	}
	for _, v := range c.Values {
		source := ostiaryv1.ExplainSource_EXPLAIN_SOURCE_REQUEST
		switch {
		case v.FromTuple:
			source = ostiaryv1.ExplainSource_EXPLAIN_SOURCE_TUPLE
		case t.named && slices.Contains(boundNames, v.Name):
			source = ostiaryv1.ExplainSource_EXPLAIN_SOURCE_SESSION
		}
		wire.Values = append(wire.Values, &ostiaryv1.ExplainValue{Name: v.Name, Value: v.Value, Source: source})
	}
	return wire
}
