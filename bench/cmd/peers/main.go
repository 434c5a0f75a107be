// Command peers measures, in one run and with one client, an echo server, Ostiary, and OpenFGA on
// PostgreSQL with its caches off and on: the same model, tuples and questions. It prints a table and
// writes the reports as JSON. 'make bench-peers' builds and installs what it needs and calls it.
//
// Servers run one after the other, on loopback addresses and in a temporary folder. What it started it
// ends, by process id.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/workload"
)

// settings are the flags.
type settings struct {
	ostiary, openfga, postgres string
	only                       string
	output                     string
	workload, scale            string
	measure                    time.Duration
	warmup                     time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.ostiary, "ostiary", "bin/ostiary", "binary of Ostiary")
	flag.StringVar(&s.openfga, "openfga", "", "binary of OpenFGA; without it OpenFGA is left out")
	flag.StringVar(&s.postgres, "postgres", "/usr/lib/postgresql/15/bin", "folder of PostgreSQL's binaries")
	flag.StringVar(&s.only, "only", "", "servers to measure, with commas between (default: all)")
	flag.StringVar(&s.output, "output", "dist/bench-peers.json", "file for the reports")
	flag.StringVar(&s.workload, "workload", "org", "workload")
	flag.StringVar(&s.scale, "scale", workload.Mid, "scale of the workload")
	flag.DurationVar(&s.measure, "duration", 6*time.Second, "how long each load is measured")
	flag.DurationVar(&s.warmup, "warmup", 2*time.Second, "how long each load runs before")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// load is one thing that every server is asked to do. A number of clients is of a closed loop.
type load struct {
	name     string
	options  bench.Options
	skew     string
	protocol bench.Protocol
	clients  []int // one measurement for each
	not      []string
	// settles asks for a list of answers that is compared between the servers.
	settles bool
}

// openfgas are the names of the servers that cannot take 10,000 checks a second.
var openfgas = []string{nameOpenFGA, nameOpenFGACached}

// loads lists the measurements in the order in which they are made: those that write come last.
func loads() []load {
	return []load{
		{name: "check", options: bench.Options{Operation: bench.OpCheck}, clients: []int{16}, settles: true},
		{name: "check", options: bench.Options{Operation: bench.OpCheck}, clients: []int{1}},
		{name: "check", options: bench.Options{Operation: bench.OpCheck}, skew: workload.Uniform, clients: []int{16}},
		{name: "check, open loop", options: bench.Options{Operation: bench.OpCheck, Rate: 10_000}, clients: []int{0}, not: openfgas},
		{name: "check over HTTP", options: bench.Options{Operation: bench.OpCheck}, protocol: bench.HTTP, clients: []int{16}},
		{name: "batch check of 50", options: bench.Options{Operation: bench.OpBatchCheck}, clients: []int{4}},
		{name: "list objects, 1,000 of 2,200", options: bench.Options{Operation: bench.OpList, Named: "list-2200"}, clients: []int{1}},
		{name: "stream objects, 10,000", options: bench.Options{Operation: bench.OpStreamed, Named: "list-10000", Digest: -1}, clients: []int{1}},
		{name: "list users, 1,000", options: bench.Options{Operation: bench.OpListUsers, Named: "users-1000"}, clients: []int{1}},
		{name: "99 checks to a write", options: bench.Options{Operation: bench.OpMixed}, clients: []int{16}},
		{name: "write 1 tuple", options: bench.Options{Operation: bench.OpWrite}, clients: []int{16}},
		{name: "write 100 tuples", options: bench.Options{Operation: bench.OpWrite100}, clients: []int{16}},
	}
}

// result is everything that was measured.
type result struct {
	Format string  `json:"format"`
	Runs   []entry `json:"runs"`
}

// entry is one measurement of one server.
type entry struct {
	Load   string        `json:"load"`
	Server string        `json:"server"`
	Report *bench.Report `json:"report"`
}

func (s settings) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "ostiary-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user when this is root
		return err
	}
	all := result{Format: "ostiary-bench-peers/1"}
	for _, server := range s.servers(dir) {
		if s.only != "" && !slices.Contains(strings.Split(s.only, ","), server.name) {
			continue
		}
		entries, err := s.measureServer(ctx, server)
		all.Runs = append(all.Runs, entries...)
		if err != nil { // what is measured is kept
			return errors.Join(fmt.Errorf("%s: %w", server.name, err), s.report(all))
		}
	}
	return s.report(all)
}

// report writes the reports to their file and prints the table.
func (s settings) report(all result) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.output), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(s.output, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return all.writeTable(os.Stdout)
}

// measureServer starts a server, fills it, puts every load on it, and ends it.
func (s settings) measureServer(ctx context.Context, server *server) (entries []entry, err error) {
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s: %s\n", server.name, fmt.Sprintf(format, args...))
	}
	say("starting")
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := server.start(ctx, server); err != nil {
		return entries, err
	}
	var seeded []bench.Store
	for _, load := range loads() {
		if slices.Contains(load.not, server.name) {
			continue
		}
		w, err := workload.New(s.workload, workload.Options{Scale: s.scale, Seed: workload.DefaultSeed, Skew: load.skew})
		if err != nil {
			return entries, err
		}
		if seeded == nil { // a skew changes questions, not tuples
			began := time.Now()
			if seeded, err = bench.Seed(ctx, server.target(bench.GRPC), w, func(int) {}); err != nil {
				return entries, err
			}
			say("%d tuples written in %.1f s", w.Total(), time.Since(began).Seconds())
			if server.seeded != nil {
				if err := server.seeded(ctx, server); err != nil {
					return entries, err
				}
			}
		}
		for _, clients := range load.clients {
			o := load.options
			o.Workload, o.Stores, o.Concurrency, o.Seed = w, seeded, clients, workload.DefaultSeed
			o.Duration, o.Warmup = s.measure, s.warmup
			o.Target = server.target(load.protocol)
			o.ServerPIDs, o.MetricsURL = server.PIDs(), server.metricsURL
			o.Digest = -1
			if load.settles {
				o.Digest = 1000
			}
			report, err := bench.Run(ctx, o)
			if err != nil {
				return entries, fmt.Errorf("%s: %w", load.name, err)
			}
			report.Name = server.name
			entry := entry{Load: load.title(s, w, clients), Server: server.name, Report: report}
			say("%s: %.0f/s, %s, %d failed", entry.Load, report.RequestsPerSecond, report.Latency, report.Failed)
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

func (l load) title(s settings, w *workload.Workload, clients int) string {
	how := fmt.Sprintf("%d clients", clients)
	if clients == 1 {
		how = "1 client"
	}
	if l.options.Rate > 0 {
		how = fmt.Sprintf("%.0f due a second", l.options.Rate)
	}
	return fmt.Sprintf("%s, %s/%s %s, %s", l.name, s.workload, s.scale, w.Skew, how)
}
