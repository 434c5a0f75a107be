package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/decisionlog"
	"github.com/ostiary/ostiary/tracing"
)

// TestDecisionFlags: rules are judged before anything is opened, and a fault names its line and key.
func TestDecisionFlags(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if o, err := (decisionFlags{}).judge(nil, nil); o != nil || err != nil {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := (decisionFlags{rules: rules}).judge(nil, nil); err == nil || !strings.Contains(err.Error(), "--decision-log") {
		t.Errorf("rules without a log: %v", err)
	}
	if _, err := (decisionFlags{to: "x", rules: rules}).judge(nil, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("rules that are not there: %v", err)
	}
	write("- method: Check\n- method: Read\n")
	if _, err := (decisionFlags{to: "x", rules: rules}).judge(nil, nil); err == nil || !strings.Contains(err.Error(), rules+`:2: method: "Read" is none of ActionSearch, BatchCheck`) {
		t.Errorf("rules at fault: %v", err)
	}
	write("- method: Check\n")
	if o, err := (decisionFlags{to: "x", rules: rules}).judge(nil, nil); err != nil || o.Path != "x" || len(o.Rules) != 1 {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := (decisionFlags{to: "stdout"}).judge(nil, nil); err != nil || o.Path != "" || o.Rules != nil {
		t.Errorf("got %+v, %v", o, err)
	}
}

// TestDecisionsOTLP: the collector is that of traces.
func TestDecisionsOTLP(t *testing.T) {
	if _, err := (decisionFlags{to: "otlp"}).judge(nil, nil); err == nil || !strings.Contains(err.Error(), "--trace-otlp-endpoint") {
		t.Errorf("without a collector: %v", err)
	}
	traced := &tracing.Options{Endpoint: "c:4317", Headers: map[string]string{"a": "b"}, TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Node: "n"}
	o, err := (decisionFlags{to: "otlp"}).judge(traced, nil)
	if err != nil || o.Collector == nil || o.Collector.Endpoint != "c:4317" || o.Collector.TLS != traced.TLS || o.Collector.Headers["a"] != "b" || o.Collector.Node != "n" || o.Path != "" {
		t.Errorf("got %+v, %v", o, err)
	}
}

// TestOwnOutput: an output that nobody reads any more is an error, and does not end the process.
func TestOwnOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	own, err := ownOutput(w)
	if err != nil {
		t.Fatal(err)
	}
	defer own.(*os.File).Close()
	if _, err := own.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	r.Close()
	if _, err := own.Write([]byte("x")); err == nil {
		t.Error("a pipe that nobody reads took something")
	}
	w.Close()
}

// TestDecisionsOfNode: what a node answers stands in the file when it has ended, and its metrics count it.
func TestDecisionsOfNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.log")
	_, url, admin := startNodeAdmin(t, api.Anonymous(), func(o *nodeOptions) { o.decisionLog = &decisionlog.Options{Path: path} })
	if status, text := post(t, url+"/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/check",
		`{"tuple_key": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}}`); status != http.StatusNotFound {
		t.Fatalf("a store that is not there: status %d: %s", status, text)
	}
	eventuallyMetric(t, admin, `ostiary_decision_log_lines_total{outcome="written"} 1`)
	lines, err := os.ReadFile(path)
	if err != nil || strings.Count(string(lines), "\n") != 1 ||
		!strings.Contains(string(lines), `"principal":"anonymous","method":"Check","store":"01ARZ3NDEKTSV4RRFFQ69G5FAV","object":"doc:1","relation":"viewer","subject":"user:ann","result":"error"`) {
		t.Errorf("the log has %s, %v", lines, err)
	}
}
