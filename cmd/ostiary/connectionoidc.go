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
	"google.golang.org/protobuf/types/known/durationpb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

func newConnectionOIDCCommand(a *app) *cobra.Command {
	return group("oidc", "Let people log in by ID tokens of their provider",
		"  ostiary connection oidc set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --client-id 0oa1b2c3d4e5f6g7h8i9 --subject-claim sub",
		newOIDCSetCommand(a), newOIDCShowCommand(a), newOIDCClearCommand(a))
}

func newOIDCSetCommand(a *app) *cobra.Command {
	o := &ostiaryv1.OIDCIssuer{}
	var keysFile string
	var life time.Duration
	cmd := &cobra.Command{
		Use:   "set CONNECTION",
		Short: "Say by what ID tokens people of a connection log in",
		Long: `Say by what ID tokens people of a connection log in: who signs them, for which applications, and by which
claim a person is the one whom SCIM made ('ostiary session login' takes them). What was set before is replaced. The
keys are those that the metadata of the issuer lead to, unless you say otherwise.

A person is found by what the provider calls them (issuer and sub), once they have logged in, and before by the
subject claim, which is to be the externalId that SCIM sends: sub with Okta, oid with Entra ID where externalId is
mapped from objectId. An e-mail address finds nobody. With --just-in-time a login makes who is not known, in
connections that SCIM does not fill.`,
		Example: `  ostiary connection oidc set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --client-id 0oa1b2c3d4e5f6g7h8i9 --subject-claim sub
  ostiary connection oidc set c01m824qgqx05kcwex3kxbcecwz --issuer https://login.microsoftonline.com/TENANT/v2.0 --client-id APP --subject-claim oid
  ostiary connection oidc set c01m824qgqx05kcwex3kxbcecwz --issuer https://sso.example.com/realms/acme --client-id portal --just-in-time`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) (err error) {
			switch {
			case o.Issuer == "" || len(o.ClientIds) == 0:
				return usagef("name --issuer and --client-id: by them the server knows the provider's ID tokens")
			case keysFile != "" && o.JwksUri != "":
				return usagef("--jwks and --jwks-uri are two ways to find the same keys: name one")
			case life < 0:
				return usagef("--max-session-life %s is negative", life)
			case life > 0:
				o.MaxSessionLife = durationpb.New(life)
			}
			if o.Jwks, err = textOf("--jwks", keysFile); err != nil {
				return err
			}
			var header metadata.MD
			answer, err := c.SetOIDCIssuer(ctx, &ostiaryv1.SetOIDCIssuerRequest{StoreId: c.store, ConnectionId: args[0], OidcIssuer: o}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("set the OpenID provider of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printOIDCIssuer(answer.GetOidcIssuer())
			a.hintOIDC(ctx, c, args[0], answer.GetOidcIssuer())
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.Issuer, "issuer", "", "who signs the ID tokens: the URL of the provider, as they name it (required)")
	f.StringSliceVar(&o.ClientIds, "client-id", nil, "the applications as the provider knows them, with commas between (required)")
	f.StringVar(&o.SubjectClaim, "subject-claim", "", "the claim that is a person's externalId: sub with Okta, oid with Entra ID")
	f.StringSliceVar(&o.Algorithms, "alg", nil, "of which signatures are taken: RS256, PS256, ES256, EdDSA (default RS256)")
	f.StringVar(&keysFile, "jwks", "", "file with the provider's public keys as a JWK set")
	f.StringVar(&o.JwksUri, "jwks-uri", "", "URL of the provider's public keys")
	f.BoolVar(&o.JustInTime, "just-in-time", false, "let a login make a person whom nobody knows")
	f.DurationVar(&life, "max-session-life", 0, "how long after its ID token was made a session may last (default 9600h)")
	f.StringVar(&o.Layer, "layer", "", "of the sessions: idp, broker, app, … (default app)")
	return cmd
}

func (a *app) printOIDCIssuer(o *ostiaryv1.OIDCIssuer) {
	keys := "by the metadata of the issuer"
	switch {
	case o.GetJwksUri() != "":
		keys = o.GetJwksUri()
	case o.GetJwks() != "":
		keys = "given"
	}
	claim, made := "none: people are found by links alone", "by nobody's login"
	if o.GetSubjectClaim() != "" {
		claim = o.GetSubjectClaim() + " is the externalId"
	}
	if o.GetJustInTime() {
		made = "by logging in"
	}
	a.printf("Issuer         %s", o.GetIssuer())
	a.printf("Client ids     %s", strings.Join(o.GetClientIds(), ", "))
	a.printf("Keys           %s", keys)
	a.printf("Algorithms     %s", strings.Join(o.GetAlgorithms(), ", "))
	a.printf("Subject claim  %s", claim)
	a.printf("People made    %s", made)
	if o.GetMaxSessionLife() != nil {
		a.printf("Sessions last  %s at most", o.GetMaxSessionLife().AsDuration())
	}
	if o.GetLayer() != identity.LayerApp {
		a.printf("Layer          %s", o.GetLayer())
	}
}

// hintOIDC says what is unusual for the kind of a connection.
func (a *app) hintOIDC(ctx context.Context, c identityClient, connection string, o *ostiaryv1.OIDCIssuer) {
	found, err := c.GetConnection(ctx, &ostiaryv1.GetConnectionRequest{StoreId: c.store, Id: connection})
	if err != nil {
		return // what was asked for is done
	}
	switch kind := found.GetConnection().GetKind(); {
	case kind == identity.KindOkta && o.GetSubjectClaim() != "sub":
		a.talkf("with Okta the externalId that SCIM sends is the sub of ID tokens: --subject-claim sub")
	case kind == identity.KindEntra && o.GetSubjectClaim() != "oid":
		a.talkf("with Entra ID map externalId from objectId, which is oid in ID tokens: --subject-claim oid (its sub is another for each application)")
	case o.GetSubjectClaim() == "" && !o.GetJustInTime():
		a.talkf("nobody can log in for the first time: name --subject-claim, or --just-in-time")
	}
	if strings.Contains(o.GetIssuer(), "login.microsoftonline.com/common") || strings.Contains(o.GetIssuer(), "login.microsoftonline.com/organizations") {
		a.talkf("ID tokens of Entra ID name the tenant: the issuer is https://login.microsoftonline.com/TENANT/v2.0")
	}
}

func newOIDCShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show CONNECTION",
		Short:   "Show by what ID tokens people of a connection log in",
		Example: "  ostiary connection oidc show c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.GetOIDCIssuer(ctx, &ostiaryv1.GetOIDCIssuerRequest{StoreId: c.store, ConnectionId: args[0]})
			if err != nil {
				return fmt.Errorf("show the OpenID provider of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printOIDCIssuer(answer.GetOidcIssuer())
			return nil
		}),
	}
}

func newOIDCClearCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "clear CONNECTION",
		Short:   "Let nobody log in by ID tokens of a connection any more",
		Long:    "Let nobody log in by ID tokens of a connection any more. Sessions that live go on: 'ostiary session delete' ends them.",
		Example: "  ostiary connection oidc clear c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, fmt.Sprintf("clear the OpenID provider of connection %q", args[0]), "cleared: nobody logs in by ID tokens of "+args[0],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.ClearOIDCIssuer(cmd.Context(), &ostiaryv1.ClearOIDCIssuerRequest{StoreId: store, ConnectionId: args[0]}, header)
				})
		},
	}
}
