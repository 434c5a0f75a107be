package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/bench/workload"
)

// reportFormat names the form of a report; it changes when a field changes its meaning.
const reportFormat = "ostiary-bench/1"

// Report is what a run saw. Its JSON form is part of the interface: fields are added and never change
// their meaning, and units are in the names.
type Report struct {
	Format    string         `json:"format"`
	Started   time.Time      `json:"started"`
	Name      string         `json:"name,omitempty"` // of the server, as the caller calls it
	Target    ReportTarget   `json:"target"`
	Workload  ReportWorkload `json:"workload"`
	Operation Operation      `json:"operation"`
	Load      ReportLoad     `json:"load"`
	Questions Questions      `json:"questions"`

	ElapsedSeconds    float64            `json:"elapsed_seconds"`
	Requests          int64              `json:"requests"` // answered without an error
	RequestsPerSecond float64            `json:"requests_per_second"`
	Items             int64              `json:"items"` // questions, tuples written, or results listed
	ItemsPerSecond    float64            `json:"items_per_second"`
	ItemsPerRequest   float64            `json:"items_per_request"`
	Failed            int64              `json:"failed_requests"`
	Errors            map[string]int64   `json:"errors"` // by code
	ErrorExamples     map[string]string  `json:"error_examples,omitempty"`
	AllowedShare      *float64           `json:"allowed_share,omitempty"` // of checks
	Latency           Latency            `json:"latency_microseconds"`
	Parts             map[string]Latency `json:"parts_latency_microseconds,omitempty"` // of a mixed load
	GeneratorLagP99   float64            `json:"generator_lag_p99_microseconds,omitempty"`

	Percentiles []Percentile   `json:"percentiles"`
	Timeline    ReportTimeline `json:"throughput_over_time"`
	Server      ReportServer   `json:"server"`
	Machine     ReportMachine  `json:"machine"`
}

// ReportTarget says what was asked.
type ReportTarget struct {
	Address  string   `json:"address"`
	Protocol Protocol `json:"protocol"`
}

// ReportWorkload says with what.
type ReportWorkload struct {
	Name   string `json:"name"`
	Scale  string `json:"scale"`
	Skew   string `json:"skew"`
	Seed   uint64 `json:"seed"`
	Stores int    `json:"stores"`
	Tuples int    `json:"tuples"`
}

// ReportLoad says how hard.
type ReportLoad struct {
	Concurrency     int     `json:"concurrency"`
	Connections     int     `json:"connections"`
	RatePerSecond   float64 `json:"rate_per_second"` // 0: a closed loop
	WarmupSeconds   float64 `json:"warmup_seconds"`
	DurationSeconds float64 `json:"duration_seconds"`
}

// Questions says which questions were asked and what the server answered to the first of them.
type Questions struct {
	Seed  uint64 `json:"seed"`
	Named string `json:"named,omitempty"`
	Pool  int    `json:"pool"` // different questions
	// Digested is how many questions Digest covers. Servers that hold the same tuples and agree on the
	// answers have the same digest.
	Digested    int     `json:"digested"`
	Digest      string  `json:"digest,omitempty"`
	DeniedShare float64 `json:"denied_share,omitempty"` // of all that were asked before the run
}

// Latency is quantiles of the time from when a request was sent, or was due in an open loop, to its
// whole answer. Each is at most 0.8 % too high, and never too low; the maximum is exact.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99_9"`
	Max   float64 `json:"max"`
}

// Percentile is one point of the curve of latencies.
type Percentile struct {
	Percent      float64 `json:"percent"`
	Microseconds float64 `json:"microseconds"`
}

// ReportTimeline is the requests that ended in each interval of the measured time.
type ReportTimeline struct {
	IntervalSeconds float64 `json:"interval_seconds"`
	Requests        []int64 `json:"requests"`
}

// ReportServer is what the server used, where it runs on this machine.
type ReportServer struct {
	PIDs          []int   `json:"pids,omitempty"` // their children count too
	CPUPerRequest float64 `json:"cpu_microseconds_per_request,omitempty"`
	CPUCores      float64 `json:"cpu_cores,omitempty"` // busy on average
	ResidentBytes int64   `json:"resident_bytes,omitempty"`
	// Inside is latency as the server counts it, where its metrics can be read.
	Inside *Inside `json:"inside_latency_microseconds,omitempty"`
}

// ReportMachine is the machine of the generator.
type ReportMachine struct {
	Cores          int     `json:"cores"`
	Platform       string  `json:"platform"`
	ClientCPUCores float64 `json:"client_cpu_cores"` // busy with the generator on average
	// OtherCPUCores is the cores that were busy with neither the generator nor the server on average,
	// time that the machine's host took included. Much above zero, the figures are worth little.
	OtherCPUCores float64 `json:"other_cpu_cores"`
	Fault         string  `json:"fault,omitempty"` // why CPU times are missing
}

func newReport(o *Options) *Report {
	return &Report{
		Format:    reportFormat,
		Started:   time.Now().UTC().Truncate(time.Second),
		Target:    ReportTarget{Address: o.Target.Address, Protocol: o.Target.Protocol},
		Workload:  describe(o.Workload),
		Operation: o.Operation,
		Load: ReportLoad{
			Concurrency: o.Concurrency, Connections: o.Connections, RatePerSecond: o.Rate,
			WarmupSeconds: o.Warmup.Seconds(), DurationSeconds: o.Duration.Seconds(),
		},
		Questions: Questions{Seed: o.Seed, Named: o.Named},
		Errors:    map[string]int64{},
		Server:    ReportServer{PIDs: o.ServerPIDs},
		Machine:   ReportMachine{Cores: cores(), Platform: runtime.GOOS + "/" + runtime.GOARCH},
	}
}

func describe(w *workload.Workload) ReportWorkload {
	return ReportWorkload{Name: w.Name, Scale: w.Scale, Skew: w.Skew, Seed: w.Seed, Stores: w.Stores, Tuples: w.Total()}
}

// slot is the interval of the timeline: a tenth of a second, or more where there would be too many.
func (r *Report) slot() time.Duration {
	duration := time.Duration(r.Load.DurationSeconds * float64(time.Second))
	return max(100*time.Millisecond, duration/timelineSlots+1)
}

// fill writes down what the workers saw between from and the end of the last request.
func (r *Report) fill(o *Options, total *tally, from time.Time, before, after usage) error {
	elapsed := max(total.last.Sub(from), 0)
	r.ElapsedSeconds = elapsed.Seconds()
	all := newHistogram()
	for i := range total.parts {
		all.merge(total.parts[i].latency)
		r.Failed += total.parts[i].failed
	}
	r.Requests, r.Items = int64(all.n), total.items
	r.RequestsPerSecond = perSecond(r.Requests, elapsed)
	r.ItemsPerSecond = perSecond(r.Items, elapsed)
	if r.Requests > 0 {
		r.ItemsPerRequest = float64(r.Items) / float64(r.Requests)
	}
	r.Errors, r.ErrorExamples = total.errors, total.examples
	if total.checks > 0 {
		share := float64(total.allowed) / float64(total.checks)
		r.AllowedShare = &share
	}
	r.Latency = latencyOf(all)
	if total.parts[partWrite].latency.n > 0 {
		r.Parts = map[string]Latency{
			"check": latencyOf(total.parts[partMain].latency),
			"write": latencyOf(total.parts[partWrite].latency),
		}
	}
	if o.Rate > 0 {
		r.GeneratorLagP99 = microseconds(total.lag.quantile(0.99))
	}
	r.Percentiles = percentilesOf(all)
	slot := r.slot()
	full := min(int(elapsed/slot), len(total.timeline))
	r.Timeline = ReportTimeline{IntervalSeconds: slot.Seconds(), Requests: total.timeline[:full]}
	r.fillUsage(o, before.cpu, after.cpu)
	if o.MetricsURL != "" {
		r.Server.Inside = insideBetween(before.inside, after.inside, o.Operation.method().name)
	}
	return errors.Join(before.err, after.err)
}

func (r *Report) fillUsage(o *Options, before, after cpuTimes) {
	wall := after.at.Sub(before.at)
	if before.err != nil || after.err != nil || wall <= 0 {
		if before.err != nil {
			r.Machine.Fault = before.err.Error()
		}
		return
	}
	coresOf := func(d time.Duration) float64 { return round(d.Seconds()/wall.Seconds(), 3) }
	client, server := after.client-before.client, after.server-before.server
	r.Machine.ClientCPUCores = coresOf(client)
	r.Machine.OtherCPUCores = max(coresOf(after.machine-before.machine-client-server), 0)
	if len(o.ServerPIDs) == 0 {
		return
	}
	r.Server.CPUCores = coresOf(server)
	if n := r.Requests + r.Failed; n > 0 {
		r.Server.CPUPerRequest = round(microseconds(server)/float64(n), 2)
	}
	if size, err := residentBytes(o.ServerPIDs); err == nil {
		r.Server.ResidentBytes = size
	}
}

func latencyOf(h *histogram) Latency {
	return Latency{
		Count: int64(h.n), Mean: microseconds(h.mean()),
		P50: microseconds(h.quantile(0.50)), P95: microseconds(h.quantile(0.95)), P99: microseconds(h.quantile(0.99)),
		P999: microseconds(h.quantile(0.999)), Max: microseconds(time.Duration(h.max)),
	}
}

// percentilesOf returns the curve up to the last percentile that the number of requests bears.
func percentilesOf(h *histogram) []Percentile {
	var points []Percentile
	if h.n == 0 {
		return points
	}
	// Evenly apart on the axis of the plot: -log10(1-p), ten steps to a digit.
	for step := 0; ; step++ {
		rest := math.Pow(10, -float64(step)/10)
		if rest*float64(h.n) < 1 {
			return append(points, Percentile{Percent: 100, Microseconds: microseconds(time.Duration(h.max))})
		}
		points = append(points, Percentile{Percent: round(100*(1-rest), 6), Microseconds: microseconds(h.quantile(1 - rest))})
	}
}

func perSecond(n int64, elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	return round(float64(n)/elapsed.Seconds(), 1)
}

func microseconds(d time.Duration) float64 { return round(float64(d)/float64(time.Microsecond), 1) }

func round(x float64, digits int) float64 {
	scale := math.Pow(10, float64(digits))
	return math.Round(x*scale) / scale
}

// digestChecks notes what the first questions were answered.
func (q *Questions) digestChecks(questions []workload.Question, answers []bool, n int) {
	denied := 0
	sum := sha256.New()
	for i, question := range questions {
		if !answers[i] {
			denied++
		}
		if i < n {
			fmt.Fprintf(sum, "%d %s %s %s %v\n", question.Store, question.Object, question.Relation, question.Subject, answers[i])
			q.Digested++
		}
	}
	q.DeniedShare = round(float64(denied)/float64(len(questions)), 4)
	if q.Digested > 0 {
		q.Digest = hex.EncodeToString(sum.Sum(nil)[:16])
	}
}

// comparableResults is the longest list whose results are compared one by one: OpenFGA ends a list there,
// and which results it then has is chance.
const comparableResults = 1000

func (q *Questions) digestLists(questions []workload.Question, lists [][]string) {
	sum := sha256.New()
	for i, question := range questions {
		results := slices.Sorted(slices.Values(lists[i]))
		text := strings.Join(results, " ")
		if len(results) >= comparableResults {
			text = fmt.Sprintf("%d or more", comparableResults)
		}
		fmt.Fprintf(sum, "%d %s %s %s %s\n", question.Store, question.Object, question.Relation, question.Subject, text)
	}
	q.Digested = len(questions)
	q.Digest = hex.EncodeToString(sum.Sum(nil)[:16])
}

// ReadReport reads a report in its JSON form.
func ReadReport(r io.Reader) (*Report, error) {
	report := &Report{}
	decoder := json.NewDecoder(r)
	if err := decoder.Decode(report); err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	if report.Format != reportFormat {
		return nil, fmt.Errorf("read a report: its format is %q, want %q", report.Format, reportFormat)
	}
	return report, nil
}

// LocalServer returns the process that listens on address, when it runs on this machine.
func LocalServer(address string) (pid int, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, false
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0, false
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		return 0, false
	}
	return findServer(number)
}
