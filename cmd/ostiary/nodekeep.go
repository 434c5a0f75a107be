package main

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/ostiary/ostiary/outbox"
)

// defaultSigningRotation is how long a key signs where nothing is said.
const defaultSigningRotation = 90 * 24 * time.Hour

// keep begins what a node does by itself while it serves. It goes on until the function that it returns is called, which
// waits for its end.
func (n *node) keep(ctx context.Context, pollSignals func(context.Context), told outbox.Observer) (end func()) {
	var work sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	people := n.server.Identity()
	work.Go(func() {
		keepSigningKeys(ctx, people, n.store.Leads, cmp.Or(n.signingRotation, defaultSigningRotation), n.logger)
	})
	work.Go(func() { tellOthers(ctx, n.store, people, n.outgoing, n.publicURL(), told, n.logger) })
	work.Go(func() { pollSignals(ctx) })
	work.Go(func() { n.purgeStores(ctx) })
	work.Go(func() { n.tls.keep(ctx) })
	if n.accessControl {
		leads := func() bool { return n.store.Role() == "leader" }
		work.Go(func() { offerBootstrap(ctx, n.server.Access(), leads, n.dataDir, n.logger) })
	}
	work.Go(func() { keepWrapped(ctx, people, n.identityKeys != nil, n.logger) })
	return func() {
		stop()
		work.Wait()
	}
}

// whileLeading does something at once and then every so often, where this node leads, until ctx ends or nothing is left
// to do.
func whileLeading(ctx context.Context, leads func() bool, every time.Duration, do func() (done bool)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if leads() && do() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
