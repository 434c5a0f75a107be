package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newConnectionPauseCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "pause CONNECTION",
		Short: "Let a connection take nothing but deactivations",
		Long: `Let a connection take nothing but deactivations, until 'ostiary connection resume'. Its provider may read; a
person whom it deletes is deactivated; everything else is refused with 503, so that it tries again.`,
		Example: `  ostiary connection pause c01m824qgqx05kcwex3kxbcecwz --reason "an assignment is wrong"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, fmt.Sprintf("pause the connection %q", args[0]), "paused "+args[0],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.PauseConnection(cmd.Context(), &ostiaryv1.PauseConnectionRequest{StoreId: store, Id: args[0], Reason: reason}, header)
				})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "paused by an operator", "why, for people")
	return cmd
}

func newConnectionConfirmCommand(a *app) *cobra.Command {
	var dismiss bool
	cmd := &cobra.Command{
		Use:   "confirm CONNECTION",
		Short: "Let pass what the mass guard holds",
		Long: `Let pass for an hour what the mass guard holds of a connection, when its provider sends it again: deletions of
people beyond the limit, who are deactivated meanwhile, and groups that lose most of their members.
'ostiary connection show' says what is held. With --dismiss nothing passes, and counting begins anew.`,
		Example: `  ostiary connection confirm c01m824qgqx05kcwex3kxbcecwz
  ostiary connection confirm c01m824qgqx05kcwex3kxbcecwz --dismiss`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			done := "confirmed: what " + args[0] + " sends passes for an hour"
			if dismiss {
				done = "dismissed: what " + args[0] + " sends is counted anew"
			}
			return a.change(cmd, fmt.Sprintf("confirm what is held of connection %q", args[0]), done,
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					return c.ConfirmHeld(cmd.Context(), &ostiaryv1.ConfirmHeldRequest{StoreId: store, Id: args[0], Dismiss: dismiss}, header)
				})
		},
	}
	cmd.Flags().BoolVar(&dismiss, "dismiss", false, "let nothing pass, and count anew")
	return cmd
}

func newConnectionUpdateCommand(a *app) *cobra.Command {
	var name string
	var guard guardFlags
	cmd := &cobra.Command{
		Use:   "update CONNECTION",
		Short: "Change the name of a connection, or what the mass guard lets pass",
		Long: `Change the name of a connection, or what the mass guard lets pass within 10 minutes: a number, and a
percentage of what there is, whichever is more. "default" is 20,20% of people who are deleted, and 100,50%
of the members that one group loses; "off" lets everything pass.`,
		Example: `  ostiary connection update c01m824qgqx05kcwex3kxbcecwz --guard-deletes 50,10%
  ostiary connection update c01m824qgqx05kcwex3kxbcecwz --guard-members off`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := guard.limits()
			if err != nil {
				return err
			}
			request.Id = args[0]
			if cmd.Flags().Changed("name") {
				request.Name = &name
			}
			if request.Name == nil && request.GetUsers() == nil && request.GetMembers() == nil {
				return usagef("say what to change: --name, --guard-deletes or --guard-members")
			}
			return a.change(cmd, fmt.Sprintf("update the connection %q", args[0]), "updated "+args[0],
				func(c ostiaryv1.IdentityServiceClient, store string, header grpc.CallOption) (proto.Message, error) {
					request.StoreId = store
					return c.UpdateConnection(cmd.Context(), request, header)
				})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name for people")
	guard.add(cmd)
	return cmd
}

// guardFlags say what the mass guard lets pass.
type guardFlags struct{ users, members string }

func (g *guardFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.users, "guard-deletes", "", "people that may be deleted: 20,20%, default or off")
	cmd.Flags().StringVar(&g.members, "guard-members", "", "members that one group may lose: 100,50%, default or off")
}

// limits returns a request that sets them, and nothing else.
func (g *guardFlags) limits() (*ostiaryv1.UpdateConnectionRequest, error) {
	users, err := parseGuard("--guard-deletes", g.users)
	if err != nil {
		return nil, err
	}
	members, err := parseGuard("--guard-members", g.members)
	return &ostiaryv1.UpdateConnectionRequest{Users: users, Members: members}, err
}

// parseGuard reads a limit of the mass guard; nil where none is given.
func parseGuard(flag, text string) (*ostiaryv1.GuardLimit, error) {
	switch text {
	case "":
		return nil, nil
	case "off":
		return &ostiaryv1.GuardLimit{Off: true}, nil
	case "default":
		return &ostiaryv1.GuardLimit{}, nil
	}
	count, share, _ := strings.Cut(text, ",")
	minimum, err := strconv.ParseUint(strings.TrimSpace(count), 10, 31)
	percent := uint64(0)
	if err == nil && share != "" {
		number, ok := strings.CutSuffix(strings.TrimSpace(share), "%")
		if !ok {
			err = errors.New("the share has no %")
		} else {
			percent, err = strconv.ParseUint(number, 10, 31)
		}
	}
	if err != nil || minimum+percent == 0 {
		return nil, usagef("%s %q is neither a number and a percentage, as 20,20%%, nor default, nor off", flag, text)
	}
	return &ostiaryv1.GuardLimit{Minimum: uint32(minimum), Percent: uint32(percent)}, nil
}

// printShown writes a connection and its mass guard as one JSON object.
func (a *app) printShown(c *ostiaryv1.Connection, g *ostiaryv1.GetGuardResponse) error {
	var parts [2]json.RawMessage
	for i, m := range []proto.Message{c, g} {
		data, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
		if err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		parts[i] = data
	}
	return a.printJSON(struct {
		Connection json.RawMessage `json:"connection"`
		Guard      json.RawMessage `json:"guard"`
	}{parts[0], parts[1]})
}

// guardLines says in words what the mass guard holds of a connection.
func guardLines(id string, g *ostiaryv1.GetGuardResponse) []string {
	lines := []string{fmt.Sprintf("within 10 minutes pass: %s deletions of people, %s members lost by a group", limitText(g.GetUsers()), limitText(g.GetMembers()))}
	if g.GetHeldSince() != nil {
		lines = append(lines, fmt.Sprintf("HELD since %s: deletions of people", dateOf(g.GetHeldSince())))
	}
	if n := g.GetHeldUsers(); n > 0 {
		lines = append(lines, fmt.Sprintf("HELD: %d people are deactivated whom the provider wants deleted", n))
	}
	if held := g.GetHeldGroups(); len(held) > 0 {
		lines = append(lines, "HELD: groups that would lose too many members: "+strings.Join(held, ", "))
	}
	if len(lines) > 1 {
		lines = append(lines, "'ostiary connection confirm "+id+"' lets it pass when it is sent again")
	}
	if g.GetConfirmedUntil() != nil {
		lines = append(lines, "confirmed: everything passes until "+g.GetConfirmedUntil().AsTime().Local().Format("15:04"))
	}
	return lines
}

func limitText(l *ostiaryv1.GuardLimit) string {
	if l.GetOff() {
		return "any number of"
	}
	return fmt.Sprintf("%d (or %d %%)", l.GetMinimum(), l.GetPercent())
}

func newConnectionDeleteCommand(a *app) *cobra.Command {
	var withPeople bool
	cmd := &cobra.Command{
		Use:   "delete CONNECTION",
		Short: "Delete a connection, with its people or without any",
		Long: `Delete a connection. Its id is never given again. One that manages people or groups is refused, unless
--with-people says that they are to be deleted too, as their provider would: each person is denied for ever.
First its tokens and clients end, so that nobody fills it meanwhile; then people and groups go, some at a
time. Interrupted, it goes on when it is run again.`,
		Example: "  ostiary connection delete c01m824qgqx05kcwex3kxbcecwz --with-people",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			request := &ostiaryv1.DeleteConnectionRequest{StoreId: c.store, Id: args[0], WithPeople: withPeople}
			for {
				left, err := c.DeleteConnection(ctx, request)
				if err != nil {
					return fmt.Errorf("delete the connection %q: %w", args[0], err)
				}
				if left.GetDone() {
					break
				}
				a.talkf("%d people and %d groups are left", left.GetUsersLeft(), left.GetGroupsLeft())
			}
			if a.json() {
				return a.printJSON(map[string]string{"deleted": args[0]})
			}
			a.printf("deleted %s", args[0])
			return nil
		}),
	}
	cmd.Flags().BoolVar(&withPeople, "with-people", false, "delete its people and groups too")
	return cmd
}
