package metrics

import "github.com/prometheus/client_golang/prometheus"

// Questions counts what is asked of the engine, and what that reads.
type Questions struct {
	checks    map[string]prometheus.Counter // by result; nobody changes the map
	tuples    map[string]prometheus.Observer
	depth     prometheus.Histogram
	bothEnded prometheus.Counter
}

// NewQuestions registers the series. Results and kinds are all that will be told.
func NewQuestions(r prometheus.Registerer, results, kinds []string) (*Questions, error) {
	q := &Questions{checks: map[string]prometheus.Counter{}, tuples: map[string]prometheus.Observer{}}
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ostiary_engine_checks_total",
		Help: "Checks that were decided, those of batches and of AuthZEN one by one, by result: allowed, denied, or why they failed.",
	}, []string{"result"})
	tuples := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "ostiary_engine_read_tuples", Help: "Tuples that a question has read, from the cache or the disk.",
		Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5, 1e6},
	}, []string{"question"})
	q.depth = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "ostiary_engine_check_depth_tuples", Help: "The most tuples between the object of a check and where it looked.",
		Buckets: []float64{0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 25, 50, 100},
	})
	q.bothEnded = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ostiary_engine_both_ended_checks_total", Help: "Checks that walked from the subject as well as from the object.",
	})
	for _, c := range []prometheus.Collector{checks, tuples, q.depth, q.bothEnded} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	for _, result := range results {
		q.checks[result] = checks.WithLabelValues(result)
	}
	for _, kind := range kinds {
		q.tuples[kind] = tuples.WithLabelValues(kind)
	}
	return q, nil
}

// Checked notes a check that was decided. What was not told before is not counted.
func (q *Questions) Checked(result string) {
	if c := q.checks[result]; c != nil {
		c.Inc()
	}
}

// Read notes what a question of a kind has read.
func (q *Questions) Read(kind string, tuples int) {
	if o := q.tuples[kind]; o != nil {
		o.Observe(float64(tuples))
	}
}

// Walked notes how a check has walked.
func (q *Questions) Walked(depth int, bothEnded bool) {
	q.depth.Observe(float64(depth))
	if bothEnded {
		q.bothEnded.Inc()
	}
}
