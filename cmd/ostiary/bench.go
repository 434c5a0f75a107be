package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/workload"
)

func newBenchCommand(a *app) *cobra.Command {
	return group("bench", "Put a load on this or any other OpenFGA-compatible server and measure it",
		"  ostiary bench run --workload org --scale mid --duration 10s\n  ostiary bench compare before.json after.json",
		newBenchRunCommand(a), newBenchSeedCommand(a), newBenchCompareCommand(a), newBenchEchoCommand(a))
}

// workloadFlags choose what a server is filled with and asked.
type workloadFlags struct {
	name, scale, skew, replay string
	seed                      uint64
}

func (f *workloadFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "workload", "org", "what the tuples and questions are: "+strings.Join(workload.Names(), ", "))
	flags.StringVar(&f.scale, "scale", workload.Mid, "how much there is of it: small, mid, large or huge")
	flags.StringVar(&f.skew, "skew", workload.Cubic, "how questions choose their keys: cubic (few are hot) or uniform")
	flags.Uint64Var(&f.seed, "seed", workload.DefaultSeed, "seed of the workload; the same seed makes the same tuples and questions")
	flags.StringVar(&f.replay, "replay", "", "take model, tuples and questions from this file instead (docs/workloads.md)")
}

func (f *workloadFlags) workload() (*workload.Workload, error) {
	if f.replay != "" {
		return replayFile(f.replay)
	}
	w, err := workload.New(f.name, workload.Options{Scale: f.scale, Seed: f.seed, Skew: f.skew})
	if err != nil {
		return nil, usagef("%v", err)
	}
	return w, nil
}

func replayFile(path string) (*workload.Workload, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	w, err := workload.Replay(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// targetFlags choose the server.
type targetFlags struct {
	addr string
	http bool
	key  keyFlags
	tls  clientTLSFlags
}

func (f *targetFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.addr, "addr", "", "host:port of the server to measure; https://HOST:PORT for TLS")
	flags.BoolVar(&f.http, "http", false, "ask with JSON over HTTP instead of gRPC")
	f.key.register(flags)
	f.tls.register(flags, "addr")
}

// target returns the server at --addr. One that is started here is asked in plain text: pass its address to plain.
func (f *targetFlags) target(origins map[string]origin) (bench.Target, error) {
	t, err := f.plain(f.addr, origins)
	if err != nil {
		return t, err
	}
	t.Address, t.TLS, err = f.tls.trust(f.addr)
	return t, err
}

func (f *targetFlags) plain(address string, origins map[string]origin) (t bench.Target, err error) {
	t = bench.Target{Address: address, Protocol: bench.GRPC}
	if f.http {
		t.Protocol = bench.HTTP
	}
	t.Key, err = f.key.key(origins)
	return t, err
}

func newBenchEchoCommand(a *app) *cobra.Command {
	var grpcAddr, httpAddr string
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Serve an API that decodes questions and answers all of them with denied",
		Long: `Serve an API that decodes questions and answers all of them with denied, until SIGINT. It stores nothing:
what it costs to ask it is what the wire costs, and no server of the same protocol and libraries can be
cheaper. Measure a server beside it, on the same machine and in the same minute.`,
		Example: `  ostiary bench echo --grpc-addr 127.0.0.1:9081
  ostiary bench run --addr 127.0.0.1:9081 --duration 5s    # in another terminal`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			grpcListener, err := net.Listen("tcp", grpcAddr)
			if err != nil {
				return fmt.Errorf("listen for gRPC (--grpc-addr): %w", err)
			}
			httpListener, err := net.Listen("tcp", httpAddr)
			if err != nil {
				_ = grpcListener.Close()
				return fmt.Errorf("listen for HTTP (--http-addr): %w", err)
			}
			a.printf("ready: gRPC on %s, HTTP on http://%s", grpcListener.Addr(), httpListener.Addr())
			if a.ready != nil {
				a.ready(grpcListener.Addr().String(), httpListener.Addr().String())
			}
			return bench.Echo{}.Serve(cmd.Context(), grpcListener, httpListener)
		},
	}
	cmd.Flags().StringVar(&grpcAddr, "grpc-addr", "127.0.0.1:8081", "address for gRPC")
	cmd.Flags().StringVar(&httpAddr, "http-addr", "127.0.0.1:8080", "address for HTTP")
	return cmd
}

func newBenchCompareCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "Compare two reports of 'bench run --output json'",
		Long: `Compare two reports of 'bench run --output json'. The exit code is 1 when the runs asked the same questions
and the servers' answers differ.`,
		Example: `  ostiary bench run --output json > before.json
  ostiary bench run --output json > after.json
  ostiary bench compare before.json after.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			var reports [2]*bench.Report
			for i, path := range args {
				file, err := os.Open(path)
				if err != nil {
					return err
				}
				reports[i], err = bench.ReadReport(file)
				_ = file.Close()
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			}
			comparison := bench.Compare(reports[0], reports[1])
			if a.json() {
				if err := a.printJSON(comparison); err != nil {
					return err
				}
			} else if err := comparison.WriteTable(a.out); err != nil {
				return err
			}
			if comparison.AnswersDiffer {
				return errReported
			}
			return nil
		},
	}
}

func newBenchSeedCommand(a *app) *cobra.Command {
	var chosen workloadFlags
	var target targetFlags
	var file, modelFile string
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Fill a server, or a file, with the tuples of a workload",
		Long: `Create the stores of a workload on a server and write its model and tuples, and print the ids to reuse with
'bench run --store ID --model ID'. With --file, write the tuples of a workload of one store to a file for
'ostiary tuple import' instead ('-' is standard output), and its model to --model-file.`,
		Example: `  ostiary bench seed --addr 127.0.0.1:8081 --workload org --scale mid
  ostiary bench seed --workload org --scale large --file tuples.csv --model-file model.fga`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := chosen.workload()
			if err != nil {
				return err
			}
			switch {
			case file != "" && target.addr != "":
				return usagef("--file writes a file and --addr fills a server: pass one of them")
			case file == "" && target.addr == "":
				return usagef("pass --addr to fill a server, or --file to write a file")
			case file != "":
				return a.benchSeedFile(w, file, modelFile)
			}
			server, err := target.target(a.origins)
			if err != nil {
				return err
			}
			stores, err := a.benchSeed(cmd.Context(), server, w)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(map[string]any{"workload": w.Name, "scale": w.Scale, "tuples": w.Total(), "stores": stores})
			}
			for _, store := range stores {
				a.printf("--store %s --model %s", store.ID, store.Model)
			}
			return nil
		},
	}
	chosen.register(cmd.Flags())
	target.register(cmd.Flags())
	cmd.Flags().StringVar(&file, "file", "", "write the tuples to this CSV file instead of a server")
	cmd.Flags().StringVar(&modelFile, "model-file", "", "with --file: write the model to this file")
	return cmd
}

// benchSeed fills a server and tells progress.
func (a *app) benchSeed(ctx context.Context, target bench.Target, w *workload.Workload) ([]bench.Store, error) {
	progress := a.newProgress("written", int64(w.Total()))
	counts := make(chan int, 64)
	shown := make(chan struct{})
	go func() { // one goroutine draws, the writers tell
		defer close(shown)
		for n := range counts {
			progress.at(int64(n), int64(n))
		}
		progress.finish()
	}()
	stores, err := bench.Seed(ctx, target, w, func(n int) { counts <- n })
	close(counts)
	<-shown
	return stores, err
}

// benchSeedFile writes a workload to files.
func (a *app) benchSeedFile(w *workload.Workload, path, modelPath string) error {
	if w.Stores != 1 {
		return usagef("workload %s has %d stores, and a file holds the tuples of one: fill a server with --addr", w.Name, w.Stores)
	}
	if modelPath != "" {
		if err := os.WriteFile(modelPath, []byte(w.Model), 0o644); err != nil {
			return err
		}
	}
	if path == "-" {
		return bench.WriteCSV(a.out, w)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := bench.WriteCSV(file, w); err != nil {
		_ = file.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return file.Close()
}
