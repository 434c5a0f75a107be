package api

import (
	"context"
	"strings"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary/dsl/model"
)

// The searches answer everything at once, up to the limits of the lists, whatever size of a page is asked
// for. Only an answer that such a limit cut has a token, with which the search goes on at the same
// revision.

// continued makes the list of ctx go on where a token says.
func continued(ctx context.Context, page *authzenv1.PageRequest) context.Context {
	if page.GetToken() != "" {
		callOf(ctx).sent.resume = []string{page.GetToken()}
	}
	return ctx
}

// pageOf says where a list of count results goes on, and is nil where it is complete.
func pageOf(ctx context.Context, count int) *authzenv1.PageResponse {
	c := callOf(ctx)
	if !c.truncated {
		return nil
	}
	return &authzenv1.PageResponse{NextToken: c.resume, Count: uint32(count)}
}

// SubjectSearch returns the subjects of a type that may do an action to a resource. The id "*" stands
// for every subject of the type.
func (a *authzenService) SubjectSearch(
	ctx context.Context, req *authzenv1.SubjectSearchRequest,
) (*authzenv1.SubjectSearchResponse, error) {
	id, err := modelHeader(ctx)
	if err != nil {
		return nil, err
	}
	users, err := a.server.ListUsers(continued(ctx, req.GetPage()), &openfgav1.ListUsersRequest{
		StoreId:              req.GetStoreId(),
		AuthorizationModelId: id,
		Object:               &openfgav1.Object{Type: req.GetResource().GetType(), Id: req.GetResource().GetId()},
		Relation:             req.GetAction().GetName(),
		UserFilters:          []*openfgav1.UserTypeFilter{{Type: req.GetSubject().GetType()}},
		Context:              conditionContext(req.GetContext(), req.GetSubject(), req.GetResource(), req.GetAction()),
	})
	if err != nil {
		return nil, err
	}
	resp := &authzenv1.SubjectSearchResponse{}
	for _, u := range users.GetUsers() {
		found := &authzenv1.Subject{Type: u.GetObject().GetType(), Id: u.GetObject().GetId()}
		if w := u.GetWildcard(); w != nil {
			found = &authzenv1.Subject{Type: w.GetType(), Id: "*"}
		}
		resp.Results = append(resp.Results, found)
	}
	resp.Page = pageOf(ctx, len(resp.GetResults()))
	return resp, nil
}

// ResourceSearch returns the resources of a type to which a subject may do an action.
func (a *authzenService) ResourceSearch(
	ctx context.Context, req *authzenv1.ResourceSearchRequest,
) (*authzenv1.ResourceSearchResponse, error) {
	id, err := modelHeader(ctx)
	if err != nil {
		return nil, err
	}
	objects, err := a.server.ListObjects(continued(ctx, req.GetPage()), &openfgav1.ListObjectsRequest{
		StoreId:              req.GetStoreId(),
		AuthorizationModelId: id,
		Type:                 req.GetResource().GetType(),
		Relation:             req.GetAction().GetName(),
		User:                 objectText(req.GetSubject().GetType(), req.GetSubject().GetId()),
		Context:              conditionContext(req.GetContext(), req.GetSubject(), req.GetResource(), req.GetAction()),
	})
	if err != nil {
		return nil, err
	}
	resp := &authzenv1.ResourceSearchResponse{}
	for _, o := range objects.GetObjects() {
		typ, id, _ := strings.Cut(o, ":")
		resp.Results = append(resp.Results, &authzenv1.Resource{Type: typ, Id: id})
	}
	resp.Page = pageOf(ctx, len(resp.GetResults()))
	return resp, nil
}

// ActionSearch returns the actions that a subject may do to a resource, sorted. An action that cannot be
// judged for a reason in the request, such as a missing parameter of a condition, is not among them; any
// other failure fails the search.
func (a *authzenService) ActionSearch(
	ctx context.Context, req *authzenv1.ActionSearchRequest,
) (*authzenv1.ActionSearchResponse, error) {
	if req.GetPage().GetToken() != "" {
		return nil, errPageToken // this search gives none
	}
	id, err := modelHeader(ctx)
	if err != nil {
		return nil, err
	}
	q, err := a.server.ask(ctx, openfgav1.ConsistencyPreference_UNSPECIFIED, req.GetStoreId(), id)
	if err != nil {
		return nil, err
	}
	defer q.close()
	typ := req.GetResource().GetType()
	if err := q.model.checkType(typ); err != nil {
		return nil, refuse(codes.InvalidArgument, "%v", err)
	}
	asked := evaluated{subject: req.GetSubject(), resource: req.GetResource(), context: req.GetContext()}
	items := actionItems(q.model.Model.Type(typ), asked)
	answers, err := a.server.checkItems(ctx, q, items)
	if err != nil {
		return nil, err
	}
	resp := &authzenv1.ActionSearchResponse{}
	for i, answer := range answers {
		if e := answer.GetError(); e != nil && e.GetInputError() == openfgav1.ErrorCode_no_error {
			return nil, refuse(codeInternal, "%s", e.GetMessage())
		}
		if answer.GetAllowed() {
			resp.Results = append(resp.Results, &authzenv1.Action{Name: items[i].GetTupleKey().GetRelation()})
		}
	}
	return resp, nil
}

// actionItems returns one check for each relation of a type, in the order of their names.
func actionItems(t *model.Type, asked evaluated) []*openfgav1.BatchCheckItem {
	relations := map[string]bool{}
	for _, r := range t.Relations {
		relations[r.Name] = true
	}
	var items []*openfgav1.BatchCheckItem
	for i, name := range sortedKeys(relations) {
		asked.action = &authzenv1.Action{Name: name}
		items = append(items, asked.item(i))
	}
	return items
}
