package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api/metrics"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
)

// depthFor is how long what waits is taken for what was counted: it is read for several metrics.
const depthFor = 5 * time.Second

// depth is how much waits in the outbox, as it was counted last.
type depth struct {
	backend tellBackend
	mu      sync.Mutex
	counted outbox.Depth
	err     error
	at      time.Time
}

// read returns what a metric says of the depth; NaN where it could not be counted.
func (d *depth) read(f func(outbox.Depth) float64) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() || time.Since(d.at) > depthFor {
		d.err = d.count()
		d.at = time.Now()
	}
	if d.err != nil {
		return math.NaN()
	}
	return f(d.counted)
}

func (d *depth) count() error {
	v, err := d.backend.View(context.Background(), ostiary.Freshness{})
	if err != nil {
		return err
	}
	defer v.Close()
	d.counted, err = outbox.DepthOf(v)
	return err
}

// watchOutbox registers what waits to be told to applications, and returns who is told of deliveries.
func (i *instruments) watchOutbox(store *raftstore.Store) (outbox.Observer, error) {
	d := &depth{backend: tellBackend{store}}
	gauge := func(name, help string, f func(outbox.Depth) float64) metrics.Count {
		return metrics.Count{Name: name, Help: help, Gauge: true, Value: func() float64 { return d.read(f) }}
	}
	err := metrics.Counts(i.registry,
		gauge("ostiary_outbox_events", "Events that are no deliveries yet.", func(d outbox.Depth) float64 { return float64(d.Events) }),
		gauge("ostiary_outbox_deliveries", "Deliveries that wait.", func(d outbox.Depth) float64 { return float64(d.Deliveries) }),
		gauge("ostiary_outbox_dead_letters", "Deliveries that were given up.", func(d outbox.Depth) float64 { return float64(d.Letters) }),
		gauge("ostiary_outbox_oldest_seconds", "How long the oldest event or delivery has waited; 0 where none does.",
			func(d outbox.Depth) float64 {
				if d.OldestNanos == 0 {
					return 0
				}
				return max(0, time.Duration(store.Now()-d.OldestNanos).Seconds())
			}))
	var observer *metrics.Outbox
	if err == nil {
		observer, err = metrics.NewOutbox(i.registry, []string{outbox.KindWebhook, outbox.KindLogout, outbox.KindToken}, outbox.Outcomes())
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics of the outbox: %w", err)
	}
	return observer, nil
}
