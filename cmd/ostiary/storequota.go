package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newStoreQuotaCommand(a *app) *cobra.Command {
	return group("quota", "Bound how many tuples a store may have",
		"  ostiary store quota set acme 1000000\n  ostiary store quota list",
		newStoreQuotaSetCommand(a), newStoreQuotaShowCommand(a), newStoreQuotaListCommand(a))
}

// withStoreAdmin dials and calls f.
func (a *app) withStoreAdmin(f func(ctx context.Context, c *client, admin ostiaryv1.StoreAdminServiceClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c, ostiaryv1.NewStoreAdminServiceClient(c.conn), args)
	}
}

func newStoreQuotaSetCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "set STORE TUPLES",
		Short: "Say how many tuples a store may have",
		Long: `Say how many tuples a store may have; 0 ends the bound. It takes an administrator of the cluster. Nothing is
removed of a store that has more: it takes no more until it has fewer. The first quota of a store counts its
tuples, during which nothing is written.`,
		Example:           "  ostiary store quota set acme 1000000\n  ostiary store quota set acme 0",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeOneStore,
		RunE: a.withStoreAdmin(func(ctx context.Context, c *client, admin ostiaryv1.StoreAdminServiceClient, args []string) error {
			n, err := strconv.ParseUint(args[1], 10, 63)
			if err != nil {
				return usagef("TUPLES is not %q, but a number", args[1])
			}
			store, err := c.resolveStore(ctx, args[0])
			if err != nil {
				return err
			}
			answer, err := admin.SetStoreQuota(ctx, &ostiaryv1.SetStoreQuotaRequest{StoreId: store, MaxTuples: n})
			if err != nil {
				return fmt.Errorf("set the quota of the store %s: %w", store, err)
			}
			switch {
			case a.json():
				return a.printMessage(answer, nil)
			case n == 0:
				a.printf("%s may have any number of tuples", store)
			default:
				a.printf("%s may have %d tuples", store, n)
			}
			return nil
		}),
	}
}

func newStoreQuotaShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "show STORE",
		Short:             "Show the quota of a store, and how much of it is used",
		Example:           "  ostiary store quota show acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOneStore,
		RunE: a.withStoreAdmin(func(ctx context.Context, c *client, admin ostiaryv1.StoreAdminServiceClient, args []string) error {
			store, err := c.resolveStore(ctx, args[0])
			if err != nil {
				return err
			}
			answer, err := admin.GetStoreQuota(ctx, &ostiaryv1.GetStoreQuotaRequest{StoreId: store})
			if err != nil {
				return fmt.Errorf("get the quota of the store %s: %w", store, err)
			}
			switch {
			case a.json():
				return a.printMessage(answer, nil)
			case answer.GetQuota() == nil:
				a.printf("%s has no quota", store)
				return nil
			}
			return a.printQuotas([]*ostiaryv1.StoreQuota{answer.GetQuota()})
		}),
	}
}

func newStoreQuotaListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the quotas of stores",
		Example: "  ostiary store quota list",
		Args:    cobra.NoArgs,
		RunE: a.withStoreAdmin(func(ctx context.Context, _ *client, admin ostiaryv1.StoreAdminServiceClient, _ []string) error {
			all := &ostiaryv1.ListStoreQuotasResponse{}
			for request := (&ostiaryv1.ListStoreQuotasRequest{}); ; {
				page, err := admin.ListStoreQuotas(ctx, request)
				if err != nil {
					return fmt.Errorf("list the quotas of stores: %w", err)
				}
				all.Quotas = append(all.Quotas, page.GetQuotas()...)
				if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
					break
				}
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			return a.printQuotas(all.GetQuotas())
		}),
	}
}

func (a *app) printQuotas(all []*ostiaryv1.StoreQuota) error {
	rows := make([][]string, 0, len(all))
	for _, q := range all {
		rows = append(rows, []string{q.GetStoreId(), strconv.FormatUint(q.GetTuples(), 10), strconv.FormatUint(q.GetMaxTuples(), 10)})
	}
	return a.printTable([]string{"ID", "TUPLES", "OF"}, rows)
}
