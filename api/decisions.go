package api

import (
	"context"
	"slices"
	"strings"
	"time"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/decisionlog"
)

// Decisions is told what questions were answered with: of each check, of each check of a batch, and of each list. It is
// called on the goroutine of the request and must not wait; it is safe for concurrent use.
type Decisions interface {
	// Wants reports whether such a decision is to be told.
	Wants(store, method, result, object, relation string) bool
	// Decided tells of one. d is the caller's again when it returns.
	Decided(d *decisionlog.Decision)
}

// decidingMethods are those whose answers are decisions, by their full names.
var decidingMethods = map[string]bool{
	openfgav1.OpenFGAService_Check_FullMethodName:               true,
	openfgav1.OpenFGAService_BatchCheck_FullMethodName:          true,
	openfgav1.OpenFGAService_ListObjects_FullMethodName:         true,
	openfgav1.OpenFGAService_StreamedListObjects_FullMethodName: true,
	openfgav1.OpenFGAService_ListUsers_FullMethodName:           true,
	authzenv1.AuthZenService_Evaluation_FullMethodName:          true,
	authzenv1.AuthZenService_Evaluations_FullMethodName:         true,
	authzenv1.AuthZenService_SubjectSearch_FullMethodName:       true,
	authzenv1.AuthZenService_ResourceSearch_FullMethodName:      true,
	authzenv1.AuthZenService_ActionSearch_FullMethodName:        true,
}

// DecidingMethods returns the names that decisions have for methods, sorted.
func DecidingMethods() []string {
	var names []string
	for full := range decidingMethods {
		names = append(names, shortMethod(full))
	}
	slices.Sort(names)
	return names
}

// shortMethod is what follows the name of the service.
func shortMethod(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }

// deciding is what a call keeps of the decisions under way. It is nil where nobody is told of them.
type deciding struct {
	request any       // nil until the caller was found to have the right to ask
	since   time.Time // when the question under way began
	why     string    // the reason of its answer
	told    bool      // a check of the request was decided
	listed  int       // results of a list
	result  string    // of the check before
	failure string
}

// beginDeciding prepares a call for decisions to be told of.
func (s *Server) beginDeciding(c *call) {
	if s.decisions != nil && decidingMethods[c.method] {
		c.deciding = &deciding{since: time.Now()}
	}
}

// asks notes the request, once its caller was found to have the right to make it.
func (d *deciding) asks(req any) {
	if d != nil {
		d.request = req
	}
}

// nextCheck begins a check of several.
func (d *deciding) nextCheck() {
	if d != nil {
		d.since, d.why = time.Now(), ""
	}
}

func (d *deciding) because(reason string) {
	if d != nil {
		d.why = reason
	}
}

func (d *deciding) lists(results int) {
	if d != nil {
		d.listed = results
	}
}

// tellCheck tells of a check that was decided, or failed.
func (s *Server) tellCheck(ctx context.Context, k tupleKey, contextual int, answer ostiary.Decision, err error) {
	c := callOf(ctx)
	if c.deciding == nil {
		return
	}
	c.deciding.told = true
	c.deciding.result, c.deciding.failure = decisionOf(answer, err)
	s.tell(ctx, c, &decisionlog.Decision{
		Object: k.GetObject(), Relation: k.GetRelation(), Subject: k.GetUser(), Contextual: contextual,
	})
}

// tellSame tells of a check of a batch that asks what the one before it has asked.
func (s *Server) tellSame(ctx context.Context, k tupleKey, contextual int) {
	if c := callOf(ctx); c.deciding != nil {
		c.deciding.since = time.Now()
		s.tell(ctx, c, &decisionlog.Decision{
			Object: k.GetObject(), Relation: k.GetRelation(), Subject: k.GetUser(), Contextual: contextual,
		})
	}
}

// tellRequest tells of a list that was answered, and of a request that failed before any of its checks was decided.
func (s *Server) tellRequest(ctx context.Context, c *call, err error) {
	d := c.deciding
	if d == nil || d.request == nil || d.told {
		return
	}
	asked, list := askedBy(d.request)
	switch {
	case err != nil:
		d.result, d.failure = decisionOf(ostiary.Denied, err)
	case !list:
		return // checks that cannot be decided for what they lack
	default:
		d.result, asked.Count = decisionlog.Listed, d.listed
	}
	s.tell(ctx, c, &asked)
}

// decisionOf returns the result of a check, and the name of what it failed for.
func decisionOf(answer ostiary.Decision, err error) (result, failure string) {
	switch {
	case err != nil:
		return decisionlog.Failed, resultOf(answer, err)
	case answer == ostiary.Allowed:
		return decisionlog.Allowed, ""
	}
	return decisionlog.Denied, ""
}

// tell tells what is asked of, with what the call knows, where it is wanted.
func (s *Server) tell(ctx context.Context, c *call, asked *decisionlog.Decision) {
	d, method := c.deciding, shortMethod(c.method)
	if !s.decisions.Wants(c.storeID, method, d.result, asked.Object, asked.Relation) {
		return
	}
	asked.Time = time.Now()
	asked.Took = asked.Time.Sub(d.since)
	asked.RequestID, asked.TraceID = c.id(), c.span.TraceID()
	if p, known := ostiary.PrincipalOf(ctx); known {
		asked.Principal = p.String()
	}
	asked.Method, asked.Store, asked.Model = method, c.storeID, c.modelID
	asked.Result, asked.Error, asked.Reason = d.result, d.failure, d.why
	asked.Consistency = c.consistency.String()
	if c.seen {
		asked.Revision = uint64(c.revision)
	}
	s.decisions.Decided(asked)
}

// askedBy returns what a request asks about, and whether it asks for a list. Of a batch there is nothing to say.
func askedBy(req any) (d decisionlog.Decision, list bool) {
	switch r := req.(type) {
	case *openfgav1.CheckRequest:
		k := r.GetTupleKey()
		d.Object, d.Relation, d.Subject = k.GetObject(), k.GetRelation(), k.GetUser()
		d.Contextual = len(r.GetContextualTuples().GetTupleKeys())
	case objectsRequest:
		d.Object, d.Relation, d.Subject = r.GetType(), r.GetRelation(), r.GetUser()
		d.Contextual, list = len(r.GetContextualTuples().GetTupleKeys()), true
	case *openfgav1.ListUsersRequest:
		d.Object, d.Relation = objectText(r.GetObject().GetType(), r.GetObject().GetId()), r.GetRelation()
		if filters := r.GetUserFilters(); len(filters) > 0 {
			d.Subject = filters[0].GetType()
			if relation := filters[0].GetRelation(); relation != "" {
				d.Subject += "#" + relation
			}
		}
		d.Contextual, list = len(r.GetContextualTuples()), true
	case *authzenv1.EvaluationRequest:
		d.Object, d.Relation = objectText(r.GetResource().GetType(), r.GetResource().GetId()), r.GetAction().GetName()
		d.Subject = objectText(r.GetSubject().GetType(), r.GetSubject().GetId())
	case *authzenv1.SubjectSearchRequest:
		d.Object, d.Relation = objectText(r.GetResource().GetType(), r.GetResource().GetId()), r.GetAction().GetName()
		d.Subject, list = r.GetSubject().GetType(), true
	case *authzenv1.ResourceSearchRequest:
		d.Object, d.Relation = r.GetResource().GetType(), r.GetAction().GetName()
		d.Subject, list = objectText(r.GetSubject().GetType(), r.GetSubject().GetId()), true
	case *authzenv1.ActionSearchRequest:
		d.Object = objectText(r.GetResource().GetType(), r.GetResource().GetId())
		d.Subject = objectText(r.GetSubject().GetType(), r.GetSubject().GetId())
	}
	return d, list
}
