package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newKeysCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("keys", "Show and change the keys by which the server signs for a store",
		"  ostiary keys list\n  ostiary keys rotate",
		newKeysListCommand(a), newKeysRotateCommand(a), newKeysRetireCommand(a))))
}

// keysClient asks a server's SigningKeyService about one store.
type keysClient struct {
	ostiaryv1.SigningKeyServiceClient
	store string // its id
}

// withKeys returns what a command runs: f, with a client for the store that the command is about.
func (a *app) withKeys(f func(ctx context.Context, c keysClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, store, err := a.storeClient(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), keysClient{ostiaryv1.NewSigningKeyServiceClient(c.conn), store}, args)
	}
}

func newKeysListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys that are published",
		Example: "  ostiary keys list",
		Args:    cobra.NoArgs,
		RunE: a.withKeys(func(ctx context.Context, c keysClient, _ []string) error {
			answer, err := c.ListSigningKeys(ctx, &ostiaryv1.ListSigningKeysRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("list the signing keys: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			if answer.GetIssuer() == "" {
				a.talkf("the server does not know its own URL, and signs nothing: start it with --public-url")
			} else {
				a.printf("Issuer   %s", answer.GetIssuer())
				a.printf("Key set  %s", answer.GetJwksUri())
			}
			if len(answer.GetKeys()) == 0 {
				a.talkf("no keys: they are made when something is first to be signed, or by 'ostiary keys rotate'")
				return nil
			}
			a.printf("")
			var rows [][]string
			for _, k := range answer.GetKeys() {
				rows = append(rows, []string{k.GetId(), k.GetAlgorithm(), k.GetState(), momentOf(k.GetCreatedAt()),
					momentOf(k.GetActiveAt()), momentOf(k.GetRetiredAt()), momentOf(k.GetGoneAt())})
			}
			return a.printTable([]string{"ID", "ALGORITHM", "STATE", "CREATED", "SIGNS FROM", "UNTIL", "GONE"}, rows)
		}),
	}
}

// momentOf writes a time to the minute; one that is not known is a dash.
func momentOf(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Format("2006-01-02T15:04Z")
}

func newKeysRotateCommand(a *app) *cobra.Command {
	var algorithms []string
	var now bool
	known := []string{"RS256", "ES256"}
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Publish the keys that sign next",
		Long: `Publish the keys that sign next. They sign in 24 hours, when receivers know them, or at once with --now; those
that have signed until then stay published for 7 days. The first keys of a store sign at once.`,
		Example: "  ostiary keys rotate\n  ostiary keys rotate --algorithm ES256 --now",
		Args:    cobra.NoArgs,
		RunE: a.withKeys(func(ctx context.Context, c keysClient, _ []string) error {
			for _, algorithm := range algorithms {
				if !slices.Contains(known, algorithm) {
					return usagef("--algorithm %q is none of %s", algorithm, strings.Join(known, ", "))
				}
			}
			for _, algorithm := range algorithms {
				answer, err := c.RotateSigningKey(ctx, &ostiaryv1.RotateSigningKeyRequest{StoreId: c.store, Algorithm: algorithm, Now: now})
				if err != nil {
					return fmt.Errorf("rotate the keys of %s: %w", algorithm, err)
				}
				k := answer.GetKey()
				if err := a.say(answer, "%s key %s signs from %s", algorithm, k.GetId(), k.GetActiveAt().AsTime().UTC().Format(time.RFC3339)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringSliceVar(&algorithms, "algorithm", known, "of these algorithms, with commas between")
	cmd.Flags().BoolVar(&now, "now", false, "let them sign at once, though receivers may not know them yet")
	return cmd
}

func newKeysRetireCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "retire KEY",
		Short: "Take a key away that has become known: what it has signed is good no more",
		Long: `Take a key away at once, as after it has become known: it is not published any more, and what it has signed is good
no more. Where it was the one that signs, the next one does, or a new one.`,
		Example: "  ostiary keys retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --yes",
		Args:    cobra.ExactArgs(1),
		RunE: a.withKeys(func(ctx context.Context, c keysClient, args []string) error {
			if !yes {
				return usagef("this takes key %s away: what it has signed, and receivers have not judged yet, is refused; pass --yes to do it", args[0])
			}
			answer, err := c.RetireSigningKey(ctx, &ostiaryv1.RetireSigningKeyRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("retire key %q: %w", args[0], err)
			}
			return a.say(answer, "key %s is gone; %s key %s signs", args[0], answer.GetSigns().GetAlgorithm(), answer.GetSigns().GetId())
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}
