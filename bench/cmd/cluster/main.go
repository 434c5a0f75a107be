// Command cluster measures three nodes of Ostiary on this machine: writes, reads on each node, what
// linearizable reads add, how far followers are behind, and how long a restart and a new learner take.
// It prints a table. 'make bench-cluster' builds what it needs and calls it.
//
// The nodes and the generator share the machine's cores, so that throughput says little beside that of
// three machines; latencies of a lone request and the times to start say more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/workload"
)

func main() {
	var t trial
	flag.StringVar(&t.binary, "ostiary", "bin/ostiary", "binary of Ostiary")
	flag.StringVar(&t.scale, "scale", workload.Mid, "scale of the workload org")
	flag.DurationVar(&t.measure, "duration", 5*time.Second, "how long each load is measured")
	flag.IntVar(&t.voters, "voters", 3, "how many voters the cluster has")
	flag.StringVar(&t.steps, "steps", "reads,writes,lags,restart,learner", "what to measure, in this order")
	flag.StringVar(&t.imageRate, "image-rate", "0", "--image-rate of the nodes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := t.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// trial is one run of the program.
type trial struct {
	binary, scale    string
	measure          time.Duration
	voters           int
	steps, imageRate string

	workload *workload.Workload
	stores   []bench.Store
	leader   *node
	follower *node
}

func (t *trial) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "ostiary-cluster-")
	if err != nil {
		return err
	}
	c := &cluster{binary: t.binary, dir: dir, imageRate: t.imageRate}
	defer func() { err = errors.Join(err, c.stop(), os.RemoveAll(dir)) }()
	if t.workload, err = workload.New("org", workload.Options{Scale: t.scale, Seed: workload.DefaultSeed}); err != nil {
		return err
	}
	if err := c.form(ctx, t.voters); err != nil {
		return err
	}
	if t.leader, t.follower, err = c.roles(ctx); err != nil {
		return err
	}
	began := time.Now()
	if t.stores, err = bench.Seed(ctx, t.leader.target(), t.workload, func(int) {}); err != nil {
		return err
	}
	row("seed", "%d tuples in %.1f s", t.workload.Total(), time.Since(began).Seconds())
	steps := map[string]func(context.Context, *cluster) error{
		"reads": t.reads, "writes": t.writes, "lags": t.lags, "restart": t.restart, "learner": t.learner,
	}
	for name := range strings.SplitSeq(t.steps, ",") {
		step := steps[name]
		if step == nil {
			return fmt.Errorf("there is no step %q", name)
		}
		if t.follower == nil && name != "learner" {
			return fmt.Errorf("step %q needs a follower: -voters 2 or more", name)
		}
		if err := step(ctx, c); err != nil {
			return fmt.Errorf("step %s: %w", name, err)
		}
	}
	return nil
}

func row(name, format string, args ...any) {
	fmt.Printf("%-52s %s\n", name, fmt.Sprintf(format, args...))
}

func (t *trial) load(ctx context.Context, n *node, o bench.Options) (*bench.Report, error) {
	o.Target, o.Workload, o.Stores = n.target(), t.workload, t.stores
	o.Duration, o.Warmup, o.Digest, o.Seed = t.measure, time.Second, -1, workload.DefaultSeed
	report, err := bench.Run(ctx, o)
	if err == nil && report.Failed > 0 {
		err = fmt.Errorf("%d requests failed: %v", report.Failed, report.Errors)
	}
	return report, err
}

// reads compares local and linearizable checks, by one client.
func (t *trial) reads(ctx context.Context, c *cluster) error {
	for _, n := range c.nodes {
		report, err := t.load(ctx, n, bench.Options{Operation: bench.OpCheck})
		if err != nil {
			return err
		}
		row(n.name+": checks, 16 clients", "%.0f/s, %s", report.RequestsPerSecond, report.Latency)
	}
	for _, n := range []*node{t.leader, t.follower} {
		local, err := t.load(ctx, n, bench.Options{Operation: bench.OpCheck, Concurrency: 1})
		if err != nil {
			return err
		}
		linearizable, err := t.load(ctx, n, bench.Options{Operation: bench.OpCheck, Concurrency: 1, Linearizable: true})
		if err != nil {
			return err
		}
		row(n.name+": checks, 1 client", "%s", local.Latency)
		row(n.name+": the same at HIGHER_CONSISTENCY", "%s: p50 %+.0f us", linearizable.Latency, linearizable.Latency.P50-local.Latency.P50)
	}
	shared, err := t.load(ctx, t.follower, bench.Options{Operation: bench.OpCheck, Linearizable: true})
	if err != nil {
		return err
	}
	row(t.follower.name+": at HIGHER_CONSISTENCY, 16 clients", "%.0f/s, %s", shared.RequestsPerSecond, shared.Latency)
	return nil
}

func (t *trial) writes(ctx context.Context, _ *cluster) error {
	for _, n := range []*node{t.leader, t.follower} {
		for _, operation := range []bench.Operation{bench.OpWrite, bench.OpWrite100} {
			report, err := t.load(ctx, n, bench.Options{Operation: operation})
			if err != nil {
				return err
			}
			row(fmt.Sprintf("%s: %s, 16 clients", n.name, operation), "%.0f tuples/s, %s", report.ItemsPerSecond, report.Latency)
		}
	}
	return nil
}

// lags asks a follower for each write of the leader, on an idle cluster and at half of the rate of checks
// that a follower takes.
func (t *trial) lags(ctx context.Context, _ *cluster) error {
	o := bench.LagOptions{
		Writer: t.leader.target(), Reader: t.follower.target(), Workload: t.workload, Stores: t.stores,
		Writes: 500, Pause: 2 * time.Millisecond,
	}
	idle, err := bench.Lag(ctx, o)
	if err != nil {
		return err
	}
	row("a lone write, seen on a follower", "%s (the check alone %s)", idle.Visible, idle.Plain)
	full, err := t.load(ctx, t.follower, bench.Options{Operation: bench.OpMixed})
	if err != nil {
		return err
	}
	half := full.RequestsPerSecond / 2
	background, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := bench.Run(background, bench.Options{
			Operation: bench.OpMixed, Rate: half, Target: t.follower.target(), Workload: t.workload, Stores: t.stores,
			Duration: time.Minute, Digest: -1, Seed: workload.DefaultSeed,
		})
		ended <- err
	}()
	time.Sleep(time.Second) // until the load is under way
	loaded, err := bench.Lag(ctx, o)
	stop()
	if err := errors.Join(err, ignoreCanceled(<-ended)); err != nil {
		return err
	}
	row(fmt.Sprintf("the same beside %.0f requests/s, 1 %% writes", half), "%s (the check alone %s)", loaded.Visible, loaded.Plain)
	return nil
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// restart kills a follower and starts it again.
func (t *trial) restart(ctx context.Context, c *cluster) error {
	if err := t.follower.kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := c.start(ctx, t.follower); err != nil {
		return err
	}
	row("a killed follower is ready again after", "%.2f s", time.Since(began).Seconds())
	return nil
}

// learner adds a node without data, and looks at what writes wait for while it is brought up: the image of
// the storage, and what comes after it.
func (t *trial) learner(ctx context.Context, c *cluster) error {
	calm, err := t.writesUntil(ctx, func() error { return sleep(ctx, t.measure) })
	if err != nil {
		return err
	}
	var took time.Duration
	joining, err := t.writesUntil(ctx, func() error {
		began := time.Now()
		err := c.join(ctx, "learner", "--learner")
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	row("a new learner is ready after", "%.2f s, with %d MiB", took.Seconds(), size(filepath.Join(c.dir, "learner"))>>20)
	row("lone writes before it came", "%d, %s", calm.Count, calm)
	row("lone writes while it was brought up", "%d, %s", joining.Count, joining)
	return nil
}

// writesUntil writes single tuples at the leader, one after the other, while something happens.
func (t *trial) writesUntil(ctx context.Context, happens func() error) (bench.Latency, error) {
	over, happened := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(over)
		happened <- happens()
	}()
	latency, err := bench.LoneWrites(ctx, bench.LagOptions{Writer: t.leader.target(), Workload: t.workload, Stores: t.stores}, over)
	return latency, errors.Join(err, <-happened)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// size returns how many bytes lie in a folder.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // files come and go
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
