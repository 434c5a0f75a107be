package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// GTR counts the requests of identity providers to log people out. It satisfies gtr.Observer, and may be used by
// any number of goroutines.
type GTR struct {
	durations *prometheus.HistogramVec
	alarms    prometheus.Counter
}

// NewGTR registers the histogram and the counter.
func NewGTR(r prometheus.Registerer) (*GTR, error) {
	g := &GTR{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ostiary_gtr_request_duration_seconds",
			Help:    "Time of a request of an identity provider to log somebody out, until its answer is written, by status.",
			Buckets: durationBuckets,
		}, []string{"status"}),
		alarms: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ostiary_gtr_alarms_total",
			Help: "Times that a connection logged out more than 100 people within a minute. They are logged out.",
		}),
	}
	for _, c := range []prometheus.Collector{g.durations, g.alarms} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	for _, status := range []int{204, 400, 401, 403, 404, 422} {
		g.durations.WithLabelValues(strconv.Itoa(status))
	}
	return g, nil
}

// Answered notes a request. Status is of a closed set.
func (g *GTR) Answered(status int, took time.Duration) {
	g.durations.WithLabelValues(strconv.Itoa(status)).Observe(took.Seconds())
}

// Alarmed notes that a connection logs many people out.
func (g *GTR) Alarmed() { g.alarms.Inc() }
