package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newOrgVerifyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify ORG",
		Short: "Prove that tuples and resources of an organization agree, or print where not",
		Long: `Compare the people, groups and roles of an organization with the tuples and gates that belong to them, both
ways, at one revision, and find the tuples of the store that name people and groups that are gone. Nothing is
changed. Exit code 1 when there is a finding. It reads every tuple of the store: pass a longer --timeout for a
large one.`,
		Example: "  ostiary org verify acme",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			var header metadata.MD
			found, err := c.VerifyOrganization(ctx,
				&ostiaryv1.VerifyOrganizationRequest{StoreId: c.store, Id: args[0]}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("verify the organization %q: %w", args[0], err)
			}
			if a.json() {
				if err := a.printMessage(found, header); err != nil {
					return err
				}
			} else {
				a.printVerification(found)
			}
			if len(found.GetFindings()) > 0 {
				return errReported
			}
			return nil
		}),
	}
}

func (a *app) printVerification(found *ostiaryv1.VerifyOrganizationResponse) {
	for _, f := range found.GetFindings() {
		a.printf("%s: %s", f.GetSubject(), f.GetReason())
	}
	if found.GetMore() > 0 {
		a.printf("and %d more", found.GetMore())
	}
	what := "everything agrees"
	if n := len(found.GetFindings()); n > 0 {
		what = fmt.Sprintf("%d findings", uint64(n)+found.GetMore())
	}
	a.printf("%s: %d users, %d groups, %d members, %d roles; %d tuples in the store", what,
		found.GetUsers(), found.GetGroups(), found.GetMembers(), found.GetRoles(), found.GetTuples())
}
