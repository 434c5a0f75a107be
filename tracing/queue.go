package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Bounds of what is kept and of how long anything takes.
const (
	maxQueuedSpans = 8192 // some 10 MB
	maxBatchSpans  = 512
	exportEvery    = 2 * time.Second  // how long a span waits for others
	exportTimeout  = 10 * time.Second // of one export
	closeTimeout   = 5 * time.Second
	complainEvery  = time.Minute // how often the log says that the collector takes nothing
)

// Stats is what became of spans.
type Stats struct {
	// Sent were taken by the collector. Dropped found the queue full, or closed. Failed are of exports that failed.
	Sent, Dropped, Failed uint64
	// Queued wait.
	Queued int
}

// Stats returns what became of spans so far, and zero of a nil tracer.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	q := t.queue
	return Stats{Sent: q.sent.Load(), Dropped: q.dropped.Load(), Failed: q.failed.Load(), Queued: len(q.spans)}
}

// queue exports spans that have ended, on a goroutine of its own. It is an sdk.SpanProcessor; that of the SDK does not
// tell what it drops.
type queue struct {
	exporter sdk.SpanExporter
	timeout  time.Duration // of one export
	logger   *slog.Logger
	spans    chan sdk.ReadOnlySpan
	flush    chan chan struct{}

	sent, dropped, failed atomic.Uint64

	closed  atomic.Bool
	closing chan struct{} // closed once, by Shutdown
	once    sync.Once
	ended   chan struct{} // closed when the goroutine has ended
	stop    context.CancelFunc

	complained time.Time // of the goroutine
}

func newQueue(exporter sdk.SpanExporter, timeout time.Duration, logger *slog.Logger) *queue {
	ctx, stop := context.WithCancel(context.Background())
	q := &queue{
		exporter: exporter, timeout: timeout, logger: logger, spans: make(chan sdk.ReadOnlySpan, maxQueuedSpans),
		flush: make(chan chan struct{}), closing: make(chan struct{}), ended: make(chan struct{}), stop: stop,
	}
	go q.run(ctx)
	return q
}

// OnStart does nothing.
func (q *queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd puts a span into the queue, or drops it. It never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if q.closed.Load() {
		q.dropped.Add(1)
		return
	}
	select {
	case q.spans <- s:
	default:
		q.dropped.Add(1)
	}
}

func (q *queue) run(ctx context.Context) {
	defer close(q.ended)
	batch := make([]sdk.ReadOnlySpan, 0, maxBatchSpans)
	timer := time.NewTimer(exportEvery)
	defer timer.Stop()
	for {
		var flushed chan struct{}
		select {
		case s := <-q.spans:
			if batch = append(batch, s); len(batch) < maxBatchSpans {
				continue
			}
		case <-timer.C:
		case flushed = <-q.flush:
			batch = q.drain(ctx, batch)
		case <-q.closing:
			q.drain(ctx, batch)
			return
		}
		batch = q.export(ctx, batch)
		timer.Reset(exportEvery)
		if flushed != nil {
			close(flushed)
		}
	}
}

// drain exports what is in the queue now.
func (q *queue) drain(ctx context.Context, batch []sdk.ReadOnlySpan) []sdk.ReadOnlySpan {
	for n := len(q.spans); n > 0; n-- {
		if batch = append(batch, <-q.spans); len(batch) == maxBatchSpans {
			batch = q.export(ctx, batch)
		}
	}
	return q.export(ctx, batch)
}

// export sends a batch and returns it empty.
func (q *queue) export(ctx context.Context, batch []sdk.ReadOnlySpan) []sdk.ReadOnlySpan {
	n := uint64(len(batch))
	if n == 0 {
		return batch
	}
	bounded, cancel := context.WithTimeout(ctx, q.timeout)
	err := q.exporter.ExportSpans(bounded, batch)
	cancel()
	clear(batch)
	if err == nil {
		q.sent.Add(n)
		return batch[:0]
	}
	q.failed.Add(n)
	if now := time.Now(); q.complained.IsZero() || now.Sub(q.complained) >= complainEvery {
		q.complained = now
		q.logger.Warn("spans are lost: the collector does not take them", "spans", q.failed.Load(), "error", err)
	}
	return batch[:0]
}

// ForceFlush waits until what is in the queue is exported.
func (q *queue) ForceFlush(ctx context.Context) error {
	flushed := make(chan struct{})
	select {
	case q.flush <- flushed:
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-flushed:
		return nil
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown exports what is in the queue, until ctx ends, and ends the goroutine and the exporter.
func (q *queue) Shutdown(ctx context.Context) error {
	q.closed.Store(true)
	q.once.Do(func() { close(q.closing) })
	select {
	case <-q.ended:
	case <-ctx.Done():
		q.stop()
		<-q.ended
	}
	q.stop()
	return q.exporter.Shutdown(ctx)
}
