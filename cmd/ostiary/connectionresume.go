package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newConnectionResumeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "resume CONNECTION",
		Short: "Let a connection that is paused go on",
		Long: `Let a connection that is paused go on. After a restore from a backup its people are denied everything until
then: say so once its identity provider has sent everybody again.`,
		Example: "  ostiary connection resume c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.ResumeConnection(ctx, &ostiaryv1.ResumeConnectionRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("resume the connection %q: %w", args[0], err)
			}
			return a.printConnections(answer, answer.GetConnection())
		}),
	}
}

// connectionState says whether a connection is active, or why it is not.
func connectionState(c *ostiaryv1.Connection) string {
	if c.GetPaused() == "" {
		return "active"
	}
	return "paused: " + c.GetPaused()
}
