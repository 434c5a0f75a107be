package decisionlog

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	logsv1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	recordv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Collector is one of OpenTelemetry that takes logs by OTLP over gRPC.
type Collector struct {
	Endpoint string // host:port
	// TLS is how it is known. Nil: without TLS.
	TLS *tls.Config
	// Headers go with every export: credentials, mostly.
	Headers map[string]string
	// Version is the release that runs, Node the name of this one among several.
	Version, Node string
}

// maxExportLines bounds one request: with the longest lines it is within what collectors take (4 MiB).
const maxExportLines = 256

// collector is a sink that sends lines as records of logs.
type collector struct {
	conn     *grpc.ClientConn
	client   logsv1.LogsServiceClient
	headers  metadata.MD
	resource *resourcev1.Resource
}

// dial does not wait for the collector, which need not be there.
func (c *Collector) dial() (*collector, error) {
	secured := insecure.NewCredentials()
	if c.TLS != nil {
		secured = credentials.NewTLS(c.TLS)
	}
	conn, err := grpc.NewClient(c.Endpoint, grpc.WithTransportCredentials(secured))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Endpoint, err)
	}
	return &collector{
		conn: conn, client: logsv1.NewLogsServiceClient(conn), headers: metadata.New(c.Headers),
		resource: &resourcev1.Resource{Attributes: []*commonv1.KeyValue{
			attribute("service.name", "ostiary"), attribute("service.version", c.Version), attribute("service.instance.id", c.Node),
		}},
	}, nil
}

func text(value string) *commonv1.AnyValue {
	return &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}
}

func attribute(name, value string) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: name, Value: text(value)}
}

func (c *collector) write(lines []byte, by time.Time) (written int, err error) {
	ctx, cancel := context.WithDeadline(metadata.NewOutgoingContext(context.Background(), c.headers), by)
	defer cancel()
	for len(lines) > 0 {
		var records []*recordv1.LogRecord
		size := 0
		for len(records) < maxExportLines && size < len(lines) {
			end := size + bytes.IndexByte(lines[size:], '\n') + 1 // every line has one
			records = append(records, recordOf(lines[size:end-1]))
			size = end
		}
		answer, err := c.client.Export(ctx, &logsv1.ExportLogsServiceRequest{ResourceLogs: []*recordv1.ResourceLogs{{
			Resource: c.resource,
			ScopeLogs: []*recordv1.ScopeLogs{{
				Scope: &commonv1.InstrumentationScope{Name: "github.com/ostiary/ostiary/decisionlog"}, LogRecords: records,
			}},
		}}})
		if err != nil {
			return written, fmt.Errorf("send decisions to the collector: %w", err)
		}
		if n := answer.GetPartialSuccess().GetRejectedLogRecords(); n > 0 {
			return written, fmt.Errorf("send decisions to the collector: it refused %d of %d: %s", n, len(records), answer.GetPartialSuccess().GetErrorMessage())
		}
		written += size
		lines = lines[size:]
	}
	return written, nil
}

// recordOf is a line as a record: the line is its body, and what one searches by is among the attributes.
func recordOf(line []byte) *recordv1.LogRecord {
	var said struct {
		Time    time.Time `json:"time"`
		TraceID string    `json:"trace_id"`
		Store   string    `json:"store"`
		Method  string    `json:"method"`
		Result  string    `json:"result"`
		Reason  string    `json:"reason"`
	}
	_ = json.Unmarshal(line, &said) // this package wrote it
	r := &recordv1.LogRecord{
		TimeUnixNano: uint64(said.Time.UnixNano()), ObservedTimeUnixNano: uint64(time.Now().UnixNano()),
		SeverityNumber: recordv1.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO", EventName: "ostiary.decision", Body: text(string(line)),
	}
	if id, err := hex.DecodeString(said.TraceID); err == nil && len(id) == 16 {
		r.TraceId = id
	}
	for _, a := range [...]struct{ name, value string }{
		{"ostiary.store_id", said.Store}, {"ostiary.method", said.Method}, {"ostiary.result", said.Result}, {"ostiary.reason", said.Reason},
	} {
		if a.value != "" {
			r.Attributes = append(r.Attributes, attribute(a.name, a.value))
		}
	}
	return r
}

func (*collector) look() error { return nil }

func (c *collector) close() error { return c.conn.Close() }
