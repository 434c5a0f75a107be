package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
)

func newOrgMappingCommand(a *app) *cobra.Command {
	return group("mapping", "What a model calls the parts of identity, and which it leaves out",
		"  ostiary org lint model.fga --mapping identity.yaml\n  ostiary org mapping set identity.yaml\n  ostiary org mapping show",
		newOrgMappingSetCommand(a), newOrgMappingShowCommand(a))
}

func newOrgMappingSetCommand(a *app) *cobra.Command {
	var fromModel string
	cmd := &cobra.Command{
		Use:   "set [FILE]",
		Short: "Write identity to the store's model as a mapping says",
		Long: `Write identity to the store's model as a mapping says: a file in YAML that names what the model calls
otherwise than identity.fga does, and lists what it leaves out. It is compared with the store's newest
model; every fault is reported with line and column, and the exit code is 4. '-' is standard input.

With --from-model, what identity providers may assign is taken from the comments of a model's text, such
as '# @scim entitlement type="Workspace role" label="Editor"' above a relation. Without FILE the rest of
the store's mapping stays as it is.

Once the store has organizations, a part can be renamed, left out or taken in only while no tuple of its
relations is there.`,
		Example: "  ostiary org mapping set identity.yaml\n  ostiary org mapping set --from-model model/fga.mod",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 0 && fromModel == "" {
				return usagef("name the file of a mapping, or a model with --from-model")
			}
			client, store, err := a.storeClient(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			c := identityClient{ostiaryv1.NewIdentityServiceClient(client.conn), store}
			name, text, err := a.mappingToSet(ctx, c, args, fromModel)
			if err != nil {
				return err
			}
			newest, err := getModel(ctx, client, store, "")
			if err != nil {
				return err
			}
			m, err := compileMessage(newest)
			if err != nil {
				return err
			}
			mapping, err := dsl.ReadMapping(name, text, m)
			if err != nil {
				return err
			}
			var header metadata.MD
			answer, err := c.SetMapping(ctx, &ostiaryv1.SetMappingRequest{StoreId: c.store, Yaml: string(text)}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("set the mapping %s: %w", name, err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printf("set")
			a.printAssignable(mapping.Assignable)
			return nil
		},
	}
	cmd.Flags().StringVar(&fromModel, "from-model", "", "model file, .fga or fga.mod, whose comments say what identity providers may assign")
	return cmd
}

// mappingToSet returns the text of the mapping that 'org mapping set' is asked for, and what diagnostics call it.
func (a *app) mappingToSet(ctx context.Context, c identityClient, args []string, fromModel string) (name string, text []byte, err error) {
	name = "the store's mapping"
	if len(args) == 1 {
		name = displayName(args[0])
		text, err = a.readFile(args[0])
	} else {
		var answer *ostiaryv1.GetMappingResponse
		answer, err = c.GetMapping(ctx, &ostiaryv1.GetMappingRequest{StoreId: c.store})
		text = []byte(answer.GetYaml())
	}
	if err != nil || fromModel == "" {
		return name, text, err
	}
	mapping, err := dsl.ReadMapping(name, text, nil)
	if err != nil {
		return name, nil, err
	}
	if len(args) == 1 && len(mapping.Assignable) > 0 {
		return name, nil, usagef("%s has a list `assignable`, and --from-model takes one from %s: leave one of the two out", name, fromModel)
	}
	if err := a.assignFromModel(mapping, fromModel); err != nil {
		return name, nil, err
	}
	return name, dsl.PrintMapping(mapping), nil
}

func newOrgMappingShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the mapping of the store, as 'org mapping set' reads it",
		Example: "  ostiary org mapping show > identity.yaml",
		Args:    cobra.NoArgs,
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, _ []string) error {
			answer, err := c.GetMapping(ctx, &ostiaryv1.GetMappingRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("show the mapping: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			_, err = a.out.Write([]byte(answer.GetYaml()))
			return err
		}),
	}
}

// names returns what the store's model calls the parts of identity.
func (c identityClient) names(ctx context.Context) (*gate.Names, error) {
	answer, err := c.GetMapping(ctx, &ostiaryv1.GetMappingRequest{StoreId: c.store})
	if err != nil {
		return nil, fmt.Errorf("ask for the mapping: %w", err)
	}
	mapping, err := dsl.ReadMapping("the server's mapping", []byte(answer.GetYaml()), nil)
	if err != nil {
		return nil, err
	}
	return &mapping.Names, nil
}

// namesFor returns the names of a mapping file for a model; those of the identity module where it is not given.
func (a *app) namesFor(m *model.Model, mapping string) (*gate.Names, error) {
	if mapping == "" {
		return gate.Default(), nil
	}
	text, err := a.readFile(mapping)
	if err != nil {
		return nil, err
	}
	read, err := dsl.ReadMapping(displayName(mapping), text, m)
	if err != nil {
		return nil, err
	}
	return &read.Names, nil
}
