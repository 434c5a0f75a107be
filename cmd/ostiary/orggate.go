package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newOrgGateCommand(a *app) *cobra.Command {
	return group("gate", "Show a store's gate, and turn it off and on",
		"  ostiary org gate show\n  ostiary org gate off --reason \"Moving to Okta\"",
		newGateShowCommand(a), newGateOffCommand(a), newGateOnCommand(a))
}

func newGateShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show whether the gate is on, and otherwise who turned it off, when and why",
		Example: "  ostiary org gate show --output json",
		Args:    cobra.NoArgs,
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, _ []string) error {
			answer, err := c.GetGate(ctx, &ostiaryv1.GetGateRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("show the gate: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printf("%s", gateText(answer.GetOff()))
			return nil
		}),
	}
}

// gateText says in a line whether a gate is off.
func gateText(off *ostiaryv1.GateOff) string {
	if off == nil {
		return "the gate is on"
	}
	return fmt.Sprintf("the gate is OFF since %s, by %s: %s", dateOf(off.GetSince()), off.GetBy(), off.GetReason())
}

func newGateOffCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "off",
		Short: "Let people whom identity providers have disabled pass where an application's own grants let them",
		Long: `Turn off the gate of a store: people whom identity providers have disabled pass where an application's own
grants let them. Who is blocked or was deleted is denied all the same; models must go on to let nobody around
the gate, and the relations of identity providers stay closed. Your name and the reason are kept, and shown by
'ostiary org gate show', 'ostiary org list', the server's log and its metric ostiary_identity_gate_off.`,
		Example: "  ostiary org gate off --reason \"Moving to Okta\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return usagef("why? pass --reason TEXT, which is kept and shown")
			}
			return a.change(cmd, "turn the gate off", "the gate is off; 'ostiary org gate on' turns it on again",
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.TurnGateOff(cmd.Context(), &ostiaryv1.TurnGateOffRequest{StoreId: store, Reason: reason}, header)
				})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a line")
	return cmd
}

func newGateOnCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "on",
		Short:   "Turn the gate on again",
		Example: "  ostiary org gate on",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.change(cmd, "turn the gate on", "the gate is on",
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.TurnGateOn(cmd.Context(), &ostiaryv1.TurnGateOnRequest{StoreId: store}, header)
				})
		},
	}
}
