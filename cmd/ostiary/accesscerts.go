package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

func newAccessCertsCommand(a *app) *cobra.Command {
	return trialCerts{
		holder: "caller", example: "shop.example.com", names: callerNames,
		usage: "a caller's name, and after = its SPIFFE ID; may be repeated",
	}.bind(a, &cobra.Command{
		Use:   "certs --out DIR --caller NAME[=SPIFFE-ID]",
		Short: "Make an authority and client certificates for trials",
		Long: `Make a certificate authority and, for each --caller, a client certificate that names it for --authn-method mtls:
ca.pem, NAME.pem and NAME-key.pem. The principal is mtls:NAME, or mtls:SPIFFE-ID where one is given. Files that exist are
not touched. The authority's key is thrown away: for trials. In production use the authority that you have, and never that
of the cluster (--cluster-ca), whose certificates open the port between nodes.`,
		Example: `  ostiary access certs --out callers --caller shop.example.com
  ostiary access certs --out callers --caller shop=spiffe://example.com/shop`,
		Args: cobra.NoArgs,
	})
}

// callerNames is the one name that a caller is known by.
func callerNames(name, id string, given bool) ([]string, error) {
	if !given {
		return []string{strings.ToLower(name)}, nil
	}
	if !strings.HasPrefix(id, "spiffe://") {
		return nil, errors.New("what follows = is a SPIFFE ID, such as spiffe://example.com/shop")
	}
	return []string{id}, nil
}
