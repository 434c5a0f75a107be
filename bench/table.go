package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes a report for people.
func (r *Report) WriteTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("server", "%s over %s%s", r.Target.Address, r.Target.Protocol, named(r.Name))
	row("workload", "%s/%s %s, %s tuples in %d store(s), seed %d", r.Workload.Name, r.Workload.Scale, r.Workload.Skew, grouped(float64(r.Workload.Tuples)), r.Workload.Stores, r.Workload.Seed)
	row("load", "%s", r.loadText())
	if r.Questions.Pool > 0 {
		row("questions", "%s", r.questionsText())
	}
	row("requests", "%s in %.1f s: %s/s", grouped(float64(r.Requests)), r.ElapsedSeconds, grouped(r.RequestsPerSecond))
	if r.ItemsPerRequest != 1 && r.Requests > 0 {
		row("items", "%s/s, %s a request", grouped(r.ItemsPerSecond), grouped(r.ItemsPerRequest))
	}
	row("latency", "%s", r.Latency)
	for _, part := range slices.Sorted(maps.Keys(r.Parts)) {
		row("  "+part, "%s", r.Parts[part])
	}
	if r.GeneratorLagP99 > 0 {
		row("generator", "was late itself by p99 %s", duration(r.GeneratorLagP99))
	}
	if r.AllowedShare != nil {
		row("allowed", "%.2f %% of the checks", 100**r.AllowedShare)
	}
	if r.Failed == 0 {
		row("errors", "none")
	}
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		row("errors", "%s %s: %s", grouped(float64(r.Errors[code])), code, r.ErrorExamples[code])
	}
	if len(r.Server.PIDs) > 0 && r.Machine.Fault == "" {
		row("server used", "%.1f us CPU a request, %.2f cores, %s MiB resident", r.Server.CPUPerRequest, r.Server.CPUCores, grouped(float64(r.Server.ResidentBytes>>20)))
	}
	if in := r.Server.Inside; in != nil {
		row("inside it", "%s: p50 %s  p95 %s  p99 %s  p99.9 %s", in.Method, duration(in.P50), duration(in.P95), duration(in.P99), duration(in.P999))
	}
	if r.Machine.Fault != "" {
		row("machine", "%d cores; %s", r.Machine.Cores, r.Machine.Fault)
	} else {
		row("machine", "%d cores, %.2f busy with the generator, %.2f with others", r.Machine.Cores, r.Machine.ClientCPUCores, r.Machine.OtherCPUCores)
	}
	return w.Flush()
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

func (r *Report) loadText() string {
	loop := fmt.Sprintf("%d at once, each as soon as it has its answer", r.Load.Concurrency)
	if r.Load.RatePerSecond > 0 {
		loop = fmt.Sprintf("%s requests due a second, at most %d at once", grouped(r.Load.RatePerSecond), r.Load.Concurrency)
	}
	return fmt.Sprintf("%s: %s, %d connection(s), %.3g s of warm-up", r.Operation, loop, r.Load.Connections, r.Load.WarmupSeconds)
}

func (r *Report) questionsText() string {
	text := fmt.Sprintf("%s different", grouped(float64(r.Questions.Pool)))
	if r.Questions.Named != "" {
		text = r.Questions.Named
	}
	if r.Questions.Digest != "" {
		text += fmt.Sprintf("; answers to the first %d have digest %.8s", r.Questions.Digested, r.Questions.Digest)
	}
	return text
}

// String writes the quantiles in fitting units.
func (l Latency) String() string {
	return fmt.Sprintf("p50 %s  p95 %s  p99 %s  p99.9 %s  max %s", duration(l.P50), duration(l.P95), duration(l.P99), duration(l.P999), duration(l.Max))
}

// duration writes microseconds in three digits.
func duration(us float64) string {
	switch d := time.Duration(us * float64(time.Microsecond)); {
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g us", us)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", us/1e3)
	default:
		return fmt.Sprintf("%.3g s", us/1e6)
	}
}

// grouped writes a number with commas, and a digit after the point where it is small.
func grouped(x float64) string {
	text := fmt.Sprintf("%.0f", x)
	if x < 100 && x != float64(int64(x)) {
		text = fmt.Sprintf("%.1f", x)
	}
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}
