package raftstore

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
	"github.com/ostiary/ostiary/tracing"
)

// applied is what became of an entry, and when the batch that it was in was applied.
type applied struct {
	storage.Outcome
	begun, ended time.Time
}

// within begins a piece of work of a request that is traced. The caller ends it with the error.
func within(ctx context.Context, name string) (context.Context, func(error)) {
	span := tracing.From(ctx).Start(name)
	if span == nil {
		return ctx, func(error) {}
	}
	return tracing.With(ctx, span), func(err error) {
		if err != nil {
			span.Fail(classOf(err))
		}
		span.End()
	}
}

// classOf is the sentinel that an error is, or "failed".
func classOf(err error) string {
	for _, sentinel := range ostiary.Sentinels() {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	return "failed"
}

// traceApply tells of the batch in which a mutation was applied here.
func traceApply(ctx context.Context, a applied) {
	if a.begun.IsZero() {
		return
	}
	span := tracing.From(ctx).StartAt("apply", a.begun)
	span.Int("ostiary.revision", int64(a.Receipt.Revision))
	span.EndAt(a.ended)
}

// tellTrace lets the node that is called go on with the trace.
func tellTrace(ctx context.Context) context.Context {
	if headers := tracing.From(ctx).Headers(); headers != nil {
		return metadata.AppendToOutgoingContext(ctx, headers...)
	}
	return ctx
}

// takeTrace goes on with the trace of the node that calls. The caller ends the span.
func (s *Store) takeTrace(ctx context.Context, name string) (context.Context, *tracing.Span) {
	if s.options.Tracer == nil {
		return ctx, nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	span := s.options.Tracer.Within(name, time.Now(), md[tracing.HeaderParent], md[tracing.HeaderState])
	return tracing.With(ctx, span), span
}
