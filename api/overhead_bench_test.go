package api_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/decisionlog"
	"github.com/ostiary/ostiary/tracing"
	"github.com/ostiary/ostiary/tracing/tracetest"
)

// BenchmarkTracing asks servers that trace nothing, a hundredth and everything the same denied check, in turns, so that
// what else the machine does meets all of them. The collector is in the same process, and its CPU counts too.
func BenchmarkTracing(b *testing.B) {
	type leg struct {
		name string
		ask  func(b *testing.B)
	}
	var legs []leg
	for _, sample := range []float64{-1, 0.01, 1} {
		var tracer *tracing.Tracer
		name := "off"
		if sample >= 0 {
			name = fmt.Sprintf("sample=%v", sample)
			var err error
			tracer, err = tracing.New(tracing.Options{Endpoint: tracetest.Start(b).Address, Sample: sample, ExportTimeout: time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = tracer.Close() })
		}
		h := start(b, func(o *api.Options) { o.Tracer = tracer })
		c := h.surfaces()[0]
		store, model := c.newStore(b, testModel)
		c.write(b, store, "doc:1#viewer@group:1#member", "group:1#member@group:2#member", "group:2#member@group:3#member", "group:3#member@user:ann")
		legs = append(legs, leg{name, func(b *testing.B) { askChecks(b, h.conn, store, model) }})
	}
	for round := range 3 {
		for _, l := range legs {
			b.Run(fmt.Sprintf("%s/round=%d", l.name, round), l.ask)
		}
	}
}

// BenchmarkDecisions asks servers that log no decision, a hundredth and everything the same denied check, in turns.
func BenchmarkDecisions(b *testing.B) {
	type leg struct {
		name string
		ask  func(b *testing.B)
	}
	var legs []leg
	for _, ratio := range []float64{-1, 0.01, 1} {
		var decisions api.Decisions
		name := "off"
		if ratio >= 0 {
			name = fmt.Sprintf("ratio=%v", ratio)
			l, err := decisionlog.Open(decisionlog.Options{Path: filepath.Join(b.TempDir(), "decisions.log"), Rules: decisionlog.Rules{{Ratio: ratio}}})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = l.Close() })
			decisions = l
		}
		h := start(b, func(o *api.Options) { o.Decisions = decisions })
		c := h.surfaces()[0]
		store, model := c.newStore(b, testModel)
		c.write(b, store, "doc:1#viewer@group:1#member", "group:1#member@group:2#member", "group:2#member@group:3#member", "group:3#member@user:ann")
		legs = append(legs, leg{name, func(b *testing.B) { askChecks(b, h.conn, store, model) }})
	}
	for round := range 3 {
		for _, l := range legs {
			b.Run(fmt.Sprintf("%s/round=%d", l.name, round), l.ask)
		}
	}
}
