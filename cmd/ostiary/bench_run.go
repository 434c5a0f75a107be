package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/bench"
)

// benchRunFlags are what 'bench run' can be told.
type benchRunFlags struct {
	workload workloadFlags
	target   targetFlags
	options  bench.Options
	op       string
	tries    int
	name     string
	html     string
	stores   []string
	models   []string
	cold     bool
}

func newBenchRunCommand(a *app) *cobra.Command {
	var flags benchRunFlags
	o := &flags.options
	cmd := &cobra.Command{
		Use:   "run [-- SERVE-FLAG...]",
		Short: "Fill a server with a workload, put a load on it, and report what it did",
		Long: `Fill a server with a workload, put a load on it, and report throughput, latencies, errors, and what the
server used. With --addr it is any server of OpenFGA's API. Without, a server of this binary is started on
a temporary folder and ended afterwards; what follows '--' are flags of 'ostiary serve' for it.

The operations (--op):
  check                    checks as the workload draws them
  check-hit, check-miss    of them, those that are allowed, or denied
  batch-check              50 of them a call (--batch)
  list-objects, streamed-list-objects, list-users
  write, write-100         1 or 100 new tuples a call
  delete                   one tuple a call, of tuples that are written before the run
  mixed                    99 checks to a write of one tuple, at random
  fresh                    write a grant, see it, delete it, and see on every path that it is gone (--tries);
                           the exit code is 1 when any answer is stale

Without --rate the load is a closed loop: each of --concurrency clients asks again as soon as it is
answered. With --rate that many requests fall due a second whatever the server does, and latency counts
from when a request was due.`,
		Example: `  ostiary bench run --workload org --scale mid --duration 10s
  ostiary bench run --addr 127.0.0.1:8081 --op batch-check --concurrency 4 --html report.html
  ostiary bench run --addr https://authz.example.com:8081 --server-ca ca.pem --token-file key --duration 10s
  ostiary bench run --rate 10000 --output json > report.json
  ostiary bench run --op fresh --tries 100000 -- --history-retention 1h`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.benchRun(cmd.Context(), &flags, args) },
	}
	f := cmd.Flags()
	flags.workload.register(f)
	flags.target.register(f)
	f.StringVar(&flags.op, "op", string(bench.OpCheck), "what to do over and over")
	f.IntVar(&o.Concurrency, "concurrency", 0, "requests under way at once (default 16; with --rate 256, at most)")
	f.Float64Var(&o.Rate, "rate", 0, "requests that fall due a second (0: closed loop)")
	f.IntVar(&o.Connections, "connections", 0, "connections over gRPC (default: as --concurrency; with --rate 16)")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure")
	f.DurationVar(&o.Warmup, "warmup", 2*time.Second, "how long to run before measuring")
	f.IntVar(&o.Pool, "pool", 0, "different questions (default 200000; 1000 lists)")
	f.IntVar(&o.Batch, "batch", 50, "checks in a batch-check")
	f.IntVar(&o.Prefill, "prefill", 200_000, "tuples to write before a delete run")
	f.IntVar(&o.Digest, "digest", 0, "questions whose answers to compare servers by (default 2000; 20 lists; negative: none)")
	f.StringVar(&o.Named, "question", "", "ask one named question of the workload, as list-2200, instead of drawn ones")
	f.BoolVar(&o.Linearizable, "linearizable", false, "ask for checks at HIGHER_CONSISTENCY")
	f.IntVar(&flags.tries, "tries", 10_000, "grants to write and revoke with --op fresh")
	f.IntSliceVar(&o.ServerPIDs, "server-pid", nil, "processes of the server, to measure with their children (default: who listens on --addr)")
	f.StringVar(&o.MetricsURL, "metrics-url", "", "Ostiary's metrics, as http://127.0.0.1:2112/metrics, to report latency inside the server")
	f.StringSliceVar(&flags.stores, "store", nil, "ids of stores that 'bench seed' filled, instead of filling new ones")
	f.StringSliceVar(&flags.models, "model", nil, "ids of their models (default: the newest)")
	f.BoolVar(&flags.cold, "cold", false, "start the server again once it is filled, and measure from its first request on")
	f.StringVar(&flags.name, "name", "", "what to call the server in reports")
	f.StringVar(&flags.html, "html", "", "write a report with plots to this file")
	return cmd
}

func (a *app) benchRun(ctx context.Context, flags *benchRunFlags, serveArgs []string) (err error) {
	o := &flags.options
	fresh := flags.op == "fresh"
	if o.Operation, err = bench.ParseOperation(flags.op); err != nil && !fresh {
		return usagef("--op: %v, fresh", err)
	}
	if len(flags.models) > 0 && len(flags.models) != len(flags.stores) {
		return usagef("--store names %d stores and --model %d models", len(flags.stores), len(flags.models))
	}
	if o.Workload, err = flags.workload.workload(); err != nil {
		return err
	}
	if flags.cold && (flags.target.addr != "" || fresh) {
		return usagef("--cold is for a server that 'bench run' starts itself: leave out --addr, and --op fresh")
	}
	var server *benchServer
	if flags.target.addr == "" {
		server, err = a.startBenchServer(ctx, serveArgs)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.stop()) }()
		o.Target, err = flags.target.plain(server.address(flags.target.http), a.origins)
		o.ServerPIDs, o.MetricsURL = []int{server.pid()}, server.metricsURL
	} else if len(serveArgs) > 0 {
		return usagef("%q are flags for a server of this binary, and --addr names one that runs", serveArgs)
	} else {
		o.Target, err = flags.target.target(a.origins)
	}
	if err != nil {
		return err
	}
	o.Seed = flags.workload.seed
	if len(o.ServerPIDs) == 0 {
		if pid, ok := bench.LocalServer(o.Target.Address); ok {
			o.ServerPIDs = []int{pid}
		}
	}
	for i, id := range flags.stores {
		store := bench.Store{ID: id}
		if len(flags.models) > 0 {
			store.Model = flags.models[i]
		}
		o.Stores = append(o.Stores, store)
	}
	if len(o.Stores) == 0 {
		if o.Stores, err = a.benchSeed(ctx, o.Target, o.Workload); err != nil {
			return err
		}
	}
	o.Progress = func(text string) { a.talkf("%s", text) }
	if fresh {
		return a.benchFresh(ctx, flags)
	}
	if flags.cold {
		if err := server.restart(ctx); err != nil {
			return err
		}
		o.Target.Address, o.ServerPIDs = server.address(flags.target.http), []int{server.pid()}
		o.Warmup, o.Digest = 0, -1
	}
	report, err := bench.Run(ctx, *o)
	if err != nil {
		return err
	}
	report.Name = flags.name
	return a.showBenchReport(report, flags.html)
}

func (a *app) showBenchReport(report *bench.Report, html string) error {
	if html != "" {
		file, err := os.Create(html)
		if err != nil {
			return err
		}
		if err := errors.Join(report.WriteHTML(file), file.Close()); err != nil {
			return fmt.Errorf("write %s: %w", html, err)
		}
	}
	if a.json() {
		return a.printJSON(report)
	}
	return report.WriteTable(a.out)
}

func (a *app) benchFresh(ctx context.Context, flags *benchRunFlags) error {
	report, err := bench.Fresh(ctx, bench.FreshOptions{
		Target: flags.options.Target, Workload: flags.options.Workload, Stores: flags.options.Stores,
		Tries: flags.tries, Concurrency: flags.options.Concurrency, Progress: flags.options.Progress,
	})
	if err != nil {
		return err
	}
	report.Name = flags.name
	if a.json() {
		err = a.printJSON(report)
	} else {
		err = report.WriteTable(a.out)
	}
	if err == nil && report.Wrong > 0 {
		return errReported
	}
	return err
}
