package tracing

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"

	"github.com/ostiary/ostiary/rate"
)

// Names of headers, as gRPC metadata and, in whatever case, over HTTP.
const (
	HeaderParent = "traceparent"
	HeaderState  = "tracestate"
)

// Options configures New. Endpoint is required.
type Options struct {
	// Endpoint is host:port of a collector that takes OTLP over gRPC.
	Endpoint string
	// TLS is how the collector is known. Nil: without TLS.
	TLS *tls.Config
	// Headers go with every export: credentials, mostly.
	Headers map[string]string
	// Sample is the share, from 0 to 1, that is traced of the requests that do not belong to a trace yet. Those that do
	// are traced if their trace says so, 100 of them a second and twice as many after a pause; above that the share is
	// traced of them too.
	Sample float64
	// Version is the release that runs, Node the name of this one among several.
	Version, Node string
	Logger        *slog.Logger // nil discards
	// ExportTimeout bounds one export. Zero means 10 s.
	ExportTimeout time.Duration
}

// Tracer traces requests and exports their spans. A nil one traces nothing. Make one with New and close it.
type Tracer struct {
	sample   float64
	asked    *rate.Limit // traces that callers ask for
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	queue    *queue
}

// maxAsked is how many requests a second are traced because their trace says so: what callers write into their headers
// must not decide how much is traced.
const maxAsked = 100

// New returns a tracer. It does not wait for the collector, which need not be there.
func New(o Options) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, errors.New("trace requests: no address of a collector")
	}
	if !(o.Sample >= 0 && o.Sample <= 1) {
		return nil, fmt.Errorf("trace requests: the share %v is not from 0 to 1", o.Sample)
	}
	o.ExportTimeout = cmp.Or(o.ExportTimeout, exportTimeout)
	options := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(o.Endpoint),
		otlptracegrpc.WithHeaders(o.Headers), // also where there are none: the environment is not asked
		otlptracegrpc.WithTimeout(o.ExportTimeout),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}), // what is lost is counted
	}
	if o.TLS == nil {
		options = append(options, otlptracegrpc.WithInsecure())
	} else {
		options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(o.TLS)))
	}
	exporter, err := otlptracegrpc.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("trace requests to %s: %w", o.Endpoint, err)
	}
	return newTracer(o, exporter), nil
}

func newTracer(o Options, exporter sdk.SpanExporter) *Tracer {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	t := &Tracer{sample: o.Sample, asked: rate.New(maxAsked), queue: newQueue(exporter, cmp.Or(o.ExportTimeout, exportTimeout), logger.With("component", "tracing"))}
	t.provider = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), // what is not to be traced does not come here
		sdk.WithSpanProcessor(t.queue),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "ostiary"),
			attribute.String("service.version", o.Version),
			attribute.String("service.instance.id", o.Node),
		)),
	)
	t.tracer = t.provider.Tracer("github.com/ostiary/ostiary")
	return t
}

// Request begins a request, or returns nil where it is not to be traced. begun is when it began. traceparent and
// tracestate are the values of these headers, as they came.
func (t *Tracer) Request(name string, begun time.Time, traceparent, tracestate []string) *Span {
	if t == nil {
		return nil
	}
	if len(traceparent) > 0 {
		if parent, ok := parseParent(traceparent, tracestate); ok {
			if parent.TraceFlags.IsSampled() && t.asked.Take("", 1, begun.UnixNano()) != 0 && !t.picks() {
				return nil
			}
			return t.within(parent, name, begun)
		}
	}
	if !t.picks() {
		return nil
	}
	return t.start(context.Background(), name, begun, trace.SpanKindServer)
}

// picks judges one request by the share.
func (t *Tracer) picks() bool { return t.sample > 0 && rand.Float64() < t.sample }

// Within begins a piece of work that another node asks for, where that node traces it.
func (t *Tracer) Within(name string, begun time.Time, traceparent, tracestate []string) *Span {
	if t == nil {
		return nil
	}
	parent, ok := parseParent(traceparent, tracestate)
	if !ok {
		return nil
	}
	return t.within(parent, name, begun)
}

func (t *Tracer) within(parent trace.SpanContextConfig, name string, begun time.Time) *Span {
	if !parent.TraceFlags.IsSampled() {
		return nil
	}
	parent.Remote = true
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(parent))
	return t.start(ctx, name, begun, trace.SpanKindServer)
}

func (t *Tracer) start(ctx context.Context, name string, begun time.Time, kind trace.SpanKind) *Span {
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(begun), trace.WithSpanKind(kind))
	return &Span{tracer: t, span: span}
}

// Flush waits until what has ended by now is exported, or ctx ends.
func (t *Tracer) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.queue.ForceFlush(ctx)
}

// Close exports what waits, for a bounded time, and ends what New began. Spans that end later are dropped.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}
