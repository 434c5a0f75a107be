package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/decisionlog"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/tracing"
)

// nodeOptions is what a node needs; serve, demo and the tests fill it.
type nodeOptions struct {
	dataDir string
	logger  *slog.Logger

	// Where it listens. runNode closes the listeners.
	grpc, http net.Listener
	admin      net.Listener // for metrics and profiles; nil: none
	// authzenBaseURL is the URL at which others reach it (--public-url); empty: it does not know.
	authzenBaseURL string

	// Who may call, and how much at once.
	authenticator api.Authenticator
	oidc          *oidcFlags // callers may show tokens of OpenID Connect; nil: none
	accessControl bool       // callers may do only what they were granted
	limits        api.Limits
	tls           nodeTLS
	cors          api.CORS

	// What is kept, and for how long.
	cluster        raftstore.Options // the fields that are about a cluster
	memory         memoryPlan        // zero: raftstore's defaults, and no cache of edges
	retention      time.Duration     // of the history; zero is raftstore's default
	auditRetention time.Duration     // zero is package identity's default
	slowerThan     time.Duration     // of requests that are logged; zero: none
	identityKeys   *identity.Keys    // for personal data; nil: none
	// storeRetention is how long a deleted store can come back.
	storeRetention time.Duration
	// storeTuples is the quota of new stores; zero: none.
	storeTuples uint64
	// signingRotation is how long a key signs until the next one does; negative: for ever, zero: 90 days.
	signingRotation time.Duration

	trace       *tracing.Options     // nil: nothing is traced
	tracer      *tracing.Tracer      // runNode sets it
	decisionLog *decisionlog.Options // nil: decisions are not written down
	engine      engine.Options
	egressAllow []netip.Prefix // networks that may be asked for keys though they are not public

	// mounted, where it is set, is told the paths of the mounted handlers.
	mounted func(takes []func(path string) bool)
	// ready is called once everything acknowledged is applied again and requests are answered.
	ready func()
}

// node is what is wired together. Package main alone knows all of it.
type node struct {
	nodeOptions
	store       *raftstore.Store
	instruments *instruments // nil: nobody measures
	outgoing    *egress.Client
	keys        *keyset.Cache // of others
	server      *api.Server
	decisions   *decisionlog.Log // nil: there is none
}

// publicURL is the URL at which others reach the node, without a slash at its end.
func (n *node) publicURL() string { return strings.TrimSuffix(n.authzenBaseURL, "/") }

// runNode opens the data folder and serves until ctx ends or something fails. It then lets requests
// under way finish, closes Raft, and closes storage last.
func runNode(ctx context.Context, o nodeOptions) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	served := false
	defer func() {
		if !served {
			err = errors.Join(err, o.grpc.Close(), o.http.Close())
			if o.admin != nil {
				err = errors.Join(err, o.admin.Close())
			}
		}
	}()
	tracer, endTraces, err := openTracer(o.trace, o.logger)
	if err != nil {
		return err
	}
	defer endTraces()
	o.tracer = tracer
	store, err := openStore(ctx, o, stop)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := store.Close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("close data folder %q: %w", o.dataDir, closeErr))
		}
	}()
	decisions, endDecisions, err := openDecisions(o.decisionLog, o.logger)
	if err != nil {
		return err
	}
	defer endDecisions()
	n := &node{nodeOptions: o, store: store, decisions: decisions}
	if o.admin != nil {
		if n.instruments, err = newInstruments(); err == nil {
			err = n.instruments.watch(store)
		}
		if err == nil {
			err = n.instruments.watchTraces(tracer)
		}
		if err == nil {
			err = n.instruments.watchDecisions(decisions)
		}
		if err == nil {
			err = n.instruments.watchTLS(o.tls)
		}
		if err != nil {
			return err
		}
	}
	n.outgoing = egress.New(egress.Options{Allow: o.egressAllow})
	defer n.outgoing.Close()
	n.keys = keyset.NewCache(n.outgoing, keyset.Options{Logger: o.logger.With("component", "keyset")})
	defer n.keys.Close()
	if n.server, err = n.newServer(); err != nil {
		return err
	}
	var told outbox.Observer
	if n.instruments != nil {
		if err := n.instruments.watchGates(n.server); err != nil {
			return err
		}
		if err := n.instruments.watchConnections(n.server); err != nil {
			return err
		}
		if err := n.instruments.watchQueues(n.server); err != nil {
			return err
		}
		if told, err = n.instruments.watchOutbox(store); err != nil {
			return err
		}
	}
	n.server.WarnOfGates(ctx)
	defer n.keep(ctx, n.mount(), told)()
	served = true
	if o.admin != nil {
		var admin sync.WaitGroup
		defer admin.Wait()
		adminCtx, stopAdmin := context.WithCancel(context.Background())
		defer stopAdmin() // after the requests under way, which it measures
		admin.Go(func() { serveAdmin(adminCtx, tlsListener(o.admin, o.tls.admin), n.instruments.handler(n), o.logger) })
	}
	if err := n.server.Serve(ctx, o.grpc, o.http); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause // the store cannot go on
	}
	return nil
}

// openStore opens the data folder. Stop ends the node where the store cannot go on.
func openStore(ctx context.Context, o nodeOptions, stop context.CancelCauseFunc) (*raftstore.Store, error) {
	options := o.cluster
	options.AuditRetention = o.auditRetention
	options.Dir, options.HistoryRetention, options.Logger, options.OnFatal = o.dataDir, o.retention, o.logger, stop
	options.CacheBytes, options.EdgeCacheBytes, options.Tracer = o.memory.blockCache, o.memory.edgeCache, o.tracer
	store, err := raftstore.Open(ctx, options)
	if errors.Is(err, syscall.EAGAIN) {
		return nil, fmt.Errorf("%w: another process uses this data folder; stop it, or pass another --data-dir", err)
	}
	return store, err
}

// newServer returns a server of the API on the node's store.
func (n *node) newServer() (*api.Server, error) {
	authenticator, err := n.oidc.beside(n.authenticator, n.keys, n.store.Now)
	if err != nil {
		return nil, err
	}
	var observer api.Observer
	if n.instruments != nil {
		observer = n.instruments.observer()
	}
	return api.NewServer(api.Options{
		TLS:           n.tls.api(),
		Backend:       backend{n.store},
		Engine:        engine.New(n.engine),
		Authenticator: authenticator,
		Logger:        n.logger,
		Observer:      observer,
		Tracer:        n.tracer,
		Decisions:     toldDecisions(n.decisions),
		Limits:        n.limits,
		CORS:          n.cors,
		Backup:        backUp(n.store),
		Writable:      n.store.Writable,
		Role:          n.store.Role,
		OnServing:     n.ready,

		JudgeURL:       n.outgoing.JudgeURL,
		AccessControl:  n.accessControl,
		AuthZENBaseURL: n.authzenBaseURL,
		IdentityKeys:   n.identityKeys,
		AuditRetention: n.auditRetention,
		LogSlowerThan:  n.slowerThan,
		StoreRetention: n.storeRetention,
		StoreTuples:    n.storeTuples,
	})
}
