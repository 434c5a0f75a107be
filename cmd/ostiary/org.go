package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newOrgCommand(a *app) *cobra.Command {
	remote := []*cobra.Command{
		newOrgCreateCommand(a), newOrgListCommand(a), newOrgShowCommand(a), newOrgDeleteCommand(a), newOrgMemberCommand(a),
		newOrgRoleCommand(a), newOrgVerifyCommand(a), newOrgMappingCommand(a), newOrgDomainCommand(a), newOrgDiscoverCommand(a), newOrgGateCommand(a),
	}
	for _, cmd := range remote {
		a.addStoreFlag(a.addClientFlags(cmd))
	}
	return group("org", "Manage organizations and who is in them",
		"  ostiary org init\n  ostiary org create \"Acme Corporation\" --id acme\n  ostiary org member add acme ann",
		append(remote, newOrgInitCommand(a), newOrgLintCommand(a))...)
}

// identityClient asks a server's IdentityService about one store.
type identityClient struct {
	ostiaryv1.IdentityServiceClient
	store string // its id
}

// withIdentity returns what a command runs: f, with a client for the store that the command is about.
func (a *app) withIdentity(f func(ctx context.Context, c identityClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, store, err := a.storeClient(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), identityClient{ostiaryv1.NewIdentityServiceClient(c.conn), store}, args)
	}
}

// change runs a call that changes something, and prints the answer, or in a few words what was done.
func (a *app) change(
	cmd *cobra.Command, what, done string,
	call func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error),
) error {
	return a.withIdentity(func(_ context.Context, c identityClient, _ []string) error {
		var header metadata.MD
		answer, err := call(c, c.store, grpc.Header(&header))
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if a.json() {
			return a.printMessage(answer, header)
		}
		a.printf("%s", done)
		return nil
	})(cmd, nil)
}

func newOrgCreateCommand(a *app) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an organization",
		Long: `Create an organization. Its id stands in tuples (organization:ID) and never changes; without --id the
server draws one.

The first organization of a store turns the store's gate on. From then on models must let nobody around
it ('ostiary org lint' says how one does), the relations that identity providers write are closed to
'ostiary tuple write', and a person who is blocked, disabled or deleted is denied, whatever was granted.`,
		Example: `  ostiary org create "Acme Corporation" --id acme`,
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			var header metadata.MD
			answer, err := c.CreateOrganization(ctx,
				&ostiaryv1.CreateOrganizationRequest{StoreId: c.store, Id: id, Name: args[0]}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("create the organization %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printf("%s", answer.GetOrganization().GetId())
			return nil
		}),
	}
	cmd.Flags().StringVar(&id, "id", "", "id of the organization: lower-case letters, digits, - and _")
	return cmd
}

// dateOf is a time as lists show it.
func dateOf(t *timestamppb.Timestamp) string { return t.AsTime().Format(time.RFC3339) }

func newOrgListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the organizations of a store",
		Example: "  ostiary org list --output json",
		Args:    cobra.NoArgs,
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, _ []string) error {
			all := &ostiaryv1.ListOrganizationsResponse{}
			request := &ostiaryv1.ListOrganizationsRequest{StoreId: c.store, PageSize: 1000}
			for {
				page, err := c.ListOrganizations(ctx, request)
				if err != nil {
					return fmt.Errorf("list the organizations: %w", err)
				}
				all.Organizations = append(all.Organizations, page.GetOrganizations()...)
				all.GateOff = page.GetGateOff()
				if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
					break
				}
			}
			if off := all.GetGateOff(); off != nil {
				a.talkf("%s", a.paintErr(red, gateText(off)))
			}
			return a.printOrganizations(all, all.GetOrganizations()...)
		}),
	}
}

func (a *app) printOrganizations(answer proto.Message, all ...*ostiaryv1.Organization) error {
	if a.json() {
		return a.printMessage(answer, nil)
	}
	rows := make([][]string, 0, len(all))
	for _, o := range all {
		rows = append(rows, []string{o.GetId(), o.GetName(), dateOf(o.GetCreatedAt())})
	}
	return a.printTable([]string{"ID", "NAME", "CREATED"}, rows)
}

func newOrgShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show ORG",
		Short:   "Show one organization",
		Example: "  ostiary org show acme",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.GetOrganization(ctx, &ostiaryv1.GetOrganizationRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("show the organization %q: %w", args[0], err)
			}
			return a.printOrganizations(answer, answer.GetOrganization())
		}),
	}
}

func newOrgDeleteCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete ORG",
		Short: "Delete an organization that has neither members nor connections",
		Long: `Delete an organization that has neither members nor connections, with the tuples of which it is the
object, whoever wrote them. The store's gate stays on.`,
		Example: "  ostiary org delete acme --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return usagef("this deletes the organization %q with the tuples of organization:%s: pass --yes to do it", args[0], args[0])
			}
			return a.change(cmd, fmt.Sprintf("delete the organization %q", args[0]), "deleted "+args[0],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.DeleteOrganization(cmd.Context(), &ostiaryv1.DeleteOrganizationRequest{StoreId: store, Id: args[0]}, header)
				})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func newOrgMemberCommand(a *app) *cobra.Command {
	return group("member", "Add, remove and list members whom no identity provider manages",
		"  ostiary org member add acme ann\n  ostiary org member list acme",
		&cobra.Command{
			Use:   "add ORG USER",
			Short: "Make a person a member of an organization, and enabled in it",
			Long: `Make a person a member of an organization, and enabled in it. USER is the id as it stands in tuples,
without its type. It may be a person of another organization, so that people are shared; one whom an
identity provider of this organization manages is refused.`,
			Example: "  ostiary org member add acme ann",
			Args:    cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.change(cmd, fmt.Sprintf("add %q to %q", args[1], args[0]), "added "+args[1],
					func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
						return c.AddMember(cmd.Context(), &ostiaryv1.AddMemberRequest{StoreId: store, OrganizationId: args[0], UserId: args[1]}, header)
					})
			},
		},
		&cobra.Command{
			Use:     "remove ORG USER",
			Short:   "End a membership that 'org member add' made",
			Long:    "End a membership that 'org member add' made. A block stays: leaving an organization lifts nothing.",
			Example: "  ostiary org member remove acme ann",
			Args:    cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.change(cmd, fmt.Sprintf("remove %q from %q", args[1], args[0]), "removed "+args[1],
					func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
						return c.RemoveMember(cmd.Context(), &ostiaryv1.RemoveMemberRequest{StoreId: store, OrganizationId: args[0], UserId: args[1]}, header)
					})
			},
		},
		&cobra.Command{
			Use:     "list ORG",
			Short:   "List the members that 'org member add' made",
			Example: "  ostiary org member list acme",
			Args:    cobra.ExactArgs(1),
			RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
				all := &ostiaryv1.ListMembersResponse{}
				request := &ostiaryv1.ListMembersRequest{StoreId: c.store, OrganizationId: args[0], PageSize: 1000}
				for {
					page, err := c.ListMembers(ctx, request)
					if err != nil {
						return fmt.Errorf("list the members of %q: %w", args[0], err)
					}
					all.Members = append(all.Members, page.GetMembers()...)
					if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
						break
					}
				}
				if a.json() {
					return a.printMessage(all, nil)
				}
				rows := make([][]string, 0, len(all.GetMembers()))
				for _, m := range all.GetMembers() {
					rows = append(rows, []string{m.GetUserId(), dateOf(m.GetAddedAt())})
				}
				return a.printTable([]string{"USER", "ADDED"}, rows)
			}),
		})
}
