package api

import (
	"context"
	"fmt"
	"sync/atomic"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/engine"
)

// ostiaryService answers ostiary.v1.
type ostiaryService struct {
	ostiaryv1.UnimplementedOstiaryServiceServer
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
	named := query
	session, open, err := q.enter(ctx, &query)
	if err != nil {
		return nil, err
	}
	if !open {
		root := wireExplanation(behindSession(named, session))
		return &ostiaryv1.ExplainResponse{Outcome: root.GetOutcome(), Root: root, Text: behindSession(named, session).String()}, nil
	}
	x, err := s.engine.Explain(ctx, q.model.Plan, reader, query)
	if err != nil {
		return nil, err
	}
	closed, err := q.behindGate(ctx, query)
	if err != nil {
		return nil, err
	}
	if closed != nil {
		x = closed
	}
	root := wireExplanation(x)
	return &ostiaryv1.ExplainResponse{Outcome: root.GetOutcome(), Root: root, Text: x.String()}, nil
}

// explainedCheck turns an Explain into the Check that it explains, with the same rules for its fields.
func explainedCheck(req *ostiaryv1.ExplainRequest) (*openfgav1.CheckRequest, error) {
	if n := len(req.GetContextualTuples()); n > maxExplainContextual {
		return nil, refuse(codes.InvalidArgument, "contextual_tuples has %d items: it must have at most %d", n, maxExplainContextual)
	}
	check := &openfgav1.CheckRequest{StoreId: req.GetStoreId(), AuthorizationModelId: req.GetAuthorizationModelId(),
		Context: req.GetContext()}
	switch req.GetConsistency() {
	case ostiaryv1.Consistency_CONSISTENCY_UNSPECIFIED:
	case ostiaryv1.Consistency_CONSISTENCY_MINIMIZE_LATENCY:
		check.Consistency = openfgav1.ConsistencyPreference_MINIMIZE_LATENCY
	case ostiaryv1.Consistency_CONSISTENCY_LINEARIZABLE:
		check.Consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	default:
		return nil, refuse(codes.InvalidArgument, "consistency %d is not known", req.GetConsistency())
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

var wireOutcomes = map[engine.Outcome]ostiaryv1.Outcome{
	engine.OutcomeAllowed: ostiaryv1.Outcome_OUTCOME_ALLOWED,
	engine.OutcomeDenied:  ostiaryv1.Outcome_OUTCOME_DENIED,
	engine.OutcomeError:   ostiaryv1.Outcome_OUTCOME_ERROR,
	engine.OutcomeCycle:   ostiaryv1.Outcome_OUTCOME_CYCLE,
	engine.OutcomeDepth:   ostiaryv1.Outcome_OUTCOME_DEPTH,
}

func wireExplanation(x *engine.Explanation) *ostiaryv1.ExplainNode {
	outcome, ok := wireOutcomes[x.Outcome]
	if !ok {
		panic(fmt.Sprintf("explanation has the outcome %q, which ostiary.v1 has no word for", x.Outcome))
	}
	node := &ostiaryv1.ExplainNode{
		Outcome: outcome, Kind: string(x.Kind), Object: x.Object, Relation: x.Relation, Tuple: x.Tuple,
		Note: x.Note, More: uint32(x.More),
	}
	for _, child := range x.Children {
		node.Children = append(node.Children, wireExplanation(child))
	}
	return node
}
