package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
)

// devFlags are what 'dev' can be told.
type devFlags struct {
	dataDir, grpcAddr, httpAddr, store string
	exit                               bool
	every                              time.Duration
}

func newDevCommand(a *app) *cobra.Command {
	var flags devFlags
	cmd := &cobra.Command{
		Use:   "dev MODEL|STORE [TUPLES...]",
		Short: "Serve a model while you write it: recompile, reload and retest on every save",
		Long: `Serve a model while you write it. The model is a file in the DSL (.fga), in OpenFGA's JSON form (.json),
the fga.mod of a modular model, or a store file (.fga.yaml), whose tuples are loaded and whose tests are
run. Files of tuples (.csv, .json, .jsonl, .yaml) may follow.

On every save of one of the files the model is compiled and written, tuples that came or went are written
or deleted, and the tests run again. Tuples that others wrote stay. Faults are shown, and what was served
before goes on being served. Requests to copy for curl, @openfga/sdk and Go are printed at the start.

There is no authentication, and the server listens on loopback addresses alone. The data is in a
temporary folder, which goes when the server ends, unless --data-dir names one.`,
		Example: `  ostiary dev model.fga tuples.csv
  ostiary dev store.fga.yaml
  ostiary dev store.fga.yaml --exit    # load, test, stop: exit code 4 when something is wrong`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.dev(cmd.Context(), args, flags) },
	}
	cmd.Flags().StringVar(&flags.grpcAddr, "grpc-addr", "127.0.0.1:8081", "address for gRPC; another port is taken when this one is in use")
	cmd.Flags().StringVar(&flags.httpAddr, "http-addr", "127.0.0.1:8080", "address for HTTP; another port is taken when this one is in use")
	cmd.Flags().StringVar(&flags.dataDir, "data-dir", "", "folder to keep the data in (default: a temporary one)")
	cmd.Flags().StringVar(&flags.store, "store", "dev", "name of the store; made when there is none")
	cmd.Flags().BoolVar(&flags.exit, "exit", false, "stop after the first load")
	cmd.Flags().DurationVar(&flags.every, "poll", 300*time.Millisecond, "pause between two looks at the files")
	return cmd
}

// dev runs a node, and the loop that feeds it beside it. It ends when either fails or the context ends.
func (a *app) dev(ctx context.Context, args []string, flags devFlags) (err error) {
	if flags.every <= 0 {
		return usagef("--poll %s is not positive", flags.every)
	}
	for _, arg := range args { // a slip in a name is not worth a server
		if _, err := os.Stat(arg); err != nil {
			return err
		}
	}
	if err := errors.Join(loopbackOnly("--grpc-addr", flags.grpcAddr), loopbackOnly("--http-addr", flags.httpAddr)); err != nil {
		return err
	}
	dir := flags.dataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "ostiary-dev-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	grpcListener, httpListener, ended, err := a.startLocal(ctx, dir, flags)
	if err != nil {
		return err
	}
	a.client.server, a.client.timeout = grpcListener.Addr().String(), demoTimeout
	a.printf("%s", a.paintOut(red, "NO AUTHENTICATION: everybody on this machine may read and change everything."))
	a.printf("gRPC on %s, HTTP on http://%s, data in %s", grpcListener.Addr(), httpListener.Addr(), dir)
	loop := make(chan error, 1)
	go func() { loop <- a.feed(ctx, args, flags, httpListener.Addr().String()) }()
	select {
	case err = <-loop:
		stop()
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil // Ctrl-C
		}
		if nodeErr := <-ended; nodeErr != nil {
			return errors.Join(err, nodeErr)
		}
		return err
	case err = <-ended:
		stop()
		<-loop
		return err
	}
}

// startLocal runs a node without authentication on loopback addresses, and returns once it answers.
func (a *app) startLocal(ctx context.Context, dir string, flags devFlags) (grpcListener, httpListener net.Listener, ended chan error, err error) {
	if grpcListener, err = a.listenNear(ctx, "gRPC", flags.grpcAddr); err != nil {
		return nil, nil, nil, err
	}
	if httpListener, err = a.listenNear(ctx, "HTTP", flags.httpAddr); err != nil {
		return nil, nil, nil, errors.Join(err, grpcListener.Close())
	}
	err = errors.Join(boundToLoopback(grpcListener), boundToLoopback(httpListener))
	logger, logErr := newLogger(a.err, "text", "warn")
	if err = errors.Join(err, logErr); err != nil {
		return nil, nil, nil, errors.Join(err, grpcListener.Close(), httpListener.Close())
	}
	ready := make(chan struct{})
	ended = make(chan error, 1)
	go func() {
		ended <- runNode(ctx, nodeOptions{
			dataDir: dir, grpc: grpcListener, http: httpListener, authenticator: api.Anonymous(), logger: logger,
			ready: func() { close(ready) },
		})
	}()
	select {
	case <-ready:
		return grpcListener, httpListener, ended, nil
	case err := <-ended:
		return nil, nil, nil, err
	}
}

// feed loads the files, and again whenever one of them changes.
func (a *app) feed(ctx context.Context, args []string, flags devFlags, httpAddr string) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	store, existed, err := c.storeCalled(ctx, flags.store)
	if err != nil {
		return err
	}
	d := &developer{app: a, client: c, store: store, args: args, stale: existed}
	ok, err := d.reload(ctx)
	if err != nil {
		return err
	}
	if d.model != nil {
		a.showRequests(httpAddr, store, d.sample(ctx))
	}
	if flags.exit {
		if !ok {
			return errInvalidFile
		}
		return nil
	}
	a.printf("\nWatching %s: save to load again, Ctrl-C ends.", strings.Join(d.files, ", "))
	ticker := time.NewTicker(flags.every)
	defer ticker.Stop()
	shown := d.model != nil
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		changed := d.changed()
		if len(changed) == 0 {
			continue
		}
		a.printf("\n%s %s changed", time.Now().Format(time.TimeOnly), strings.Join(changed, ", "))
		if _, err := d.reload(ctx); err != nil {
			return err
		}
		if !shown && d.model != nil {
			shown = true
			a.showRequests(httpAddr, store, d.sample(ctx))
		}
	}
}

// storeCalled returns the id of the store of that name, which it makes when there is none.
func (c *client) storeCalled(ctx context.Context, name string) (id string, existed bool, err error) {
	err = c.eachStore(ctx, name, func(s *openfgav1.Store) {
		if id == "" && s.GetName() == name {
			id = s.GetId()
		}
	})
	if err != nil || id != "" {
		return id, id != "", err
	}
	created, err := c.fga.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: name})
	if err != nil {
		return "", false, fmt.Errorf("create the store %q: %w", name, err)
	}
	return created.GetId(), false, nil
}
