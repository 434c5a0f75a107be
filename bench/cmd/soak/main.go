// Command soak runs a node of Ostiary, or three, for a while under the load that production has, and then under
// what attackers do, and says whether anything grew that should not. 'make soak' builds what it needs and calls it.
//
// It finds the maximum rate of Check and keeps half of it up, beside writes, lists, SCIM requests, logins and
// revocations whose number of tuples, people and sessions stays the same. Every answer of those is judged. Then it
// opens connections that send nothing, reads lists slowly, and sends malformed frames, while the checks go on.
//
// It fails when an answer is wrong, when a well-behaved client is refused, when memory, goroutines, connections,
// files or disk grew beyond the data (see judge.go for the bounds), or when the server ended. Latencies are
// reported, and fail nothing: they are the machine's as much as the server's.
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
	"syscall"
	"time"
)

// settings are what the flags say.
type settings struct {
	binary string
	length time.Duration
	nodes  int
	silent int
	slow   int
	only   string
	output string
}

func main() {
	if slices.Equal(os.Args[1:], []string{attackWord}) {
		if err := beAttackers(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	var s settings
	flag.StringVar(&s.binary, "ostiary", "bin/ostiary", "binary of Ostiary")
	flag.DurationVar(&s.length, "for", time.Hour, "how long the load lasts, abuse included")
	flag.IntVar(&s.nodes, "nodes", 1, "how many nodes: 1 or 3")
	flag.IntVar(&s.silent, "silent", 10_000, "connections that send nothing")
	flag.IntVar(&s.slow, "slow", 1_000, "slow readers of lists")
	flag.StringVar(&s.only, "abuse", "", "only these sorts of abuse, with commas between (without: all)")
	flag.StringVar(&s.output, "output", "text", "form of the report: text or json")
	flag.Parse()
	chosen, err := s.check()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := s.run(ctx, chosen)
	if report != nil {
		if s.output == "json" {
			encoder := json.NewEncoder(os.Stdout)
			encoder.SetIndent("", "  ")
			_ = encoder.Encode(report)
		} else {
			fmt.Print(report)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// Bounds of what can be asked for.
const (
	minLength = 30 * time.Second
	maxLength = 24 * time.Hour
	maxSilent = 100_000
	maxSlow   = 10_000
)

// check returns the sorts of abuse that are asked for.
func (s settings) check() ([]abuse, error) {
	chosen, err := chooseAbuses(s.only)
	switch {
	case err != nil:
		return nil, err
	case flag.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag", flag.Args())
	case s.length < minLength || s.length > maxLength:
		return nil, fmt.Errorf("-for %s is not between %s and %s", s.length, minLength, maxLength)
	case s.nodes != 1 && s.nodes != 3:
		return nil, fmt.Errorf("-nodes %d is neither 1 nor 3", s.nodes)
	case s.silent < 0 || s.silent > maxSilent:
		return nil, fmt.Errorf("-silent %d is not between 0 and %d", s.silent, maxSilent)
	case s.slow < 0 || s.slow > maxSlow:
		return nil, fmt.Errorf("-slow %d is not between 0 and %d", s.slow, maxSlow)
	case s.output != "text" && s.output != "json":
		return nil, fmt.Errorf("-output %q is neither text nor json", s.output)
	}
	return chosen, nil
}

// run is the whole trial. The report is complete as far as the trial came.
func (s settings) run(ctx context.Context, chosen []abuse) (r *report, err error) {
	dir, err := os.MkdirTemp("", "ostiary-soak-")
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
	binary, err := filepath.Abs(s.binary)
	if err != nil {
		return nil, err
	}
	c := &cluster{binary: binary, dir: dir}
	defer func() { err = errors.Join(err, c.stop()) }()
	if err := c.form(ctx, s.nodes); err != nil {
		return nil, err
	}
	scene, err := prepare(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	t := &trial{settings: s, plan: planOf(s.length, len(chosen)), abuses: chosen, cluster: c, scene: scene, report: newReport(s)}
	if err := t.play(ctx); err != nil {
		return t.report, err
	}
	t.report.judge()
	if n := len(t.report.Faults); n > 0 {
		return t.report, fmt.Errorf("%d faults, the first: %s", n, t.report.Faults[0])
	}
	return t.report, nil
}

// say tells whoever waits what goes on.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().UTC().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
