package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

func newConnectionCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("connection", "Let identity providers fill organizations over SCIM",
		"  ostiary connection create acme --kind okta\n  ostiary connection list",
		newConnectionCreateCommand(a), newConnectionListCommand(a), newConnectionShowCommand(a), newConnectionUpdateCommand(a), newConnectionTestCommand(a), newConnectionLogCommand(a),
		newConnectionPauseCommand(a), newConnectionResumeCommand(a), newConnectionConfirmCommand(a), newConnectionDeleteCommand(a), newConnectionTokenCommand(a), newConnectionClientCommand(a), newConnectionGTRCommand(a), newConnectionSignalsCommand(a), newConnectionOIDCCommand(a))))
}

func newConnectionCreateCommand(a *app) *cobra.Command {
	request, guard := &ostiaryv1.CreateConnectionRequest{}, guardFlags{}
	cmd := &cobra.Command{
		Use:   "create ORG",
		Short: "Create a connection and its first token, and print what to paste",
		Long: `Create a connection of an organization and its first token, and print what the administrator of the
identity provider pastes. The token is shown this once; 'ostiary connection token create' makes another.
A connection of dialect ipsie-strict takes OAuth access tokens alone and has no such token:
'ostiary connection client create' then makes a client of it.`,
		Example: `  ostiary connection create acme --kind okta
  ostiary connection create acme --kind entra --name "Entra ID of Acme"
  ostiary connection create acme --guard-deletes 50,10%`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			request.StoreId, request.OrganizationId = c.store, args[0]
			limits, err := guard.limits()
			if err != nil {
				return err
			}
			if request.Name == "" {
				request.Name = request.Kind
			}
			made, err := c.CreateConnection(ctx, request)
			if err != nil {
				return fmt.Errorf("create a connection of %q: %w", args[0], err)
			}
			connection := made.GetConnection()
			if limits.GetUsers() != nil || limits.GetMembers() != nil { // before anybody is let in
				limits.StoreId, limits.Id = c.store, connection.GetId()
				if _, err := c.UpdateConnection(ctx, limits); err != nil {
					return fmt.Errorf("set what the mass guard lets pass of connection %s (it is there, with the default and no token; "+
						"'ostiary connection update %[1]s' tries again): %w", connection.GetId(), err)
				}
			}
			if connection.GetDialect() == identity.DialectStrict {
				return a.printStrict(connection)
			}
			token, err := c.CreateToken(ctx,
				&ostiaryv1.CreateTokenRequest{StoreId: c.store, ConnectionId: connection.GetId(), Name: "first"})
			if err != nil {
				return fmt.Errorf("create the first token of connection %s (it is there; 'ostiary connection token create %s' tries again): %w",
					connection.GetId(), connection.GetId(), err)
			}
			if a.json() {
				return a.printJSON(struct {
					ID      string `json:"id"`
					SCIMURL string `json:"scim_url"`
					TokenID string `json:"token_id"`
					Secret  string `json:"secret"`
				}{connection.GetId(), connection.GetScimUrl(), token.GetToken().GetId(), token.GetSecret()})
			}
			for _, line := range pasteLines(connection, token.GetSecret()) {
				a.printf("%s", line)
			}
			a.talkOfURL(connection)
			return nil
		}),
	}
	cmd.Flags().StringVar(&request.Kind, "kind", "generic", "which identity provider: okta, entra or generic")
	cmd.Flags().StringVar(&request.Name, "name", "", "name for people (default: the kind)")
	cmd.Flags().StringVar(&request.Dialect, "dialect", "", "compat, or ipsie-strict (default compat)")
	guard.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"okta", "entra", "generic"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions([]string{"compat", "ipsie-strict"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// printStrict prints what there is to know of a connection that takes OAuth access tokens alone.
func (a *app) printStrict(c *ostiaryv1.Connection) error {
	a.talkf("a connection of dialect %s takes OAuth access tokens alone: make a client by 'ostiary connection client create %s "+
		"--issuer https://…', or one with a secret without --issuer", c.GetDialect(), c.GetId())
	a.talkOfURL(c)
	if a.json() {
		return a.printJSON(struct {
			ID      string `json:"id"`
			SCIMURL string `json:"scim_url"`
		}{c.GetId(), c.GetScimUrl()})
	}
	a.printf("SCIM 2.0 base URL  %s", c.GetScimUrl())
	return nil
}

// talkOfURL says what is missing from the URL of a connection whose server does not know its own.
func (a *app) talkOfURL(c *ostiaryv1.Connection) {
	if strings.HasPrefix(c.GetScimUrl(), "/") {
		a.talkf("the server does not know its own URL: put https://HOST before the path, or start it with --public-url")
	}
}

// pasteLines says in the words of the identity provider's own forms what to enter where.
func pasteLines(c *ostiaryv1.Connection, secret string) []string {
	switch c.GetKind() {
	case "okta":
		return []string{
			"In Okta: your app integration, Provisioning, Integration (SCIM):",
			"  SCIM connector base URL            " + c.GetScimUrl(),
			"  Unique identifier field for users  userName",
			"  Supported provisioning actions     Push New Users, Push Profile Updates, Push Groups",
			"  Authentication Mode                HTTP Header",
			"  Authorization: Bearer              " + secret,
		}
	case "entra":
		return []string{
			"In Entra ID: your enterprise application, Provisioning, Admin Credentials:",
			"  Provisioning Mode  Automatic",
			"  Tenant URL         " + c.GetScimUrl(),
			"  Secret Token       " + secret,
		}
	}
	return []string{"SCIM 2.0 base URL  " + c.GetScimUrl(), "Bearer token       " + secret}
}

func newConnectionListCommand(a *app) *cobra.Command {
	var organization string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the connections of a store",
		Example: "  ostiary connection list --org acme",
		Args:    cobra.NoArgs,
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, _ []string) error {
			all, err := c.ListConnections(ctx, &ostiaryv1.ListConnectionsRequest{StoreId: c.store, OrganizationId: organization})
			if err != nil {
				return fmt.Errorf("list the connections: %w", err)
			}
			return a.printConnections(all, all.GetConnections()...)
		}),
	}
	cmd.Flags().StringVar(&organization, "org", "", "of this organization alone")
	return cmd
}

func (a *app) printConnections(answer proto.Message, all ...*ostiaryv1.Connection) error {
	if a.json() {
		return a.printMessage(answer, nil)
	}
	rows := make([][]string, 0, len(all))
	for _, c := range all {
		rows = append(rows, []string{c.GetId(), c.GetOrganizationId(), c.GetKind(), c.GetDialect(), connectionState(c), c.GetName(), dateOf(c.GetCreatedAt()), c.GetScimUrl()})
	}
	return a.printTable([]string{"ID", "ORG", "KIND", "DIALECT", "STATE", "NAME", "CREATED", "SCIM"}, rows)
}

func newConnectionShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show CONNECTION",
		Short:   "Show one connection",
		Long:    "Show one connection, what the mass guard lets pass, and what it holds.",
		Example: "  ostiary connection show c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.GetConnection(ctx, &ostiaryv1.GetConnectionRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("show the connection %q: %w", args[0], err)
			}
			guard, err := c.GetGuard(ctx, &ostiaryv1.GetGuardRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("show what is held of the connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printShown(answer.GetConnection(), guard)
			}
			if err := a.printConnections(answer, answer.GetConnection()); err != nil {
				return err
			}
			for _, line := range guardLines(args[0], guard) {
				a.printf("%s", line)
			}
			return nil
		}),
	}
}

func newConnectionTokenCommand(a *app) *cobra.Command {
	return group("token", "Make, list and revoke the tokens of a connection",
		"  ostiary connection token create c01m824qgqx05kcwex3kxbcecwz --name \"Okta, autumn\"",
		newTokenCreateCommand(a), newTokenListCommand(a), newTokenRevokeCommand(a))
}

func newTokenCreateCommand(a *app) *cobra.Command {
	request := &ostiaryv1.CreateTokenRequest{}
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "create CONNECTION",
		Short: "Make a token of a connection, and print it this once",
		Long: `Make a token of a connection, and print it this once: what is stored is its hash. Several live at once, so
that one can be replaced without a gap. Connections of dialect ipsie-strict have clients instead, and no
tokens: 'ostiary connection client create'.`,
		Example: `  ostiary connection token create c01m824qgqx05kcwex3kxbcecwz --name "Okta, autumn"
  ostiary connection token create c01m824qgqx05kcwex3kxbcecwz --scopes users:r,groups:r --expires-in 720h`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			request.StoreId, request.ConnectionId = c.store, args[0]
			if lifetime < 0 {
				return usagef("--expires-in %s is negative", lifetime)
			}
			if lifetime > 0 {
				request.ExpiresAt = timestamppb.New(time.Now().Add(lifetime))
			}
			var header metadata.MD
			answer, err := c.CreateToken(ctx, request, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("create a token of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printf("%s", answer.GetSecret())
			return nil
		}),
	}
	cmd.Flags().StringVar(&request.Name, "name", "token", "name for people")
	cmd.Flags().StringSliceVar(&request.Scopes, "scopes", nil, "users:r, users:w, groups:r, groups:w, roles:r (default all), or one of gtr and introspect alone")
	cmd.Flags().DurationVar(&lifetime, "expires-in", 0, "how long it lives (0: for ever)")
	return cmd
}

func newTokenListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list CONNECTION",
		Short:   "List the tokens of a connection",
		Example: "  ostiary connection token list c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			all, err := c.ListTokens(ctx, &ostiaryv1.ListTokensRequest{StoreId: c.store, ConnectionId: args[0]})
			if err != nil {
				return fmt.Errorf("list the tokens of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetTokens()))
			for _, t := range all.GetTokens() {
				expires := "never"
				if t.GetExpiresAt() != nil {
					expires = dateOf(t.GetExpiresAt())
				}
				used := "never"
				if t.GetLastUsedAt() != nil {
					used = dateOf(t.GetLastUsedAt())
				}
				rows = append(rows, []string{t.GetId(), t.GetName(), strings.Join(t.GetScopes(), ","), dateOf(t.GetCreatedAt()), expires, used})
			}
			return a.printTable([]string{"ID", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"}, rows)
		}),
	}
}

func newTokenRevokeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke CONNECTION TOKEN-ID",
		Short:   "End a token",
		Example: "  ostiary connection token revoke c01m824qgqx05kcwex3kxbcecwz 3f9a1c0b7d2e",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, fmt.Sprintf("revoke token %q", args[1]), "revoked "+args[1],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.RevokeToken(cmd.Context(), &ostiaryv1.RevokeTokenRequest{StoreId: store, ConnectionId: args[0], Id: args[1]}, header)
				})
		},
	}
}
