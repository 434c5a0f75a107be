package main

import (
	"context"
	"fmt"
	"strings"

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
	var limit int32
	cmd := &cobra.Command{
		Use:   "list ORG",
		Short: "List what identity providers may assign",
		Long: `List what identity providers may assign to the people of an organization: what 'org role add' made, and
relations of the organization's objects that the store's mapping lets be assigned (FROM says model).`,
		Example: "  ostiary org role list acme\n  ostiary org role list acme --limit 1000",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			all, err := c.ListRoles(ctx, &ostiaryv1.ListRolesRequest{StoreId: c.store, OrganizationId: args[0]})
			if err != nil {
				return fmt.Errorf("list the roles of %q: %w", args[0], err)
			}
			relations, err := c.ListRoles(ctx, &ostiaryv1.ListRolesRequest{StoreId: c.store, OrganizationId: args[0], Relations: true, PageSize: limit})
			if err != nil {
				return fmt.Errorf("list what of the objects of %q can be assigned: %w", args[0], err)
			}
			all.Roles, all.NextPageToken = append(all.Roles, relations.GetRoles()...), relations.GetNextPageToken()
			if all.GetNextPageToken() != "" {
				a.talkf("there are more relations of objects than the %d that are listed: pass a larger --limit", len(relations.GetRoles()))
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
				object, kind, from := roleObject(names, args[0], r), "role", "operator"
				if r.GetEntitlement() {
					kind = "entitlement"
				}
				if r.GetRelation() {
					from = "model"
					object, _, _ = strings.Cut(r.GetValue(), "#")
				}
				rows = append(rows, []string{object, r.GetValue(), r.GetDisplay(), r.GetType(), kind, from})
			}
			return a.printTable([]string{"OBJECT", "VALUE", "DISPLAY", "TYPE", "KIND", "FROM"}, rows)
		}),
	}
	cmd.Flags().Int32Var(&limit, "limit", 100, "how many relations of objects to list, 1 to 1000")
	return cmd
}
