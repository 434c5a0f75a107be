package main

import (
	"context"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/backchannel"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/ssf/receiver"
)

// mountSignals lets a server take what identity providers push: security events and logout tokens. It returns what
// fetches security events from the others until its context ends.
func mountSignals(
	server *api.Server, i *instruments, o receiver.Options, outgoing *egress.Client, leads func() bool,
) (poll func(context.Context)) {
	logouts := backchannel.Options{Service: o.Service, Keys: o.Keys, Now: o.Now, Logger: o.Logger}
	if i != nil {
		o.Observer, logouts.Observer = i.signals, i.signals
	}
	server.MountWhere(receiver.Takes, receiver.New(o))
	server.MountWhere(backchannel.Takes, backchannel.New(logouts))
	return receiver.NewPoller(receiver.PollOptions{Options: o, Client: outgoing, Leads: leads}).Run
}
