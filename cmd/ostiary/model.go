package main

import (
	"context"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
)

func newModelCommand(a *app) *cobra.Command {
	remote := []*cobra.Command{newModelWriteCommand(a), newModelGetCommand(a), newModelListCommand(a)}
	for _, cmd := range remote {
		a.addStoreFlag(a.addClientFlags(cmd))
	}
	return group("model", "Write, read, check, test and format authorization models",
		"  ostiary model validate model.fga\n  ostiary model test store.fga.yaml\n  ostiary model write model.fga",
		append(remote, newModelValidateCommand(a), newModelTestCommand(a), newModelFormatCommand(a), newModelTransformCommand(a))...)
}

func newModelWriteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "write FILE",
		Short: "Compile a model and make it the newest of the store",
		Long: `Compile a model and make it the newest of the store. Nothing is sent when it is invalid: every fault
is reported and the exit code is 4. A model is a file in the DSL, in OpenFGA's JSON form (.json), the
fga.mod of a modular model, or a store file (.fga.yaml) that holds or names one. '-' is standard input.`,
		Example: `  ostiary model write model.fga
  ostiary model write fga.mod
  ostiary model write - --store acme < model.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.compileFile(args[0])
			if err != nil {
				return err
			}
			request, err := writeModelRequest(m)
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			request.StoreId = store
			var header metadata.MD
			answer, err := c.fga.WriteAuthorizationModel(cmd.Context(), request, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("write the model %s: %w", displayName(args[0]), err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			a.printf("%s", answer.GetAuthorizationModelId())
			return nil
		},
	}
}

// writeModelRequest returns the request that writes m, still without a store.
func writeModelRequest(m *model.Model) (*openfgav1.WriteAuthorizationModelRequest, error) {
	data, err := dsl.JSON(m)
	if err != nil {
		return nil, fmt.Errorf("turn the model into its JSON form: %w", err)
	}
	request := &openfgav1.WriteAuthorizationModelRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, request); err != nil {
		return nil, fmt.Errorf("turn the model into a request: %w", err)
	}
	return request, nil
}

func newModelGetCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "get [ID]",
		Short: "Show a model: the newest, or the one with an id",
		Example: `  ostiary model get > model.fga
  ostiary model get --output json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			answer, err := getModel(cmd.Context(), c, store, id)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printMessage(&openfgav1.ReadAuthorizationModelResponse{AuthorizationModel: answer}, nil)
			}
			m, err := compileMessage(answer)
			if err != nil {
				return err
			}
			_, err = a.out.Write(dsl.Print(m))
			return err
		},
	}
}

// getModel reads a model of a store; the empty id is the newest.
func getModel(ctx context.Context, c *client, store, id string) (*openfgav1.AuthorizationModel, error) {
	if id != "" {
		answer, err := c.fga.ReadAuthorizationModel(ctx, &openfgav1.ReadAuthorizationModelRequest{StoreId: store, Id: id})
		if err != nil {
			return nil, fmt.Errorf("get the model %s: %w", id, err)
		}
		return answer.GetAuthorizationModel(), nil
	}
	answer, err := c.fga.ReadAuthorizationModels(ctx, &openfgav1.ReadAuthorizationModelsRequest{StoreId: store})
	if err != nil {
		return nil, fmt.Errorf("get the newest model: %w", err)
	}
	if len(answer.GetAuthorizationModels()) == 0 {
		return nil, fmt.Errorf("the store %s has no model yet; 'ostiary model write FILE' writes one", store)
	}
	return answer.GetAuthorizationModels()[0], nil // newest first
}

// compileMessage compiles a model as the API gives it.
func compileMessage(m *openfgav1.AuthorizationModel) (*model.Model, error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("turn the model %s into its JSON form: %w", m.GetId(), err)
	}
	compiled, err := dsl.CompileJSON("model "+m.GetId(), data)
	if err != nil {
		return nil, fmt.Errorf("compile the model %s as the server gave it: %w", m.GetId(), err)
	}
	return compiled, nil
}

func newModelListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the models of a store, the newest first",
		Example: "  ostiary model list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			all := &openfgav1.ReadAuthorizationModelsResponse{}
			request := &openfgav1.ReadAuthorizationModelsRequest{StoreId: store}
			for {
				answer, err := c.fga.ReadAuthorizationModels(cmd.Context(), request)
				if err != nil {
					return fmt.Errorf("list the models: %w", err)
				}
				all.AuthorizationModels = append(all.AuthorizationModels, answer.GetAuthorizationModels()...)
				if answer.GetContinuationToken() == "" {
					break
				}
				request.ContinuationToken = answer.GetContinuationToken()
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetAuthorizationModels()))
			for _, m := range all.GetAuthorizationModels() {
				rows = append(rows, []string{m.GetId(), createdOf(m.GetId()), count(len(m.GetTypeDefinitions()), "type")})
			}
			return a.printTable([]string{"ID", "CREATED", "SIZE"}, rows)
		},
	}
}

// createdOf is the time in an id, or "-" when it holds none.
func createdOf(id string) string {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return "-"
	}
	return ulid.Time(parsed.Time()).UTC().Format(time.RFC3339)
}
