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

// What bench/cmd/overhead measures of whole servers, at the shares that people choose, these take apart: each sets one
// thing on a server in this process, at none, a hundredth and everything.

// BenchmarkTracing asks servers that trace none, a hundredth and all of their requests. The collector is in the same
// process, and its CPU counts too.
func BenchmarkTracing(b *testing.B) {
	benchmarkShares(b, func(b *testing.B, share float64, o *api.Options) {
		tracer, err := tracing.New(tracing.Options{Endpoint: tracetest.Start(b).Address, Sample: share, ExportTimeout: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = tracer.Close() })
		o.Tracer = tracer
	})
}

// BenchmarkDecisions asks servers that log none, a hundredth and all of their decisions.
func BenchmarkDecisions(b *testing.B) {
	benchmarkShares(b, func(b *testing.B, share float64, o *api.Options) {
		l, err := decisionlog.Open(decisionlog.Options{Path: filepath.Join(b.TempDir(), "decisions.log"), Rules: decisionlog.Rules{{Ratio: share}}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = l.Close() })
		o.Decisions = l
	})
}

// benchmarkShares asks a server without the change, and servers with it at some shares, the same denied check in turns, so
// that what else the machine does meets all of them.
func benchmarkShares(b *testing.B, change func(b *testing.B, share float64, o *api.Options)) {
	type leg struct {
		name string
		ask  func(b *testing.B)
	}
	var legs []leg
	for _, share := range []float64{0, 0.01, 1} {
		h := start(b, func(o *api.Options) {
			if share > 0 {
				change(b, share, o)
			}
		})
		c := h.surfaces()[0]
		store, model := c.newStore(b, testModel)
		c.write(b, store, "doc:1#viewer@group:1#member", "group:1#member@group:2#member", "group:2#member@group:3#member", "group:3#member@user:ann")
		legs = append(legs, leg{fmt.Sprintf("share=%v", share), func(b *testing.B) { askChecks(b, h.conn, store, model) }})
	}
	for round := range 3 {
		for _, l := range legs {
			b.Run(fmt.Sprintf("%s/round=%d", l.name, round), l.ask)
		}
	}
}
