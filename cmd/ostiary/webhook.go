package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newWebhookCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("webhook", "Say which addresses are told what happens",
		"  ostiary webhook create https://hooks.example.com/ostiary --event session.revoked\n  ostiary webhook list",
		newWebhookCreateCommand(a), newWebhookUpdateCommand(a), newWebhookListCommand(a), newWebhookShowCommand(a),
		newWebhookRotateCommand(a), newWebhookDeleteCommand(a))))
}

// webhookFlags adds what is said of a webhook.
func webhookFlags(flags *pflag.FlagSet) *ostiaryv1.Webhook {
	w := &ostiaryv1.Webhook{}
	flags.StringVar(&w.Name, "name", "", "for people (default: webhook)")
	flags.StringVar(&w.OrganizationId, "org", "", "of this organization alone (default: all)")
	flags.StringSliceVar(&w.Events, "event", nil, "session.revoked, user.disabled, user.enabled, user.deleted (default: all)")
	return w
}

func newWebhookCreateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create URL",
		Short: "Tell an address what happens, in signed messages",
		Long: `Tell an address what happens, in signed messages. The secret that signs them is printed this once. docs/outbox.md says what
stands in a message and how to verify it.`,
		Example: `  ostiary webhook create https://hooks.example.com/ostiary
  ostiary webhook create https://hooks.example.com/acme --org acme --event session.revoked`,
		Args: cobra.ExactArgs(1),
	}
	w := webhookFlags(cmd.Flags())
	cmd.RunE = a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
		if w.Url = args[0]; w.Name == "" {
			w.Name = "webhook"
		}
		answer, err := c.CreateWebhook(ctx, &ostiaryv1.CreateWebhookRequest{StoreId: c.store, Webhook: w})
		if err != nil {
			return fmt.Errorf("create a webhook: %w", err)
		}
		if a.json() {
			return a.printMessage(answer, nil)
		}
		a.printf("Webhook  %s", answer.GetWebhook().GetId())
		a.printf("Secret   %s", answer.GetSecret())
		return nil
	})
	return cmd
}

func newWebhookUpdateCommand(a *app) *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:     "update WEBHOOK",
		Short:   "Change URL, name, organization or events of a webhook",
		Long:    "Change URL, name, organization or events of a webhook. What no flag names stays, and so do its secrets.",
		Example: "  ostiary webhook update w01m824qgqx05kcwex3kxbcecwz --url https://hooks.example.com/new",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	w := webhookFlags(flags)
	flags.StringVar(&url, "url", "", "where it is")
	cmd.RunE = a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
		found, err := c.GetWebhook(ctx, &ostiaryv1.GetWebhookRequest{StoreId: c.store, Id: args[0]})
		if err != nil {
			return fmt.Errorf("update the webhook %q: %w", args[0], err)
		}
		to := found.GetWebhook()
		for name, set := range map[string]func(){
			"url": func() { to.Url = url }, "name": func() { to.Name = w.Name },
			"org": func() { to.OrganizationId = w.OrganizationId }, "event": func() { to.Events = w.Events },
		} {
			if flags.Changed(name) {
				set()
			}
		}
		answer, err := c.UpdateWebhook(ctx, &ostiaryv1.UpdateWebhookRequest{StoreId: c.store, Webhook: to})
		if err != nil {
			return fmt.Errorf("update the webhook %q: %w", args[0], err)
		}
		return a.say(answer, "%s updated", args[0])
	})
	return cmd
}

func newWebhookListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the webhooks", Args: cobra.NoArgs, Example: "  ostiary webhook list",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, _ []string) error {
			answer, err := c.ListWebhooks(ctx, &ostiaryv1.ListWebhooksRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("list the webhooks: %w", err)
			}
			return a.printWebhooks(answer, answer.GetWebhooks()...)
		}),
	}
}

func newWebhookShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show WEBHOOK", Short: "Show one webhook", Args: cobra.ExactArgs(1),
		Example: "  ostiary webhook show w01m824qgqx05kcwex3kxbcecwz",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			answer, err := c.GetWebhook(ctx, &ostiaryv1.GetWebhookRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("show the webhook %q: %w", args[0], err)
			}
			return a.printWebhooks(answer, answer.GetWebhook())
		}),
	}
}

func (a *app) printWebhooks(answer proto.Message, all ...*ostiaryv1.Webhook) error {
	if a.json() {
		return a.printMessage(answer, nil)
	}
	var rows [][]string
	for _, w := range all {
		rows = append(rows, []string{w.GetId(), w.GetName(), w.GetUrl(), orDash(w.GetOrganizationId()),
			orDash(strings.Join(w.GetEvents(), ",")), strconv.Itoa(int(w.GetSecrets()))})
	}
	return a.printTable([]string{"ID", "NAME", "URL", "ORGANIZATION", "EVENTS", "SECRETS"}, rows)
}

func newWebhookRotateCommand(a *app) *cobra.Command {
	end := false
	cmd := &cobra.Command{
		Use:   "rotate WEBHOOK",
		Short: "Give a webhook a new secret",
		Long: `Give a webhook a new secret, which is printed this once. Messages are signed by both until --end takes the older one away,
when whoever receives them knows the new one.`,
		Example: "  ostiary webhook rotate w01m824qgqx05kcwex3kxbcecwz\n  ostiary webhook rotate w01m824qgqx05kcwex3kxbcecwz --end",
		Args:    cobra.ExactArgs(1),
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			if end {
				answer, err := c.EndWebhookRotation(ctx, &ostiaryv1.EndWebhookRotationRequest{StoreId: c.store, Id: args[0]})
				if err != nil {
					return fmt.Errorf("take the older secret of the webhook %q away: %w", args[0], err)
				}
				return a.say(answer, "%s has one secret", args[0])
			}
			answer, err := c.RotateWebhookSecret(ctx, &ostiaryv1.RotateWebhookSecretRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("give the webhook %q a new secret: %w", args[0], err)
			}
			return a.say(answer, "Secret   %s", answer.GetSecret())
		}),
	}
	cmd.Flags().BoolVar(&end, "end", false, "take the older one of two secrets away")
	return cmd
}

func newWebhookDeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "delete WEBHOOK", Short: "Forget a webhook, and what waits to be told to it", Args: cobra.ExactArgs(1),
		Example: "  ostiary webhook delete w01m824qgqx05kcwex3kxbcecwz",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			answer, err := c.DeleteWebhook(ctx, &ostiaryv1.DeleteWebhookRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("delete the webhook %q: %w", args[0], err)
			}
			return a.say(answer, "%s deleted", args[0])
		}),
	}
}
