package api

import (
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/tracing"
)

// Names of the attributes of spans. Their values say which store and model, how new the view was, what came out and what
// it cost, and never who asked about whom.
const (
	attrRequest     = "ostiary.request_id"
	attrStore       = "ostiary.store_id"
	attrModel       = "ostiary.model_id"
	attrRevision    = "ostiary.revision"
	attrConsistency = "ostiary.consistency"
	attrResult      = "ostiary.result"
	attrQuestions   = "ostiary.questions"
	attrReads       = "ostiary.tuples_read"
	attrDepth       = "ostiary.depth"
	attrCacheHits   = "ostiary.cache_hits"
	attrCacheMisses = "ostiary.cache_misses"
)

// trace begins the span of a request, or none where it is not traced.
func (s *Server) trace(c *call, method string, begun time.Time) {
	if s.tracer != nil && !isHealth(method) {
		c.span = s.tracer.Request(strings.TrimPrefix(method, "/"), begun, c.sent.traceparent, c.sent.tracestate)
	}
}

// endTrace ends the span of a request. code is "ok", or the name of the error as HTTP has it.
func (c *call) endTrace(code string) {
	if c.span == nil {
		return
	}
	c.span.Text(attrRequest, c.id())
	c.span.Text(attrStore, c.storeID)
	c.span.Text(attrModel, c.modelID)
	if c.seen {
		c.span.Int(attrRevision, int64(c.revision))
	}
	if code != "ok" {
		c.span.Fail(code)
	}
	c.span.End()
}

// endView ends the span of the taking of a view.
func (c *call) endView(span *tracing.Span, err error) {
	if span == nil {
		return
	}
	span.Text(attrConsistency, c.consistency.String())
	span.Int(attrRevision, int64(c.revision))
	if err != nil {
		span.Fail(errorClass(err))
	}
	span.End()
}

// cacheCounter is a reader that tells what its cache did for it.
type cacheCounter interface {
	CacheUse() (hits, misses uint64)
}

// endEngine ends the span of questions put to the engine, of which before is the work of those that came earlier.
func (c *call) endEngine(span *tracing.Span, before engine.Work, r engine.Reader, result string, err error) {
	if span == nil {
		return
	}
	span.Text(attrResult, result)
	span.Int(attrQuestions, int64(c.work.Questions-before.Questions))
	span.Int(attrReads, int64(c.work.Reads-before.Reads))
	span.Int(attrDepth, int64(c.work.Depth))
	if counter, ok := r.(cacheCounter); ok {
		hits, misses := counter.CacheUse()
		span.Int(attrCacheHits, int64(hits))
		span.Int(attrCacheMisses, int64(misses))
	}
	if err != nil {
		span.Fail(errorClass(err))
	}
	span.End()
}

// consistentMethods are those whose callers choose how new their view is.
var consistentMethods = []string{
	openfgav1.OpenFGAService_Check_FullMethodName, openfgav1.OpenFGAService_BatchCheck_FullMethodName,
	openfgav1.OpenFGAService_ListObjects_FullMethodName, openfgav1.OpenFGAService_StreamedListObjects_FullMethodName,
	openfgav1.OpenFGAService_ListUsers_FullMethodName, openfgav1.OpenFGAService_Expand_FullMethodName,
	openfgav1.OpenFGAService_Read_FullMethodName,
}

// ObservedMethods returns the methods, by their full names, with the consistency that most of their requests have.
func ObservedMethods() map[string]string {
	all := map[string]string{}
	for _, method := range Methods() {
		all[method] = ""
	}
	for _, method := range consistentMethods {
		all[method] = consistencyLatest.String()
	}
	return all
}

// errorClass is the name of the error that a caller gets for err.
func errorClass(err error) string {
	st, _ := statusOf(err, "")
	_, name, _ := wireError(st)
	return name
}

// consistency is how new the view of a request had to be.
type consistency uint8

const (
	consistencyNone         consistency = iota // no view was taken, or it does not matter
	consistencyLatest                          // that of the node: MINIMIZE_LATENCY
	consistencyAtLeast                         // one that shows a consistency token
	consistencyLinearizable                    // HIGHER_CONSISTENCY
	consistencyPast                            // a past one
)

var consistencyNames = [...]string{"", "latest", "at_least", "linearizable", "past"}

func (c consistency) String() string { return consistencyNames[c] }

func consistencyOf(f ostiary.Freshness) consistency {
	switch {
	case f.At != 0:
		return consistencyPast
	case f.Linearizable:
		return consistencyLinearizable
	case f.AtLeast != 0:
		return consistencyAtLeast
	}
	return consistencyLatest
}

// mountedMethod is a method of HTTP as it may stand in the name of a span.
func mountedMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "other"
}
