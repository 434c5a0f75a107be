// Command suites runs every conformance suite against one running server and prints a table of what
// passed, failed and was skipped. Its exit code is 1 when anything failed or could not be run.
//
//	go run ./conformance/cmd/suites                              starts bin/ostiary
//	go run ./conformance/cmd/suites -grpc ADDRESS -http ADDRESS  asks the server there
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/conformance"
	"github.com/ostiary/ostiary/conformance/peer"
)

type settings struct {
	binary, grpcAddr, httpAddr string
	shared                     string
	packages                   string
	failures                   int
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "binary", "bin/ostiary", "ostiary binary to start")
	flag.StringVar(&s.grpcAddr, "grpc", "", "gRPC address of a server that runs, instead of starting one")
	flag.StringVar(&s.httpAddr, "http", "", "HTTP address of that server")
	flag.StringVar(&s.shared, "data", "../shared", "folder with conformance/ and data/; suites whose files are absent are skipped")
	flag.StringVar(&s.packages, "packages", "conformance/openfga", "module with OpenFGA's test packages; empty leaves them out")
	flag.IntVar(&s.failures, "failures", 10, "failures to print of each suite")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, os.Stdout, s)
	if err != nil {
		fmt.Fprintf(os.Stderr, "conformance: %v\n", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

// run runs the suites and reports whether anything failed.
func run(ctx context.Context, out io.Writer, s settings) (failed bool, err error) {
	if s.grpcAddr == "" {
		server, err := peer.Ostiary(ctx, s.binary)
		if err != nil {
			return false, err
		}
		defer func() {
			if stopErr := server.Stop(); err == nil {
				err = stopErr
			}
		}()
		s.grpcAddr, s.httpAddr = server.GRPC, server.HTTP
	}
	conn, err := peer.Dial(s.grpcAddr)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	start := time.Now()
	r := &runner{settings: s, out: out, grpc: conformance.GRPC{Client: openfgav1.NewOpenFGAServiceClient(conn)}}
	if s.httpAddr != "" {
		r.http = &conformance.HTTP{Base: "http://" + s.httpAddr}
	}
	if err := r.all(ctx); err != nil {
		return false, err
	}
	r.table.print(out, time.Since(start))
	return r.table.failed() > 0, nil
}

// runner runs suites and gathers their rows.
type runner struct {
	settings
	out   io.Writer
	grpc  conformance.GRPC
	http  *conformance.HTTP // nil: HTTP is not asked
	table table
}

func (r *runner) all(ctx context.Context) error {
	for _, suite := range []func(context.Context) error{r.openfgaFiles, r.organization, r.translated, r.openfgaPackages} {
		if err := suite(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// present returns the path of shared data, or notes in the table that the suite is absent.
func (r *runner) present(suite string, parts ...string) (string, bool) {
	path := filepath.Join(append([]string{r.shared}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		r.table.add(row{suite: suite, note: "absent: " + path})
		return "", false
	}
	return path, true
}

func (r *runner) openfgaFiles(ctx context.Context) error {
	for _, name := range []string{"consolidated_1_1_tests.yaml", "abac_tests.yaml"} {
		path, ok := r.present("OpenFGA "+name, "conformance", "openfga", name)
		if !ok {
			continue
		}
		suite, err := conformance.ReadSuite(path)
		if err != nil {
			return err
		}
		for _, mode := range []conformance.Mode{conformance.Stored, conformance.Contextual} {
			results := conformance.NewResults()
			for _, test := range suite.Tests {
				if err := conformance.RunTest(ctx, r.grpc.Client, mode, test, results); err != nil {
					results.Fail(test.Name, err)
				}
			}
			r.report(fmt.Sprintf("OpenFGA %s, %s tuples", name, mode), results)
		}
	}
	return nil
}

func (r *runner) organization(ctx context.Context) error {
	path, ok := r.present("Kubernetes organization", "data", "kubernetes-org")
	if !ok {
		return nil
	}
	o, err := conformance.ReadOrganization(path)
	if err != nil {
		return err
	}
	at, err := o.Load(ctx, r.grpc.Client)
	if err != nil {
		return err
	}
	r.eachTransport(func(name string, q conformance.Questions) {
		results := conformance.NewResults()
		o.Ask(ctx, q, at, results)
		r.report("Kubernetes organization, "+name, results)
	})
	return nil
}

func (r *runner) translated(ctx context.Context) error {
	path, ok := r.present("SpiceDB", "conformance", "spicedb")
	if !ok {
		return nil
	}
	tests, err := conformance.ReadTranslatedFolder(path)
	if err != nil {
		return err
	}
	loaded := make([]conformance.Loaded, len(tests))
	for i, test := range tests {
		if loaded[i], err = test.Load(ctx, r.grpc.Client); err != nil {
			return err
		}
	}
	r.eachTransport(func(name string, q conformance.Questions) {
		results := conformance.NewResults()
		for i, test := range tests {
			test.Ask(ctx, q, loaded[i], results)
		}
		r.report(fmt.Sprintf("SpiceDB, %d files, %s", len(tests), name), results)
	})
	return nil
}

func (r *runner) eachTransport(ask func(name string, q conformance.Questions)) {
	ask("gRPC", r.grpc)
	if r.http != nil {
		ask("HTTP", *r.http)
	}
}

// report adds a row of results, and prints failures.
func (r *runner) report(suite string, results *conformance.Results) {
	total := func(counts map[string]int) (n int) {
		for _, count := range counts {
			n += count
		}
		return n
	}
	r.table.add(row{suite: suite, passed: total(results.Passed), failed: total(results.Failed), skipped: total(results.Skipped)})
	r.printFailures(suite, results.Failures)
}

func (r *runner) printFailures(suite string, failures []string) {
	for i, failure := range failures {
		if i == r.failures {
			fmt.Fprintf(r.out, "%s: %d more failures\n", suite, len(failures)-i)
			return
		}
		fmt.Fprintf(r.out, "%s: FAIL %s\n", suite, failure)
	}
}
