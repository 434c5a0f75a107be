// Command differ asks two servers the same random questions and compares the answers: Ostiary and
// OpenFGA, side by side over gRPC.
//
//	go run ./conformance/cmd/differ -openfga-binary PATH -questions 200000
//	go run ./conformance/cmd/differ -ostiary HOST:PORT -openfga HOST:PORT -seed 7 -case 12
//
// A case is a model, tuples and questions about them: checks, batches, lists, expansions, reads, changes
// and writes, with contextual tuples and contexts, and one in eight with a fault put into it. Everything
// follows from the seed and the number of the case. Answers must be the same, errors must have the same
// number; words of errors are not compared. On Ostiary alone it asks, too, that lists and checks agree.
//
// A difference is explained when it is one of those that docs/conformance.md lists, or made smaller and
// printed. The exit code is 1 when one is unexplained.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/conformance/peer"
)

type settings struct {
	ostiary, ostiaryBinary string
	openfga, openfgaBinary string
	run                    runSettings
	json                   string
}

func main() {
	var s settings
	flag.StringVar(&s.ostiary, "ostiary", "", "gRPC address of an Ostiary that runs, instead of starting one")
	flag.StringVar(&s.ostiaryBinary, "ostiary-binary", "bin/ostiary", "ostiary binary to start")
	flag.StringVar(&s.openfga, "openfga", "", "gRPC address of an OpenFGA that runs, instead of starting one")
	flag.StringVar(&s.openfgaBinary, "openfga-binary", "openfga", "openfga binary to start")
	flag.Uint64Var(&s.run.seed, "seed", 1, "seed of everything that is drawn")
	flag.Uint64Var(&s.run.first, "case", 0, "number of the first case")
	flag.IntVar(&s.run.cases, "cases", 0, "cases to run; 0: as many as the questions need")
	flag.Int64Var(&s.run.questions, "questions", 20000, "questions to ask, at least")
	flag.DurationVar(&s.run.limit, "time", time.Hour, "end after this time")
	flag.IntVar(&s.run.perCase, "per-case", 60, "questions about one model")
	flag.IntVar(&s.run.workers, "workers", 2, "cases at once")
	flag.IntVar(&s.run.unexplained, "stop-after", 10, "end after so many unexplained differences")
	flag.BoolVar(&s.run.conditions, "conditions", true, "draw conditions and contexts")
	flag.BoolVar(&s.run.verbose, "verbose", false, "print every question and both answers")
	flag.StringVar(&s.json, "json", "", "file for the summary and every difference")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	unexplained, err := run(ctx, s)
	if err != nil {
		fmt.Fprintf(os.Stderr, "differ: %v\n", err)
		os.Exit(2)
	}
	if unexplained > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (unexplained int, err error) {
	ours, stopOurs, err := connect(s.ostiary, func() (*peer.Server, error) { return peer.Ostiary(ctx, s.ostiaryBinary) })
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stopOurs()) }()
	theirs, stopTheirs, err := connect(s.openfga, func() (*peer.Server, error) { return peer.OpenFGA(ctx, s.openfgaBinary) })
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stopTheirs()) }()
	r := newRunner(s.run, servers{ours, theirs})
	if err := r.run(ctx); err != nil {
		return 0, err
	}
	r.summary.print(os.Stdout)
	if s.json != "" {
		data, err := json.MarshalIndent(r.summary, "", "  ")
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(s.json, append(data, '\n'), 0o644); err != nil {
			return 0, err
		}
	}
	return r.summary.Unexplained, nil
}

// connect returns a client of a server that runs, or of one that it starts.
func connect(address string, start func() (*peer.Server, error)) (openfgav1.OpenFGAServiceClient, func() error, error) {
	stop := func() error { return nil }
	if address == "" {
		server, err := start()
		if err != nil {
			return nil, nil, err
		}
		address, stop = server.GRPC, server.Stop
	}
	conn, err := peer.Dial(address)
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return openfgav1.NewOpenFGAServiceClient(conn), func() error { return errors.Join(conn.Close(), stop()) }, nil
}
