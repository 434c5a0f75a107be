package metrics

import "github.com/prometheus/client_golang/prometheus"

// Outbox counts what is told to applications. It satisfies outbox.Observer, and may be used by any number of
// goroutines.
type Outbox struct {
	deliveries *prometheus.CounterVec
}

// NewOutbox registers the counter, with a series for each kind and outcome.
func NewOutbox(r prometheus.Registerer, kinds, outcomes []string) (*Outbox, error) {
	o := &Outbox{deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ostiary_outbox_deliveries_total",
		Help: "Deliveries to applications by this node, by kind and by what became of them: taken, failed (an attempt, to be repeated), dead or dropped.",
	}, []string{"kind", "outcome"})}
	for _, kind := range kinds {
		for _, outcome := range outcomes {
			o.deliveries.WithLabelValues(kind, outcome)
		}
	}
	return o, r.Register(o.deliveries)
}

// Delivered notes a delivery. Kind and outcome are of closed sets.
func (o *Outbox) Delivered(kind, outcome string) { o.deliveries.WithLabelValues(kind, outcome).Inc() }
