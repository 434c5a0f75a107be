package api

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/tracing"
)

// Names of headers, as gRPC metadata and, in whatever case, over HTTP.
const (
	headerRequestID = "x-request-id"                   // both ways
	headerAtLeast   = "ostiary-at-least"               // of a request: a consistency token
	headerRevision  = "ostiary-revision"               // of an answer: the revision it is true at, or of the write
	headerToken     = "ostiary-token"                  // of an answer: the same as a consistency token
	headerTruncated = "ostiary-truncated"              // of an answer: "true" where a limit or the deadline cut a list
	headerAsOf      = "ostiary-as-of"                  // of a request: a consistency token or a time to answer at
	headerContinue  = "ostiary-continuation"           // of an answer: where a cut list goes on; of a request: the same
	headerOnce      = "ostiary-idempotency-key"        // of a Write: the client's name for it, so that it can be repeated
	headerRetry     = "retry-after"                    // of a refusal: seconds to wait
	headerReason    = "ostiary-reason"                 // of an answer: why it is no, where the session or the gate says so
	headerStore     = "openfga-store-id"               // of an answer
	headerModel     = "openfga-authorization-model-id" // of an answer: the model that judged it; of a request of authzen.v1: the one to ask
)

// call is what a request gathers for the headers of its answer. One goroutine uses it.
type call struct {
	sent      sent
	method    string // its full name
	requestID string // empty until somebody asks for it: id
	storeID   string
	modelID   string
	revision  ostiary.Revision
	seen      bool // revision is set
	truncated bool
	resume    string        // where a truncated list goes on
	stream    *serverStream // nil for a unary request
	reasons   []string      // why the answer is no

	retryAfter time.Duration // how long who asks too often must wait

	span        *tracing.Span // nil: the request is not traced
	consistency consistency   // of the newest view that was taken
	work        engine.Work   // of the questions that are answered
	one         engine.Work   // of the one under way
	deciding    *deciding     // nil: nobody is told of decisions
}

type callKey struct{}

// callOf returns the call that ctx belongs to. Every handler has one.
func callOf(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return &call{} // a handler called by itself: headers go nowhere
	}
	return c
}

// id returns the request's id, and makes it where nobody asked before and the request brought none.
func (c *call) id() string {
	if c.requestID == "" {
		c.requestID = requestIDFrom(c.sent.requestID)
	}
	return c.requestID
}

// of notes the store that a request names, which the answer names too, even where the request is refused.
// OpenFGA repeats what cannot be the id of a store; for messages of ours, nothing does.
func (c *call) of(req any) {
	r, ok := req.(interface{ GetStoreId() string })
	if !ok || !saneRequestID(r.GetStoreId()) {
		return
	}
	if _, openfga := req.(interface{ ValidateAll() error }); openfga || modelIDForm.MatchString(r.GetStoreId()) {
		c.storeID = r.GetStoreId()
	}
}

func (c *call) at(r ostiary.Revision) { c.revision, c.seen = r, true }

// headers calls set for each header of the answer. The id is among them where the request brought one and
// where something says it: a mutation, a log line, a refusal. An id that nothing else knows is not worth
// its place: a header that no answer had before costs client and server 8 of 97 us a check between them
// (ostiary bench run --op check, "CPU a request" and "busy with the generator").
func (s *Server) headers(c *call, set func(key, value string)) {
	if c.requestID != "" {
		set(headerRequestID, c.requestID)
	}
	if c.storeID != "" {
		set(headerStore, c.storeID)
	}
	if c.modelID != "" {
		set(headerModel, c.modelID)
	}
	if c.seen {
		t := s.revisionText(c.revision)
		set(headerRevision, t.number)
		set(headerToken, t.token)
	}
	if c.truncated {
		set(headerTruncated, "true")
	}
	if c.resume != "" {
		set(headerContinue, c.resume)
	}
	if c.retryAfter > 0 {
		set(headerRetry, secondsOf(c.retryAfter))
	}
	if len(c.reasons) > 0 {
		set(headerReason, c.reasonText())
	}
}

// maxAnswerHeaders is how many headers an answer can have.
const maxAnswerHeaders = 9

// metadata returns the headers of the answer.
func (s *Server) metadata(c *call) metadata.MD {
	md := make(metadata.MD, maxAnswerHeaders)
	values := make([]string, 0, maxAnswerHeaders)
	s.headers(c, func(key, value string) {
		values = append(values, value)
		md[key] = values[len(values)-1 : len(values) : len(values)]
	})
	return md
}

// revisionText is a revision as it stands in headers.
type revisionText struct {
	cluster  ostiary.ClusterID
	revision ostiary.Revision
	number   string
	token    string
}

// revisionText returns the texts of a revision. Most answers name that of the one before.
func (s *Server) revisionText(r ostiary.Revision) *revisionText {
	cluster := s.backend.ClusterID()
	if t := s.lastRevision.Load(); t != nil && t.revision == r && t.cluster == cluster {
		return t
	}
	t := &revisionText{
		cluster: cluster, revision: r,
		number: strconv.FormatUint(uint64(r), 10), token: string(ostiary.NewToken(cluster, r)),
	}
	s.lastRevision.Store(t)
	return t
}

// maxRequestIDBytes bounds a request id that a client brings.
const maxRequestIDBytes = 128

// requestIDFrom returns the request id that the client sent, if there is one and it can stand in a header
// and in a log, or a new one.
func requestIDFrom(sent []string) string {
	if len(sent) == 1 && saneRequestID(sent[0]) {
		return sent[0]
	}
	var id [16]byte // it tells requests apart, and is no secret
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	return hex.EncodeToString(id[:])
}

func saneRequestID(id string) bool {
	if id == "" || len(id) > maxRequestIDBytes {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// freshness returns how new the view for a request must be.
func (s *Server) freshness(ctx context.Context, c openfgav1.ConsistencyPreference) (ostiary.Freshness, error) {
	f := ostiary.Freshness{Linearizable: c == openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY}
	for _, token := range callOf(ctx).sent.atLeast {
		r, err := ostiary.Token(token).Revision(s.backend.ClusterID())
		if err != nil {
			return f, err
		}
		f.AtLeast = max(f.AtLeast, r)
	}
	return f, nil
}

// view takes the view that a request is answered from and notes its revision for the answer. The caller
// closes it.
func (s *Server) view(ctx context.Context, c openfgav1.ConsistencyPreference) (View, error) {
	f, err := s.freshness(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.viewAt(ctx, f)
}

func (s *Server) viewAt(ctx context.Context, f ostiary.Freshness) (View, error) {
	c := callOf(ctx)
	c.consistency = consistencyOf(f)
	span := c.span.Start("view")
	v, err := s.backend.View(tracing.With(ctx, span), f)
	if err != nil {
		c.endView(span, err)
		return nil, err
	}
	c.at(v.Revision())
	c.endView(span, nil)
	return v, nil
}
