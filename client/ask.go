package client

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// Tuple says that a user has a relation to an object. A user is "user:ann", "user:*" or "group:eng#member".
type Tuple struct{ User, Relation, Object string }

// String returns the tuple as "object#relation@user".
func (t Tuple) String() string { return t.Object + "#" + t.Relation + "@" + t.User }

func (t Tuple) key() *openfgav1.TupleKey {
	return &openfgav1.TupleKey{User: t.User, Relation: t.Relation, Object: t.Object}
}

// Option changes one question.
type Option func(*query)

// query is what options ask for.
type query struct {
	model       string
	consistency openfgav1.ConsistencyPreference
	contextual  []*openfgav1.TupleKey
	values      map[string]any
	headers     [][2]string
	past        bool // the request names the state itself: what the session has seen is not asked for
}

// Model asks a model by its id.
func Model(id string) Option { return func(q *query) { q.model = id } }

// With counts tuples as present for this question alone: 100 at most.
func With(tuples ...Tuple) Option {
	return func(q *query) {
		for _, t := range tuples {
			q.contextual = append(q.contextual, t.key())
		}
	}
}

// Context gives values to the parameters of conditions. They are those of JSON: nil, bool, numbers, text, lists, maps.
func Context(values map[string]any) Option { return func(q *query) { q.values = values } }

// Newest asks for a state that holds every write that was acknowledged before the question. It costs a round trip
// between the nodes of a cluster; to see one's own writes, Session is enough.
func Newest() Option {
	return func(q *query) { q.consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY }
}

// AtLeast asks for a state at least as new as a consistency token.
func AtLeast(token string) Option { return header("ostiary-at-least", token) }

// AsOf asks for exactly the state of a consistency token.
func AsOf(token string) Option { return past(token) }

// AsOfTime asks for the state at a time. Plain OpenFGA servers pass over it, and over AsOf.
func AsOfTime(t time.Time) Option { return past(t.UTC().Format(time.RFC3339Nano)) }

func past(moment string) Option {
	return func(q *query) {
		q.past = true
		header("ostiary-as-of", moment)(q)
	}
}

func header(name, value string) Option {
	return func(q *query) { q.headers = append(q.headers, [2]string{name, value}) }
}

func (c *Client) query(options []Option) *query {
	q := &query{model: c.o.Model}
	for _, o := range options {
		o(q)
	}
	if c.carried.isStrict() && !q.past {
		q.consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	return q
}

// fields returns what questions have in common.
func (q *query) fields() (*openfgav1.ContextualTupleKeys, *structpb.Struct, error) {
	var contextual *openfgav1.ContextualTupleKeys
	if len(q.contextual) > 0 {
		contextual = &openfgav1.ContextualTupleKeys{TupleKeys: q.contextual}
	}
	if q.values == nil {
		return contextual, nil, nil
	}
	values, err := structpb.NewStruct(q.values)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the context: %w: %w", err, ErrInvalid)
	}
	return contextual, values, nil
}

// Check reports whether a user has a relation to an object. It is false with every error.
//
// Errors: ErrInvalid, ErrUnauthenticated, ErrForbidden, ErrNotFound, ErrTooMuch, ErrUnavailable, ErrServer.
func (c *Client) Check(ctx context.Context, user, relation, object string, options ...Option) (bool, error) {
	q := c.query(options)
	contextual, values, err := q.fields()
	if err != nil {
		return false, err
	}
	request := &openfgav1.CheckRequest{
		StoreId: c.o.Store, AuthorizationModelId: q.model, Consistency: q.consistency, ContextualTuples: contextual, Context: values,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: user, Relation: relation, Object: object},
	}
	var answer *openfgav1.CheckResponse
	_, err = c.call(ctx, "Check", q, nil, func(ctx context.Context, o ...grpc.CallOption) (err error) {
		answer, err = c.fga.Check(ctx, request, o...)
		return err
	})
	return err == nil && answer.GetAllowed(), err
}

// Answer is that to one of many checks. Allowed is false where there is an error.
type Answer struct {
	Allowed bool
	Err     error
}

// maxBatch is how many checks a request has at most, of what servers take by default.
const maxBatch = 50

// BatchCheck answers many checks, in their order, fifty a request. Those of one request are answered from one state.
// The options are those of every check. A check may fail for itself; an error of the call leaves no answers.
func (c *Client) BatchCheck(ctx context.Context, checks []Tuple, options ...Option) ([]Answer, error) {
	q := c.query(options)
	contextual, values, err := q.fields()
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(checks))
	for begin := 0; begin < len(checks); begin += maxBatch {
		end := min(begin+maxBatch, len(checks))
		request := &openfgav1.BatchCheckRequest{StoreId: c.o.Store, AuthorizationModelId: q.model, Consistency: q.consistency}
		for i, t := range checks[begin:end] {
			request.Checks = append(request.Checks, &openfgav1.BatchCheckItem{
				TupleKey:         &openfgav1.CheckRequestTupleKey{User: t.User, Relation: t.Relation, Object: t.Object},
				ContextualTuples: contextual, Context: values, CorrelationId: strconv.Itoa(begin + i),
			})
		}
		var answer *openfgav1.BatchCheckResponse
		_, err := c.call(ctx, "BatchCheck", q, nil, func(ctx context.Context, o ...grpc.CallOption) (err error) {
			answer, err = c.fga.BatchCheck(ctx, request, o...)
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := begin; i < end; i++ {
			answers[i] = answerOf(checks[i], answer.GetResult()[strconv.Itoa(i)])
		}
	}
	return answers, nil
}

func answerOf(t Tuple, r *openfgav1.BatchCheckSingleResult) Answer {
	switch kind := r.GetCheckResult().(type) {
	case *openfgav1.BatchCheckSingleResult_Allowed:
		return Answer{Allowed: kind.Allowed}
	case *openfgav1.BatchCheckSingleResult_Error:
		e := kind.Error
		failed := ErrServer
		if e.GetInputError() != 0 {
			failed = ErrInvalid
		}
		return Answer{Err: fmt.Errorf("check %s: %s: %w", t, e.GetMessage(), failed)}
	}
	return Answer{Err: fmt.Errorf("check %s: the server did not answer it: %w", t, ErrServer)}
}

// typeOf returns the type of an object or user.
func typeOf(object string) (typ, id string, err error) {
	typ, id, ok := strings.Cut(object, ":")
	if !ok || typ == "" || id == "" {
		return "", "", fmt.Errorf("object %q is not TYPE:ID: %w", object, ErrInvalid)
	}
	return typ, id, nil
}
