// Package metrics counts and times what a server does, for Prometheus.
//
// It registers what it measures with the Registerer that it is given, so that two servers fit into one
// process. Labels take their values from closed sets: never a store, an object, a subject or a token.
//
// # Concurrency
//
// Everything here may be used by any number of goroutines.
//
// # Not here
//
// What is measured (package api and the node's caches tell), and the listener (cmd/ostiary).
package metrics

import (
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// durationBuckets resolve what a check takes, 50 us and less, up to what a request may take at most.
var durationBuckets = []float64{
	10e-6, 20e-6, 50e-6, 75e-6, 100e-6, 150e-6, 200e-6, 300e-6, 500e-6, 750e-6,
	1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7.5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1, 2, 5, 10,
}

// Requests is the histogram of requests by method, consistency and code.
type Requests struct {
	durations *prometheus.HistogramVec
	ready     map[seriesKey]prometheus.Observer // those that were made at the start; nobody changes it
	series    sync.Map                          // of prometheus.Observer by seriesKey: the others
}

type seriesKey struct{ method, consistency, code string }

// NewRequests registers the histogram. Each method, by its full name, is there with the code "ok" from the start, under
// the consistency that is named.
func NewRequests(r prometheus.Registerer, methods map[string]string) (*Requests, error) {
	q := &Requests{durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "ostiary_api_request_duration_seconds",
		Help:    "Time of a request inside the server: from where it is decoded to where its answer is ready to be sent.",
		Buckets: durationBuckets,
	}, []string{"method", "consistency", "code"}), ready: map[seriesKey]prometheus.Observer{}}
	if err := r.Register(q.durations); err != nil {
		return nil, err
	}
	for method, consistency := range methods {
		key := seriesKey{method, consistency, "ok"}
		q.ready[key] = q.of(key)
	}
	return q, nil
}

func (q *Requests) of(key seriesKey) prometheus.Observer {
	return q.durations.WithLabelValues(strings.TrimPrefix(key.method, "/"), key.consistency, key.code)
}

// observer finds a series; WithLabelValues costs five times as much.
func (q *Requests) observer(key seriesKey) prometheus.Observer {
	if o, ok := q.ready[key]; ok {
		return o
	}
	if o, ok := q.series.Load(key); ok {
		return o.(prometheus.Observer)
	}
	o := q.of(key)
	q.series.Store(key, o)
	return o
}

// Answered notes a request. method is a full name of gRPC ("/package.Service/Method"), consistency says how new the view
// had to be, code is "ok" or the name of an error; all are of closed sets.
func (q *Requests) Answered(method, consistency, code string, took time.Duration) {
	q.observer(seriesKey{method, consistency, code}).Observe(took.Seconds())
}

// liveHeap is what was alive at the last collection: without what has been allocated since, it shows growth.
var liveHeap = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}

// Process registers what the Go runtime and the operating system say of the process, and
// ostiary_build_info, with the version and the revision of the source that runs.
func Process(r prometheus.Registerer, version, revision string) error {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ostiary_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{
		build, collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(liveHeap)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// Count is something that a part of the server counts itself, and what it stands at.
type Count struct {
	Name, Help string
	Labels     map[string]string
	Gauge      bool // it can fall; without, it is a counter, whose name ends in _total
	Value      func() float64
}

// Counts registers counts, which are read when Prometheus asks.
func Counts(r prometheus.Registerer, all ...Count) error {
	for _, c := range all {
		var collector prometheus.Collector
		if c.Gauge {
			collector = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: c.Name, Help: c.Help, ConstLabels: c.Labels}, c.Value)
		} else {
			collector = prometheus.NewCounterFunc(prometheus.CounterOpts{Name: c.Name, Help: c.Help, ConstLabels: c.Labels}, c.Value)
		}
		if err := r.Register(collector); err != nil {
			return err
		}
	}
	return nil
}
