package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// SCIM counts the requests of identity providers. It satisfies scim.Observer, and may be used by any number of
// goroutines.
type SCIM struct {
	durations *prometheus.HistogramVec
	refusals  *prometheus.CounterVec
	series    sync.Map // of prometheus.Observer by scimKey
}

type scimKey struct {
	method, resource string
	class            int // of the status: 2 for 2xx
}

// NewSCIM registers the histogram and the counter. Each of the reasons is there with 0 from the start, so that
// an alert sees the first one.
func NewSCIM(r prometheus.Registerer, reasons []string) (*SCIM, error) {
	s := &SCIM{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ostiary_scim_request_duration_seconds",
			Help:    "Time of a request of an identity provider, until its answer is written.",
			Buckets: durationBuckets,
		}, []string{"method", "resource", "status"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ostiary_scim_refusals_total",
			Help: "Requests of identity providers, and operations of their Bulk requests, that were refused, by reason.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{s.durations, s.refusals} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	for _, reason := range reasons {
		s.refusals.WithLabelValues(reason)
	}
	for _, method := range []string{"GET", "POST", "PATCH", "PUT", "DELETE"} {
		s.durations.WithLabelValues(method, "Users", "2xx")
	}
	return s, nil
}

// Answered notes a request. Method and resource are of closed sets.
func (s *SCIM) Answered(method, resource string, status int, took time.Duration) {
	key := scimKey{method, resource, status / 100}
	o, ok := s.series.Load(key)
	if !ok {
		o, _ = s.series.LoadOrStore(key, s.durations.WithLabelValues(method, resource, strconv.Itoa(key.class)+"xx"))
	}
	o.(prometheus.Observer).Observe(took.Seconds())
}

// Refused notes a refusal. Reason is of a closed set.
func (s *SCIM) Refused(reason string) { s.refusals.WithLabelValues(reason).Inc() }
