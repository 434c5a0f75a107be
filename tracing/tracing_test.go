package tracing

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/tracing/tracetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSpansArrive: what a request did arrives at a collector, under the trace that the request brought, with the
// operator's headers.
func TestSpansArrive(t *testing.T) {
	c := tracetest.Start(t)
	tracer, err := New(Options{Endpoint: c.Address, Headers: map[string]string{"api-key": "s3cret"}, Version: "1", Node: "n1", ExportTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	trace, parent := "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	request := tracer.Request("Check", time.Now(), []string{"00-" + trace + "-" + parent + "-01"}, []string{"vendor=x"})
	ctx := With(t.Context(), request)
	view := From(ctx).Start("view")
	view.Int("revision", 7)
	view.End()
	headers := view.Headers()
	remote := tracer.Within("apply", time.Now(), headers[1:2], headers[3:4])
	remote.Fail("unavailable")
	remote.End()
	request.Text("empty", "")
	request.Text("text", "\xff"+strings.Repeat("x", 2*maxTextBytes))
	request.Bool("allowed", true)
	request.End()
	if got := request.TraceID(); got != trace {
		t.Errorf("the trace is %s, want %s", got, trace)
	}
	if err := errors.Join(tracer.Flush(t.Context()), tracer.Close()); err != nil {
		t.Fatal(err)
	}
	if got := tracer.Stats(); got != (Stats{Sent: 3}) {
		t.Errorf("got %+v, want that three were sent", got)
	}
	tracer.Request("late", time.Now(), []string{"00-" + trace + "-" + parent + "-01"}, nil).End()
	spans := map[string]tracetest.Span{}
	for _, s := range c.Spans() {
		spans[s.Name] = s
	}
	if len(spans) != 3 || c.Headers().Get("api-key")[0] != "s3cret" {
		t.Fatalf("got %v and the headers %v", spans, c.Headers())
	}
	for name, want := range map[string]string{"Check": parent, "view": spans["Check"].ID, "apply": spans["view"].ID} {
		if s := spans[name]; s.Parent != want || s.Trace != trace || s.State != "vendor=x" || s.Node != "n1" {
			t.Errorf("%s: %+v, want it within %s", name, s, want)
		}
	}
	if s := spans["apply"]; !s.Failed || s.Failure != "unavailable" {
		t.Errorf("got %+v", s)
	}
	if got := spans["Check"].Attributes; len(got) != 2 || len(got["text"]) > maxTextBytes+2 || got["allowed"] != "true" || spans["view"].Attributes["revision"] != "7" {
		t.Errorf("got attributes %v", got)
	}
}

// TestAskedTraces: so many requests a second are traced because their caller asks for it; of the rest the share is.
func TestAskedTraces(t *testing.T) {
	const yes = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	begun := time.Now()
	for _, c := range []struct{ sample, least, most float64 }{{0, 0, 0}, {0.25, 2000, 3000}, {1, 10_000, 10_000}} {
		tracer := newTracer(Options{Sample: c.sample}, &sink{})
		traced := func(n int, at time.Time) (traced float64) {
			for range n {
				if tracer.Request("r", at, []string{yes}, nil) != nil {
					traced++
				}
			}
			return traced
		}
		if n := traced(2*maxAsked, begun); n != 2*maxAsked {
			t.Errorf("share %v: of the first %d requests %v are traced", c.sample, 2*maxAsked, n)
		}
		if n := traced(10_000, begun); n < c.least || n > c.most { // eleven standard deviations
			t.Errorf("share %v: of 10,000 that follow at once %v are traced, want %v to %v", c.sample, n, c.least, c.most)
		}
		if n := traced(maxAsked, begun.Add(time.Second)); n != maxAsked {
			t.Errorf("share %v: of %d a second later %v are traced", c.sample, maxAsked, n)
		}
		for range 3 * maxAsked { // of a node that traces what it asks for: that was judged there
			if tracer.Within("w", begun, []string{yes}, nil) == nil {
				t.Fatal("work of another node is left out of its trace")
			}
		}
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSampling: a request's trace decides, whatever the share; without one, or with one that cannot be read, the share
// does.
func TestSampling(t *testing.T) {
	const yes, no = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	for _, c := range []struct {
		sample float64
		parent []string
		want   bool
	}{
		{0, nil, false}, {1, nil, true}, {0, []string{yes}, true}, {1, []string{no}, false}, {1, []string{yes}, true},
		{1, []string{"junk"}, true}, {0, []string{"junk"}, false}, {0, []string{yes, yes}, false}, {1, []string{no, no}, true},
	} {
		tracer := newTracer(Options{Sample: c.sample}, &sink{})
		span := tracer.Request("r", time.Now(), c.parent, nil)
		if (span != nil) != c.want {
			t.Errorf("share %v, parent %q: traced %v, want %v", c.sample, c.parent, span != nil, c.want)
		}
		if span := tracer.Within("w", time.Now(), nil, nil); span != nil {
			t.Error("another node's work is traced, which does not trace it")
		}
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
	}
	tracer := newTracer(Options{Sample: 0.25}, &sink{})
	defer tracer.Close()
	traced := 0
	for range 10_000 {
		if s := tracer.Request("r", time.Now(), nil, nil); s != nil {
			traced++
		}
	}
	if traced < 2000 || traced > 3000 { // eleven standard deviations
		t.Errorf("of 10,000 requests %d are traced, want a quarter", traced)
	}
	for _, sample := range []float64{-0.1, 1.1} {
		if _, err := New(Options{Endpoint: "127.0.0.1:1", Sample: sample}); err == nil {
			t.Errorf("the share %v was taken", sample)
		}
	}
}

// sink is an exporter that fails, or waits until its context ends or it is let go.
type sink struct {
	err  error
	wait chan struct{}
}

func (s *sink) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.err
}

func (s *sink) Shutdown(context.Context) error { return nil }

// TestNothingWaits: a collector that takes nothing holds up no span: what finds the queue full is dropped, and all is
// counted.
func TestNothingWaits(t *testing.T) {
	stuck := &sink{wait: make(chan struct{})}
	tracer := newTracer(Options{Sample: 1}, stuck)
	const spans = maxQueuedSpans + 2*maxBatchSpans
	for range spans {
		tracer.Request("r", time.Now(), nil, nil).End() // the test would never end if one waited
	}
	got := tracer.Stats()
	if got.Dropped == 0 || got.Sent != 0 || got.Queued > maxQueuedSpans {
		t.Errorf("while the collector hangs: %+v", got)
	}
	close(stuck.wait)
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if got = tracer.Stats(); got.Sent+got.Dropped != spans || got.Failed != 0 || got.Queued != 0 {
		t.Errorf("in the end: %+v, want %d sent or dropped", got, spans)
	}

	failing := newTracer(Options{Sample: 1}, &sink{err: errors.New("no")})
	failing.Request("r", time.Now(), nil, nil).End()
	if err := failing.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := failing.Stats(); got != (Stats{Failed: 1}) {
		t.Errorf("got %+v, want one that failed", got)
	}
	if err := failing.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOffCostsNothing: without a tracer, and for a request that is not traced, nothing is allocated.
func TestOffCostsNothing(t *testing.T) {
	for name, tracer := range map[string]*Tracer{"off": nil, "not traced": newTracer(Options{}, &sink{})} {
		begun, ctx := time.Now(), t.Context()
		if n := testing.AllocsPerRun(100, func() { work(ctx, tracer, begun) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
		if tracer.Stats() != (Stats{}) {
			t.Errorf("%s: something was counted", name)
		}
	}
}

// work is a request with what it starts.
func work(ctx context.Context, tracer *Tracer, begun time.Time) {
	request := tracer.Request("r", begun, nil, nil)
	ctx = With(ctx, request)
	view := From(ctx).Start("view")
	view.Int("revision", 7)
	view.End()
	engine := request.StartAt("engine", begun)
	engine.Bool("allowed", true)
	engine.Fail("unavailable")
	engine.EndAt(begun)
	request.Text("store", "01JZ0000000000000000000000")
	request.End()
	_, _ = request.TraceID(), request.Headers()
}

// BenchmarkRequest is what tracing adds to a request with two pieces of work.
func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct {
		name   string
		tracer *Tracer
	}{
		{"off", nil}, {"sample=0.01", newTracer(Options{Sample: 0.01}, &sink{})}, {"sample=1", newTracer(Options{Sample: 1}, &sink{})},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				work(b.Context(), c.tracer, time.Now())
			}
		})
		if err := c.tracer.Close(); err != nil {
			b.Error(err)
		}
	}
}

// FuzzParent reads traceparents: what is read is what was written.
func FuzzParent(f *testing.F) {
	for _, text := range []string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-will-be", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", "",
	} {
		f.Add(text, "vendor=x,other=y")
	}
	f.Fuzz(func(t *testing.T, parent, state string) {
		c, ok := parseParent([]string{parent}, []string{state})
		if !ok {
			return
		}
		want := c.TraceID.String() + "-" + c.SpanID.String() + "-"
		if !strings.HasPrefix(parent[3:], want) || !c.TraceID.IsValid() || !c.SpanID.IsValid() {
			t.Errorf("%q was read as %+v", parent, c)
		}
		again, ok := parseParent([]string{"00-" + want + c.TraceFlags.String()}, []string{c.TraceState.String()})
		if !ok || again.TraceID != c.TraceID || again.SpanID != c.SpanID || again.TraceFlags != c.TraceFlags || again.TraceState.String() != c.TraceState.String() {
			t.Errorf("%q was read as %+v, and that as %+v", parent, c, again)
		}
	})
}

// TestParent holds what is a parent and what is none.
func TestParent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for text, want := range map[string]bool{
		good: true, "01" + good[2:] + "-more": true, "01" + good[2:] + "x": false, good + "-more": false, "ff" + good[2:]: false, good[:54]: false,
		strings.ToUpper(good): false, strings.Replace(good, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1): false,
		strings.Replace(good, "b7ad6b7169203331", strings.Repeat("0", 16), 1): false, strings.ReplaceAll(good, "-", "_"): false,
		"01" + good[2:] + "-" + strings.Repeat("x", maxParentBytes): false,
	} {
		if _, ok := parseParent([]string{text}, nil); ok != want {
			t.Errorf("%q: %v, want %v", text, ok, want)
		}
	}
	if c, ok := parseParent([]string{good}, []string{strings.Repeat("x", maxStateBytes+1)}); !ok || c.TraceState.Len() != 0 {
		t.Errorf("a state that is too long: %v, %v", c, ok)
	}
}
