package main

import (
	"cmp"
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
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/gtr"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/idtoken"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/oauth"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/scim"
	"github.com/ostiary/ostiary/ssf/receiver"
	"github.com/ostiary/ostiary/ssf/transmitter"
)

// nodeOptions is what a node needs; serve, demo and the tests fill it.
type nodeOptions struct {
	dataDir       string
	grpc, http    net.Listener // closed by runNode
	authenticator api.Authenticator
	accessControl bool                      // callers may do only what they were granted
	keepKeys      func(ctx context.Context) // reads the keys of callers again until ctx ends; nil: nothing to do
	limits        api.Limits
	cors          api.CORS
	// authzenBaseURL is the URL for AuthZEN's discovery; without it there is none.
	authzenBaseURL string
	identityKeys   *identity.Keys // for personal data; nil: none
	retention      time.Duration  // of the history; zero is raftstore's default
	auditRetention time.Duration  // zero is package identity's default
	// signingRotation is how long a key signs until the next one does; negative: for ever, zero: 90 days.
	signingRotation time.Duration
	cluster         raftstore.Options // the fields that are about a cluster
	egressAllow     []netip.Prefix    // networks that may be asked for keys though they are not public
	engine          engine.Options
	memory          memoryPlan   // zero: raftstore's defaults, and no cache of edges
	admin           net.Listener // for metrics and profiles; nil: none; closed by runNode
	logger          *slog.Logger
	oidc            *oidcFlags // callers may show tokens of OpenID Connect; nil: none
	// mounted, where it is set, is told the paths of the mounted handlers.
	mounted func(takes []func(path string) bool)
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
			if o.admin != nil {
				err = errors.Join(err, o.admin.Close())
			}
		}
	}()
	options := o.cluster
	options.Dir, options.HistoryRetention, options.Logger, options.OnFatal = o.dataDir, o.retention, o.logger, stop
	options.CacheBytes, options.EdgeCacheBytes = o.memory.blockCache, o.memory.edgeCache
	store, err := raftstore.Open(ctx, options)
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
	var observer api.Observer
	var scimObserver scim.Observer
	var gtrObserver gtr.Observer
	var instruments *instruments
	if o.admin != nil {
		if instruments, err = newInstruments(); err == nil {
			err = instruments.watch(store)
		}
		if err != nil {
			return err
		}
		observer, scimObserver, gtrObserver = instruments.requests, instruments.scim, instruments.gtr
	}
	outgoing := egress.New(egress.Options{Allow: o.egressAllow})
	defer outgoing.Close()
	keys := keyset.NewCache(outgoing, keyset.Options{Logger: o.logger.With("component", "keyset")})
	defer keys.Close()
	authenticator, err := o.oidc.beside(o.authenticator, keys, store.Now)
	if err != nil {
		return err
	}
	server, err := api.NewServer(api.Options{
		Backend:       backend{store},
		Engine:        engine.New(o.engine),
		Authenticator: authenticator,
		Logger:        o.logger,
		Observer:      observer,
		Limits:        o.limits,
		CORS:          o.cors,
		Backup:        backUp(store),
		Writable:      store.Writable,
		Role:          store.Role,
		OnServing:     o.ready,

		JudgeURL:       outgoing.JudgeURL,
		AccessControl:  o.accessControl,
		AuthZENBaseURL: o.authzenBaseURL,
		IdentityKeys:   o.identityKeys,
		AuditRetention: o.auditRetention,
	})
	if err != nil {
		return err
	}
	var told outbox.Observer
	if instruments != nil {
		if err := instruments.watchGates(server); err != nil {
			return err
		}
		if told, err = instruments.watchOutbox(store); err != nil {
			return err
		}
	}
	server.WarnOfGates(ctx)
	server.Mount(scim.Prefix, scim.New(scim.Options{
		Service: server.Identity(), Cluster: store.ClusterID, Now: store.Now,
		PublicURL: strings.TrimSuffix(o.authzenBaseURL, "/"), Logger: o.logger,
		OAuth: true, Observer: scimObserver,
	}))
	server.JudgeIDTokens(idtoken.New(keys, store.Now))
	tokens := oauth.New(oauth.Options{
		Service: server.Identity(), Keys: keys, SCIMPrefix: scim.Prefix, RevocationPrefix: gtr.Prefix, Now: store.Now,
		PublicURL: strings.TrimSuffix(o.authzenBaseURL, "/"), Logger: o.logger,
	})
	server.Mount(oauth.TokenPath, tokens)
	server.Mount(oauth.IntrospectionPrefix, tokens)
	server.Mount(oauth.MetadataPath, tokens)
	revocations := gtr.New(gtr.Options{
		Service: server.Identity(), Keys: keys, Cluster: store.ClusterID, Now: store.Now,
		PublicURL: strings.TrimSuffix(o.authzenBaseURL, "/"), Observer: gtrObserver, Logger: o.logger,
	})
	pollSignals := mountSignals(server, instruments, receiver.Options{Service: server.Identity(), Keys: keys, Now: store.Now, Logger: o.logger},
		outgoing, store.Leads)
	server.Mount(gtr.Prefix, revocations)
	server.Mount(gtr.LongPrefix, revocations)
	server.MountWhere(issuer.Takes, issuer.New(issuer.Options{
		Keys: server.Identity(), PublicURL: strings.TrimSuffix(o.authzenBaseURL, "/"), Logger: o.logger,
	}))
	server.MountWhere(transmitter.Takes, transmitter.New(transmitter.Options{
		Identity: server.Identity(), Backend: tellBackend{store}, PublicURL: strings.TrimSuffix(o.authzenBaseURL, "/"),
		Now: store.Now, Logger: o.logger,
	}))
	var keeper sync.WaitGroup
	defer keeper.Wait()
	keeperCtx, stopKeeper := context.WithCancel(ctx)
	defer stopKeeper()
	keeper.Go(func() {
		keepSigningKeys(keeperCtx, server.Identity(), store.Leads, cmp.Or(o.signingRotation, 90*24*time.Hour), o.logger)
	})
	keeper.Go(func() {
		tellOthers(keeperCtx, store, server.Identity(), outgoing, strings.TrimSuffix(o.authzenBaseURL, "/"), told, o.logger)
	})
	keeper.Go(func() { pollSignals(keeperCtx) })
	if o.keepKeys != nil {
		keeper.Go(func() { o.keepKeys(keeperCtx) })
	}
	if o.accessControl {
		leads := func() bool { return store.Role() == "leader" }
		keeper.Go(func() { offerBootstrap(keeperCtx, server.Access(), leads, o.dataDir, o.logger) })
	}
	keeper.Go(func() { keepWrapped(keeperCtx, server.Identity(), o.identityKeys != nil, o.logger) })
	if o.mounted != nil {
		o.mounted(server.Mounted())
	}
	served = true
	if o.admin != nil {
		var admin sync.WaitGroup
		defer admin.Wait()
		adminCtx, stopAdmin := context.WithCancel(context.Background())
		defer stopAdmin() // after the requests under way, which it measures
		admin.Go(func() { serveAdmin(adminCtx, o.admin, instruments.handler(), o.logger) })
	}
	if err := server.Serve(ctx, o.grpc, o.http); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause // the store cannot go on
	}
	return nil
}
