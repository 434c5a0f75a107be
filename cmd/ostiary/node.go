package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/raftstore"
)

// nodeOptions is what a node needs; serve, demo and the tests fill it.
type nodeOptions struct {
	dataDir       string
	grpc, http    net.Listener // closed by runNode
	authenticator api.Authenticator
	limits        api.Limits
	cors          api.CORS
	// authzenBaseURL is the URL for AuthZEN's discovery; without it there is none.
	authzenBaseURL   string
	retention        time.Duration // of the history; zero is raftstore's default
	maxDepth         int
	maxConditionCost int // 0: the engine's default
	logger           *slog.Logger
	// ready is called once everything acknowledged is applied again and requests are answered.
	ready func()
}

// runNode opens the data folder and serves until ctx ends or something fails. It then lets requests
// under way finish, closes Raft, and closes storage last.
func runNode(ctx context.Context, o nodeOptions) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	served := false
	defer func() {
		if !served {
			err = errors.Join(err, o.grpc.Close(), o.http.Close())
		}
	}()
	store, err := raftstore.Open(ctx, raftstore.Options{
		Dir: o.dataDir, HistoryRetention: o.retention, Logger: o.logger, OnFatal: stop,
	})
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("%w: another process uses this data folder; stop it, or pass another --data-dir", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := store.Close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("close data folder %q: %w", o.dataDir, closeErr))
		}
	}()
	server, err := api.NewServer(api.Options{
		Backend:       backend{store},
		Engine:        engine.New(engine.Options{MaxDepth: o.maxDepth, MaxConditionCost: uint64(o.maxConditionCost)}),
		Authenticator: o.authenticator,
		Logger:        o.logger,
		Limits:        o.limits,
		CORS:          o.cors,
		Backup:        backUp(store),
		Writable:      store.Writable,
		OnServing:     o.ready,

		AuthZENBaseURL: o.authzenBaseURL,
	})
	if err != nil {
		return err
	}
	served = true
	if err := server.Serve(ctx, o.grpc, o.http); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause // the store cannot go on
	}
	return nil
}
