package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newOrgDomainCommand(a *app) *cobra.Command {
	return group("domain", "The mail domains of an organization, by which its people are found",
		"  ostiary org domain add acme example.com\n  ostiary org domain verify acme example.com",
		newDomainAddCommand(a), newDomainVerifyCommand(a), newDomainListCommand(a), newDomainRemoveCommand(a))
}

func newDomainAddCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "add ORG DOMAIN",
		Short: "Say that a domain is an organization's, and print the TXT record that proves it",
		Long: `Say that a domain is an organization's, and print the TXT record that proves it. It counts once
'ostiary org domain verify' has found the record. Added again, it has the same record. Of the organizations
of a store, one can have a domain verified.`,
		Example: "  ostiary org domain add acme example.com",
		Args:    cobra.ExactArgs(2),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			var header metadata.MD
			answer, err := c.AddDomain(ctx,
				&ostiaryv1.AddDomainRequest{StoreId: c.store, OrganizationId: args[0], Name: args[1]}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("add the domain %q to %q: %w", args[1], args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			d := answer.GetDomain()
			if d.GetVerifiedAt() != nil {
				a.printf("%s is verified since %s", d.GetName(), dateOf(d.GetVerifiedAt()))
				return nil
			}
			a.printf("%s. TXT %q", d.GetRecordName(), d.GetRecordText())
			a.talkf("once the DNS of %s has this record: 'ostiary org domain verify %s %s'", d.GetName(), args[0], d.GetName())
			return nil
		}),
	}
}

func newDomainVerifyCommand(a *app) *cobra.Command {
	var confirm bool
	cmd := &cobra.Command{
		Use:   "verify ORG DOMAIN",
		Short: "Make a domain count as an organization's: by its TXT record, or by your word",
		Long: `Make a domain count as an organization's. The server looks for the TXT record that 'ostiary org domain add'
printed; the record may go once it was found. With --confirm your word stands for it, and is kept with your
name.`,
		Example: `  ostiary org domain verify acme example.com
  ostiary org domain verify acme acme.internal --confirm`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, fmt.Sprintf("verify the domain %q of %q", args[1], args[0]), "verified "+args[1],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.VerifyDomain(cmd.Context(), &ostiaryv1.VerifyDomainRequest{
						StoreId: store, OrganizationId: args[0], Name: args[1], Confirm: confirm}, header)
				})
		},
	}
	cmd.Flags().BoolVar(&confirm, "confirm", false, "by your word, without a look at the DNS")
	return cmd
}

func newDomainListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list ORG",
		Short:   "List the domains of an organization, verified or not",
		Example: "  ostiary org domain list acme",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			all, err := c.ListDomains(ctx, &ostiaryv1.ListDomainsRequest{StoreId: c.store, OrganizationId: args[0]})
			if err != nil {
				return fmt.Errorf("list the domains of %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetDomains()))
			for _, d := range all.GetDomains() {
				verified, how := "no", ""
				if d.GetVerifiedAt() != nil {
					verified, how = dateOf(d.GetVerifiedAt()), "DNS"
				}
				if d.GetConfirmed() {
					how = "word of " + d.GetVerifiedBy()
				}
				rows = append(rows, []string{d.GetName(), verified, cmp.Or(how, "-"), d.GetRecordName() + ".", d.GetRecordText()})
			}
			return a.printTable([]string{"DOMAIN", "VERIFIED", "BY", "RECORD", "TEXT"}, rows)
		}),
	}
}

func newDomainRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "remove ORG DOMAIN",
		Short:   "Take a domain away from an organization",
		Example: "  ostiary org domain remove acme example.com",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, fmt.Sprintf("remove the domain %q from %q", args[1], args[0]), "removed "+args[1],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.RemoveDomain(cmd.Context(),
						&ostiaryv1.RemoveDomainRequest{StoreId: store, OrganizationId: args[0], Name: args[1]}, header)
				})
		},
	}
}

func newOrgDiscoverCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "discover EMAIL",
		Short: "Show to which organization and connections the people of a mail domain belong",
		Long: `Show to which organization and connections the people of a mail domain belong. The answer rests on the
verified domain alone: it does not tell whether the person exists.`,
		Example: "  ostiary org discover ann@example.com",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			found, err := c.Discover(ctx, &ostiaryv1.DiscoverRequest{StoreId: c.store, Email: args[0]})
			if err != nil {
				return fmt.Errorf("discover %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(found, nil)
			}
			rows := [][]string{}
			for _, connection := range found.GetConnections() {
				rows = append(rows, []string{found.GetOrganizationId(), connection.GetId(), connection.GetKind(), connection.GetName()})
			}
			if len(rows) == 0 {
				rows = append(rows, []string{found.GetOrganizationId(), "-", "-", "-"})
			}
			return a.printTable([]string{"ORG", "CONNECTION", "KIND", "NAME"}, rows)
		}),
	}
}
