package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// newAccessLogCommand shows who gave or took which role.
func newAccessLogCommand(a *app) *cobra.Command {
	var principal string
	var limit int
	cmd := &cobra.Command{
		Use:   "log [TARGET]",
		Short: "Show who gave which role to whom, and when",
		Long: `Show who gave or took which role, to or from whom, and when, newest first: in a target, or in all of them, which
needs an administrator of the cluster. TARGET is as for 'ostiary access grant'. The server keeps it for
--audit-retention.`,
		Example: "  ostiary access log\n  ostiary access log store:acme --limit 20\n  ostiary access log --principal preshared:shop",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withAccess(func(ctx context.Context, c *client, access ostiaryv1.AccessServiceClient, args []string) (err error) {
			if limit < 1 {
				return usagef("--limit %d is below 1", limit)
			}
			request := &ostiaryv1.ListAccessChangesRequest{Principal: principal}
			if len(args) > 0 {
				if request.Target, err = a.parseTarget(ctx, c, args[0]); err != nil {
					return err
				}
			}
			all := &ostiaryv1.ListAccessChangesResponse{}
			for {
				request.PageSize = int32(min(limit-len(all.Changes), 1_000))
				page, err := access.ListAccessChanges(ctx, request)
				if err != nil {
					return fmt.Errorf("read who changed what callers may do: %w", err)
				}
				all.Changes = append(all.Changes, page.GetChanges()...)
				request.PageToken = page.GetNextPageToken()
				if request.PageToken == "" || len(all.Changes) >= limit {
					break
				}
			}
			all.NextPageToken = request.PageToken
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetChanges()))
			for _, x := range all.GetChanges() {
				g := x.GetGrant()
				rows = append(rows, []string{dateOf(x.GetTime()), x.GetBy(), x.GetKind(), g.GetPrincipal(), roleText(g.GetRole()), targetText(g.GetTarget())})
			}
			if all.GetNextPageToken() != "" {
				a.talkf("there are more: raise --limit")
			}
			return a.printTable([]string{"TIME", "BY", "CHANGE", "PRINCIPAL", "ROLE", "TARGET"}, rows)
		}),
	}
	cmd.Flags().StringVar(&principal, "principal", "", "changes of the roles of this caller alone")
	cmd.Flags().IntVar(&limit, "limit", 100, "show this many at most")
	return cmd
}
