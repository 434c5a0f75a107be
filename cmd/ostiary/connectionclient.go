package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newConnectionClientCommand(a *app) *cobra.Command {
	return group("client", "Make, list and delete the OAuth clients of a connection",
		"  ostiary connection client create c01m824qgqx05kcwex3kxbcecwz --issuer https://idp.example.com",
		newClientCreateCommand(a), newClientListCommand(a), newClientDeleteCommand(a))
}

func newClientCreateCommand(a *app) *cobra.Command {
	request := &ostiaryv1.CreateClientRequest{}
	var keysFile string
	cmd := &cobra.Command{
		Use:   "create CONNECTION",
		Short: "Make an OAuth client of a connection, and print what to paste",
		Long: `Make an OAuth 2.0 client of a connection. It gets access tokens for an hour by client credentials, and shows
who it is by a secret, which is printed this once; or by JWTs that it signs (private_key_jwt), where you say
how to find its public keys. Several live at once, so that one can be replaced without a gap.`,
		Example: `  ostiary connection client create c01m824qgqx05kcwex3kxbcecwz --name "Entra ID, autumn"
  ostiary connection client create c01m824qgqx05kcwex3kxbcecwz --issuer https://idp.example.com
  ostiary connection client create c01m824qgqx05kcwex3kxbcecwz --jwks keys.json --scopes users:w,groups:w`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			request.StoreId, request.ConnectionId, request.Method = c.store, args[0], "client_secret"
			if ways := slices.DeleteFunc([]string{keysFile, request.JwksUri, request.Issuer}, func(s string) bool { return s == "" }); len(ways) > 1 {
				return usagef("--jwks, --jwks-uri and --issuer are three ways to find the same keys: name one")
			}
			if keysFile != "" {
				text, err := os.ReadFile(keysFile)
				if err != nil {
					return fmt.Errorf("read the key set (--jwks): %w", err)
				}
				request.Jwks = string(text)
			}
			if keysFile+request.JwksUri+request.Issuer != "" {
				request.Method = "private_key_jwt"
			}
			var header metadata.MD
			answer, err := c.CreateClient(ctx, request, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("create a client of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			url := answer.GetTokenUrl()
			if url == "" {
				url = "/oauth/token"
				a.talkf("the server does not know its own URL, and takes no JWTs: start it with --public-url")
			}
			a.printf("Token endpoint  %s", url)
			a.printf("Client id       %s", answer.GetClient().GetId())
			if answer.GetSecret() != "" {
				a.printf("Client secret   %s", answer.GetSecret())
			}
			a.printf("Scope           scim")
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&request.Name, "name", "client", "name for people")
	f.StringSliceVar(&request.Scopes, "scopes", nil, "users:r, users:w, groups:r, groups:w, roles:r (default all), or one of gtr and introspect alone")
	f.StringVar(&keysFile, "jwks", "", "file with the client's public keys as a JWK set")
	f.StringVar(&request.JwksUri, "jwks-uri", "", "URL of the client's public keys")
	f.StringVar(&request.Issuer, "issuer", "", "URL of the identity provider whose metadata name the client's public keys")
	return cmd
}

func newClientListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list CONNECTION",
		Short:   "List the OAuth clients of a connection",
		Example: "  ostiary connection client list c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			all, err := c.ListClients(ctx, &ostiaryv1.ListClientsRequest{StoreId: c.store, ConnectionId: args[0]})
			if err != nil {
				return fmt.Errorf("list the clients of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetClients()))
			for _, c := range all.GetClients() {
				used, keys := "never", c.GetJwksUri()+c.GetIssuer()
				if c.GetLastUsedAt() != nil {
					used = dateOf(c.GetLastUsedAt())
				}
				if c.GetJwks() != "" {
					keys = "given"
				}
				rows = append(rows, []string{c.GetId(), c.GetName(), c.GetMethod(), keys, strings.Join(c.GetScopes(), ","), dateOf(c.GetCreatedAt()), used})
			}
			return a.printTable([]string{"ID", "NAME", "METHOD", "KEYS", "SCOPES", "CREATED", "LAST USED"}, rows)
		}),
	}
}

func newClientDeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "delete CONNECTION CLIENT-ID",
		Short:   "End an OAuth client, and every access token that it has",
		Example: "  ostiary connection client delete c01m824qgqx05kcwex3kxbcecwz c01m824qgqx05kcwex3kxbcecwz.k01m8356vmgbyz4ynjvp7awdb7t",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, fmt.Sprintf("delete client %q", args[1]), "deleted "+args[1],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.DeleteClient(cmd.Context(), &ostiaryv1.DeleteClientRequest{StoreId: store, ConnectionId: args[0], Id: args[1]}, header)
				})
		},
	}
}
