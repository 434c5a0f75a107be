// Command overhead measures what authentication, access control, metrics, audit and tracing cost a Check.
//
// It runs a server of each sort at once, fills all alike, and asks them by turns, in short legs and in a closed loop,
// so that what else the machine does falls on all alike. A figure is the median of the rounds; each round compares legs
// that follow each other.
//
//	go run ./bench/cmd/overhead -ostiary bin/ostiary
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/cmd/internal/procs"
	"github.com/ostiary/ostiary/bench/workload"
	"github.com/ostiary/ostiary/internal/loopback"
)

// trial is one run of the program.
type trial struct {
	binary, dir string
	scale       string
	leg         time.Duration
	rounds      int
	audit       string
	servers     []*server
}

// server is one that is measured.
type server struct {
	name   string
	flags  []string
	key    string // empty: everybody may call
	grpc   string
	stores []bench.Store
	rates  []float64 // of each round, requests a second
	cpu    []float64 // of each round, microseconds of the server a request
	procs.Group
}

func main() {
	var t trial
	flag.StringVar(&t.binary, "ostiary", "bin/ostiary", "binary of Ostiary")
	flag.StringVar(&t.scale, "scale", workload.Mid, "scale of the workload org")
	flag.DurationVar(&t.leg, "leg", time.Second, "how long each leg is measured")
	flag.IntVar(&t.rounds, "rounds", 9, "how often each server has its turn")
	flag.StringVar(&t.audit, "audit", "", "more flags of the guarded servers, with spaces between")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := t.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func (t *trial) run(ctx context.Context) (err error) {
	if t.rounds < 1 || t.leg <= 0 {
		return errors.New("-rounds and -leg must be positive")
	}
	if t.dir, err = os.MkdirTemp("", "ostiary-overhead-"); err != nil {
		return err
	}
	sink, stopSink, err := takeTraces()
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range t.servers {
			err = errors.Join(err, s.Stop())
		}
		stopSink()
		err = errors.Join(err, os.RemoveAll(t.dir))
	}()
	w, err := workload.New("org", workload.Options{Scale: t.scale, Seed: workload.DefaultSeed})
	if err != nil {
		return err
	}
	traced := []string{"--trace-otlp-endpoint", "http://" + sink.address, "--trace-sample", "0.01"}
	t.servers = []*server{
		{name: "bare"},
		{name: "guarded", key: rand.Text()},
		{name: "traced", key: rand.Text(), flags: traced},
	}
	for _, s := range t.servers {
		if err := t.start(ctx, s, w); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for round := -1; round < t.rounds; round++ { // the first fills caches and counts for nothing
		for _, s := range t.servers {
			if err := t.measure(ctx, s, w, round >= 0); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	t.print(sink)
	return nil
}

// start runs a server and fills it.
func (t *trial) start(ctx context.Context, s *server, w *workload.Workload) error {
	var http, admin string
	for _, address := range []*string{&s.grpc, &http, &admin} {
		var err error
		if *address, err = loopback.FreeAddress(); err != nil {
			return err
		}
	}
	data, log := filepath.Join(t.dir, s.name), filepath.Join(t.dir, s.name+".log")
	args := []string{"serve", "--data-dir", data, "--log-level", "warn", "--grpc-addr", s.grpc, "--http-addr", http, "--cache-size", "64MiB"}
	if s.key == "" {
		args = append(args, "--dev", "--admin-addr", "")
	} else {
		keys := filepath.Join(t.dir, s.name+".keys")
		if err := os.WriteFile(keys, []byte("bench "+s.key+"\n"), 0o600); err != nil {
			return err
		}
		args = append(args, "--authn-method", "preshared", "--authn-keys-file", keys, "--admin-addr", admin)
		args = append(args, strings.Fields(t.audit)...)
	}
	if err := s.Launch(log, syscall.SIGTERM, exec.Command(t.binary, append(args, s.flags...)...)); err != nil { //nolint:gosec // the operator names it
		return err
	}
	if err := s.Answers(ctx, s.grpc, log); err != nil {
		return err
	}
	if s.key != "" {
		credential := filepath.Join(data, "bootstrap-credential") // it comes once the node leads
		for until := time.Now().Add(30 * time.Second); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(credential); err == nil {
				break
			}
		}
		bootstrap := exec.CommandContext(ctx, t.binary, "access", "bootstrap", "preshared:bench", //nolint:gosec // as above
			"--credential-file", credential, "--server", s.grpc)
		if out, err := bootstrap.CombinedOutput(); err != nil {
			return fmt.Errorf("make the caller an administrator: %w: %s", err, out)
		}
	}
	var err error
	s.stores, err = bench.Seed(ctx, s.target(), w, func(int) {})
	return err
}

func (s *server) target() bench.Target {
	return bench.Target{Address: s.grpc, Protocol: bench.GRPC, Key: s.key}
}

func (t *trial) measure(ctx context.Context, s *server, w *workload.Workload, counts bool) error {
	r, err := bench.Run(ctx, bench.Options{
		Target: s.target(), Workload: w, Stores: s.stores, Operation: bench.OpCheck, Warmup: 100 * time.Millisecond, Duration: t.leg,
		Pool: 20_000, Digest: -1, Seed: workload.DefaultSeed, ServerPIDs: s.PIDs(),
	})
	if err != nil {
		return err
	}
	if r.Failed > 0 || r.Requests == 0 {
		return fmt.Errorf("%d requests failed, %d were answered: %v", r.Failed, r.Requests, r.ErrorExamples)
	}
	if counts {
		s.rates, s.cpu = append(s.rates, r.RequestsPerSecond), append(s.cpu, r.Server.CPUPerRequest)
	}
	return nil
}

func (t *trial) print(sink *sink) {
	fmt.Printf("%-10s %12s %14s %16s %16s\n", "server", "checks/s", "CPU us/check", "rate to before", "CPU to before")
	for i, s := range t.servers {
		rate, cpu := "", ""
		if i > 0 {
			before := t.servers[i-1]
			rate = fmt.Sprintf("%.3f", median(ratios(s.rates, before.rates)))
			cpu = fmt.Sprintf("%.3f", median(ratios(s.cpu, before.cpu)))
		}
		fmt.Printf("%-10s %12.0f %14.1f %16s %16s\n", s.name, median(s.rates), median(s.cpu), rate, cpu)
	}
	fmt.Printf("%d exports of spans were taken\n", sink.taken.Load())
}

// ratios compares each figure with that of the leg before it.
func ratios(these, before []float64) []float64 {
	out := make([]float64, len(these))
	for i := range these {
		out[i] = these[i] / before[i]
	}
	return out
}

func median(figures []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(figures), cmp.Compare)
	return sorted[len(sorted)/2]
}
