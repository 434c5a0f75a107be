package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/raftstore"
)

// nodeName is what a node may be called: the name becomes that of its files.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$`)

// maxCertNodes bounds how many certificates one command makes.
const maxCertNodes = 1000

func newClusterCertsCommand(a *app) *cobra.Command {
	var out string
	var nodes []string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "certs --out DIR --node NAME[=HOST,…]",
		Short: "Make an authority and certificates for trials",
		Long: `Make a certificate authority and, for each --node, a certificate that others reach by NAME, by the hosts
and addresses that follow it, and on this machine: ca.pem, NAME.pem and NAME-key.pem. Files that exist are
not touched. The authority's key is thrown away, so the nodes of a cluster must be named in one command:
for trials. In production use the authority that you have.`,
		Example: `  ostiary cluster certs --out certs --node a=10.0.0.1 --node b=10.0.0.2 --node operator
  ostiary serve --cluster-addr 10.0.0.1:8082 --cluster-ca certs/ca.pem --cluster-cert certs/a.pem --cluster-key certs/a-key.pem`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.makeCerts(out, nodes, lifetime) },
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "folder for the files; created when missing")
	f.StringArrayVar(&nodes, "node", nil, "a node's name, and after = the hosts and addresses that others reach it by; may be repeated")
	f.DurationVar(&lifetime, "lifetime", 90*24*time.Hour, "how long the certificates are valid")
	return cmd
}

func (a *app) makeCerts(out string, nodes []string, lifetime time.Duration) error {
	switch {
	case out == "":
		return usagef("--out is missing: pass a folder for the files")
	case len(nodes) == 0:
		return usagef("--node is missing: pass one for each node, such as --node a=10.0.0.1")
	case len(nodes) > maxCertNodes:
		return usagef("%d nodes are more than %d", len(nodes), maxCertNodes)
	case lifetime <= 0:
		return usagef("--lifetime %s is not positive", lifetime)
	}
	authority, err := raftstore.NewAuthority(lifetime)
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.pem": authority.Certificate()}
	for _, node := range nodes {
		name, hosts, _ := strings.Cut(node, "=")
		if !nodeName.MatchString(name) || name == "ca" {
			return usagef("--node %q: a name has letters, digits, '-' and '.', and is not \"ca\"", node)
		}
		names := []string{name, "localhost", "127.0.0.1", "::1"}
		for host := range strings.SplitSeq(hosts, ",") {
			if host == "" {
				continue
			}
			if net.ParseIP(host) == nil && !nodeName.MatchString(host) {
				return usagef("--node %q: %q is neither a host name nor an address (leave out the port)", node, host)
			}
			names = append(names, host)
		}
		if files[name+".pem"] != nil || files[name+"-key.pem"] != nil {
			return usagef("--node %q is given twice, or takes the name of another's file", name)
		}
		if files[name+".pem"], files[name+"-key.pem"], err = authority.Issue(name, names...); err != nil {
			return err
		}
	}
	return a.writeNewFiles(out, files)
}

// writeNewFiles writes files that must not exist, all or none.
func (a *app) writeNewFiles(dir string, files map[string][]byte) error {
	for name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("write certificates: %s exists; pass another --out, or remove it", filepath.Join(dir, name)))
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	for name, data := range files {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
		_, err = file.Write(data)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	a.talkf("wrote %d files to %s; they are for trials", len(files), dir)
	return nil
}
