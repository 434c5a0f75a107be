package main

import (
	"context"

	openapi "github.com/ostiary/ostiary/docs/api"
	"github.com/ostiary/ostiary/gtr"
	"github.com/ostiary/ostiary/idtoken"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/oauth"
	"github.com/ostiary/ostiary/scim"
	"github.com/ostiary/ostiary/ssf/receiver"
	"github.com/ostiary/ostiary/ssf/transmitter"
)

// mount lets the server answer what identity providers and receivers of Shared Signals ask, beside the API, and describe
// itself. It returns
// what fetches signals from providers until its context ends.
func (n *node) mount() (pollSignals func(context.Context)) {
	people, publicURL := n.server.Identity(), n.publicURL()
	var provisions scim.Observer
	var revokes gtr.Observer
	if n.instruments != nil {
		provisions, revokes = n.instruments.scim, n.instruments.gtr
	}
	n.server.Mount(scim.Prefix, scim.New(scim.Options{
		Service: people, Cluster: n.store.ClusterID, Now: n.store.Now, PublicURL: publicURL, Logger: n.logger,
		OAuth: true, Observer: provisions,
	}))
	n.server.JudgeIDTokens(idtoken.New(n.keys, n.store.Now))
	tokens := oauth.New(oauth.Options{
		Service: people, Keys: n.keys, SCIMPrefix: scim.Prefix, RevocationPrefix: gtr.Prefix, Now: n.store.Now,
		PublicURL: publicURL, Logger: n.logger,
	})
	n.server.Mount(oauth.TokenPath, tokens)
	n.server.Mount(oauth.IntrospectionPrefix, tokens)
	n.server.Mount(oauth.MetadataPath, tokens)
	revocations := gtr.New(gtr.Options{
		Service: people, Keys: n.keys, Cluster: n.store.ClusterID, Now: n.store.Now, PublicURL: publicURL,
		Observer: revokes, Logger: n.logger,
	})
	pollSignals = mountSignals(n.server, n.instruments, receiver.Options{Service: people, Keys: n.keys, Now: n.store.Now, Logger: n.logger},
		n.outgoing, n.store.Leads)
	n.server.Mount(gtr.Prefix, revocations)
	n.server.Mount(gtr.LongPrefix, revocations) // after what takes some of those paths
	n.server.MountWhere(issuer.Takes, issuer.New(issuer.Options{Keys: people, PublicURL: publicURL, Logger: n.logger}))
	n.server.MountWhere(transmitter.Takes, transmitter.New(transmitter.Options{
		Identity: people, Backend: tellBackend{n.store}, PublicURL: publicURL, Now: n.store.Now, Logger: n.logger,
	}))
	n.server.MountWhere(openapi.Takes, openapi.New())
	if n.mounted != nil {
		n.mounted(n.server.Mounted())
	}
	return pollSignals
}
