package raftstore

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/tracing"
	"github.com/ostiary/ostiary/tracing/tracetest"
)

// TestTracesOfProposals: a mutation that a follower passes on is one trace, across both nodes, down to where the leader
// applies it.
func TestTracesOfProposals(t *testing.T) {
	collector := tracetest.Start(t)
	tracers := map[string]*tracing.Tracer{}
	for _, name := range []string{"leader", "follower"} {
		tracer, err := tracing.New(tracing.Options{Endpoint: collector.Address, Node: name, Sample: 1, ExportTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tracer.Close() })
		tracers[name] = tracer
	}
	c := newCluster(t)
	c.add(func(o *Options) { o.Tracer = tracers["leader"] })
	follower := c.add(func(o *Options) { o.Tracer, o.Learner = tracers["follower"], true })
	propose := func(ctx context.Context) {
		t.Helper()
		m := &ostiary.Mutation{TimeNanos: follower.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "test"},
			Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "c", Key: "k"}, Body: []byte("x")}}}
		if _, err := follower.Propose(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	flush := func() {
		t.Helper()
		for _, tracer := range tracers {
			if err := tracer.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	propose(patient(t))
	flush()
	if got := collector.Spans(); len(got) != 0 {
		t.Fatalf("traced without a trace: %v", got)
	}
	request := tracers["follower"].Request("request", time.Now(), nil, nil)
	propose(tracing.With(patient(t), request))
	request.End()
	flush()
	spans := map[string]tracetest.Span{}
	for _, s := range collector.Spans() {
		spans[s.Name] = s
	}
	if len(spans) != 4 {
		t.Fatalf("got %v", spans)
	}
	for _, want := range []struct{ name, node, within string }{
		{"propose", "follower", "request"}, {"propose for a follower", "leader", "propose"}, {"apply", "leader", "propose for a follower"},
	} {
		s := spans[want.name]
		if s.Node != want.node || s.Parent != spans[want.within].ID || s.Trace != request.TraceID() || s.Failed {
			t.Errorf("%s: got %+v, want it on the %s within %s", want.name, s, want.node, want.within)
		}
	}
	if spans["apply"].Attributes["ostiary.revision"] == "" {
		t.Errorf("got %+v", spans["apply"])
	}
}
