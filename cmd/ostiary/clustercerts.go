package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"
)

func newClusterCertsCommand(a *app) *cobra.Command {
	return trialCerts{
		holder: "node", example: "a=10.0.0.1", names: nodeNames,
		usage: "a node's name, and after = the hosts and addresses that others reach it by; may be repeated",
	}.bind(a, &cobra.Command{
		Use:   "certs --out DIR --node NAME[=HOST,…]",
		Short: "Make an authority and certificates for trials",
		Long: `Make a certificate authority and, for each --node, a certificate that others reach by NAME, by the hosts
and addresses that follow it, and on this machine: ca.pem, NAME.pem and NAME-key.pem. Files that exist are
not touched. The authority's key is thrown away, so the nodes of a cluster must be named in one command:
for trials. In production use the authority that you have.`,
		Example: `  ostiary cluster certs --out certs --node a=10.0.0.1 --node b=10.0.0.2 --node operator
  ostiary serve --cluster-addr 10.0.0.1:8082 --cluster-ca certs/ca.pem --cluster-cert certs/a.pem --cluster-key certs/a-key.pem`,
		Args: cobra.NoArgs,
	})
}

// nodeNames are those that a node is reached by: its own, its hosts, and this machine's.
func nodeNames(name, hosts string, _ bool) ([]string, error) {
	names := []string{name, "localhost", "127.0.0.1", "::1"}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" {
			continue
		}
		if net.ParseIP(host) == nil && !nodeName.MatchString(host) {
			return nil, fmt.Errorf("%q is neither a host name nor an address (leave out the port)", host)
		}
		names = append(names, host)
	}
	return names, nil
}
