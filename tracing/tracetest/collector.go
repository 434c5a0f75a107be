// Package tracetest is a collector of OTLP over gRPC for tests. It knows nothing of package tracing.
package tracetest

import (
	"context"
	"encoding/hex"
	"net"
	"strconv"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Span is a span that has come. Ids are in hexadecimal digits.
type Span struct {
	Name, Node        string
	Trace, ID, Parent string
	State             string // of the trace
	Failure           string // empty where it did not fail
	Failed            bool
	Attributes        map[string]string
}

// Collector takes spans. Make one with Start.
type Collector struct {
	collector.UnimplementedTraceServiceServer
	Address string

	mu      sync.Mutex
	spans   []Span
	headers metadata.MD
}

// Start starts a collector on a loopback address, which ends with the test.
func Start(t testing.TB) *Collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{Address: listener.Addr().String()}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c
}

// Export takes spans.
func (c *Collector) Export(ctx context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers, _ = metadata.FromIncomingContext(ctx)
	for _, r := range req.GetResourceSpans() {
		node := texts(r.GetResource().GetAttributes())["service.instance.id"]
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				c.spans = append(c.spans, Span{
					Name: span.GetName(), Node: node, Trace: hex.EncodeToString(span.GetTraceId()), ID: hex.EncodeToString(span.GetSpanId()),
					Parent: hex.EncodeToString(span.GetParentSpanId()), State: span.GetTraceState(),
					Failure: span.GetStatus().GetMessage(), Failed: span.GetStatus().GetCode() != 0, Attributes: texts(span.GetAttributes()),
				})
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func texts(all []*commonv1.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range all {
		switch v := a.GetValue().GetValue().(type) {
		case *commonv1.AnyValue_StringValue:
			m[a.GetKey()] = v.StringValue
		case *commonv1.AnyValue_IntValue:
			m[a.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		case *commonv1.AnyValue_BoolValue:
			m[a.GetKey()] = strconv.FormatBool(v.BoolValue)
		}
	}
	return m
}

// Spans returns what has come, and forgets it.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.spans
	c.spans = nil
	return all
}

// Headers returns those of the newest export.
func (c *Collector) Headers() metadata.MD {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.headers
}
