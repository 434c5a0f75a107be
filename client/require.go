package client

import (
	"context"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Rule is what a request needs: that the user, who made it, has a relation to an object, which it is about.
type Rule struct {
	Relation string
	// Object returns what the request is about: "doc:readme". Empty text and errors refuse the request.
	Object func(ctx context.Context, request any) (string, error)
	// Options are those of Check.
	Options []Option
}

// Require returns middleware for net/http that lets a request pass where user, who made it, has a relation to object,
// which it is about. Everything else is refused: 401 where user returns nobody or an error, 403 where the user may not or
// object returns nothing or an error, and 503 where the question could not be answered. The body of a refusal says no more.
//
// user is "user:ann", from a login that was proved: never from what the request merely says.
func (c *Client) Require(relation string, user, object func(*http.Request) (string, error), options ...Option) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, err := user(r)
			if err != nil || who == "" {
				http.Error(w, "log in first", http.StatusUnauthorized)
				return
			}
			what, err := object(r)
			if err != nil || what == "" {
				http.Error(w, "not allowed", http.StatusForbidden)
				return
			}
			allowed, err := c.Check(r.Context(), who, relation, what, options...)
			switch {
			case err != nil:
				http.Error(w, "it cannot be told whether that is allowed: try again", http.StatusServiceUnavailable)
			case !allowed:
				http.Error(w, "not allowed", http.StatusForbidden)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// UnaryRequire returns an interceptor for a gRPC server of the application that judges each unary call by the rule of its
// method ("/shop.v1.Orders/Get"). Streams are for StreamRequire: a server of both needs both. A method without a rule is
// refused, and so is everything that cannot be told: UNAUTHENTICATED, PERMISSION_DENIED and UNAVAILABLE as 401, 403 and
// 503 of Require.
func (c *Client) UnaryRequire(user func(context.Context) (string, error), rules map[string]Rule) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := c.judge(ctx, user, rules[info.FullMethod], request); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

// StreamRequire is UnaryRequire for streams: the rule of a stream is judged by the first message that the client sends, and
// nothing is sent to it before.
func (c *Client) StreamRequire(user func(context.Context) (string, error), rules map[string]Rule) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		rule := rules[info.FullMethod]
		if rule.Object == nil || rule.Relation == "" {
			return errNoRule
		}
		return next(server, &judged{ServerStream: stream, judge: func(request any) error {
			return c.judge(stream.Context(), user, rule, request)
		}})
	}
}

// judged is a stream that passes nothing before its first message is judged. Messages are received by one goroutine, and
// sent by one.
type judged struct {
	grpc.ServerStream
	judge  func(request any) error
	passed atomic.Bool
}

func (s *judged) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if s.passed.Load() {
		return nil
	}
	if err := s.judge(m); err != nil {
		return err
	}
	s.passed.Store(true)
	return nil
}

func (s *judged) SendMsg(m any) error {
	if !s.passed.Load() {
		return errNotAsked
	}
	return s.ServerStream.SendMsg(m)
}

func (s *judged) SendHeader(md metadata.MD) error {
	if !s.passed.Load() {
		return errNotAsked
	}
	return s.ServerStream.SendHeader(md)
}

var errNotAsked = status.Error(codes.PermissionDenied, "not allowed: nothing was asked for yet")

var errNoRule = status.Error(codes.PermissionDenied, "not allowed: the method has no rule")

func (c *Client) judge(ctx context.Context, user func(context.Context) (string, error), rule Rule, request any) error {
	if rule.Object == nil || rule.Relation == "" {
		return errNoRule
	}
	who, err := user(ctx)
	if err != nil || who == "" {
		return status.Error(codes.Unauthenticated, "nobody is logged in")
	}
	what, err := rule.Object(ctx, request)
	if err != nil || what == "" {
		return status.Error(codes.PermissionDenied, "the request names no object")
	}
	allowed, err := c.Check(ctx, who, rule.Relation, what, rule.Options...)
	switch {
	case err != nil:
		return status.Error(codes.Unavailable, "it cannot be told whether that is allowed: try again")
	case !allowed:
		return status.Error(codes.PermissionDenied, "not allowed")
	}
	return nil
}
