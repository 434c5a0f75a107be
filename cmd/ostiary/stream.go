package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newStreamCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("stream", "Let others have streams of security events (Shared Signals), and look after these",
		"  ostiary stream receiver create Monitoring\n  ostiary stream list",
		newStreamReceiverCommand(a), newStreamListCommand(a),
		newStreamStatusCommand(a, "enable", "enabled", "Let a stream deliver"),
		newStreamStatusCommand(a, "pause", "paused", "Let what happens wait for a stream"),
		newStreamStatusCommand(a, "disable", "disabled", "Tell a stream nothing of what happens"))))
}

// streamClient asks a server's StreamService about one store.
type streamClient struct {
	ostiaryv1.StreamServiceClient
	store string // its id
}

// withStreams returns what a command runs: f, with a client for the store that the command is about.
func (a *app) withStreams(f func(ctx context.Context, c streamClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, store, err := a.storeClient(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), streamClient{ostiaryv1.NewStreamServiceClient(c.conn), store}, args)
	}
}

func newStreamReceiverCommand(a *app) *cobra.Command {
	r := &ostiaryv1.StreamReceiver{}
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a receiver, and print what it needs",
		Long: `Make a receiver of security events, and print what it needs to make streams: the metadata, and an OAuth client whose
secret is shown this once. Another secret is made by 'ostiary connection client create RECEIVER'.`,
		Example: "  ostiary stream receiver create Monitoring\n  ostiary stream receiver create Portal --org acme --audience https://portal.example.com",
		Args:    cobra.ExactArgs(1),
		RunE: a.withStreams(func(ctx context.Context, c streamClient, args []string) error {
			r.Name = args[0]
			made, err := c.CreateStreamReceiver(ctx, &ostiaryv1.CreateStreamReceiverRequest{StoreId: c.store, Receiver: r})
			if err != nil {
				return fmt.Errorf("create the receiver %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(made, nil)
			}
			a.printf("Receiver       %s", made.GetReceiver().GetId())
			a.printf("Audience       %s", made.GetReceiver().GetAudience())
			a.printf("Metadata       %s", made.GetMetadataUrl())
			a.printf("Token URL      %s", made.GetTokenUrl())
			a.printf("Client ID      %s", made.GetClientId())
			a.printf("Client secret  %s", made.GetClientSecret())
			a.talkf("the secret is shown this once")
			return nil
		}),
	}
	create.Flags().StringVar(&r.OrganizationId, "org", "", "its streams are told of this organization alone")
	create.Flags().StringVar(&r.Audience, "audience", "", "whom its events are for (default: its id)")
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the receivers",
		Example: "  ostiary stream receiver list",
		Args:    cobra.NoArgs,
		RunE: a.withStreams(func(ctx context.Context, c streamClient, _ []string) error {
			answer, err := c.ListStreamReceivers(ctx, &ostiaryv1.ListStreamReceiversRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("list the receivers: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			var rows [][]string
			for _, r := range answer.GetReceivers() {
				rows = append(rows, []string{r.GetId(), r.GetName(), cmp.Or(r.GetOrganizationId(), "-"), r.GetAudience(), dateOf(r.GetCreatedAt())})
			}
			return a.printTable([]string{"ID", "NAME", "ORGANIZATION", "AUDIENCE", "CREATED"}, rows)
		}),
	}
	var yes bool
	remove := &cobra.Command{
		Use:     "delete RECEIVER",
		Short:   "Delete a receiver with its clients and streams",
		Example: "  ostiary stream receiver delete v01m824qgqx05kcwex3kxbcecwz --yes",
		Args:    cobra.ExactArgs(1),
		RunE: a.withStreams(func(ctx context.Context, c streamClient, args []string) error {
			if !yes {
				return usagef("this deletes the receiver %s with its clients and streams, and what waits for those: pass --yes to do it", args[0])
			}
			answer, err := c.DeleteStreamReceiver(ctx, &ostiaryv1.DeleteStreamReceiverRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("delete the receiver %q: %w", args[0], err)
			}
			return a.say(answer, "deleted %s", args[0])
		}),
	}
	remove.Flags().BoolVar(&yes, "yes", false, "do it")
	return group("receiver", "Say who may have streams", "  ostiary stream receiver create Monitoring", create, list, remove)
}

func newStreamListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the streams that receivers have made",
		Example: "  ostiary stream list --output json",
		Args:    cobra.NoArgs,
		RunE: a.withStreams(func(ctx context.Context, c streamClient, _ []string) error {
			answer, err := c.ListStreams(ctx, &ostiaryv1.ListStreamsRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("list the streams: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			var rows [][]string
			for _, t := range answer.GetStreams() {
				rows = append(rows, []string{t.GetId(), t.GetReceiverId(), t.GetDelivery(), cmp.Or(t.GetEndpointUrl(), "-"), t.GetAlgorithm(), t.GetStatus()})
			}
			return a.printTable([]string{"ID", "RECEIVER", "DELIVERY", "ENDPOINT", "ALGORITHM", "STATUS"}, rows)
		}),
	}
}

func newStreamStatusCommand(a *app, verb, status, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     verb + " STREAM",
		Short:   short + ", and tell its receiver",
		Example: "  ostiary stream " + verb + " x01m824qgqx05kcwex3kxbcecwz --reason maintenance",
		Args:    cobra.ExactArgs(1),
		RunE: a.withStreams(func(ctx context.Context, c streamClient, args []string) error {
			answer, err := c.SetStreamStatus(ctx, &ostiaryv1.SetStreamStatusRequest{StoreId: c.store, Id: args[0], Status: status, Reason: reason})
			if err != nil {
				return fmt.Errorf("%s the stream %q: %w", verb, args[0], err)
			}
			return a.say(answer, "stream %s is %s", args[0], answer.GetStream().GetStatus())
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; the receiver is told")
	return cmd
}
