package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ostiary/ostiary/bench"
)

// writeTable prints a block for every load and a row in it for every server.
func (r result) writeTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	var order []string
	byLoad := map[string][]entry{}
	for _, e := range r.Runs {
		if byLoad[e.Load] == nil {
			order = append(order, e.Load)
		}
		byLoad[e.Load] = append(byLoad[e.Load], e)
	}
	for _, load := range order {
		if _, err := fmt.Fprintf(out, "\n%s\n", load); err != nil {
			return err
		}
		fmt.Fprintln(w, "\trequests/s\titems/s\tp50 us\tp99 us\tp99.9 us\tinside p50\tinside p99\tCPU us\tMiB\tof echo\tp50 x echo\tp99 x echo\ttimes openfga\tfailed\tothers\t")
		for _, e := range byLoad[load] {
			p := e.Report
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t%s\t%.1f\t%d\t%s\t%s\t%s\t%s\t%d\t%.2f\t\n", e.Server,
				p.RequestsPerSecond, p.ItemsPerSecond, p.Latency.P50, p.Latency.P99, p.Latency.P999,
				inside(p, func(i *bench.Inside) float64 { return i.P50 }), inside(p, func(i *bench.Inside) float64 { return i.P99 }),
				p.Server.CPUPerRequest, p.Server.ResidentBytes>>20,
				ratio(e, byLoad[load], nameEcho, "%.2f", throughput),
				ratio(e, byLoad[load], nameEcho, "%.2f", func(r *bench.Report) float64 { return r.Latency.P50 }),
				ratio(e, byLoad[load], nameEcho, "%.2f", func(r *bench.Report) float64 { return r.Latency.P99 }),
				ratio(e, byLoad[load], nameOpenFGA, "%.1f", throughput), p.Failed, p.Machine.OtherCPUCores)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return r.judgeAnswers(out)
}

// inside is a figure in microseconds that the server counted itself.
func inside(r *bench.Report, figure func(*bench.Inside) float64) string {
	if r.Server.Inside == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", figure(r.Server.Inside))
}

func throughput(r *bench.Report) float64 { return r.RequestsPerSecond }

// ratio sets a figure beside that of another server under the same load.
func ratio(e entry, beside []entry, name, format string, figure func(*bench.Report) float64) string {
	for _, other := range beside {
		if other.Server == name && other.Server != e.Server && figure(other.Report) > 0 {
			return fmt.Sprintf(format, figure(e.Report)/figure(other.Report))
		}
	}
	return "-"
}

// judgeAnswers says whether Ostiary and OpenFGA answered the same questions alike. The echo knows no
// answers.
func (r result) judgeAnswers(out io.Writer) error {
	digests := map[string][]string{}
	questions := 0
	for _, e := range r.Runs {
		if q := e.Report.Questions; q.Digest != "" && e.Server != nameEcho {
			digests[q.Digest] = append(digests[q.Digest], e.Server)
			questions = q.Digested
		}
	}
	if len(digests) > 1 {
		return fmt.Errorf("the servers do not agree on the answers to %d questions: %v", questions, digests)
	}
	for _, servers := range digests {
		if _, err := fmt.Fprintf(out, "\nThe answers of %v to the same %d questions agree.\n", servers, questions); err != nil {
			return err
		}
	}
	return nil
}
