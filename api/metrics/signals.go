package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Signals counts the security event tokens and the logout tokens of identity providers. It satisfies the Observers of
// packages ssf/receiver and backchannel, and may be used by any number of goroutines.
type Signals struct {
	durations *prometheus.HistogramVec
	polls     *prometheus.CounterVec
	logouts   *prometheus.HistogramVec
}

// NewSignals registers the histograms and the counter.
func NewSignals(r prometheus.Registerer) (*Signals, error) {
	s := &Signals{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ostiary_signal_duration_seconds",
			Help:    "Time to judge a security event token and to do what it says, by how it came and by what became of it.",
			Buckets: durationBuckets,
		}, []string{"way", "outcome"}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ostiary_signal_polls_total", Help: "Requests to transmitters for security event tokens, by how they ended.",
		}, []string{"result"}),
		logouts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ostiary_backchannel_logout_duration_seconds",
			Help:    "Time of a request of an OpenID provider to log somebody out, until its answer is written, by status.",
			Buckets: durationBuckets,
		}, []string{"status"}),
	}
	// series that are there before the first request
	s.durations.WithLabelValues("push", "refused")
	for _, result := range []string{"ok", "failed"} {
		s.polls.WithLabelValues(result)
	}
	for _, status := range []int{200, 400} {
		s.logouts.WithLabelValues(strconv.Itoa(status))
	}
	for _, c := range []prometheus.Collector{s.durations, s.polls, s.logouts} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Received notes a token. Way and outcome are of closed sets.
func (s *Signals) Received(way, outcome string, took time.Duration) {
	s.durations.WithLabelValues(way, outcome).Observe(took.Seconds())
}

// Polled notes a request for tokens.
func (s *Signals) Polled(ok bool) {
	result := "failed"
	if ok {
		result = "ok"
	}
	s.polls.WithLabelValues(result).Inc()
}

// LoggedOut notes a request with a logout token. Status is of a closed set.
func (s *Signals) LoggedOut(status int, took time.Duration) {
	s.logouts.WithLabelValues(strconv.Itoa(status)).Observe(took.Seconds())
}
