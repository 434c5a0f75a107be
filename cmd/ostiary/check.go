package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

func newCheckCommand(a *app) *cobra.Command {
	var query queryFlags
	var explain bool
	cmd := &cobra.Command{
		Use:   "check OBJECT#RELATION@USER | USER RELATION OBJECT",
		Short: "Ask whether a user has a relation to an object",
		Long: `Ask whether a user has a relation to an object. The exit code is 0 when it is allowed and 3 when it is
denied. --explain shows the path that allows, or the branches that deny, with their tuples, what reading them cost, and
behind a bar the branches that did not decide (docs/explain.md).`,
		Example: `  ostiary check doc:1#viewer@user:ann
  ostiary check user:ann viewer doc:1 --explain
  ostiary check doc:1#viewer@user:ann --contextual-tuple group:eng#member@user:ann
  ostiary check doc:1#viewer@user:ann --context '{"current_time": "2026-01-31T09:00:00Z"}'
  ostiary check doc:1#viewer@user:ann --at-least TOKEN`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: a.completeCheck,
		RunE: func(cmd *cobra.Command, args []string) error {
			tuples, err := parseTuples(args)
			if err != nil {
				return err
			}
			if len(tuples) != 1 {
				return usagef("check takes one question; usage: %s", cmd.UseLine())
			}
			if explain {
				return a.explainCheck(cmd, &query, tuples[0])
			}
			return a.check(cmd, &query, tuples[0])
		},
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "show why, as a tree with its tuples")
	query.add(cmd)
	query.addValues(cmd)
	return a.addStoreFlag(a.addClientFlags(cmd))
}

func (a *app) check(cmd *cobra.Command, query *queryFlags, t ostiary.Tuple) error {
	preference, err := query.preference()
	if err != nil {
		return err
	}
	contextual, err := query.contextualTuples()
	if err != nil {
		return err
	}
	values, err := query.conditionValues()
	if err != nil {
		return err
	}
	c, store, err := a.storeClient(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	var header metadata.MD
	answer, err := c.fga.Check(query.context(cmd.Context()), &openfgav1.CheckRequest{
		StoreId:              store,
		AuthorizationModelId: query.model,
		TupleKey:             &openfgav1.CheckRequestTupleKey{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()},
		ContextualTuples:     contextual,
		Context:              values,
		Consistency:          preference,
	}, grpc.Header(&header))
	if err != nil {
		return fmt.Errorf("check %s: %w", t, err)
	}
	if a.json() {
		err = a.printMessage(answer, header)
	} else {
		a.printf("%s", a.decision(answer.GetAllowed()))
	}
	if err != nil {
		return err
	}
	return decided(answer.GetAllowed())
}

// decision is "allowed" or "denied", coloured for a person.
func (a *app) decision(allowed bool) string {
	if allowed {
		return a.paintOut(green, "allowed")
	}
	return a.paintOut(red, "denied")
}

// decided turns an answer into the end of the command: a deny has an exit code of its own.
func decided(allowed bool) error {
	if !allowed {
		return errDenied
	}
	return nil
}
