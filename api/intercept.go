package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/tracing"
)

// begin gives a request the id that it brought, its deadline and, except for health checks, its principal. The returned
// context belongs to the call even with an error. The caller ends the request.
func (s *Server) begin(ctx context.Context, sent sent, method string, now time.Time) (context.Context, *request, error) {
	r := &request{Context: ctx, call: call{sent: sent, method: method}}
	if len(sent.requestID) > 0 {
		r.call.id()
	}
	if isHealth(method) {
		return r, r, nil
	}
	if !unboundedMethods[method] {
		r.endBy(now.Add(s.limits.RequestTimeout))
	}
	authenticated := context.Context(r)
	if _, known := ostiary.PrincipalOf(ctx); known { // by withBody
	} else if _, ok := bootstrapCredential(method, sent.authorization); ok {
		authenticated = ostiary.WithPrincipal(r, bootstrapPrincipal)
	} else {
		var err error
		if authenticated, err = s.authenticate(r, sent.authorization); err != nil {
			return r, r, err
		}
	}
	if len(sent.refused) > 0 {
		return r, r, errUnauthenticated
	}
	if err := s.throttle(authenticated, &r.call); err != nil {
		return r, r, err
	}
	return authenticated, r, judgeHeaders(&r.call.sent, method)
}

func isHealth(method string) bool {
	return strings.HasPrefix(method, "/"+healthv1.Health_ServiceDesc.ServiceName+"/")
}

func isOwn(method string) bool {
	return strings.HasPrefix(method, "/ostiary.v1.")
}

func (s *Server) interceptUnary(
	ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (resp any, err error) {
	resp, c, err := s.unary(ctx, sentIn(incoming(ctx)), info.FullMethod, req, handler)
	// SetHeader would copy the map, to be sent with the answer, which follows at once.
	if headerErr := grpc.SendHeader(ctx, s.metadata(c)); headerErr != nil {
		s.logger.Debug("response headers not sent", "request_id", c.id(), "error", headerErr) // the client is gone
	}
	return resp, err
}

// unary answers one request, whichever way it came, and returns its call for the headers of the answer.
// The error is one for the wire.
func (s *Server) unary(
	ctx context.Context, sent sent, method string, req any, handler grpc.UnaryHandler,
) (resp any, c *call, err error) {
	begun := time.Now()
	ctx, r, err := s.begin(ctx, sent, method, begun)
	defer r.end()
	c = &r.call
	if err == nil {
		s.trace(c, method, begun)
		ctx = tracing.With(ctx, c.span)
		resp, err = s.handle(ctx, c, method, req, func() (any, error) { return handler(ctx, req) })
	}
	if err != nil {
		resp, err = nil, s.report(ctx, c, method, err)
	}
	s.answered(c, method, begun, err)
	return resp, c, err
}

// handle judges the caller's rights, validates the fields of a request and runs its handler. The requests of a
// stream, whose req is nil, come later (RecvMsg). A panic becomes an error.
func (s *Server) handle(ctx context.Context, c *call, method string, req any, run func() (any, error)) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, &panicError{value: p, stack: debug.Stack()}
		}
		s.tellRequest(ctx, c, err)
	}()
	c.of(req)
	s.beginDeciding(c)
	if req != nil {
		if err := s.authorize(ctx, method, req); err != nil {
			return nil, err
		}
		if err := s.throttleStore(ctx, c, method, req); err != nil {
			return nil, err
		}
		c.deciding.asks(req)
	}
	if err := validateFields(req); err != nil {
		return nil, err
	}
	return run()
}

// validateFields applies the generated validators of OpenFGA's messages.
func validateFields(req any) error {
	if plainFields(req) {
		return nil
	}
	if err := judgeModelDepth(req); err != nil {
		return err
	}
	v, ok := req.(interface{ ValidateAll() error })
	if !ok {
		return nil
	}
	if err := v.ValidateAll(); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// panicError is what is left of a handler that panicked.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// report returns the error that goes on the wire, and logs what a caller must not or need not see.
func (s *Server) report(ctx context.Context, c *call, method string, err error) error {
	st, expected := statusOf(err, c.id())
	if !expected || s.logger.Enabled(ctx, slog.LevelDebug) {
		attrs := []any{"request_id", c.id(), "method", method, "code", int(st.Code()), "error", err}
		var p *panicError
		if errors.As(err, &p) {
			attrs = append(attrs, "stack", string(p.stack))
		}
		if expected {
			s.logger.DebugContext(ctx, textFailed, attrs...)
		} else {
			s.failures.write(ctx, s.logger, slog.LevelError, textFailed, attrs...)
		}
	}
	if isOwn(method) {
		st = canonical(st)
	}
	return status.Error(st.Code(), boundText(st.Code(), st.Message()))
}

// maxErrorTextBytes bounds the message of an error. It travels in a header, and clients refuse headers
// that are too large (Java's default is 8 KiB for all of them).
const maxErrorTextBytes = 4 << 10

func boundText(code codes.Code, text string) string {
	if len(text) <= maxErrorTextBytes {
		return text
	}
	if code == codes.InvalidArgument {
		text = innermost(text)
	}
	if len(text) > maxErrorTextBytes {
		text = strings.ToValidUTF8(text[:maxErrorTextBytes], "") + "…"
	}
	return text
}

func (s *Server) interceptStream(
	srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	begun := time.Now()
	ctx, r, err := s.begin(stream.Context(), sentIn(incoming(stream.Context())), info.FullMethod, begun)
	defer r.end()
	c := &r.call
	if err == nil {
		s.trace(c, info.FullMethod, begun)
		ctx = tracing.With(ctx, c.span)
		wrapped := &serverStream{ServerStream: stream, server: s, ctx: ctx, call: c, method: info.FullMethod}
		c.stream = wrapped
		_, err = s.handle(ctx, c, info.FullMethod, nil, func() (any, error) {
			return nil, s.stream(ctx, info.FullMethod, func() error { return handler(srv, wrapped) })
		})
		if !wrapped.sent {
			wrapped.sendHeaders()
		}
	} else {
		s.setStreamHeaders(stream, c)
	}
	if err != nil {
		err = s.report(ctx, c, info.FullMethod, err)
	}
	s.answered(c, info.FullMethod, begun, err)
	return err
}

func (s *Server) setStreamHeaders(stream grpc.ServerStream, c *call) {
	c.id() // what follows may fail
	if err := stream.SetHeader(s.metadata(c)); err != nil {
		level := slog.LevelWarn
		if stream.Context().Err() != nil { // the client has left, which is no fault of anybody's
			level = slog.LevelDebug
		}
		s.logger.Log(stream.Context(), level, "response headers not set", "request_id", c.id(), "error", err)
	}
}

// serverStream validates what it receives and sends the headers of the call before the first message.
// One goroutine sends.
type serverStream struct {
	grpc.ServerStream
	server *Server
	ctx    context.Context
	call   *call
	method string
	sent   bool
	bulk   bool // see together
	// authorized is set once a request was found to be one that the caller may make: nothing is sent before.
	authorized bool
}

// together runs a function that sends many messages of a stream, and gives up at the deadline of the call as
// SendMsg does. It costs one goroutine in place of one for each message.
func (c *call) together(send func() error) error {
	w := c.stream
	if w == nil {
		return send()
	}
	if !w.sent {
		w.sendHeaders()
	}
	w.bulk = true // from here on nothing of w changes: send may outlast the handler
	return within(w.ctx, send)
}

func (w *serverStream) Context() context.Context { return w.ctx }

func (w *serverStream) RecvMsg(m any) error {
	ctx, cancel := context.WithTimeout(w.ctx, w.server.limits.RequestTimeout) // where the method has none
	defer cancel()
	if err := within(ctx, func() error { return w.ServerStream.RecvMsg(m) }); err != nil {
		return err
	}
	w.call.of(m)
	if err := w.server.authorize(ctx, w.method, m); err != nil {
		return err
	}
	if err := w.server.throttleStore(ctx, w.call, w.method, m); err != nil {
		return err
	}
	w.authorized = true
	w.call.deciding.asks(m)
	return validateFields(m)
}

func (w *serverStream) SendMsg(m any) error {
	if !w.authorized {
		return errForbidden // a handler that answers what nobody asked
	}
	if w.bulk {
		return w.ServerStream.SendMsg(m)
	}
	if !w.sent {
		w.sendHeaders()
	}
	return within(w.ctx, func() error { return w.ServerStream.SendMsg(m) })
}

// within passes a message, and gives up at the deadline of the call: that of the stream's own context is
// the client's, who need not have one. What it leaves behind ends with the stream, when the handler has
// returned.
func within(ctx context.Context, pass func() error) error {
	passed := make(chan error, 1)
	go func() { passed <- pass() }()
	select {
	case err := <-passed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *serverStream) sendHeaders() {
	w.sent = true
	w.server.setStreamHeaders(w.ServerStream, w.call)
}

// principal returns who calls. A context without a principal is refused: a handler must never run for
// nobody.
func principal(ctx context.Context) (ostiary.Principal, error) {
	p, ok := ostiary.PrincipalOf(ctx)
	if !ok {
		return p, errUnauthenticated
	}
	return p, nil
}
