package main

import (
	"fmt"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/api/metrics"
	"github.com/ostiary/ostiary/tracing"
)

// watchTraces registers what becomes of spans. A nil tracer has none.
func (i *instruments) watchTraces(tracer *tracing.Tracer) error {
	spans := func(outcome string, value func(tracing.Stats) uint64) metrics.Count {
		return metrics.Count{
			Name: "ostiary_trace_spans_total", Help: "Spans of requests: sent to the collector, dropped since the queue was full, or failed to be sent.",
			Labels: map[string]string{"outcome": outcome}, Value: func() float64 { return float64(value(tracer.Stats())) },
		}
	}
	err := metrics.Counts(i.registry,
		spans("sent", func(s tracing.Stats) uint64 { return s.Sent }),
		spans("dropped", func(s tracing.Stats) uint64 { return s.Dropped }),
		spans("failed", func(s tracing.Stats) uint64 { return s.Failed }),
		metrics.Count{Name: "ostiary_trace_queue_spans", Help: "Spans that wait to be sent.", Gauge: true,
			Value: func() float64 { return float64(tracer.Stats().Queued) }})
	if err != nil {
		return fmt.Errorf("register metrics of traces: %w", err)
	}
	return nil
}

// observer is what the server of the API tells.
func (i *instruments) observer() api.Observer {
	return struct {
		*metrics.Requests
		*metrics.Questions
	}{i.requests, i.asked}
}

// watchQueues registers what waits in a server.
func (i *instruments) watchQueues(server *api.Server) error {
	err := metrics.Counts(i.registry, metrics.Count{
		Name: "ostiary_api_lists_waiting", Help: "Lists that take long and wait for a turn (--max-heavy-lists).", Gauge: true,
		Value: func() float64 { return float64(server.WaitingLists()) },
	})
	if err != nil {
		return fmt.Errorf("register metrics of queues: %w", err)
	}
	return nil
}
