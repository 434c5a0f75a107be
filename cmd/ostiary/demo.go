package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/examples"
)

// demoFlags are what 'demo' can be told.
type demoFlags struct {
	grpcAddr, httpAddr string
	exit               bool
}

func newDemoCommand(a *app) *cobra.Command {
	var flags demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a server with an example in it, ask it a few questions, and go on serving",
		Long: `Start a server on a temporary folder, load the model and the tuples of an example (an open-source
organization), ask a few questions, print question, answer and latency, and go on serving until SIGINT.
There is no authentication, and the server listens on loopback addresses alone.`,
		Example: `  ostiary demo
  ostiary demo --exit    # stop after the questions
  ostiary demo offboarding`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), flags) },
	}
	cmd.Flags().StringVar(&flags.grpcAddr, "grpc-addr", "127.0.0.1:8081", "address for gRPC; another port is taken when this one is in use")
	cmd.Flags().StringVar(&flags.httpAddr, "http-addr", "127.0.0.1:8080", "address for HTTP; another port is taken when this one is in use")
	cmd.Flags().BoolVar(&flags.exit, "exit", false, "stop after the questions")
	cmd.AddCommand(newDemoOffboardingCommand(a))
	return cmd
}

// demo runs a node, and the questions beside it. It ends when either fails, the context ends, or the
// questions are answered and --exit is given.
func (a *app) demo(ctx context.Context, flags demoFlags) error {
	if err := errors.Join(loopbackOnly("--grpc-addr", flags.grpcAddr), loopbackOnly("--http-addr", flags.httpAddr)); err != nil {
		return err
	}
	server, err := a.startDemoServer(ctx, flags.grpcAddr, flags.httpAddr, nil)
	if err != nil {
		return err
	}
	a.client.server, a.client.timeout = server.grpcAddr, demoTimeout
	a.printf("A server without authentication runs on a temporary folder: gRPC %s, HTTP http://%s", server.grpcAddr, server.httpAddr)
	store, err := a.askDemo(ctx)
	if err != nil || flags.exit {
		return errors.Join(err, server.stop())
	}
	a.printDemoUsage(store, server.httpAddr)
	a.printf("\nServing until Ctrl-C.")
	return server.wait()
}

// demoServer is a node in this process, on a temporary folder.
type demoServer struct {
	grpcAddr, httpAddr string
	dir                string
	end                context.CancelFunc
	ended              chan error
}

// startDemoServer starts a node without authentication and returns once it serves; change, where it is not nil, may set
// more options. It ends when ctx does, or by stop; one of stop and wait is to be called.
func (a *app) startDemoServer(ctx context.Context, grpcAddr, httpAddr string, change func(*nodeOptions)) (*demoServer, error) {
	grpcListener, err := a.listenNear(ctx, "gRPC", grpcAddr)
	if err != nil {
		return nil, err
	}
	httpListener, err := a.listenNear(ctx, "HTTP", httpAddr)
	if err != nil {
		return nil, errors.Join(err, grpcListener.Close())
	}
	dir, err := os.MkdirTemp("", "ostiary-demo-")
	if err != nil {
		return nil, errors.Join(err, grpcListener.Close(), httpListener.Close())
	}
	logger, err := newLogger(a.err, "text", "warn")
	if err != nil {
		return nil, errors.Join(err, grpcListener.Close(), httpListener.Close(), os.RemoveAll(dir))
	}
	ctx, end := context.WithCancel(ctx)
	d := &demoServer{grpcAddr: grpcListener.Addr().String(), httpAddr: httpListener.Addr().String(), dir: dir, end: end, ended: make(chan error, 1)}
	ready := make(chan struct{})
	options := nodeOptions{
		dataDir: dir, grpc: grpcListener, http: httpListener, authenticator: api.Anonymous(), logger: logger,
		ready: func() { close(ready) },
	}
	if change != nil {
		change(&options)
	}
	go func() { d.ended <- runNode(ctx, options) }()
	select {
	case <-ready:
		return d, nil
	case err := <-d.ended:
		d.ended <- err
		return nil, d.wait()
	}
}

// stop ends the node and removes its folder.
func (d *demoServer) stop() error {
	d.end()
	return d.wait()
}

// wait waits for the node to end and removes its folder.
func (d *demoServer) wait() error {
	err := <-d.ended
	d.end()
	return errors.Join(err, os.RemoveAll(d.dir))
}

// listenNear listens on an address, or on a free port of the same host when its port is taken.
func (a *app) listenNear(ctx context.Context, what, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, err
	}
	listener, freeErr := config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if freeErr != nil {
		return nil, fmt.Errorf("listen for %s: %w", what, errors.Join(err, freeErr))
	}
	a.talkf("%s is taken: %s is on %s", address, what, listener.Addr())
	return listener, nil
}

// askDemo loads the example and asks the questions. It returns the id of the store.
func (a *app) askDemo(ctx context.Context) (string, error) {
	c, err := a.dial()
	if err != nil {
		return "", err
	}
	defer c.Close()
	store, err := a.loadDemo(ctx, c)
	if err != nil {
		return "", err
	}
	return store, a.askQuestions(ctx, c, store)
}

// loadDemo creates the store of the example, and writes its model and tuples as a user would.
func (a *app) loadDemo(ctx context.Context, c *client) (string, error) {
	m, err := dsl.Compile("model.fga", examples.OrganizationModel)
	if err != nil {
		return "", err
	}
	request, err := writeModelRequest(m)
	if err != nil {
		return "", err
	}
	created, err := c.fga.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: demoStore})
	if err != nil {
		return "", fmt.Errorf("create the store %q: %w", demoStore, err)
	}
	request.StoreId = created.GetId()
	if _, err := c.fga.WriteAuthorizationModel(ctx, request); err != nil {
		return "", fmt.Errorf("write the model of the example: %w", err)
	}
	rows, err := newRowReader(bytes.NewReader(examples.OrganizationTuples), formatCSV)
	if err != nil {
		return "", err
	}
	loaded := 0
	load := &importer{client: c, store: created.GetId(), flags: importFlags{maxTuples: defaultTuplesPerWrite, concurrency: 2, onDuplicate: "ignore"}}
	err = load.run(ctx, rows, func(r row) error {
		if r.fault != nil {
			return fmt.Errorf("line %d: %w", r.line, r.fault)
		}
		loaded++
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("load the tuples of the example: %w", err)
	}
	a.printf("Loaded the example, an open-source organization: %s, %s.", modelSize(m), count(loaded, "tuple"))
	return created.GetId(), nil
}
