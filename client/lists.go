package client

import (
	"context"
	"fmt"
	"iter"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxEmptyPages is how often in a row a list may be cut before it has begun, which its deadline on the server does.
const maxEmptyPages = 3

// ListObjects yields the objects of a type to which a user has a relation, sorted. A list that a limit of the server cuts
// is continued at the same revision, so that it is whole; a plain OpenFGA server does not say that it has cut one.
//
// It ends with the first error: those of Check, and ErrCut where the server has no time for the list.
func (c *Client) ListObjects(ctx context.Context, user, relation, typ string, options ...Option) iter.Seq2[string, error] {
	return c.pages(ctx, "ListObjects", options, func(ctx context.Context, q *query, o ...grpc.CallOption) ([]string, error) {
		contextual, values, err := q.fields()
		if err != nil {
			return nil, err
		}
		answer, err := c.fga.ListObjects(ctx, &openfgav1.ListObjectsRequest{
			StoreId: c.o.Store, AuthorizationModelId: q.model, Consistency: q.consistency, ContextualTuples: contextual, Context: values,
			User: user, Relation: relation, Type: typ,
		}, o...)
		return answer.GetObjects(), err
	})
}

// ListUsers yields the users of a type ("user"), or the usersets of a type and relation ("group#member"), who have a
// relation to an object, sorted. "user:*" among them is everybody of the type. It is continued and ends as ListObjects.
func (c *Client) ListUsers(ctx context.Context, object, relation, of string, options ...Option) iter.Seq2[string, error] {
	return c.pages(ctx, "ListUsers", options, func(ctx context.Context, q *query, o ...grpc.CallOption) ([]string, error) {
		typ, id, err := typeOf(object)
		if err != nil {
			return nil, err
		}
		_, values, err := q.fields()
		if err != nil {
			return nil, err
		}
		filter := &openfgav1.UserTypeFilter{}
		filter.Type, filter.Relation, _ = strings.Cut(of, "#")
		answer, err := c.fga.ListUsers(ctx, &openfgav1.ListUsersRequest{
			StoreId: c.o.Store, AuthorizationModelId: q.model, Consistency: q.consistency, ContextualTuples: q.contextual, Context: values,
			Object: &openfgav1.Object{Type: typ, Id: id}, Relation: relation, UserFilters: []*openfgav1.UserTypeFilter{filter},
		}, o...)
		users := make([]string, 0, len(answer.GetUsers()))
		for _, u := range answer.GetUsers() {
			text, known := userText(u)
			if !known {
				return nil, status.Errorf(codes.Internal, "the server lists a user of a kind that this client does not know: %v", u)
			}
			users = append(users, text)
		}
		return users, err
	})
}

func userText(u *openfgav1.User) (text string, known bool) {
	switch u := u.GetUser().(type) {
	case *openfgav1.User_Object:
		return u.Object.GetType() + ":" + u.Object.GetId(), true
	case *openfgav1.User_Userset:
		return u.Userset.GetType() + ":" + u.Userset.GetId() + "#" + u.Userset.GetRelation(), true
	case *openfgav1.User_Wildcard:
		return u.Wildcard.GetType() + ":*", true
	}
	return "", false
}

// pages yields the elements of a list of which page gets one part.
func (c *Client) pages(ctx context.Context, name string, options []Option,
	page func(context.Context, *query, ...grpc.CallOption) ([]string, error),
) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		q := c.query(options)
		begun, empty := q.headers, 0
		for {
			var part []string
			h, err := c.call(ctx, name, q, nil, func(ctx context.Context, o ...grpc.CallOption) (err error) {
				part, err = page(ctx, q, o...)
				return err
			})
			if err != nil {
				yield("", err)
				return
			}
			for _, one := range part {
				if !yield(one, nil) {
					return
				}
			}
			next := h.get("ostiary-continuation")
			if empty++; len(part) > 0 {
				empty = 0
			}
			switch {
			case next == "" && h.get("ostiary-truncated") == "":
				return
			case next == "":
				yield("", fmt.Errorf("%s: the server says no more of it: %w", name, ErrCut))
				return
			case empty == maxEmptyPages:
				yield("", fmt.Errorf("%s: the server had no time for it, %d times in a row: %w", name, empty, ErrCut))
				return
			}
			q.past = true // the list goes on at its revision, whatever the session has seen since
			q.headers = append(begun[:len(begun):len(begun)], [2]string{"ostiary-continuation", next})
		}
	}
}

// Read yields the stored tuples that match, in the order of their keys, all of one revision: those of an object, or of
// a user and objects of a type ("doc:"), narrowed by a relation; or all of a store for the zero Tuple.
func (c *Client) Read(ctx context.Context, match Tuple, options ...Option) iter.Seq2[Tuple, error] {
	return func(yield func(Tuple, error) bool) {
		q := c.query(options)
		request := &openfgav1.ReadRequest{StoreId: c.o.Store, Consistency: q.consistency}
		if match != (Tuple{}) {
			request.TupleKey = &openfgav1.ReadRequestTupleKey{User: match.User, Relation: match.Relation, Object: match.Object}
		}
		for {
			var answer *openfgav1.ReadResponse
			_, err := c.call(ctx, "Read", q, nil, func(ctx context.Context, o ...grpc.CallOption) (err error) {
				answer, err = c.fga.Read(ctx, request, o...)
				return err
			})
			if err != nil {
				yield(Tuple{}, err)
				return
			}
			for _, t := range answer.GetTuples() {
				if !yield(tupleOf(t.GetKey()), nil) {
					return
				}
			}
			q.past = true
			if request.ContinuationToken = answer.GetContinuationToken(); request.ContinuationToken == "" {
				return
			}
		}
	}
}

func tupleOf(k *openfgav1.TupleKey) Tuple { return Tuple{k.GetUser(), k.GetRelation(), k.GetObject()} }
