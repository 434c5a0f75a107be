package decisionlog

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	logsv1 "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	recordv1 "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// collecting takes logs by OTLP.
type collecting struct {
	logsv1.UnimplementedLogsServiceServer
	mu      sync.Mutex
	refuses int64
	largest int
	records []*recordv1.LogRecord
	key     []string
}

func (c *collecting) Export(ctx context.Context, req *logsv1.ExportLogsServiceRequest) (*logsv1.ExportLogsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	c.key = md["api-key"]
	if c.refuses > 0 {
		return &logsv1.ExportLogsServiceResponse{PartialSuccess: &logsv1.ExportLogsPartialSuccess{RejectedLogRecords: c.refuses, ErrorMessage: "full"}}, nil
	}
	records := req.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()
	c.largest = max(c.largest, len(records))
	c.records = append(c.records, records...)
	return &logsv1.ExportLogsServiceResponse{}, nil
}

func startCollecting(t *testing.T, c *collecting) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	logsv1.RegisterLogsServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// TestCollector: every decision is one record, with what one searches by, in requests of a bounded size.
func TestCollector(t *testing.T) {
	c := &collecting{}
	l, err := Open(Options{
		Collector:    &Collector{Endpoint: startCollecting(t, c), Headers: map[string]string{"api-key": "k"}, Version: "v", Node: "n"},
		writeTimeout: time.Minute, closeTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	const all = 3*maxExportLines + 1
	for i := range all {
		d := decision(fmt.Sprint("doc:", i))
		d.TraceID = "0af7651916cd43dd8448eb211c80319c"
		l.Decided(d)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s != (Stats{Written: all}) || len(c.records) != all || c.largest > maxExportLines || fmt.Sprint(c.key) != "[k]" {
		t.Fatalf("%+v, %d records, at most %d at once, with the key %v", s, len(c.records), c.largest, c.key)
	}
	r := c.records[0]
	attributes := map[string]string{}
	for _, a := range r.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if r.GetTimeUnixNano() != 1700000000005000000 || fmt.Sprintf("%x", r.GetTraceId()) != "0af7651916cd43dd8448eb211c80319c" ||
		!strings.Contains(r.GetBody().GetStringValue(), `"object":"doc:0"`) ||
		fmt.Sprint(attributes) != "map[ostiary.method:Check ostiary.reason:subject_disabled ostiary.result:denied ostiary.store_id:S1]" {
		t.Errorf("got %v", r)
	}
}

// TestCollectorRefuses: what a collector does not take, or is not there to take, is counted.
func TestCollectorRefuses(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, address := range map[string]string{"refuses": startCollecting(t, &collecting{refuses: 1}), "is gone": gone.Addr().String()} {
		l, err := Open(Options{Collector: &Collector{Endpoint: address}, writeTimeout: time.Minute, closeTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		l.Decided(decision("doc:1"))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if s := l.Stats(); s != (Stats{Failed: 1}) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
