package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/workload"
)

// plan is how long each part takes.
type plan struct {
	maximum time.Duration // in which the maximum rate is found
	warmup  time.Duration
	steady  time.Duration
	abuse   time.Duration // each sort of it
	pause   time.Duration // between two samples of the steady part
}

// samplesWanted is how many samples there are of the steady part, where it is long enough.
const samplesWanted = 60

// planOf divides the time, of which abuse takes a third at most.
func planOf(length time.Duration, abuses int) plan {
	p := plan{
		maximum: min(max(length/30, 3*time.Second), 20*time.Second),
		warmup:  min(max(length/10, 5*time.Second), 2*time.Minute),
	}
	if abuses > 0 {
		p.abuse = min(length/3, 5*time.Minute) / time.Duration(abuses)
	}
	p.steady = length - p.maximum - p.warmup - p.abuse*time.Duration(abuses)
	p.pause = max(p.steady/samplesWanted, time.Second)
	return p
}

// trial is one run of the program.
type trial struct {
	settings
	plan    plan
	abuses  []abuse
	cluster *cluster
	scene   *scene
	report  *report
	mix     *mix
	began   time.Time

	mu sync.Mutex // of the report, while loads run

}

// warmed is how long a load runs before it is measured.
const warmed = time.Second

// Names of phases that the judging knows.
const (
	phaseIdle   = "idle"
	phaseWarmup = "warm-up"
	phaseSteady = "steady"
	phaseRest   = "rest"
)

// recovery bounds the wait until everything of the clients is gone from the servers.
const recovery = 3 * time.Minute

func (t *trial) play(ctx context.Context) error {
	t.began = time.Now()
	if err := t.sample(ctx, phaseIdle); err != nil {
		return err
	}
	if err := t.findMaximum(ctx); err != nil {
		return fmt.Errorf("find the maximum rate: %w", err)
	}
	t.mix = startMix(ctx, t.cluster, t.scene)
	err := t.load(ctx)
	t.mix.end()
	t.report.take(t.mix)
	if err != nil {
		return err
	}
	return t.rest(ctx)
}

func (t *trial) load(ctx context.Context) error {
	if err := t.during(ctx, phaseWarmup, t.plan.warmup, false); err != nil {
		return err
	}
	changes, noted := t.mix.changes.Load(), t.mix.noted.Load()
	if err := t.during(ctx, phaseSteady, t.plan.steady, false); err != nil {
		return err
	}
	t.report.SteadyChanges, t.report.SteadyNoted = t.mix.changes.Load()-changes, t.mix.noted.Load()-noted
	for _, a := range t.abuses {
		if err := t.during(ctx, a.name, t.plan.abuse, true); err != nil {
			return err
		}
	}
	return nil
}

// findMaximum asks as fast as the first node answers.
func (t *trial) findMaximum(ctx context.Context) error {
	o := t.options(t.cluster.nodes[0], bench.OpCheck)
	o.Duration = t.plan.maximum
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	t.report.Maximum = report.RequestsPerSecond
	t.report.note(report)
	say("at most %.0f checks a second on one node; half of it from now on", t.report.Maximum)
	if report.Requests == 0 {
		return fmt.Errorf("no check was answered: %v", report.ErrorExamples)
	}
	return nil
}

func (t *trial) options(n *node, op bench.Operation) bench.Options {
	return bench.Options{
		Target: t.cluster.target(n), Workload: t.scene.workload, Stores: t.scene.stores, Operation: op, Warmup: warmed,
		Pool: 20_000, Digest: -1, Seed: workload.DefaultSeed,
	}
}

// listRate is how many lists of each sort fall due a second.
const listRate = 4

// during runs the load for a while, and takes samples. Beside it attackers come, where the phase is named after them.
func (t *trial) during(ctx context.Context, phase string, length time.Duration, abused bool) error {
	say("%s, %s", phase, length.Round(time.Second))
	p := &phaseReport{Name: phase, Seconds: length.Seconds()}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	ask := func(n *node, op bench.Operation, rate float64) {
		o := t.options(n, op)
		o.Rate, o.Duration = rate, max(length-warmed, warmed)
		if op != bench.OpCheck {
			o.Pool, o.Connections = 500, 1
		}
		running.Go(func() {
			r, err := bench.Run(ctx, o)
			if err != nil {
				cancel(fmt.Errorf("%s: %s on %s: %w", phase, op, n.name, err))
				return
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.report.note(r)
			p.take(n, r)
		})
	}
	for _, n := range t.cluster.nodes {
		ask(n, bench.OpCheck, max(t.report.Maximum/2/float64(len(t.cluster.nodes)), 1))
	}
	ask(t.cluster.nodes[0], bench.OpList, listRate)
	ask(t.cluster.nodes[0], bench.OpListUsers, listRate)
	over, end := context.WithTimeout(ctx, length)
	defer end()
	if abused {
		running.Go(func() {
			sleep(over, warmed) // the well-behaved are connected by then
			note, err := t.attack(ctx, phase, length-warmed)
			p.Note = note
			if err != nil {
				cancel(fmt.Errorf("%s: %w", phase, err))
			}
		})
	}
	for over.Err() == nil {
		if err := t.sample(ctx, phase); err != nil {
			cancel(err)
		}
		sleep(over, t.plan.pause)
	}
	running.Wait()
	t.report.Phases = append(t.report.Phases, p)
	say("%s", p)
	return context.Cause(ctx)
}

// sample looks at every node.
func (t *trial) sample(ctx context.Context, phase string) error {
	for _, n := range t.cluster.nodes {
		s, err := n.look(ctx, phase == phaseIdle || phase == phaseRest)
		if err != nil {
			return err
		}
		s.Seconds, s.Phase = time.Since(t.began).Seconds(), phase
		t.report.Samples = append(t.report.Samples, s)
	}
	return nil
}

// rest waits until nothing of the clients is left on the servers, or for as long as that may take.
func (t *trial) rest(ctx context.Context) error {
	say("%s: waiting until nothing is left", phaseRest)
	for until := time.Now().Add(recovery); ; {
		if err := t.sample(ctx, phaseRest); err != nil {
			return err
		}
		if len(t.report.leftovers()) == 0 || time.Now().After(until) || ctx.Err() != nil {
			return ctx.Err()
		}
		sleep(ctx, 2*time.Second)
	}
}
