package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newUserCommand(a *app) *cobra.Command {
	var organization string
	blocks := []*cobra.Command{
		{
			Use:   "block USER",
			Short: "Deny a person whatever belongs to an organization",
			Long: `Deny a person of an organization whatever belongs to it, and what belongs to no organization or to
several, until 'ostiary user unblock'. No identity provider lifts it. USER is the id as it stands in
tuples, without its type.`,
			Example: "  ostiary user block ann --org acme",
			Args:    cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.change(cmd, fmt.Sprintf("block %q in %q", args[0], organization), "blocked "+args[0],
					func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
						return c.BlockUser(cmd.Context(), &ostiaryv1.BlockUserRequest{StoreId: store, OrganizationId: organization, UserId: args[0]}, header)
					})
			},
		},
		{
			Use:     "unblock USER",
			Short:   "Lift a block",
			Long:    "Lift a block, and nothing else: a person whom an identity provider has disabled stays so.",
			Example: "  ostiary user unblock ann --org acme",
			Args:    cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.change(cmd, fmt.Sprintf("unblock %q in %q", args[0], organization), "unblocked "+args[0],
					func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
						return c.UnblockUser(cmd.Context(), &ostiaryv1.UnblockUserRequest{StoreId: store, OrganizationId: organization, UserId: args[0]}, header)
					})
			},
		},
	}
	for _, verb := range blocks {
		verb.Flags().StringVar(&organization, "org", "", "id of the organization")
		run := verb.RunE
		verb.RunE = func(cmd *cobra.Command, args []string) error {
			if organization == "" {
				return usagef("whose block is it? pass --org ORG; 'ostiary org list' shows the organizations")
			}
			return run(cmd, args)
		}
	}
	return a.addStoreFlag(a.addClientFlags(group("user", "Show where people stand, block them and unblock them",
		"  ostiary user show ann\n  ostiary user block ann --org acme",
		append(blocks, newUserShowCommand(a))...)))
}

func newUserShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show USER",
		Short: "Show the organizations of a person, and what stands against the person in each",
		Long: `Show the organizations of a person, and what stands against the person in each. USER is the id as it
stands in tuples, without its type.`,
		Example: "  ostiary user show ann",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.GetUser(ctx, &ostiaryv1.GetUserRequest{StoreId: c.store, UserId: args[0]})
			if err != nil {
				return fmt.Errorf("show the person %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			if answer.GetDeleted() {
				a.printf("%s was deleted, and is denied for ever", args[0])
				return nil
			}
			if len(answer.GetStandings()) == 0 {
				a.talkf("no organization knows %s", args[0])
			}
			rows := make([][]string, 0, len(answer.GetStandings()))
			for _, s := range answer.GetStandings() {
				rows = append(rows, []string{s.GetOrganizationId(), standingText(s), cmp.Or(s.GetConnectionId(), "-")})
			}
			return a.printTable([]string{"ORG", "STATE", "MANAGED BY"}, rows)
		}),
	}
}

// standingText says in a word or two whether a person passes the gate of an organization.
func standingText(s *ostiaryv1.Standing) string {
	var against []string
	if s.GetBlockedAt() != nil {
		against = append(against, "blocked since "+dateOf(s.GetBlockedAt()))
	}
	if s.GetDisabledBy() != "" {
		against = append(against, "disabled by "+s.GetDisabledBy())
	}
	switch {
	case len(against) > 0:
		return strings.Join(against, ", ")
	case s.GetEnabled():
		return "enabled"
	}
	return "not enabled"
}
