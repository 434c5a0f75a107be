package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newTupleDeleteWhereCommand(a *app) *cobra.Command {
	filter := &ostiaryv1.TupleFilter{}
	request := &ostiaryv1.DeleteTuplesRequest{Filter: filter}
	cmd := &cobra.Command{
		Use:   "delete-where",
		Short: "Delete every tuple that matches a filter, all or none",
		Long: `Delete every tuple that matches a filter, up to 1,000,000 of them, in one revision: all or none. --dry-run says how
many that are, and shows some. The filter is an object or a type, a user, or everything that was written (--owner api).

What an identity provider grants too refuses the command; with --keep-others it stays.`,
		Example: `  ostiary tuple delete-where --object doc:1 --include-dependants --dry-run
  ostiary tuple delete-where --user user:ann --relation viewer --object-type doc
  ostiary tuple delete-where --object doc: --max 5000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Object == "" && filter.User == "" && filter.Owner == "" {
				return usagef("which tuples? pass --object doc:1, --object doc:, --user user:ann or --owner api")
			}
			return a.deleteWhere(cmd.Context(), request)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Object, "object", "", "an object (doc:1), or a type (doc:)")
	flags.StringVar(&filter.User, "user", "", "a user, exactly (user:ann, user:*, group:eng#member)")
	flags.StringVar(&filter.Owner, "owner", "", "api: everything that was written")
	flags.StringVar(&filter.Relation, "relation", "", "only tuples of a relation")
	flags.StringVar(&filter.ObjectType, "object-type", "", "only tuples of objects of a type")
	flags.BoolVar(&request.IncludeDependants, "include-dependants", false, "with one whole object: also where it, or a userset of it, is the user")
	flags.BoolVar(&request.KeepOthers, "keep-others", false, "let tuples stay that somebody else grants too")
	flags.BoolVar(&request.DryRun, "dry-run", false, "delete nothing: say what would be")
	flags.Uint32Var(&request.Max, "max", 0, "how many tuples may go at most (0: 1,000,000)")
	_ = cmd.RegisterFlagCompletionFunc("object", a.completeObjects)
	_ = cmd.RegisterFlagCompletionFunc("relation", a.completeRelations)
	return cmd
}

// deleteWhere sends a DeleteTuples and prints what it did.
func (a *app) deleteWhere(ctx context.Context, request *ostiaryv1.DeleteTuplesRequest) error {
	c, store, err := a.storeClient(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	request.StoreId = store
	var header metadata.MD
	answer, err := ostiaryv1.NewTupleServiceClient(c.conn).DeleteTuples(ctx, request, grpc.Header(&header))
	if err != nil {
		return fmt.Errorf("delete tuples by a filter: %w", err)
	}
	if a.json() {
		return a.printMessage(answer, header)
	}
	done := "deleted"
	if request.GetDryRun() {
		done = "would delete"
	}
	text := done + " " + count(int(answer.GetCount()), "tuple")
	if kept := answer.GetKept(); kept > 0 {
		text += "; " + count(int(kept), "tuple") + " of others stay"
	}
	if token := header.Get(headerToken); len(token) > 0 && !request.GetDryRun() {
		text += "; token " + token[0]
	}
	a.printf("%s", text)
	for _, t := range answer.GetSample() {
		a.printf("  %s#%s@%s", t.GetObject(), t.GetRelation(), t.GetUser())
	}
	if more := int(answer.GetCount()) - len(answer.GetSample()); request.GetDryRun() && more > 0 {
		a.printf("  and %d more", more)
	}
	return nil
}
