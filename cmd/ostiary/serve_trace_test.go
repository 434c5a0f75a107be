package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/tracing"
	"github.com/ostiary/ostiary/tracing/tracetest"
)

// TestTraceFlags: what cannot be meant is refused, and no header is shown.
func TestTraceFlags(t *testing.T) {
	for _, c := range []struct {
		flags traceFlags
		want  string // in the error; empty: none
	}{
		{traceFlags{}, ""}, {traceFlags{endpoint: "http://127.0.0.1:4317", sample: 0.5}, ""}, {traceFlags{endpoint: "https://collector"}, ""},
		{traceFlags{sample: 1}, "--trace-otlp-endpoint"}, {traceFlags{endpoint: "collector:4317"}, "https://HOST:PORT"},
		{traceFlags{endpoint: "https://u:p@collector"}, "https://HOST:PORT"}, {traceFlags{endpoint: "http://c", ca: "x"}, "without TLS"},
		{traceFlags{endpoint: "https://c", ca: filepath.Join(t.TempDir(), "none")}, "no such file"},
		{traceFlags{endpoint: "https://c", headers: []string{"a=b", "s3cret"}}, "part 2"},
	} {
		o, err := c.flags.judge(nil)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v, want %q", c.flags, err, c.want)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("the error shows a header: %v", err)
		case c.want == "" && (o != nil) != (c.flags.endpoint != ""):
			t.Errorf("%+v: %+v", c.flags, o)
		}
	}
	o, err := traceFlags{endpoint: "https://collector", headers: []string{" Api-Key = a=b"}}.judge(nil)
	if err != nil || o.Endpoint != "collector:4317" || o.TLS == nil || o.Headers["api-key"] != "a=b" {
		t.Errorf("got %+v, %v", o, err)
	}
	var s share
	for _, text := range []string{"-0.1", "1.5", "NaN", "half"} {
		if s.Set(text) == nil {
			t.Errorf("the share %q was taken", text)
		}
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := collectorTLS(file); err == nil {
		t.Error("a file without a certificate was taken")
	}
}

// TestTracedNode: a write to a node is one trace, down to where it is applied, and the metrics count its spans.
func TestTracedNode(t *testing.T) {
	collector := tracetest.Start(t)
	_, url, admin := startNodeAdmin(t, api.Anonymous(), func(o *nodeOptions) {
		o.trace = &tracing.Options{Endpoint: collector.Address, Sample: 1, ExportTimeout: time.Minute}
	})
	if status, text := post(t, url+"/stores", `{"name": "acme"}`); status != http.StatusCreated {
		t.Fatalf("status %d: %s", status, text)
	}
	spans := map[string]tracetest.Span{}
	for deadline := time.Now().Add(time.Minute); len(spans) < 3; time.Sleep(10 * time.Millisecond) {
		for _, s := range collector.Spans() {
			spans[s.Name] = s
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v", spans)
		}
	}
	request := spans["openfga.v1.OpenFGAService/CreateStore"]
	if request.Parent != "" || spans["propose"].Parent != request.ID || spans["apply"].Parent != spans["propose"].ID {
		t.Errorf("got %v", spans)
	}
	eventuallyMetric(t, admin, `ostiary_trace_spans_total{outcome="sent"} 3`)
}
