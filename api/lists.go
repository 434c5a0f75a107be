package api

import (
	"context"
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// objectsRequest is what ListObjects and StreamedListObjects have in common.
type objectsRequest interface {
	GetStoreId() string
	GetAuthorizationModelId() string
	GetType() string
	GetRelation() string
	GetUser() string
	GetContextualTuples() *openfgav1.ContextualTupleKeys
	GetConsistency() openfgav1.ConsistencyPreference
	GetContext() *structpb.Struct
}

// withListDeadline bounds the evaluation of a list; a negative bound is none.
func withListDeadline(ctx context.Context, bound time.Duration) (context.Context, context.CancelFunc) {
	if bound < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, bound)
}

// listObjects returns the objects that the request asks for from where l begins, at most limit; nil is the
// whole list, of which a part is never an answer: one that is not complete within its deadline is an error.
func (s *Server) listObjects(ctx context.Context, req objectsRequest, l *listing, limit int) ([]ostiary.ObjectRef, error) {
	request := ctx
	ctx, cancel := withListDeadline(ctx, s.limits.ListObjectsDeadline)
	defer cancel()
	m, err := s.momentOf(ctx, l)
	if err != nil {
		return nil, err
	}
	q, err := s.askAt(ctx, m, req.GetConsistency(), req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	// Contextual tuples go before the question, other than in a check: OpenFGA's order.
	reader, err := s.withContextual(q, req.GetContextualTuples().GetTupleKeys(), codeValidation)
	if err != nil {
		return nil, err
	}
	if err := q.model.checkRelation(req.GetType(), req.GetRelation()); err != nil {
		return nil, numberFault(err)
	}
	subject, err := parseSubject(req.GetUser())
	if err == nil {
		err = q.model.checkSubject(subject)
	}
	if err != nil {
		return nil, wrapFault("invalid 'user' value: ", err)
	}
	session, err := q.sessionOf(ctx, subject)
	if err != nil {
		return nil, err
	}
	values := valuesOf(req.GetContext())
	if session.live {
		if values, err = session.bind(q, values); err != nil {
			return nil, err
		}
		subject = session.subject(q)
	}
	query := engine.ListObjectsQuery{
		Type: req.GetType(), Relation: req.GetRelation(), Subject: subject, Context: values,
		Limit: oneMore(limit),
	}
	if query.After, err = l.after(query.Type+":", ""); err != nil {
		return nil, err
	}
	closed, err := q.gateOf(subject)
	if err != nil {
		return nil, err
	}
	if !closed.IsOpen() || session.named {
		query.Limit = unlimited
	}
	if session.ended() {
		callOf(ctx).because(reasonSessionInactive)
		return page(request, s, l, q, []ostiary.ObjectRef(nil), limit, nil)
	}
	work := s.paced(ctx, req.GetStoreId())
	defer work.end()
	c := callOf(ctx)
	query.Work = c.beginQuestion()
	span, before := c.span.Start("engine"), c.work
	objects, err := s.engine.ListObjects(work, q.model.Plan, reader, query)
	s.endQuestion(c, kindListObjects)
	c.endEngine(span, before, q.reader, "", err)
	if err == nil {
		objects, err = q.passingObjects(ctx, closed, objects)
	}
	if err == nil {
		objects, err = q.opened(ctx, session, objects)
	}
	if err == nil && len(objects) > 0 && !session.named {
		err = q.judgeContinued(subject)
	}
	return page(request, s, l, q, objects, limit, err)
}

// ListObjects returns the objects of a type to which a user has a relation, sorted by id.
func (s *Server) ListObjects(ctx context.Context, req *openfgav1.ListObjectsRequest) (*openfgav1.ListObjectsResponse, error) {
	l, err := s.listingOf(ctx, pageObjects, req.GetStoreId(), req)
	if err != nil {
		return nil, err
	}
	objects, err := s.listObjects(ctx, req, l, s.limits.ListObjectsMaxResults)
	if err != nil {
		return nil, err
	}
	return &openfgav1.ListObjectsResponse{Objects: objectTexts(objects)}, nil
}

// objectTexts returns objects as text, all in one piece of memory.
func objectTexts(objects []ostiary.ObjectRef) []string {
	size := 0
	for i := range objects {
		size += len(objects[i].Type) + 1 + len(objects[i].ID)
	}
	var all strings.Builder
	all.Grow(size)
	texts := make([]string, len(objects))
	for i := range objects {
		from := all.Len()
		all.WriteString(objects[i].Type)
		all.WriteByte(':')
		all.WriteString(objects[i].ID)
		texts[i] = all.String()[from:] // it does not move: there is room
	}
	return texts
}

// wholeList is the limit of a list that has none.
const wholeList = -1

// StreamedListObjects is ListObjects without a limit on the number of results.
func (s *Server) StreamedListObjects(
	req *openfgav1.StreamedListObjectsRequest, stream openfgav1.OpenFGAService_StreamedListObjectsServer,
) error {
	objects, err := s.listObjects(stream.Context(), req, nil, wholeList)
	if err != nil {
		return err
	}
	return callOf(stream.Context()).together(func() error {
		var resp openfgav1.StreamedListObjectsResponse // encoded when Send returns
		for _, o := range objects {
			resp.Object = o.String()
			if err := stream.Send(&resp); err != nil {
				return err
			}
		}
		return nil
	})
}

// ListUsers returns the users of one shape that have a relation to an object, sorted. A wildcard among
// them stands for every object of its type.
func (s *Server) ListUsers(ctx context.Context, req *openfgav1.ListUsersRequest) (*openfgav1.ListUsersResponse, error) {
	l, err := s.listingOf(ctx, pageUsers, req.GetStoreId(), req)
	if err != nil {
		return nil, err
	}
	request := ctx
	ctx, cancel := withListDeadline(ctx, s.limits.ListUsersDeadline)
	defer cancel()
	q, err := s.askAt(ctx, l.moment, req.GetConsistency(), req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	reader, err := s.withContextual(q, req.GetContextualTuples(), codeValidation)
	if err != nil {
		return nil, err
	}
	filter := engine.UserFilter{Type: req.GetUserFilters()[0].GetType(), Relation: req.GetUserFilters()[0].GetRelation()}
	if err := q.model.checkSubject(ostiary.SubjectRef{Type: filter.Type, Relation: filter.Relation}); err != nil {
		return nil, numberFault(err)
	}
	if q.gated && q.gate.SessionSubjects() && filter == (engine.UserFilter{Type: q.names.Session.Type}) {
		return nil, refuse(codeValidation, "sessions stand for people in this store: list those of type '%s', and their sessions", q.names.User)
	}
	if err := q.model.checkRelation(req.GetObject().GetType(), req.GetRelation()); err != nil {
		return nil, numberFault(err)
	}
	object, err := parseObject(req.GetObject().GetType() + ":" + req.GetObject().GetId())
	if err != nil {
		return nil, wrapFault("", err)
	}
	query := engine.ListUsersQuery{
		Object: object, Relation: req.GetRelation(), Filter: filter, Context: valuesOf(req.GetContext()),
		Limit: oneMore(s.limits.ListUsersMaxResults),
	}
	behind := ""
	if filter.Relation != "" {
		behind = "#" + filter.Relation
	}
	if query.After, err = l.after(filter.Type+":", behind); err != nil {
		return nil, err
	}
	if q.gated {
		query.Limit = unlimited
	}
	work := s.paced(ctx, req.GetStoreId())
	defer work.end()
	c := callOf(ctx)
	query.Work = c.beginQuestion()
	span, before := c.span.Start("engine"), c.work
	users, err := s.engine.ListUsers(work, q.model.Plan, reader, query)
	s.endQuestion(c, kindListUsers)
	c.endEngine(span, before, q.reader, "", err)
	if err == nil {
		users, err = q.passingUsers(ctx, users, object)
	}
	if users, err = page(request, s, l, q, users, s.limits.ListUsersMaxResults, err); err != nil {
		return nil, err
	}
	resp := &openfgav1.ListUsersResponse{Users: make([]*openfgav1.User, len(users))}
	for i, u := range users {
		resp.Users[i] = wireUser(u)
	}
	return resp, nil
}
