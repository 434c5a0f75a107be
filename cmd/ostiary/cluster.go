package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore"
)

// clusterClientFlags say which node of a cluster to ask, and how it knows us.
type clusterClientFlags struct {
	address  string
	timeout  time.Duration
	plain    bool
	security securityFlags
}

// securityFlags name the certificates of a node or an operator.
type securityFlags struct {
	cert, key, ca string
}

func (s *securityFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.cert, "cluster-cert", "", "file with the certificate for the cluster's port, PEM")
	f.StringVar(&s.key, "cluster-key", "", "file with the key of --cluster-cert, PEM")
	f.StringVar(&s.ca, "cluster-ca", "", "file with the certificates of the cluster's authority, PEM")
	fromEnv(f, "cluster-cert", "cluster-key", "cluster-ca")
}

func (s securityFlags) given() bool { return s.cert != "" || s.key != "" || s.ca != "" }

func (s securityFlags) security(plain bool) raftstore.Security {
	return raftstore.Security{CertFile: s.cert, KeyFile: s.key, CAFile: s.ca, PlainText: plain}
}

func newClusterCommand(a *app) *cobra.Command {
	var flags clusterClientFlags
	change := func(use, short, example string, kind raftstore.ChangeKind, args cobra.PositionalArgs) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Example: example, Args: args,
			RunE: func(cmd *cobra.Command, args []string) error {
				c := raftstore.Change{Kind: kind}
				if len(args) > 0 {
					c.ID = args[0]
				}
				if len(args) > 1 {
					c.Address = args[1]
				}
				return a.changeCluster(cmd.Context(), flags, c)
			},
		}
	}
	asking := []*cobra.Command{
		{
			Use: "members", Short: "List the members", Args: cobra.NoArgs,
			Example: "  ostiary cluster members --cluster 10.0.0.1:8082",
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.clusterMembers(cmd.Context(), flags) },
		},
		{
			Use: "health", Short: "Ask every member how it is; exit code 1 when one does not serve", Args: cobra.NoArgs,
			Example: "  ostiary cluster health --cluster 10.0.0.1:8082 --output json",
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.clusterHealth(cmd.Context(), flags) },
		},
		change("add ID ADDRESS", "Add a learner, or give a member another address (a node that joins adds itself)",
			"  ostiary cluster add 5f3a9c1e2b7d4680 10.0.0.4:8082", raftstore.ChangeAdd, cobra.ExactArgs(2)),
		change("remove ID", "Take a member out for good", "  ostiary cluster remove 5f3a9c1e2b7d4680", raftstore.ChangeRemove, cobra.ExactArgs(1)),
		change("promote ID", "Give a learner a vote", "  ostiary cluster promote 5f3a9c1e2b7d4680", raftstore.ChangePromote, cobra.ExactArgs(1)),
		change("demote ID", "Take a member's vote; it stays as a learner", "  ostiary cluster demote 5f3a9c1e2b7d4680", raftstore.ChangeDemote, cobra.ExactArgs(1)),
		change("transfer [ID]", "Let another voter lead", "  ostiary cluster transfer\n  ostiary cluster transfer 5f3a9c1e2b7d4680", raftstore.ChangeTransfer, cobra.MaximumNArgs(1)),
	}
	for _, cmd := range asking {
		f := cmd.Flags()
		f.StringVar(&flags.address, "cluster", "127.0.0.1:8082", "address of any node's cluster port (its --cluster-addr)")
		f.DurationVar(&flags.timeout, "timeout", 10*time.Second, "time for the whole command")
		f.BoolVar(&flags.plain, "plain-text", false, "without certificates, for a cluster that runs with --dev")
		fromEnv(f, "cluster")
		flags.security.register(f)
	}
	cmd := group("cluster", "Look after a cluster of several nodes",
		"  ostiary cluster certs --out certs --node a=10.0.0.1 --node b=10.0.0.2 --node c=10.0.0.3\n  ostiary cluster members",
		append(asking, newClusterCertsCommand(a))...)
	cmd.Long = `Look after a cluster of several nodes. The commands speak with the port between nodes and need a
certificate of the cluster's authority, as a node has; who holds one may do everything. Any node will do:
it passes a change on to the leader.`
	return cmd
}

// connect returns a client of the cluster and a context that ends in time.
func (f clusterClientFlags) connect(ctx context.Context) (*raftstore.Client, context.Context, context.CancelFunc, error) {
	if !f.plain && !f.security.given() {
		return nil, nil, nil, usagef("no certificate: pass --cluster-cert, --cluster-key and --cluster-ca, or --plain-text for a cluster that runs with --dev")
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	client, err := raftstore.Connect(ctx, f.address, f.security.security(f.plain))
	if err != nil {
		cancel()
		return nil, nil, nil, clusterError(err)
	}
	return client, ctx, func() { client.Close(); cancel() }, nil
}

// errClusterUnavailable ends a command that may be tried again.
var errClusterUnavailable = errors.New("try again")

func clusterError(err error) error {
	if errors.Is(err, ostiary.ErrUnavailable) || errors.Is(err, ostiary.ErrNotLeader) {
		return fmt.Errorf("%w; %w", err, errClusterUnavailable)
	}
	return err
}

func (a *app) changeCluster(ctx context.Context, flags clusterClientFlags, change raftstore.Change) error {
	client, ctx, done, err := flags.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := client.ChangeMembers(ctx, change); err != nil {
		return clusterError(err)
	}
	if change.Kind == raftstore.ChangeTransfer {
		return nil
	}
	return a.printMembers(ctx, client)
}

func (a *app) clusterMembers(ctx context.Context, flags clusterClientFlags) error {
	client, ctx, done, err := flags.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	return a.printMembers(ctx, client)
}

func (a *app) printMembers(ctx context.Context, client *raftstore.Client) error {
	status, err := client.Status(ctx, "")
	if err != nil {
		return clusterError(err)
	}
	if a.json() {
		return a.printJSON(struct {
			Cluster string             `json:"cluster"`
			Members []raftstore.Member `json:"members"`
		}{status.Cluster, status.Members})
	}
	rows := make([][]string, 0, len(status.Members))
	for _, m := range status.Members {
		rows = append(rows, []string{m.ID, m.Address, roleOf(m)})
	}
	return a.printTable([]string{"ID", "ADDRESS", "ROLE"}, rows)
}

func roleOf(m raftstore.Member) string {
	switch {
	case m.Leader:
		return "leader"
	case m.Voter:
		return "voter"
	}
	return "learner"
}

// nodeHealth is one member's answer, or why there is none.
type nodeHealth struct {
	Member raftstore.Member      `json:"member"`
	Status *raftstore.NodeStatus `json:"status,omitempty"`
	Fault  string                `json:"fault,omitempty"`
}

func (a *app) clusterHealth(ctx context.Context, flags clusterClientFlags) error {
	client, ctx, done, err := flags.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	first, err := client.Status(ctx, "")
	if err != nil {
		return clusterError(err)
	}
	nodes := make([]nodeHealth, len(first.Members))
	var asking sync.WaitGroup
	for i, m := range first.Members {
		asking.Go(func() {
			nodes[i].Member = m
			ctx, cancel := context.WithTimeout(ctx, flags.timeout/2)
			defer cancel()
			status, err := client.Status(ctx, m.Address)
			if err != nil {
				nodes[i].Fault = err.Error()
				return
			}
			nodes[i].Status, nodes[i].Fault = &status, status.Fault
		})
	}
	asking.Wait()
	return a.printHealth(nodes)
}

func (a *app) printHealth(nodes []nodeHealth) error {
	var err error
	rows := make([][]string, 0, len(nodes))
	for _, n := range nodes {
		row := []string{n.Member.ID, n.Member.Address, roleOf(n.Member), "-", "-", "-", "serves"}
		if n.Status != nil {
			row[2] = n.Status.Role
			row[3], row[4], row[5] = fmt.Sprint(n.Status.Term), fmt.Sprint(n.Status.CommitIndex), fmt.Sprint(n.Status.ApplyIndex)
		}
		if n.Fault != "" {
			row[6], err = n.Fault, errReported
		}
		rows = append(rows, row)
	}
	if a.json() {
		return errors.Join(a.printJSON(nodes), err)
	}
	if printErr := a.printTable([]string{"ID", "ADDRESS", "ROLE", "TERM", "COMMITTED", "APPLIED", "STATE"}, rows); printErr != nil {
		return printErr
	}
	return err
}
