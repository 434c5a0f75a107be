package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

func newTupleCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("tuple", "Write, delete, read, import and export tuples",
		"  ostiary tuple write doc:1#viewer@user:ann\n  ostiary tuple import tuples.csv",
		newTupleWriteCommand(a), newTupleDeleteCommand(a), newTupleDeleteWhereCommand(a), newTupleReadCommand(a),
		newTupleImportCommand(a), newTupleExportCommand(a))))
}

// tupleArgs describes the two forms in which commands take tuples.
const tupleArgs = `A tuple is written OBJECT#RELATION@USER, or as the three arguments USER RELATION OBJECT of the fga
command line.`

// parseTuples reads positional arguments: one or more OBJECT#RELATION@USER, or USER RELATION OBJECT.
func parseTuples(args []string) ([]ostiary.Tuple, error) {
	if len(args) == 3 && !strings.Contains(args[1], ":") { // a relation has no colon, a tuple has
		t, err := ostiary.NewTuple(args[2], args[1], args[0])
		if err != nil {
			return nil, usagef("%v", err)
		}
		return []ostiary.Tuple{t}, nil
	}
	tuples := make([]ostiary.Tuple, 0, len(args))
	for _, arg := range args {
		t, err := ostiary.ParseTuple(arg)
		if err != nil {
			return nil, usagef("%v", err)
		}
		tuples = append(tuples, t)
	}
	return tuples, nil
}

func tupleKey(t ostiary.Tuple) *openfgav1.TupleKey {
	return &openfgav1.TupleKey{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()}
}

// tupleText is "object#relation@user [condition]".
func tupleText(k *openfgav1.TupleKey) string {
	text := k.GetObject() + "#" + k.GetRelation() + "@" + k.GetUser()
	if name := k.GetCondition().GetName(); name != "" {
		text += " [" + name + "]"
	}
	return text
}

// conditionFlags are the flags that put a condition on tuples.
type conditionFlags struct{ name, context string }

func (f *conditionFlags) condition() (*openfgav1.RelationshipCondition, error) {
	if f.name == "" {
		if f.context != "" {
			return nil, usagef("--condition-context needs --condition")
		}
		return nil, nil
	}
	condition := &openfgav1.RelationshipCondition{Name: f.name}
	if f.context != "" {
		context, err := parseContext([]byte(f.context))
		if err != nil {
			return nil, usagef("--condition-context: %v", err)
		}
		condition.Context = context
	}
	return condition, nil
}

// parseContext reads a JSON object.
func parseContext(text []byte) (*structpb.Struct, error) {
	if !json.Valid(text) {
		return nil, fmt.Errorf("%.100q is not JSON", text)
	}
	context := &structpb.Struct{}
	if err := protojson.Unmarshal(text, context); err != nil {
		return nil, fmt.Errorf("%.100q is not a JSON object", text)
	}
	return context, nil
}

func newTupleWriteCommand(a *app) *cobra.Command {
	var condition conditionFlags
	var onDuplicate string
	cmd := &cobra.Command{
		Use:   "write TUPLE... | USER RELATION OBJECT",
		Short: "Write tuples, all or none",
		Long:  "Write tuples, all or none.\n\n" + tupleArgs,
		Example: `  ostiary tuple write doc:1#viewer@user:ann doc:1#viewer@group:eng#member
  ostiary tuple write user:ann viewer doc:1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tuples, err := parseTuples(args)
			if err != nil {
				return err
			}
			on, err := condition.condition()
			if err != nil {
				return err
			}
			writes := &openfgav1.WriteRequestWrites{OnDuplicate: onDuplicate}
			for _, t := range tuples {
				key := tupleKey(t)
				key.Condition = on
				writes.TupleKeys = append(writes.TupleKeys, key)
			}
			return a.write(cmd.Context(), &openfgav1.WriteRequest{Writes: writes}, "write", "wrote", tuples)
		},
	}
	cmd.Flags().StringVar(&condition.name, "condition", "", "name of the condition under which the tuples hold")
	cmd.Flags().StringVar(&condition.context, "condition-context", "", "context of the condition, a JSON object")
	cmd.Flags().StringVar(&onDuplicate, "on-duplicate", "error", "what to do about a tuple that exists: error or ignore")
	return cmd
}

func newTupleDeleteCommand(a *app) *cobra.Command {
	var onMissing string
	cmd := &cobra.Command{
		Use:   "delete TUPLE... | USER RELATION OBJECT",
		Short: "Delete tuples, all or none",
		Long:  "Delete tuples, all or none.\n\n" + tupleArgs,
		Example: `  ostiary tuple delete doc:1#viewer@user:ann
  ostiary tuple delete user:ann viewer doc:1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tuples, err := parseTuples(args)
			if err != nil {
				return err
			}
			deletes := &openfgav1.WriteRequestDeletes{OnMissing: onMissing}
			for _, t := range tuples {
				deletes.TupleKeys = append(deletes.TupleKeys, &openfgav1.TupleKeyWithoutCondition{
					Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()})
			}
			return a.write(cmd.Context(), &openfgav1.WriteRequest{Deletes: deletes}, "delete", "deleted", tuples)
		},
	}
	cmd.Flags().StringVar(&onMissing, "on-missing", "error", "what to do about a tuple that does not exist: error or ignore")
	return cmd
}

// write sends one Write call and prints what it did.
func (a *app) write(ctx context.Context, request *openfgav1.WriteRequest, doing, done string, tuples []ostiary.Tuple) error {
	what := count(len(tuples), "tuple")
	if len(tuples) == 1 {
		what = tuples[0].String()
	}
	c, store, err := a.storeClient(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	request.StoreId = store
	var header metadata.MD
	answer, err := c.fga.Write(ctx, request, grpc.Header(&header))
	if err != nil {
		return fmt.Errorf("%s %s: %w", doing, what, err)
	}
	if a.json() {
		return a.printMessage(answer, header)
	}
	text := done + " " + what
	if token := header.Get(headerToken); len(token) > 0 {
		text += "; token " + token[0]
	}
	a.printf("%s", text)
	return nil
}

func newTupleReadCommand(a *app) *cobra.Command {
	var filter openfgav1.ReadRequestTupleKey
	var limit int
	var consistency consistencyFlags
	cmd := &cobra.Command{
		Use:   "read",
		Short: "Read the tuples that were written, without evaluating anything",
		Long: `Read the tuples that were written, without evaluating anything. A filter on the user or the relation
needs --object: a whole object (doc:1), or a type (doc:) together with --user.`,
		Example: `  ostiary tuple read --object doc:1
  ostiary tuple read --object doc: --user user:ann
  ostiary tuple read --object doc:1 --relation viewer --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d is negative", limit)
			}
			preference, err := consistency.preference()
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			request := &openfgav1.ReadRequest{StoreId: store, Consistency: preference}
			if filter.Object != "" || filter.Relation != "" || filter.User != "" {
				request.TupleKey = &filter
			}
			all := &openfgav1.ReadResponse{}
			err = eachTuple(consistency.context(cmd.Context()), c, request, func(t *openfgav1.Tuple) bool {
				all.Tuples = append(all.Tuples, t)
				return limit == 0 || len(all.Tuples) < limit
			})
			if err != nil {
				return fmt.Errorf("read tuples: %w", err)
			}
			if a.json() {
				return a.printMessage(all, nil)
			}
			for _, t := range all.GetTuples() {
				a.printf("%s", tupleText(t.GetKey()))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&filter.Object, "object", "", "an object (doc:1), or a type (doc:)")
	cmd.Flags().StringVar(&filter.Relation, "relation", "", "a relation")
	cmd.Flags().StringVar(&filter.User, "user", "", "a user (user:ann, user:*, group:eng#member)")
	cmd.Flags().IntVar(&limit, "limit", 0, "stop after so many tuples (0: all)")
	consistency.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("object", a.completeObjects)
	_ = cmd.RegisterFlagCompletionFunc("relation", a.completeRelations)
	return cmd
}

// readPageSize is how many tuples one Read call returns at most; it is OpenFGA's limit.
const readPageSize = 100

// eachTuple calls f for every tuple that the request's filter admits, until f returns false.
func eachTuple(ctx context.Context, c *client, request *openfgav1.ReadRequest, f func(*openfgav1.Tuple) bool) error {
	request.PageSize = wrapperspb.Int32(readPageSize)
	for {
		answer, err := c.fga.Read(ctx, request)
		if err != nil {
			return err
		}
		for _, t := range answer.GetTuples() {
			if !f(t) {
				return nil
			}
		}
		if answer.GetContinuationToken() == "" {
			return nil
		}
		request.ContinuationToken = answer.GetContinuationToken()
	}
}
