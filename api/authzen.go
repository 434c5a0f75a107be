package api

import (
	"context"
	"maps"
	"regexp"
	"strconv"
	"strings"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// authzenService answers authzen.v1 (OpenID AuthZEN, Authorization API 1.0) by the methods of
// openfga.v1: a resource is an object, an action a relation, and the properties of a subject, a resource
// and an action are parameters of conditions with the prefixes "subject_", "resource_" and "action_".
type authzenService struct {
	authzenv1.UnsafeAuthZenServiceServer
	server *Server
}

// modelIDForm is the form of a model's id.
var modelIDForm = regexp.MustCompile(`^[ABCDEFGHJKMNPQRSTVWXYZ0-9]{26}$`)

// modelHeader returns the model that the header of a request names, or "" for the store's latest. The
// messages of authzen.v1 have no field for it.
func modelHeader(ctx context.Context) (string, error) {
	switch ids := callOf(ctx).sent.model; {
	case len(ids) == 0:
		return "", nil
	case len(ids) == 1 && modelIDForm.MatchString(ids[0]):
		return ids[0], nil
	}
	return "", refuse(codeValidation, "invalid header Openfga-Authorization-Model-Id: it takes one id of an authorization model")
}

// withProperties is a subject, a resource or an action.
type withProperties interface{ GetProperties() *structpb.Struct }

// conditionContext joins properties with the context of a request, which goes first where names collide.
// It is nil where there is nothing in it.
func conditionContext(context *structpb.Struct, subject, resource, action withProperties) *structpb.Struct {
	joined := map[string]*structpb.Value{}
	for _, part := range []struct {
		prefix string
		of     withProperties
	}{{"subject_", subject}, {"resource_", resource}, {"action_", action}} {
		for name, value := range part.of.GetProperties().GetFields() {
			joined[part.prefix+name] = value
		}
	}
	maps.Copy(joined, context.GetFields())
	if len(joined) == 0 {
		return nil
	}
	return &structpb.Struct{Fields: joined}
}

// evaluated is what a request of authzen.v1 asks, complete.
type evaluated struct {
	subject  *authzenv1.Subject
	resource *authzenv1.Resource
	action   *authzenv1.Action
	context  *structpb.Struct
}

func (e evaluated) missing() string {
	switch {
	case e.subject == nil:
		return "missing subject"
	case e.resource == nil:
		return "missing resource"
	case e.action == nil:
		return "missing action"
	}
	return ""
}

func (e evaluated) conditionContext() *structpb.Struct {
	return conditionContext(e.context, e.subject, e.resource, e.action)
}

// item is the question as one check. Its correlation id is its place.
func (e evaluated) item(place int) *openfgav1.BatchCheckItem {
	return &openfgav1.BatchCheckItem{
		TupleKey: &openfgav1.CheckRequestTupleKey{
			User:     objectText(e.subject.GetType(), e.subject.GetId()),
			Relation: e.action.GetName(),
			Object:   objectText(e.resource.GetType(), e.resource.GetId()),
		},
		Context:       e.conditionContext(),
		CorrelationId: strconv.Itoa(place),
	}
}

func objectText(typ, id string) string { return typ + ":" + id }

// Evaluation answers whether a subject may do an action to a resource.
func (a *authzenService) Evaluation(ctx context.Context, req *authzenv1.EvaluationRequest) (*authzenv1.EvaluationResponse, error) {
	asked := evaluated{req.GetSubject(), req.GetResource(), req.GetAction(), req.GetContext()}
	return a.evaluate(ctx, req.GetStoreId(), asked)
}

func (a *authzenService) evaluate(ctx context.Context, store string, asked evaluated) (*authzenv1.EvaluationResponse, error) {
	model, err := modelHeader(ctx)
	if err != nil {
		return nil, err
	}
	item := asked.item(0)
	answer, err := a.server.Check(ctx, &openfgav1.CheckRequest{
		StoreId: store, AuthorizationModelId: model, TupleKey: item.GetTupleKey(), Context: item.GetContext(),
	})
	if err != nil {
		return nil, err
	}
	return &authzenv1.EvaluationResponse{Decision: answer.GetAllowed()}, nil
}

// Evaluations answers several questions from one view. What a question leaves out is taken from the
// request. A question that fails is denied, and its answer says why.
func (a *authzenService) Evaluations(ctx context.Context, req *authzenv1.EvaluationsRequest) (*authzenv1.EvaluationsResponse, error) {
	whole := evaluated{req.GetSubject(), req.GetResource(), req.GetAction(), req.GetContext()}
	if len(req.GetEvaluations()) == 0 {
		if missing := whole.missing(); missing != "" {
			return nil, refuse(codes.InvalidArgument, "%s", missing)
		}
		one, err := a.evaluate(ctx, req.GetStoreId(), whole)
		if err != nil {
			return nil, err
		}
		return &authzenv1.EvaluationsResponse{Evaluations: []*authzenv1.EvaluationResponse{one}}, nil
	}
	if err := a.server.checkBatchSize(len(req.GetEvaluations())); err != nil {
		return nil, err
	}
	all := make([]evaluated, len(req.GetEvaluations()))
	for i, item := range req.GetEvaluations() {
		all[i] = whole.with(item)
	}
	model, err := modelHeader(ctx)
	if err != nil {
		return nil, err
	}
	semantic := req.GetOptions().GetEvaluationsSemantic()
	if semantic == authzenv1.EvaluationsSemantic_execute_all {
		for i, e := range all {
			if missing := e.missing(); missing != "" {
				return nil, refuse(codes.InvalidArgument, "evaluation %d: %s", i, missing)
			}
		}
	}
	q, err := a.server.ask(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED, req.GetStoreId(), model)
	if err != nil {
		return nil, err
	}
	defer q.close()
	if semantic == authzenv1.EvaluationsSemantic_execute_all {
		return a.executeAll(ctx, q, all)
	}
	return a.executeUntil(ctx, q, all, semantic == authzenv1.EvaluationsSemantic_permit_on_first_permit)
}

// with returns e with what the item says in its place.
func (e evaluated) with(item *authzenv1.EvaluationsItemRequest) evaluated {
	if item.GetSubject() != nil {
		e.subject = item.GetSubject()
	}
	if item.GetResource() != nil {
		e.resource = item.GetResource()
	}
	if item.GetAction() != nil {
		e.action = item.GetAction()
	}
	if item.GetContext() != nil {
		e.context = item.GetContext()
	}
	return e
}

func (a *authzenService) executeAll(ctx context.Context, q *question, all []evaluated) (*authzenv1.EvaluationsResponse, error) {
	items := make([]*openfgav1.BatchCheckItem, len(all))
	for i, e := range all {
		items[i] = e.item(i)
	}
	answers, err := a.server.checkItems(ctx, q, items)
	if err != nil {
		return nil, err
	}
	resp := &authzenv1.EvaluationsResponse{}
	for _, answer := range answers {
		resp.Evaluations = append(resp.Evaluations, evaluation(answer))
	}
	return resp, nil
}

// executeUntil answers in order and ends with the first answer that is stop.
func (a *authzenService) executeUntil(
	ctx context.Context, q *question, all []evaluated, stop bool,
) (*authzenv1.EvaluationsResponse, error) {
	batch := a.server.engine.Batch(q.model.Plan, q.reader)
	defer batch.Close()
	resp := &authzenv1.EvaluationsResponse{}
	for i, e := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var one *authzenv1.EvaluationResponse
		if missing := e.missing(); missing != "" {
			one = failedEvaluation(status.New(codeValidation, missing))
		} else {
			one = evaluation(a.server.checkItem(ctx, q, batch, e.item(i)))
		}
		resp.Evaluations = append(resp.Evaluations, one)
		if one.GetDecision() == stop {
			break
		}
	}
	return resp, nil
}

// evaluation is the answer of one check. An error is denied, with its reason beside it.
func evaluation(result *openfgav1.BatchCheckSingleResult) *authzenv1.EvaluationResponse {
	e := result.GetError()
	if e == nil {
		return &authzenv1.EvaluationResponse{Decision: result.GetAllowed()}
	}
	code := codes.Code(e.GetInputError())
	if code == codes.OK {
		code = codes.Code(e.GetInternalError())
	}
	return failedEvaluation(status.New(code, e.GetMessage()))
}

func failedEvaluation(st *status.Status) *authzenv1.EvaluationResponse {
	httpStatus, _, message := wireError(st)
	return &authzenv1.EvaluationResponse{Context: &structpb.Struct{Fields: map[string]*structpb.Value{
		"error": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"status":  structpb.NewNumberValue(float64(httpStatus)),
			"message": structpb.NewStringValue(message),
		}}),
	}}}
}

// GetConfiguration returns where a store's endpoints are.
func (a *authzenService) GetConfiguration(
	ctx context.Context, req *authzenv1.GetConfigurationRequest,
) (*authzenv1.GetConfigurationResponse, error) {
	if a.server.authzenBaseURL == "" {
		return nil, refuse(codes.FailedPrecondition,
			"AuthZEN discovery base URL is not configured: start the server with --authzen-base-url or OSTIARY_AUTHZEN_BASE_URL")
	}
	v, err := a.server.view(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if _, err := storeDocument(v, req.GetStoreId()); err != nil {
		return nil, err
	}
	base := strings.TrimRight(a.server.authzenBaseURL, "/") + "/stores/" + req.GetStoreId()
	return &authzenv1.GetConfigurationResponse{
		PolicyDecisionPoint:       base,
		AccessEvaluationEndpoint:  base + "/access/v1/evaluation",
		AccessEvaluationsEndpoint: base + "/access/v1/evaluations",
		SearchSubjectEndpoint:     base + "/access/v1/search/subject",
		SearchResourceEndpoint:    base + "/access/v1/search/resource",
		SearchActionEndpoint:      base + "/access/v1/search/action",
	}, nil
}
