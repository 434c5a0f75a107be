package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// listDeletedStores prints the stores that can come back.
func (a *app) listDeletedStores(ctx context.Context, c *client) error {
	all, err := c.deletedStores(ctx)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printMessage(all, nil)
	}
	rows := make([][]string, 0, len(all.GetStores()))
	for _, s := range all.GetStores() {
		rows = append(rows, []string{s.GetStoreId(), s.GetName(), dateOf(s.GetDeletedAt()), s.GetDeletedBy(), dateOf(s.GetKeptUntil())})
	}
	return a.printTable([]string{"ID", "NAME", "DELETED", "BY", "KEPT UNTIL"}, rows)
}

// deletedStores returns all stores that can come back, of those that the caller administers.
func (c *client) deletedStores(ctx context.Context) (*ostiaryv1.ListDeletedStoresResponse, error) {
	admin := ostiaryv1.NewStoreAdminServiceClient(c.conn)
	all := &ostiaryv1.ListDeletedStoresResponse{}
	for request := (&ostiaryv1.ListDeletedStoresRequest{}); ; {
		page, err := admin.ListDeletedStores(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list the deleted stores: %w", err)
		}
		all.Stores = append(all.Stores, page.GetStores()...)
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return all, nil
		}
	}
}

// resolveDeletedStore returns the id of the one deleted store that is called nameOrID.
func (c *client) resolveDeletedStore(ctx context.Context, nameOrID string) (string, error) {
	if isID(nameOrID) {
		return nameOrID, nil
	}
	all, err := c.deletedStores(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, s := range all.GetStores() {
		if s.GetName() == nameOrID {
			found = append(found, s.GetStoreId())
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no deleted store that could come back is called %q: 'ostiary store list --deleted' shows which can", nameOrID)
	case 1:
		return found[0], nil
	}
	return "", usagef("%d deleted stores are called %q: pass one of their ids instead: %v", len(found), nameOrID, found)
}

func newStoreUndeleteCommand(a *app) *cobra.Command {
	var trust bool
	cmd := &cobra.Command{
		Use:   "undelete STORE",
		Short: "Bring a deleted store back",
		Long: `Bring a deleted store back, with its models, tuples, settings and roles of callers, while its retention lasts
(serve --store-retention). 'ostiary store list --deleted' shows which stores can come back.

Its sessions have ended. What identity providers said while it was deleted was refused: the people of each
connection are denied until it has synchronized ('ostiary connection resume'), unless --trust-connections
says that nobody has left meanwhile.`,
		Example: "  ostiary store undelete acme\n  ostiary store undelete 01ARYZ6S41TSV4RRFFQ69G5FAV",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			id, err := c.resolveDeletedStore(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			answer, err := ostiaryv1.NewStoreAdminServiceClient(c.conn).UndeleteStore(cmd.Context(),
				&ostiaryv1.UndeleteStoreRequest{StoreId: id, TrustConnections: trust})
			if err != nil {
				return fmt.Errorf("bring the store %s back: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printf("%s (%s) is back", answer.GetName(), answer.GetStoreId())
			for _, id := range answer.GetWaitingConnectionIds() {
				a.printf("the people of connection %s wait: 'ostiary connection resume %s' once its provider has sent everybody", id, id)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&trust, "trust-connections", false, "let the people of connections in as they were when the store was deleted")
	return cmd
}
