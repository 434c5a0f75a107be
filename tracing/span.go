package tracing

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Span is a piece of work that began. A nil one is of a request that is not traced: its methods do nothing, and what it
// starts is nil.
type Span struct {
	tracer *Tracer
	span   trace.Span
}

// maxTextBytes bounds a text of a span.
const maxTextBytes = 256

// Start begins a piece of work within s.
func (s *Span) Start(name string) *Span {
	if s == nil {
		return nil
	}
	return s.StartAt(name, time.Now())
}

// StartAt is Start at a time that has passed.
func (s *Span) StartAt(name string, begun time.Time) *Span {
	if s == nil {
		return nil
	}
	return s.tracer.start(trace.ContextWithSpan(context.Background(), s.span), name, begun, trace.SpanKindInternal)
}

// End notes that the work is done.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// EndAt is End at a time that has passed.
func (s *Span) EndAt(at time.Time) {
	if s != nil {
		s.span.End(trace.WithTimestamp(at))
	}
}

// Text sets an attribute, where the value is not empty.
func (s *Span) Text(key, value string) {
	if s == nil || value == "" {
		return
	}
	if len(value) > maxTextBytes {
		value = value[:maxTextBytes]
	}
	s.span.SetAttributes(attribute.String(key, strings.ToValidUTF8(value, "�")))
}

// Int sets an attribute.
func (s *Span) Int(key string, value int64) {
	if s != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// Bool sets an attribute.
func (s *Span) Bool(key string, value bool) {
	if s != nil {
		s.span.SetAttributes(attribute.Bool(key, value))
	}
}

// Fail notes that the work failed. The class is of a closed set: the texts of errors name objects and subjects.
func (s *Span) Fail(class string) {
	if s != nil {
		s.span.SetStatus(codes.Error, class)
	}
}

// TraceID returns the id of the trace in hexadecimal digits, and nothing of a nil span.
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Headers are the names and values by which another node goes on with the trace within s. There are none of a nil span.
func (s *Span) Headers() []string {
	if s == nil {
		return nil
	}
	c := s.span.SpanContext()
	all := []string{HeaderParent, "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-01"}
	if state := c.TraceState().String(); state != "" {
		all = append(all, HeaderState, state)
	}
	return all
}

type spanKey struct{}

// With returns a context that carries s, so that others start what they do within it. A nil span leaves ctx as it is.
func With(ctx context.Context, s *Span) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, s)
}

// From returns the span that ctx carries, or nil.
func From(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}
