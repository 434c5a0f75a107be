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

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newConnectionGTRCommand(a *app) *cobra.Command {
	return group("gtr", "Let an identity provider log people out (Universal Logout)",
		"  ostiary connection gtr set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --subject 0oa1b2c3d4e5f6g7h8i9",
		newGTRSetCommand(a), newGTRShowCommand(a))
}

func newGTRSetCommand(a *app) *cobra.Command {
	r := &ostiaryv1.Revoker{}
	var keysFile, certificateFile string
	cmd := &cobra.Command{
		Use:   "set CONNECTION",
		Short: "Say by what JWTs a provider may log people out, and print what to paste",
		Long: `Say by what JWTs the identity provider of a connection may end the sessions of its people (Global Token
Revocation; Okta calls it Universal Logout). What was set before is replaced. Its keys are those that the
metadata of the issuer lead to, unless you say otherwise; with SAML they are the certificate of the application.`,
		Example: `  ostiary connection gtr set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --subject 0oa1b2c3d4e5f6g7h8i9
  ostiary connection gtr set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --subject 0oa1b2 --certificate okta.cert
  ostiary connection gtr set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --subject 0oa1b2 --off`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) (err error) {
			ways := slices.DeleteFunc([]string{keysFile, r.JwksUri, certificateFile}, func(s string) bool { return s == "" })
			if r.Issuer == "" || r.Subject == "" {
				return usagef("name --issuer and --subject: by them the server knows the provider's JWTs")
			}
			if len(ways) > 1 {
				return usagef("--jwks, --jwks-uri and --certificate are three ways to find the same keys: name one")
			}
			if r.Jwks, err = textOf("--jwks", keysFile); err != nil {
				return err
			}
			if r.Certificates, err = textOf("--certificate", certificateFile); err != nil {
				return err
			}
			var header metadata.MD
			answer, err := c.SetRevoker(ctx, &ostiaryv1.SetRevokerRequest{StoreId: c.store, ConnectionId: args[0], Revoker: r}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("set what may log people of connection %q out: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printRevoker(r, answer.GetEndpointUrl(), args[0])
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&r.Issuer, "issuer", "", "who makes the JWTs: the URL of the identity provider (required)")
	f.StringVar(&r.Subject, "subject", "", "what they are about: the application's client id, or its application id with SAML (required)")
	f.StringVar(&r.SubjectIssuer, "subject-issuer", "", "another issuer by whose subjects people may be named, as of a custom authorization server")
	f.StringVar(&keysFile, "jwks", "", "file with the provider's public keys as a JWK set")
	f.StringVar(&r.JwksUri, "jwks-uri", "", "URL of the provider's public keys")
	f.StringVar(&certificateFile, "certificate", "", "file with the certificates in PEM by which the provider signs SAML assertions")
	f.StringSliceVar(&r.ProtectedUserIds, "protect", nil, "ids of people who are not logged out so, with commas between")
	f.BoolVar(&r.Off, "off", false, "refuse all requests, also those with a token of scope gtr")
	return cmd
}

// textOf returns what a file holds that a flag names, or nothing where it names none.
func textOf(flag, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the file of %s: %w", flag, err)
	}
	return string(text), nil
}

// printRevoker prints what to paste at the provider, and what was set.
func (a *app) printRevoker(r *ostiaryv1.Revoker, url, connection string) {
	if url == "" {
		url = "/gtr/" + connection
		a.talkf("the server does not know its own URL, and takes no JWTs: start it with --public-url")
	}
	keys := "by the metadata of the issuer"
	switch {
	case r.GetJwksUri() != "":
		keys = r.GetJwksUri()
	case r.GetJwks() != "":
		keys = "given"
	case r.GetCertificates() != "":
		keys = "given, as certificates"
	}
	state := "on"
	if r.GetOff() {
		state = "off"
	}
	a.printf("Endpoint URL    %s", url)
	a.printf("Authentication  signed JWT")
	a.printf("Issuer          %s", r.GetIssuer())
	if r.GetSubjectIssuer() != "" {
		a.printf("Subject issuer  %s", r.GetSubjectIssuer())
	}
	a.printf("Subject         %s", r.GetSubject())
	a.printf("Keys            %s", keys)
	if len(r.GetProtectedUserIds()) > 0 {
		a.printf("Protected       %s", strings.Join(r.GetProtectedUserIds(), ", "))
	}
	a.printf("State           %s", state)
	if r.GetLastUsedAt() != nil {
		a.printf("Last used       %s", dateOf(r.GetLastUsedAt()))
	}
}

func newGTRShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show CONNECTION",
		Short:   "Show by what JWTs a provider may log people out",
		Example: "  ostiary connection gtr show c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.GetRevoker(ctx, &ostiaryv1.GetRevokerRequest{StoreId: c.store, ConnectionId: args[0]})
			if err != nil {
				return fmt.Errorf("show what may log people of connection %q out: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printRevoker(answer.GetRevoker(), answer.GetEndpointUrl(), args[0])
			return nil
		}),
	}
}
