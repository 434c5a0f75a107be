package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/raftstore"
)

func newAccessCertsCommand(a *app) *cobra.Command {
	var out string
	var callers []string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "certs --out DIR --caller NAME[=SPIFFE-ID]",
		Short: "Make an authority and client certificates for trials",
		Long: `Make a certificate authority and, for each --caller, a client certificate that names it for --authn-method mtls:
ca.pem, NAME.pem and NAME-key.pem. The principal is mtls:NAME, or mtls:SPIFFE-ID where one is given. Files that exist are
not touched. The authority's key is thrown away: for trials. In production use the authority that you have, and never that
of the cluster (--cluster-ca), whose certificates open the port between nodes.`,
		Example: `  ostiary access certs --out callers --caller shop.example.com
  ostiary access certs --out callers --caller shop=spiffe://example.com/shop`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.makeCallers(out, callers, lifetime) },
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "folder for the files; created when missing")
	f.StringArrayVar(&callers, "caller", nil, "a caller's name, and after = its SPIFFE ID; may be repeated")
	f.DurationVar(&lifetime, "lifetime", 90*24*time.Hour, "how long the certificates are valid")
	return cmd
}

func (a *app) makeCallers(out string, callers []string, lifetime time.Duration) error {
	switch {
	case out == "":
		return usagef("--out is missing: pass a folder for the files")
	case len(callers) == 0:
		return usagef("--caller is missing: pass one for each caller, such as --caller shop.example.com")
	case len(callers) > maxCertNodes:
		return usagef("%d callers are more than %d", len(callers), maxCertNodes)
	case lifetime <= 0:
		return usagef("--lifetime %s is not positive", lifetime)
	}
	authority, err := raftstore.NewAuthority(lifetime)
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.pem": authority.Certificate()}
	for _, caller := range callers {
		name, id, given := strings.Cut(caller, "=")
		if !nodeName.MatchString(name) || name == "ca" {
			return usagef("--caller %q: a name has letters, digits, '-' and '.', and is not \"ca\"", caller)
		}
		if given && !strings.HasPrefix(id, "spiffe://") {
			return usagef("--caller %q: what follows = is a SPIFFE ID, such as spiffe://example.com/shop", caller)
		}
		if !given {
			id = strings.ToLower(name)
		}
		if files[name+".pem"] != nil || files[name+"-key.pem"] != nil {
			return usagef("--caller %q is given twice, or takes the name of another's file", caller)
		}
		if files[name+".pem"], files[name+"-key.pem"], err = authority.Issue(name, id); err != nil {
			return err
		}
	}
	return a.writeNewFiles(out, files)
}
