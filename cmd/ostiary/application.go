package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newApplicationCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("application", "Say where applications are told that their sessions end",
		"  ostiary application create portal --logout-uri https://portal.example.com/backchannel-logout\n  ostiary application list",
		newApplicationCreateCommand(a), newApplicationUpdateCommand(a), newApplicationListCommand(a),
		newApplicationShowCommand(a), newApplicationDeleteCommand(a))))
}

// outboxClient asks a server's OutboxService about one store.
type outboxClient struct {
	ostiaryv1.OutboxServiceClient
	store string // its id
}

// withOutbox returns what a command runs: f, with a client for the store that the command is about.
func (a *app) withOutbox(f func(ctx context.Context, c outboxClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, store, err := a.storeClient(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), outboxClient{ostiaryv1.NewOutboxServiceClient(c.conn), store}, args)
	}
}

// applicationFlags adds what is said of an application.
func applicationFlags(flags *pflag.FlagSet) (of *ostiaryv1.Application, secretFile *string) {
	of, secretFile = &ostiaryv1.Application{}, new(string)
	flags.StringVar(&of.Name, "name", "", "for people (default: the client id)")
	flags.StringVar(&of.BackchannelLogoutUri, "logout-uri", "", "takes logout tokens (OpenID Connect back-channel logout)")
	flags.BoolVar(&of.BackchannelLogoutSessionRequired, "logout-session-required", false, "it wants the session in logout tokens")
	flags.StringVar(&of.RevocationEndpoint, "revocation-endpoint", "", "takes back tokens (RFC 7009): of sessions of the layers refresh_token, api_token, pat")
	flags.StringVar(&of.RevocationMethod, "revocation-method", "", "client_secret_basic, client_secret_post or none (default client_secret_basic)")
	flags.StringVar(&of.RevocationClientId, "revocation-client", "", "who asks there (default: the client id)")
	flags.StringVar(secretFile, "revocation-secret-file", "", "file with the secret of who asks there, - for stdin")
	return of, secretFile
}

// secretIn returns the secret in a file; none where no file is named.
func (a *app) secretIn(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := a.readFile(file)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", usagef("%s is empty", displayName(file))
	}
	return secret, nil
}

func newApplicationCreateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create CLIENT",
		Short: "Say where an application is told that its sessions end",
		Long: `Say where an application is told that its sessions end: by logout tokens, or by taking back its tokens. CLIENT is what
its sessions name as their client. docs/outbox.md says what is sent.`,
		Example: `  ostiary application create portal --logout-uri https://portal.example.com/backchannel-logout
  ostiary application create cli --revocation-endpoint https://login.example.com/revoke --revocation-secret-file secret`,
		Args: cobra.ExactArgs(1),
	}
	of, secretFile := applicationFlags(cmd.Flags())
	cmd.RunE = a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
		secret, err := a.secretIn(*secretFile)
		if err != nil {
			return err
		}
		if of.ClientId = args[0]; of.Name == "" {
			of.Name = args[0]
		}
		answer, err := c.CreateApplication(ctx, &ostiaryv1.CreateApplicationRequest{StoreId: c.store, Application: of, RevocationClientSecret: secret})
		if err != nil {
			return fmt.Errorf("create the application %q: %w", args[0], err)
		}
		return a.say(answer, "%s", answer.GetApplication().GetClientId())
	})
	return cmd
}

func newApplicationUpdateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update CLIENT",
		Short: "Change what is known of an application",
		Long: `Change what is known of an application: what no flag names stays. Its secret stays without --revocation-secret-file,
unless it would be shown to another endpoint.`,
		Example: "  ostiary application update portal --logout-uri https://portal.example.com/logout",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	of, secretFile := applicationFlags(flags)
	cmd.RunE = a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
		secret, err := a.secretIn(*secretFile)
		if err != nil {
			return err
		}
		found, err := c.GetApplication(ctx, &ostiaryv1.GetApplicationRequest{StoreId: c.store, ClientId: args[0]})
		if err != nil {
			return fmt.Errorf("update the application %q: %w", args[0], err)
		}
		was := found.GetApplication()
		for name, keep := range map[string]func(){
			"name":                    func() { of.Name = was.GetName() },
			"logout-uri":              func() { of.BackchannelLogoutUri = was.GetBackchannelLogoutUri() },
			"logout-session-required": func() { of.BackchannelLogoutSessionRequired = was.GetBackchannelLogoutSessionRequired() },
			"revocation-endpoint":     func() { of.RevocationEndpoint = was.GetRevocationEndpoint() },
		} {
			if !flags.Changed(name) {
				keep()
			}
		}
		if of.RevocationEndpoint != "" {
			if !flags.Changed("revocation-method") {
				of.RevocationMethod = was.GetRevocationMethod()
			}
			if !flags.Changed("revocation-client") {
				of.RevocationClientId = was.GetRevocationClientId()
			}
		}
		of.ClientId = args[0]
		answer, err := c.UpdateApplication(ctx, &ostiaryv1.UpdateApplicationRequest{StoreId: c.store, Application: of, RevocationClientSecret: secret})
		if err != nil {
			return fmt.Errorf("update the application %q: %w", args[0], err)
		}
		return a.say(answer, "%s updated", args[0])
	})
	return cmd
}

func newApplicationListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the applications", Args: cobra.NoArgs, Example: "  ostiary application list",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, _ []string) error {
			all := &ostiaryv1.ListApplicationsResponse{}
			for token := ""; ; {
				page, err := c.ListApplications(ctx, &ostiaryv1.ListApplicationsRequest{StoreId: c.store, PageSize: 1000, PageToken: token})
				if err != nil {
					return fmt.Errorf("list the applications: %w", err)
				}
				all.Applications = append(all.Applications, page.GetApplications()...)
				if token = page.GetNextPageToken(); token == "" {
					break
				}
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			var rows [][]string
			for _, p := range all.GetApplications() {
				rows = append(rows, []string{p.GetClientId(), p.GetName(), orDash(p.GetBackchannelLogoutUri()), orDash(p.GetRevocationEndpoint())})
			}
			return a.printTable([]string{"CLIENT", "NAME", "LOGOUT", "REVOCATION"}, rows)
		}),
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newApplicationShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show CLIENT", Short: "Show one application", Args: cobra.ExactArgs(1), Example: "  ostiary application show portal",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			answer, err := c.GetApplication(ctx, &ostiaryv1.GetApplicationRequest{StoreId: c.store, ClientId: args[0]})
			if err != nil {
				return fmt.Errorf("show the application %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			p := answer.GetApplication()
			a.printf("Client      %s", p.GetClientId())
			a.printf("Name        %s", p.GetName())
			a.printf("Created     %s", momentOf(p.GetCreatedAt()))
			a.printf("Logout      %s", orDash(p.GetBackchannelLogoutUri()))
			a.printf("Revocation  %s", orDash(p.GetRevocationEndpoint()))
			if p.GetRevocationEndpoint() != "" {
				a.printf("  asked as  %s, %s", p.GetRevocationClientId(), p.GetRevocationMethod())
			}
			return nil
		}),
	}
}

func newApplicationDeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "delete CLIENT", Short: "Forget an application, and what waits to be told to it", Args: cobra.ExactArgs(1),
		Example: "  ostiary application delete portal",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			answer, err := c.DeleteApplication(ctx, &ostiaryv1.DeleteApplicationRequest{StoreId: c.store, ClientId: args[0]})
			if err != nil {
				return fmt.Errorf("delete the application %q: %w", args[0], err)
			}
			return a.say(answer, "%s deleted", args[0])
		}),
	}
}
