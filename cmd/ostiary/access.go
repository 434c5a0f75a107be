package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newAccessCommand(a *app) *cobra.Command {
	remote := []*cobra.Command{
		newAccessChangeCommand(a, "grant", "granted", "Give a caller a role",
			`Give a caller a role. PRINCIPAL is preshared:NAME, the name of a key. ROLE is reader, writer or
administrator: an administrator is a writer too, and a writer a reader. TARGET is cluster, store:STORE or
organization:STORE/ORG, where STORE is the name or id of a store; what somebody is to the cluster holds
for all stores, and what to a store for all its organizations. Only who administers the target may do it.`,
			"  ostiary access grant preshared:shop reader store:acme\n  ostiary access grant preshared:ops administrator cluster",
			func(ctx context.Context, c ostiaryv1.AccessServiceClient, g *ostiaryv1.AccessGrant) (proto.Message, error) {
				return c.GrantAccess(ctx, &ostiaryv1.GrantAccessRequest{Grant: g})
			}),
		newAccessChangeCommand(a, "revoke", "revoked", "Take a role from a caller",
			`Take a role from a caller, and leave greater and lesser ones. The last administrator of the cluster
stays. PRINCIPAL, ROLE and TARGET are as for 'ostiary access grant'.`,
			"  ostiary access revoke preshared:shop reader store:acme",
			func(ctx context.Context, c ostiaryv1.AccessServiceClient, g *ostiaryv1.AccessGrant) (proto.Message, error) {
				return c.RevokeAccess(ctx, &ostiaryv1.RevokeAccessRequest{Grant: g})
			}),
		newAccessListCommand(a), newAccessLogCommand(a), newAccessExplainCommand(a), newAccessBootstrapCommand(a),
	}
	for _, cmd := range remote {
		a.addClientFlags(cmd)
	}
	return group("access", "Say which callers may do what",
		"  ostiary access bootstrap preshared:ops --credential-file data/bootstrap-credential\n  ostiary access grant preshared:shop reader store:acme",
		append(remote, newAccessKeyCommand(a), newAccessCertsCommand(a))...)
}

// withAccess dials and calls f.
func (a *app) withAccess(f func(ctx context.Context, c *client, access ostiaryv1.AccessServiceClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c, ostiaryv1.NewAccessServiceClient(c.conn), args)
	}
}

func parseRole(text string) (ostiaryv1.AccessRole, error) {
	if number, ok := ostiaryv1.AccessRole_value["ACCESS_ROLE_"+strings.ToUpper(text)]; ok && number != 0 && strings.ToLower(text) == text {
		return ostiaryv1.AccessRole(number), nil
	}
	return 0, usagef("role %q is none of reader, writer, administrator", text)
}

// parseTarget reads cluster, store:STORE or organization:STORE/ORG, and finds the store.
func (a *app) parseTarget(ctx context.Context, c *client, text string) (*ostiaryv1.AccessTarget, error) {
	kind, name, _ := strings.Cut(text, ":")
	store, organization := name, ""
	if i := strings.LastIndex(name, "/"); kind == "organization" && i >= 0 {
		store, organization = name[:i], name[i+1:]
	}
	switch {
	case text == "cluster":
		return &ostiaryv1.AccessTarget{}, nil
	case kind == "store" && store != "", kind == "organization" && store != "" && organization != "":
	default:
		return nil, usagef("target %q is none of cluster, store:STORE, organization:STORE/ORG", text)
	}
	id, err := c.resolveStore(ctx, store)
	return &ostiaryv1.AccessTarget{StoreId: id, OrganizationId: organization}, err
}

func targetText(t *ostiaryv1.AccessTarget) string {
	switch {
	case t.GetStoreId() == "":
		return "cluster"
	case t.GetOrganizationId() == "":
		return "store:" + t.GetStoreId()
	}
	return "organization:" + t.GetStoreId() + "/" + t.GetOrganizationId()
}

func roleText(r ostiaryv1.AccessRole) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "ACCESS_ROLE_"))
}

func newAccessChangeCommand(
	a *app, verb, done, short, long, example string,
	call func(ctx context.Context, c ostiaryv1.AccessServiceClient, g *ostiaryv1.AccessGrant) (proto.Message, error),
) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " PRINCIPAL ROLE TARGET",
		Short:   short,
		Long:    long,
		Example: example,
		Args:    cobra.ExactArgs(3),
		RunE: a.withAccess(func(ctx context.Context, c *client, access ostiaryv1.AccessServiceClient, args []string) error {
			role, err := parseRole(args[1])
			if err != nil {
				return err
			}
			target, err := a.parseTarget(ctx, c, args[2])
			if err != nil {
				return err
			}
			answer, err := call(ctx, access, &ostiaryv1.AccessGrant{Principal: args[0], Role: role, Target: target})
			if err != nil {
				return fmt.Errorf("%s %s %s of %s: %w", verb, args[0], args[1], args[2], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printf("%s: %s is %s of %s", done, args[0], args[1], args[2])
			return nil
		}),
	}
}

func newAccessListCommand(a *app) *cobra.Command {
	var principal string
	cmd := &cobra.Command{
		Use:   "list [TARGET]",
		Short: "List who has which role",
		Long: `List who has which role in a target, or in all of them, which needs an administrator of the cluster. What
somebody is to a wider target is not repeated for the narrower ones. TARGET is as for 'ostiary access grant'.`,
		Example: "  ostiary access list\n  ostiary access list store:acme\n  ostiary access list --principal preshared:shop",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withAccess(func(ctx context.Context, c *client, access ostiaryv1.AccessServiceClient, args []string) (err error) {
			request := &ostiaryv1.ListAccessRequest{Principal: principal}
			if len(args) > 0 {
				if request.Target, err = a.parseTarget(ctx, c, args[0]); err != nil {
					return err
				}
			}
			answer, err := access.ListAccess(ctx, request)
			if err != nil {
				return fmt.Errorf("list who may do what: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			rows := make([][]string, 0, len(answer.GetGrants()))
			for _, g := range answer.GetGrants() {
				rows = append(rows, []string{g.GetPrincipal(), roleText(g.GetRole()), targetText(g.GetTarget()), dateOf(g.GetCreatedAt())})
			}
			if answer.GetTruncated() {
				a.talkf("there are more: name a target or --principal")
			}
			return a.printTable([]string{"PRINCIPAL", "ROLE", "TARGET", "SINCE"}, rows)
		}),
	}
	cmd.Flags().StringVar(&principal, "principal", "", "list the roles of this caller alone")
	return cmd
}

func newAccessExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain PRINCIPAL ROLE TARGET",
		Short: "Say whether a caller has a role, and why",
		Long: `Say whether a caller has a role, and why. Exit code 3 says that it has not. PRINCIPAL, ROLE and TARGET are
as for 'ostiary access grant'.`,
		Example: "  ostiary access explain preshared:shop writer store:acme",
		Args:    cobra.ExactArgs(3),
		RunE: a.withAccess(func(ctx context.Context, c *client, access ostiaryv1.AccessServiceClient, args []string) error {
			role, err := parseRole(args[1])
			if err != nil {
				return err
			}
			target, err := a.parseTarget(ctx, c, args[2])
			if err != nil {
				return err
			}
			answer, err := access.ExplainAccess(ctx, &ostiaryv1.ExplainAccessRequest{Principal: args[0], Role: role, Target: target})
			if err != nil {
				return fmt.Errorf("explain whether %s is %s of %s: %w", args[0], args[1], args[2], err)
			}
			if a.json() {
				err = a.printMessage(answer, nil)
			} else {
				a.printf("%s", strings.TrimRight(answer.GetText(), "\n"))
			}
			if err == nil && !answer.GetAllowed() {
				err = errDenied
			}
			return err
		}),
	}
}

func newAccessBootstrapCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "bootstrap PRINCIPAL",
		Short: "Make a caller the first administrator of a cluster",
		Long: `Make a caller the first administrator of a cluster, by the credential that the node which leads writes to
its data folder when it starts and there is none. The credential counts once.`,
		Example: "  ostiary access bootstrap preshared:ops --credential-file data/bootstrap-credential",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usagef("pass --credential-file FILE: the file " + bootstrapFile + " in the data folder of the node that leads")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read the bootstrap credential: %w", err)
			}
			a.client.key = keyFlags{token: strings.TrimSpace(string(text))}
			return a.withAccess(func(ctx context.Context, _ *client, access ostiaryv1.AccessServiceClient, args []string) error {
				answer, err := access.ClaimCluster(ctx, &ostiaryv1.ClaimClusterRequest{Principal: args[0]})
				if err != nil {
					return fmt.Errorf("make %s the first administrator: %w", args[0], err)
				}
				if a.json() {
					return a.printMessage(answer, nil)
				}
				a.printf("%s is administrator of cluster", args[0])
				return nil
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&file, "credential-file", "", "file that holds the bootstrap credential")
	return cmd
}

func newAccessKeyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "key NAME",
		Short: "Make a key for a caller",
		Long: `Make a key for a caller, and print it with the line for the server's --authn-keys-file, which holds a hash
of it alone. It talks to no server: append the line, and the server reads the file within seconds.`,
		Example: "  ostiary access key shop",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			secret := make([]byte, 32)
			if _, err := rand.Read(secret); err != nil {
				return fmt.Errorf("make a key: %w", err)
			}
			key := base64.RawURLEncoding.EncodeToString(secret)
			hash := sha256.Sum256([]byte(key))
			line := args[0] + " sha256:" + hex.EncodeToString(hash[:])
			if _, err := api.NewNamedKeys([]byte(line)); err != nil {
				return usagef("%v", err)
			}
			if a.json() {
				return a.printJSON(map[string]string{"name": args[0], "key": key, "line": line})
			}
			a.printf("key:  %s\nline: %s", key, line)
			return nil
		},
	}
}
