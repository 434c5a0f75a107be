package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/api/metrics"
	"github.com/ostiary/ostiary/decisionlog"
	"github.com/ostiary/ostiary/tracing"
)

// decisionFlags say what is written down of what was answered.
type decisionFlags struct {
	to    string // file
	rules string // file
}

// What --decision-log says in the place of a file.
const (
	decisionsStdout = "stdout"
	decisionsOTLP   = "otlp"
)

func (d *decisionFlags) register(f *pflag.FlagSet) {
	f.StringVar(&d.to, "decision-log", "", "file that gets a line of JSON for each answer to a check or a list, with the ids of who asked and of what was asked about; or stdout; or otlp, the collector of --trace-otlp-endpoint (empty: none)")
	f.StringVar(&d.rules, "decision-log-rules", "", "file of rules, YAML, that pick the decisions that are written (without: all)")
	fromEnv(f, "decision-log", "decision-log-rules")
}

// judge returns what a log needs, and nil where there is none. The output of stdout is the caller's to set; traced says
// where the collector is.
func (d decisionFlags) judge(traced *tracing.Options, logger *slog.Logger) (*decisionlog.Options, error) {
	if d.to == "" {
		if d.rules != "" {
			return nil, usagef("--decision-log-rules needs --decision-log: where do decisions go?")
		}
		return nil, nil
	}
	o := &decisionlog.Options{Logger: logger}
	switch d.to {
	case decisionsStdout:
	case decisionsOTLP:
		if traced == nil {
			return nil, usagef("--decision-log otlp needs --trace-otlp-endpoint: where is the collector?")
		}
		o.Collector = &decisionlog.Collector{Endpoint: traced.Endpoint, TLS: traced.TLS, Headers: traced.Headers, Version: traced.Version, Node: traced.Node}
	default:
		o.Path = d.to
	}
	if d.rules == "" {
		return o, nil
	}
	text, err := os.ReadFile(d.rules)
	if err == nil {
		o.Rules, err = decisionlog.ParseRules(d.rules, text, api.DecidingMethods())
	}
	if err != nil {
		return nil, usagef("--decision-log-rules: %v", err)
	}
	return o, nil
}

// ownOutput returns a writer to the same place that fails where nobody reads it any more, in the place of ending the
// process.
func ownOutput(w io.Writer) (io.Writer, error) {
	f, ok := w.(*os.File)
	if !ok {
		return w, nil
	}
	own, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("open the output for decisions: %w", err)
	}
	syscall.CloseOnExec(own)
	return os.NewFile(uintptr(own), f.Name()), nil
}

// openDecisions returns the log of a node's decisions, and what closes it. Both do nothing where there is none.
func openDecisions(o *decisionlog.Options, logger *slog.Logger) (decisions *decisionlog.Log, end func(), err error) {
	if o == nil {
		return nil, func() {}, nil
	}
	if decisions, err = decisionlog.Open(*o); err != nil {
		return nil, nil, err
	}
	return decisions, func() {
		if err := decisions.Close(); err != nil {
			logger.Warn("the last decisions may be lost", "error", err)
		}
	}, nil
}

// toldDecisions is what the server of the API tells of decisions: nothing of a nil log.
func toldDecisions(l *decisionlog.Log) api.Decisions {
	if l == nil {
		return nil
	}
	return l
}

// watchDecisions registers what becomes of decisions. A nil log has none.
func (i *instruments) watchDecisions(l *decisionlog.Log) error {
	lines := func(outcome string, value func(decisionlog.Stats) uint64) metrics.Count {
		return metrics.Count{
			Name: "ostiary_decision_log_lines_total", Help: "Decisions for the decision log: written, dropped since the queue was full, or failed to be written.",
			Labels: map[string]string{"outcome": outcome}, Value: func() float64 { return float64(value(l.Stats())) },
		}
	}
	err := metrics.Counts(i.registry,
		lines("written", func(s decisionlog.Stats) uint64 { return s.Written }),
		lines("dropped", func(s decisionlog.Stats) uint64 { return s.Dropped }),
		lines("failed", func(s decisionlog.Stats) uint64 { return s.Failed }),
		metrics.Count{Name: "ostiary_decision_log_queue_lines", Help: "Decisions that wait to be written.", Gauge: true,
			Value: func() float64 { return float64(l.Stats().Queued) }})
	if err != nil {
		return fmt.Errorf("register metrics of the decision log: %w", err)
	}
	return nil
}
