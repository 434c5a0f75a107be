package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl/gate"
)

func newOrgRoleCommand(a *app) *cobra.Command {
	return group("role", "What identity providers may assign to the people of an organization",
		"  ostiary org role add acme bookkeeper\n  ostiary org role list acme",
		newOrgRoleAddCommand(a), newOrgRoleListCommand(a))
}

func newOrgRoleAddCommand(a *app) *cobra.Command {
	request := &ostiaryv1.CreateRoleRequest{}
	cmd := &cobra.Command{
		Use:   "add ORG VALUE",
		Short: "Add a role or an entitlement, and print the object that it is in tuples",
		Long: `Add a role or an entitlement to what identity providers may assign. They name it by its value; the object
that is printed stands in tuples, so that an application can grant something to whoever has it.`,
		Example: `  ostiary org role add acme bookkeeper
  ostiary org role add acme seat --entitlement
  ostiary tuple write document:1#viewer@role:acme/r01m824qgqx05kcwex3kxbcecwz#assignee`,
		Args: cobra.ExactArgs(2),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			request.StoreId, request.OrganizationId, request.Value = c.store, args[0], args[1]
			answer, err := c.CreateRole(ctx, request)
			if err != nil {
				return fmt.Errorf("add %q to %q: %w", args[1], args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			names, err := c.names(ctx)
			if err != nil {
				return err
			}
			a.printf("%s", roleObject(names, args[0], answer.GetRole()))
			return nil
		}),
	}
	cmd.Flags().BoolVar(&request.Entitlement, "entitlement", false, "an entitlement, and not a role")
	cmd.Flags().StringVar(&request.Display, "display", "", "name for people (default: the value)")
	cmd.Flags().StringVar(&request.Type, "type", "", "kind of role or entitlement, as identity providers show it")
	return cmd
}

// roleObject is a role or an entitlement as it stands in tuples.
func roleObject(n *gate.Names, organization string, r *ostiaryv1.Role) string {
	typ := n.Role.Type
	if r.GetEntitlement() {
		typ = n.Entitlement.Type
	}
	return typ + ":" + organization + "/" + r.GetId()
}

func newOrgRoleListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list ORG",
		Short:   "List what identity providers may assign",
		Example: "  ostiary org role list acme",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			all, err := c.ListRoles(ctx, &ostiaryv1.ListRolesRequest{StoreId: c.store, OrganizationId: args[0]})
			if err != nil {
				return fmt.Errorf("list the roles of %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			names, err := c.names(ctx)
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(all.GetRoles()))
			for _, r := range all.GetRoles() {
				rows = append(rows, []string{roleObject(names, args[0], r), r.GetValue(), r.GetDisplay(), r.GetType()})
			}
			return a.printTable([]string{"OBJECT", "VALUE", "DISPLAY", "TYPE"}, rows)
		}),
	}
}
