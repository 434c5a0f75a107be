package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Comparison sets two reports beside each other.
type Comparison struct {
	A       string   `json:"a"`
	B       string   `json:"b"`
	Metrics []Metric `json:"metrics"`
	// AnswersDiffer says that both runs asked the same questions and the servers disagree on an answer.
	AnswersDiffer bool `json:"answers_differ"`
	// Warnings say why the figures may not be set beside each other.
	Warnings []string `json:"warnings"`
}

// Metric is one figure of both reports.
type Metric struct {
	Name  string  `json:"name"`
	A     float64 `json:"a"`
	B     float64 `json:"b"`
	Ratio float64 `json:"ratio_b_to_a"` // 0 where A is 0
}

// busyCores is how many cores others may keep busy before a run says so.
const busyCores = 0.2

// Compare sets b beside a.
func Compare(a, b *Report) Comparison {
	c := Comparison{A: a.title(), B: b.title(), Warnings: []string{}}
	metric := func(name string, x, y float64) {
		m := Metric{Name: name, A: x, B: y}
		if x != 0 {
			m.Ratio = round(y/x, 3)
		}
		c.Metrics = append(c.Metrics, m)
	}
	metric("requests per second", a.RequestsPerSecond, b.RequestsPerSecond)
	metric("items per second", a.ItemsPerSecond, b.ItemsPerSecond)
	metric("latency p50, us", a.Latency.P50, b.Latency.P50)
	metric("latency p95, us", a.Latency.P95, b.Latency.P95)
	metric("latency p99, us", a.Latency.P99, b.Latency.P99)
	metric("latency p99.9, us", a.Latency.P999, b.Latency.P999)
	metric("latency max, us", a.Latency.Max, b.Latency.Max)
	if a.Server.Inside != nil && b.Server.Inside != nil {
		metric("inside the server p50, us", a.Server.Inside.P50, b.Server.Inside.P50)
		metric("inside the server p99, us", a.Server.Inside.P99, b.Server.Inside.P99)
	}
	metric("server CPU a request, us", a.Server.CPUPerRequest, b.Server.CPUPerRequest)
	metric("server memory, MiB", float64(a.Server.ResidentBytes>>20), float64(b.Server.ResidentBytes>>20))
	metric("failed requests", float64(a.Failed), float64(b.Failed))

	warn := func(format string, args ...any) { c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...)) }
	if a.Workload != b.Workload {
		warn("the workloads differ: %+v and %+v", a.Workload, b.Workload)
	}
	if a.Operation != b.Operation {
		warn("the operations differ: %s and %s", a.Operation, b.Operation)
	}
	if a.Load != b.Load {
		warn("the loads differ: %+v and %+v", a.Load, b.Load)
	}
	if a.Target.Protocol != b.Target.Protocol {
		warn("the protocols differ: %s and %s", a.Target.Protocol, b.Target.Protocol)
	}
	for _, r := range []*Report{a, b} {
		if r.Machine.OtherCPUCores > busyCores {
			warn("others kept %.2f of %d cores busy in %s", r.Machine.OtherCPUCores, r.Machine.Cores, r.title())
		}
	}
	if a.asksLike(b) && a.Questions.Digest != b.Questions.Digest {
		c.AnswersDiffer = true
		warn("the answers to the same %d questions differ: digests %.8s and %.8s", a.Questions.Digested, a.Questions.Digest, b.Questions.Digest)
	}
	return c
}

// asksLike reports whether two digests are of answers to the same questions about the same tuples.
func (r *Report) asksLike(other *Report) bool {
	q, p := r.Questions, other.Questions
	return r.Workload == other.Workload && r.listLike() == other.listLike() &&
		q.Digest != "" && p.Digest != "" && q.Digested == p.Digested && q.Seed == p.Seed && q.Named == p.Named
}

// listLike tells apart the three kinds of questions that a digest may cover.
func (r *Report) listLike() string {
	switch r.Operation {
	case OpList, OpStreamed:
		return "objects"
	case OpListUsers:
		return "users"
	}
	return "checks"
}

func (r *Report) title() string {
	name := r.Name
	if name == "" {
		name = r.Target.Address
	}
	return fmt.Sprintf("%s, %s", name, r.Started.Format("2006-01-02 15:04:05"))
}

// WriteTable writes a comparison for people.
func (c Comparison) WriteTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tA: %s\tB: %s\tB/A\n", c.A, c.B)
	for _, m := range c.Metrics {
		ratio := "-"
		if m.A != 0 {
			ratio = fmt.Sprintf("%.3g", m.Ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Name, grouped(m.A), grouped(m.B), ratio)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, warning := range c.Warnings {
		if _, err := fmt.Fprintf(out, "warning: %s\n", warning); err != nil {
			return err
		}
	}
	return nil
}
