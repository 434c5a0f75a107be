package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

func newStoreCommand(a *app) *cobra.Command {
	return a.addClientFlags(group("store", "Create, list, delete and undelete stores",
		"  ostiary store create acme\n  ostiary store list",
		newStoreCreateCommand(a), newStoreListCommand(a), newStoreGetCommand(a), newStoreDeleteCommand(a),
		newStoreUndeleteCommand(a), newStoreQuotaCommand(a)))
}

func newStoreCreateCommand(a *app) *cobra.Command {
	var use bool
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a store",
		Example: `  ostiary store create acme
  ostiary store create acme --use    # and remember it`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			var header metadata.MD
			answer, err := c.fga.CreateStore(cmd.Context(), &openfgav1.CreateStoreRequest{Name: args[0]}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("create the store %q: %w", args[0], err)
			}
			if use {
				if err := a.remember(usedStore{ID: answer.GetId(), Name: answer.GetName()}); err != nil {
					return err
				}
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printf("%s", answer.GetId())
			return nil
		},
	}
	cmd.Flags().BoolVar(&use, "use", false, "remember the new store, as 'ostiary use' does")
	return cmd
}

func newStoreListCommand(a *app) *cobra.Command {
	var gone bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the stores",
		Example: "  ostiary store list --output json\n  ostiary store list --deleted",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			if gone {
				return a.listDeletedStores(cmd.Context(), c)
			}
			all := &openfgav1.ListStoresResponse{}
			err = c.eachStore(cmd.Context(), "", func(s *openfgav1.Store) { all.Stores = append(all.Stores, s) })
			if err != nil {
				return fmt.Errorf("list the stores: %w", err)
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetStores()))
			for _, s := range all.GetStores() {
				rows = append(rows, []string{s.GetId(), s.GetName(), s.GetCreatedAt().AsTime().Format(time.RFC3339)})
			}
			return a.printTable([]string{"ID", "NAME", "CREATED"}, rows)
		},
	}
	cmd.Flags().BoolVar(&gone, "deleted", false, "list the deleted stores that can come back, of those that you administer")
	return cmd
}

func newStoreGetCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "get STORE",
		Short:             "Show one store",
		Example:           "  ostiary store get acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOneStore,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			var header metadata.MD
			answer, err := getStore(cmd.Context(), c, args[0], grpc.Header(&header))
			if err != nil {
				return err
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			return a.printTable([]string{"ID", "NAME", "CREATED"},
				[][]string{{answer.GetId(), answer.GetName(), answer.GetCreatedAt().AsTime().Format(time.RFC3339)}})
		},
	}
}

func getStore(ctx context.Context, c *client, nameOrID string, opts ...grpc.CallOption) (*openfgav1.GetStoreResponse, error) {
	id, err := c.resolveStore(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	answer, err := c.fga.GetStore(ctx, &openfgav1.GetStoreRequest{StoreId: id}, opts...)
	if err != nil {
		return nil, fmt.Errorf("get the store %s: %w", id, err)
	}
	return answer, nil
}

func newStoreDeleteCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete STORE",
		Short: "Delete a store with its models and tuples",
		Long: `Delete a store with its models and tuples. It is out of reach at once, and 'ostiary store undelete' brings it
back while its retention lasts (serve --store-retention); then it is removed.`,
		Example:           "  ostiary store delete acme --yes",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOneStore,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			store, err := getStore(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if !yes {
				return usagef("this deletes the store %q (%s) with all its models and tuples, for everybody at once: pass --yes to do it", store.GetName(), store.GetId())
			}
			var header metadata.MD
			answer, err := c.fga.DeleteStore(cmd.Context(), &openfgav1.DeleteStoreRequest{StoreId: store.GetId()}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("delete the store %s: %w", store.GetId(), err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printf("deleted %s (%s)", store.GetName(), store.GetId())
			a.talkf("it can come back while the server's --store-retention lasts: ostiary store undelete %s", store.GetId())
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func newUseCommand(a *app) *cobra.Command {
	return a.addClientFlags(&cobra.Command{
		Use:   "use STORE",
		Short: "Remember the store that later commands are about",
		Long: `Remember the store that later commands are about, for this server. --store and OSTIARY_STORE go
before it. The file is config.json in your configuration folder, or $OSTIARY_CONFIG.`,
		Example:           "  ostiary use acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeOneStore,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			store, err := getStore(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			used := usedStore{ID: store.GetId(), Name: store.GetName()}
			if err := a.remember(used); err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(used)
			}
			a.printf("using %s (%s) on %s", used.Name, used.ID, a.client.server)
			return nil
		},
	})
}

// remember makes store the one that later commands to this server are about.
func (a *app) remember(store usedStore) error {
	c, err := a.loadConfig()
	if err != nil {
		return err
	}
	c.Stores[a.client.server] = store
	return a.saveConfig(c)
}
