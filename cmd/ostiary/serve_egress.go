package main

import (
	"net/netip"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/egress"
)

// egressFlags say where the server may send requests of its own.
type egressFlags struct {
	allow []string
}

func (e *egressFlags) register(f *pflag.FlagSet) {
	f.StringSliceVar(&e.allow, "egress-allow", nil,
		"networks that may be asked for keys and the like though they are not public, also without TLS, as 10.1.0.0/16, with commas between")
	fromEnv(f, "egress-allow")
}

// networks returns the networks, or what is wrong with one.
func (e *egressFlags) networks() ([]netip.Prefix, error) {
	networks, err := egress.ParseAllow(e.allow)
	if err != nil {
		return nil, usagef("--egress-allow: %v", err)
	}
	return networks, nil
}
