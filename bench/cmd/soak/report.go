package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/bench"
)

// report is what a trial saw. Units are in the names.
type report struct {
	Seconds float64 `json:"seconds"`
	Nodes   int     `json:"nodes"`
	// Maximum is the checks a second of one node and one closed loop; the load is half of it, over all nodes.
	Maximum float64        `json:"maximum_checks_per_second"`
	Phases  []*phaseReport `json:"phases"`
	// Requests and Failed are those of all well-behaved clients; Refused has the first texts of what failed.
	Requests int64    `json:"requests"`
	Failed   int64    `json:"failed_requests"`
	Refused  []string `json:"refused,omitempty"`
	// Late counts checks and lists that had no answer when their time was over: on a machine that cannot keep up the
	// rate they have waited for the generator as much as for the server.
	Late       int64    `json:"late_requests"`
	MixAnswers int64    `json:"judged_answers"`
	Wrong      []string `json:"wrong,omitempty"`
	// SteadyChanges and SteadyNoted are the changes of tuples, and of people and sessions, of the steady part.
	SteadyChanges int64    `json:"steady_tuple_changes"`
	SteadyNoted   int64    `json:"steady_identity_changes"`
	Growth        []growth `json:"growth"`
	Samples       []sample `json:"samples"`
	Faults        []string `json:"faults"`
}

// phaseReport is what well-behaved clients saw during one part.
type phaseReport struct {
	Name      string        `json:"name"`
	Seconds   float64       `json:"seconds"`
	Note      string        `json:"note,omitempty"`
	Checks    int64         `json:"checks"`
	Latency   bench.Latency `json:"check_latency_microseconds"` // of the node with the highest p99
	OtherCPUs float64       `json:"other_cpu_cores"`            // busy with neither clients nor servers
}

// growth is what one node held early and late in the steady part, each the floor of many samples.
type growth struct {
	Node      string `json:"node"`
	HeapEarly int64  `json:"live_heap_bytes_early"`
	HeapLate  int64  `json:"live_heap_bytes_late"`
	DiskEarly int64  `json:"disk_bytes_early"`
	DiskLate  int64  `json:"disk_bytes_late"`
}

func newReport(s settings) *report {
	return &report{Seconds: s.length.Seconds(), Nodes: s.nodes, Faults: []string{}}
}

func (r *report) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// note counts the requests of one load.
func (r *report) note(b *bench.Report) {
	r.Requests += b.Requests
	late := b.Errors["DeadlineExceeded"]
	r.Failed, r.Late = r.Failed+b.Failed-late, r.Late+late
	for code, text := range b.ErrorExamples {
		if len(r.Refused) < keptNotes {
			r.Refused = append(r.Refused, fmt.Sprintf("%s: %s: %s", b.Operation, code, text))
		}
	}
}

// take counts what the mix saw, once it has ended.
func (r *report) take(m *mix) {
	r.MixAnswers, r.Wrong = m.answered.Load(), m.wrong
	r.Requests += m.answered.Load() + m.changes.Load() + m.noted.Load()
	r.Failed += m.errors
	r.Refused = append(r.Refused, m.refused...)
}

func (p *phaseReport) take(n *node, r *bench.Report) {
	if r.Operation != bench.OpCheck {
		return
	}
	p.Checks += r.Requests
	p.OtherCPUs = r.Machine.OtherCPUCores
	if r.Latency.P99 >= p.Latency.P99 {
		p.Latency = r.Latency
	}
}

func (p *phaseReport) String() string {
	text := fmt.Sprintf("%s: %d checks, p50 %.0f us, p99 %.0f us, longest %.1f ms", p.Name, p.Checks, p.Latency.P50, p.Latency.P99, p.Latency.Max/1000)
	if p.Note != "" {
		text += "; " + p.Note
	}
	return text
}

func (r *report) nodes() (names []string) {
	for _, s := range r.Samples {
		if !slices.Contains(names, s.Node) {
			names = append(names, s.Node)
		}
	}
	return names
}

// of returns the samples of a node in a phase.
func (r *report) of(node, phase string) (found []sample) {
	for _, s := range r.Samples {
		if s.Node == node && s.Phase == phase {
			found = append(found, s)
		}
	}
	return found
}

func (r *report) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d node(s), at most %.0f checks a second on one, half of it asked over %.0f s\n", r.Nodes, r.Maximum, r.Seconds)
	fmt.Fprintf(&out, "%d requests of well-behaved clients, %d failed, %d late; %d answers judged, %d wrong\n\n", r.Requests, r.Failed, r.Late, r.MixAnswers, len(r.Wrong))
	usual := 0.0
	for _, p := range r.Phases {
		if p.Name == phaseSteady {
			usual = p.Latency.P99
		}
	}
	fmt.Fprintf(&out, "%-18s %10s %9s %9s %8s  %s\n", "phase", "checks", "p50 us", "p99 us", "of usual", "")
	for _, p := range r.Phases {
		ratio := "-"
		if usual > 0 {
			ratio = fmt.Sprintf("%.2f", p.Latency.P99/usual)
		}
		fmt.Fprintf(&out, "%-18s %10d %9.0f %9.0f %8s  %s\n", p.Name, p.Checks, p.Latency.P50, p.Latency.P99, ratio, p.Note)
	}
	fmt.Fprintf(&out, "\n%-8s %-18s %8s %8s %8s %10s %8s %6s %8s\n", "node", "most in phase", "RSS MiB", "heap", "cache", "goroutines", "sockets", "files", "disk MiB")
	for _, node := range r.nodes() {
		for _, phase := range r.phases() {
			r.row(&out, node, phase)
		}
	}
	fmt.Fprintf(&out, "\n")
	for _, g := range r.Growth {
		fmt.Fprintf(&out, "%s, floors of the first and the last third of %s: heap %.1f and %.1f MiB, disk %.1f and %.1f MiB\n", g.Node, phaseSteady,
			mebi(g.HeapEarly), mebi(g.HeapLate), mebi(g.DiskEarly), mebi(g.DiskLate))
	}
	for _, text := range r.Faults {
		fmt.Fprintf(&out, "FAULT: %s\n", text)
	}
	if len(r.Faults) == 0 {
		fmt.Fprintf(&out, "nothing grew that should not\n")
	}
	return out.String()
}

// phases are those that were looked at, in their order.
func (r *report) phases() (names []string) {
	for _, s := range r.Samples {
		if !slices.Contains(names, s.Phase) {
			names = append(names, s.Phase)
		}
	}
	return names
}

// row has the most of each in a phase; of the rest, what was there last.
func (r *report) row(out *strings.Builder, node, phase string) {
	samples := r.of(node, phase)
	if len(samples) == 0 {
		return
	}
	if phase == phaseRest {
		samples = samples[len(samples)-1:]
	}
	most := samples[0]
	for _, s := range samples[1:] {
		most.Resident, most.Heap, most.Cache = max(most.Resident, s.Resident), max(most.Heap, s.Heap), max(most.Cache, s.Cache)
		most.Goroutines, most.Sockets, most.Files = max(most.Goroutines, s.Goroutines), max(most.Sockets, s.Sockets), max(most.Files, s.Files)
		most.Disk = max(most.Disk, s.Disk)
	}
	fmt.Fprintf(out, "%-8s %-18s %8.0f %8.1f %8.1f %10d %8d %6d %8.1f\n", node, phase, mebi(most.Resident), mebi(most.Heap), mebi(most.Cache),
		most.Goroutines, most.Sockets, most.Files, mebi(most.Disk))
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }
