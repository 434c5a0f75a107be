package main

import (
	"context"
	"log/slog"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/ssf/transmitter"
)

// tellOthers tells applications what happens, while this node leads, until ctx ends. What it signs names the public
// URL.
func tellOthers(
	ctx context.Context, store *raftstore.Store, people *identity.Service, outgoing *egress.Client, publicURL string, observer outbox.Observer, logger *slog.Logger,
) {
	outbox.New(outbox.Options{
		Backend: tellBackend{store}, Identity: people, Leads: store.Leads, Logger: logger, Observer: observer,
		Kinds: []outbox.Kind{
			&outbox.Webhooks{Identity: people, Client: outgoing, Cluster: store.ClusterID, Now: store.Now},
			&outbox.Tokens{Identity: people, Client: outgoing},
			&outbox.Logouts{Identity: people, Client: outgoing, PublicURL: publicURL, Now: store.Now},
			&transmitter.Push{Identity: people, Client: outgoing, PublicURL: publicURL},
			transmitter.Poll{},
		},
	}).Run(ctx)
}

// tellBackend makes a store what package outbox works on.
type tellBackend struct{ *raftstore.Store }

// View returns a view as package outbox knows it.
func (b tellBackend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}
