package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// explainCheck asks for a check together with its reasons.
func (a *app) explainCheck(cmd *cobra.Command, query *queryFlags, t ostiary.Tuple) error {
	request, err := explainRequest(query, t)
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
	answer, err := ostiaryv1.NewOstiaryServiceClient(c.conn).Explain(query.context(cmd.Context()), request, grpc.Header(&header))
	if err != nil {
		return fmt.Errorf("explain %s: %w", t, err)
	}
	if a.json() {
		err = a.printMessage(answer, header)
	} else {
		a.printf("%s\n%s", strings.TrimRight(a.explanation(answer), "\n"), a.paintOut(faint, explainedAt(answer)))
	}
	if err != nil {
		return err
	}
	switch answer.GetOutcome() {
	case ostiaryv1.Outcome_OUTCOME_ALLOWED:
		return nil
	case ostiaryv1.Outcome_OUTCOME_DENIED:
		return errDenied
	}
	return fmt.Errorf("check %s: it has no answer (%s), as the explanation shows", t,
		strings.ToLower(strings.TrimPrefix(answer.GetOutcome().String(), "OUTCOME_")))
}

func explainRequest(query *queryFlags, t ostiary.Tuple) (*ostiaryv1.ExplainRequest, error) {
	preference, err := query.preference()
	if err != nil {
		return nil, err
	}
	contextual, err := query.contextualKeys()
	if err != nil {
		return nil, err
	}
	values, err := query.conditionValues()
	if err != nil {
		return nil, err
	}
	request := &ostiaryv1.ExplainRequest{
		AuthorizationModelId: query.model,
		TupleKey:             &ostiaryv1.TupleKey{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()},
		Consistency:          ostiaryv1.Consistency_CONSISTENCY_MINIMIZE_LATENCY,
		Context:              values,
	}
	if preference == openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY {
		request.Consistency = ostiaryv1.Consistency_CONSISTENCY_LINEARIZABLE
	}
	for _, key := range contextual {
		request.ContextualTuples = append(request.ContextualTuples,
			&ostiaryv1.TupleKey{Object: key.GetObject(), Relation: key.GetRelation(), User: key.GetUser()})
	}
	return request, nil
}
