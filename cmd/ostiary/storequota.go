package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newStoreQuotaCommand(a *app) *cobra.Command {
	return group("quota", "Bound how many tuples a store may have, and how many requests it may get",
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
	var rate uint32
	cmd := &cobra.Command{
		Use:   "set STORE [TUPLES]",
		Short: "Say how many tuples a store may have, and how many requests it may get",
		Long: `Say how many tuples a store may have, and with --rate how many requests a second it may get on each node; 0 ends
either bound, and what is not said stays as it is. It takes an administrator of the cluster. Nothing is removed of
a store that has more tuples: it takes no more until it has fewer. The first quota of tuples of a store counts
them, during which nothing is written.`,
		Example: "  ostiary store quota set acme 1000000\n  ostiary store quota set acme --rate 500\n" +
			"  ostiary store quota set acme 0 --rate 0",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeOneStore,
	}
	cmd.Flags().Uint32Var(&rate, "rate", 0, "requests a second on each node (0: what the server says for all stores)")
	cmd.RunE = a.withStoreAdmin(func(ctx context.Context, c *client, admin ostiaryv1.StoreAdminServiceClient, args []string) error {
		req := &ostiaryv1.SetStoreQuotaRequest{}
		if len(args) == 2 {
			n, err := strconv.ParseUint(args[1], 10, 63)
			if err != nil {
				return usagef("TUPLES is not %q, but a number", args[1])
			}
			req.MaxTuples = &n
		}
		if cmd.Flags().Changed("rate") {
			req.RequestRate = &rate
		}
		if req.MaxTuples == nil && req.RequestRate == nil {
			return usagef("say how many TUPLES the store may have, or with --rate how many requests a second it may get")
		}
		store, err := c.resolveStore(ctx, args[0])
		if err != nil {
			return err
		}
		req.StoreId = store
		answer, err := admin.SetStoreQuota(ctx, req)
		if err != nil {
			return fmt.Errorf("set the quota of the store %s: %w", store, err)
		}
		if a.json() {
			return a.printMessage(answer, nil)
		}
		switch {
		case req.MaxTuples == nil:
		case req.GetMaxTuples() == 0:
			a.printf("%s may have any number of tuples", store)
		default:
			a.printf("%s may have %d tuples", store, req.GetMaxTuples())
		}
		switch {
		case req.RequestRate == nil:
		case rate == 0:
			a.printf("%s may get as many requests as the server lets every store get", store)
		default:
			a.printf("%s may get %d requests a second on each node", store, rate)
		}
		return nil
	})
	return cmd
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
		tuples, of, rate := "-", "-", "-"
		if q.GetMaxTuples() > 0 {
			tuples, of = strconv.FormatUint(q.GetTuples(), 10), strconv.FormatUint(q.GetMaxTuples(), 10)
		}
		if q.GetRequestRate() > 0 {
			rate = strconv.FormatUint(uint64(q.GetRequestRate()), 10)
		}
		rows = append(rows, []string{q.GetStoreId(), tuples, of, rate})
	}
	return a.printTable([]string{"ID", "TUPLES", "OF", "REQUESTS/S"}, rows)
}
