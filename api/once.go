package api

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary"
)

// once is a request that takes effect once, however often it is sent with the same idempotency key.
type once struct {
	principal ostiary.Principal
	key       string
	request   []byte // what the client asks for: not the same bytes as it sent, and the same for the same request
}

// onceOf returns nil for a request without an idempotency key.
func onceOf(ctx context.Context, req proto.Message) (*once, error) {
	sent := callOf(ctx).sent.once
	if len(sent) == 0 {
		return nil, nil
	}
	if len(sent) != 1 || !saneRequestID(sent[0]) {
		return nil, refuse(codeValidation, "%s is sent once and has 1 to %d letters, digits or characters of \"-_.:/+=\"; got %.200q",
			headerOnce, maxRequestIDBytes, sent)
	}
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	request, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode the request for its idempotency key: %w", err)
	}
	return &once{principal: p, key: sent[0], request: append([]byte(req.ProtoReflect().Descriptor().FullName()), request...)}, nil
}

// mark makes a mutation that of the request.
func (o *once) mark(m *ostiary.Mutation) {
	if o != nil {
		m.Once(o.key, o.request)
	}
}

// doOnce runs f, unless the request took effect before: then it is a success at the revision of that time.
// Who applies the mutation judges the key; here it is looked for so that a repetition is not refused for
// what the request itself has changed.
func (s *Server) doOnce(ctx context.Context, req proto.Message, f func(*once) error) error {
	o, err := onceOf(ctx, req)
	if err != nil {
		return err
	}
	if o == nil {
		return f(nil)
	}
	if done, err := s.done(ctx, o, ostiary.Freshness{}); done || err != nil {
		return err
	}
	failure := f(o)
	if failure == nil || ctx.Err() != nil {
		return failure
	}
	// The view may have lacked what the request had changed.
	switch done, err := s.done(ctx, o, ostiary.Freshness{Linearizable: true}); {
	case done:
		return nil
	case errors.Is(err, ostiary.ErrConflict):
		return err
	}
	return failure
}

// done reports whether the request took effect at the revision of a view, and notes its revision for the
// answer. A key that came with another request is an error.
func (s *Server) done(ctx context.Context, o *once, f ostiary.Freshness) (bool, error) {
	v, err := s.backend.View(ctx, f)
	if err != nil {
		return false, err
	}
	defer v.Close()
	known, ok, err := v.Remembered(o.principal, o.key)
	if err != nil || !ok {
		return false, err
	}
	var m ostiary.Mutation
	o.mark(&m)
	if _, digest, _ := ostiary.CutIdempotencyKey(m.IdempotencyKey); digest != known.Digest {
		return false, fmt.Errorf("%s %q came with another request at revision %d: %w", headerOnce, o.key, known.Receipt.Revision, ostiary.ErrConflict)
	}
	callOf(ctx).at(known.Receipt.Revision)
	return true, nil
}
