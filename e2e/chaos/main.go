// Command chaos runs three Ostiary processes as a cluster, loads them with writes and checks, and does
// to them what production does: kills, stops, cuts the network, delays it, fills a disk. It speaks to
// them over HTTP alone and shares no code with them.
//
// It fails when an acknowledged write is missing, when a node allows what was revoked before the
// question (at HIGHER_CONSISTENCY, or at the token of the revocation), when the nodes differ at one
// token, or when they do not recover from a round.
//
// As root on Linux each node has a network namespace of its own, where links can be cut and slowed, and
// a small disk of its own, which can be filled. Otherwise those faults are left out, and the first line
// of the output says so.
//
//	make chaos ROUNDS=100
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// patience bounds every wait for the cluster to recover.
const patience = 90 * time.Second

func main() {
	binary := flag.String("binary", filepath.Join("..", "bin", "ostiary"), "the server to run")
	rounds := flag.Int("rounds", 10, "faults to inject, one a round")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "chooses the faults; timing stays the machine's")
	only := flag.String("fault", "", "inject this fault alone")
	asJSON := flag.Bool("json", false, "print the summary as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := run(ctx, *binary, *rounds, *seed, *only)
	if report != nil {
		if *asJSON {
			_ = json.NewEncoder(os.Stdout).Encode(report)
		} else {
			fmt.Print(report)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %v (seed %d)\n", err, *seed)
		os.Exit(1)
	}
}

// run is the whole trial. The report is complete as far as the trial came.
func run(ctx context.Context, binary string, rounds int, seed uint64, only string) (_ *report, err error) {
	dir, err := os.MkdirTemp("", "ostiary-chaos-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(dir)
			return
		}
		err = fmt.Errorf("%w; the servers' logs are in %s", err, dir)
	}()
	site, missing := newSite(dir)
	defer site.close()
	faults := faultsOf(site)
	fmt.Fprintf(os.Stderr, "seed %d, three nodes, faults: %s%s\n", seed, names(faults), missing)
	if only != "" {
		if faults = named(faults, only); len(faults) == 0 {
			return nil, fmt.Errorf("no fault is called %q", only)
		}
	}
	c, err := startCluster(ctx, binary, dir, site)
	defer c.end()
	if err != nil {
		return nil, err
	}
	l, err := startLoad(ctx, c)
	if err != nil {
		return nil, err
	}
	r := &report{Seed: seed, load: l}
	err = r.play(ctx, c, l, faults, rounds, rand.New(rand.NewPCG(seed, 0)))
	l.end()
	if err == nil {
		err = c.ready(ctx)
	}
	if err == nil {
		err = l.verify(ctx, c)
	}
	r.count()
	return r, err
}

// play injects one fault a round and lets the cluster recover from it.
func (r *report) play(ctx context.Context, c *cluster, l *load, faults []fault, rounds int, random *rand.Rand) error {
	for round := range rounds {
		f := faults[random.IntN(len(faults))]
		began := time.Now()
		note, err := f.inject(ctx, c, l, random)
		if err != nil {
			return fmt.Errorf("round %d, %s: %w", round+1, f.name, err)
		}
		if err := c.ready(ctx); err != nil {
			return fmt.Errorf("round %d, %s (%s): %w", round+1, f.name, note, err)
		}
		if err := l.progress(ctx); err != nil {
			return fmt.Errorf("round %d, %s (%s): %w", round+1, f.name, note, err)
		}
		r.Rounds = append(r.Rounds, roundReport{Fault: f.name, Note: note, Seconds: time.Since(began).Seconds()})
		fmt.Fprintf(os.Stderr, "round %3d  %-14s %5.1f s  %s  (%s)\n", round+1, f.name, time.Since(began).Seconds(), note, l)
	}
	return nil
}
