package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
)

// listing is one call of ListObjects or ListUsers: where in its list it begins, and when.
//
// A list is computed whole, at one revision; a limit takes the first of its elements, and the next call
// computes it again at the same revision and goes on after the last of them. A list whose evaluation its deadline
// cuts has no element that is known to be in order, so the answer is then empty, says that it is
// truncated, and names the place where it began.
type listing struct {
	kind  pageKind
	store string
	req   proto.Message
	moment
	last string // the element after which it begins; empty: the start
}

// listingOf reads the continuation that the request brings, which must be of the same list: the same
// request but for its consistency.
func (s *Server) listingOf(ctx context.Context, kind pageKind, store string, req proto.Message) (*listing, error) {
	l := &listing{kind: kind, store: store, req: req}
	sent := callOf(ctx).sent.resume
	switch len(sent) {
	case 0:
		m, err := s.asOf(ctx)
		l.moment = m
		return l, err
	case 1:
	default:
		return nil, refuse(codeValidation, "%s is sent %d times: send it once", headerContinue, len(sent))
	}
	scope, err := l.scope()
	if err != nil {
		return nil, err
	}
	m, last, err := s.resume(ctx, scope, sent[0])
	l.moment, l.last = m, string(last)
	return l, err
}

// scope tells lists apart by the request without its consistency, of which only the first page needs any.
func (l *listing) scope() (pageScope, error) {
	plain := proto.Clone(l.req)
	m := plain.ProtoReflect()
	m.Clear(m.Descriptor().Fields().ByName("consistency"))
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(plain)
	if err != nil {
		return pageScope{}, fmt.Errorf("encode the request of a list: %w", err)
	}
	return pageScope{kind: l.kind, store: l.store, filter: string(text)}, nil
}

// momentOf returns the moment of a list; nil is one that is not cut.
func (s *Server) momentOf(ctx context.Context, l *listing) (moment, error) {
	if l == nil {
		return s.asOf(ctx)
	}
	return l.moment, nil
}

// after returns the id of the element after which l begins, given what the texts of elements have before and
// behind it. It is empty where l begins at the start, or is nil.
func (l *listing) after(before, behind string) (string, error) {
	if l == nil || l.last == "" {
		return "", nil
	}
	rest, ok := strings.CutPrefix(l.last, before)
	id, whole := strings.CutSuffix(rest, behind)
	if !ok || !whole || id == "" { // the scope of the token has them
		return "", errPageToken
	}
	return id, nil
}

// oneMore is how many elements tell whether a list goes on after limit of them: zero, for all, where nothing
// cuts it.
func oneMore(limit int) int { return max(limit, -1) + 1 }

// page returns at most limit elements of a list, and notes in the answer where one that is longer goes on.
// found begins where l does, and has one element more if there is. A negative limit cuts nothing, nor does a
// nil l. err is that of the list's evaluation; where the list's own deadline cut it, and not that of the
// request, whose context is ctx, the list goes on where it began.
func page[T fmt.Stringer](ctx context.Context, s *Server, l *listing, q *question, found []T, limit int, err error) ([]T, error) {
	if l == nil {
		callOf(ctx).deciding.lists(len(found))
		return found, err
	}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil, s.cut(ctx, l, q, l.last)
		}
		return nil, err
	}
	callOf(ctx).deciding.lists(len(found))
	if limit < 0 || len(found) <= limit {
		return found, nil
	}
	callOf(ctx).deciding.lists(limit)
	last := l.last
	if limit > 0 {
		last = found[limit-1].String()
	}
	return found[:limit], s.cut(ctx, l, q, last)
}

// cut notes in the answer that the list goes on after last.
func (s *Server) cut(ctx context.Context, l *listing, q *question, last string) error {
	scope, err := l.scope()
	if err != nil {
		return err
	}
	at := moment{revision: q.view.Revision(), nowNanos: q.nowNanos}
	token, err := s.pageToken(ctx, scope, at.position([]byte(last)))
	if err != nil {
		return err
	}
	c := callOf(ctx)
	c.truncated, c.resume = true, token
	return nil
}
