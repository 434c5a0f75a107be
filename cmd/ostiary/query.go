package main

import (
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// queryFlags are the flags that every question has.
type queryFlags struct {
	consistencyFlags
	contextual []string
	values     string
	model      string
}

func (f *queryFlags) add(cmd *cobra.Command) {
	f.consistencyFlags.add(cmd)
	cmd.Flags().StringArrayVar(&f.contextual, "contextual-tuple", nil, "a tuple that holds for this question alone, OBJECT#RELATION@USER (may be repeated)")
	cmd.Flags().StringVar(&f.model, "model", "", "id of the model to ask under (default: the newest)")
}

// addValues adds the flag of questions that evaluate conditions.
func (f *queryFlags) addValues(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.values, "context", "", "values for the parameters of conditions, a JSON object")
}

// conditionValues returns the context that conditions are evaluated with; nil when there is none.
func (f *queryFlags) conditionValues() (*structpb.Struct, error) {
	if f.values == "" {
		return nil, nil
	}
	values, err := parseContext([]byte(f.values))
	if err != nil {
		return nil, usagef("--context: %v", err)
	}
	return values, nil
}

// contextualKeys returns the contextual tuples as the API wants them.
func (f *queryFlags) contextualKeys() ([]*openfgav1.TupleKey, error) {
	tuples := make([]*openfgav1.TupleKey, 0, len(f.contextual))
	for _, text := range f.contextual {
		parsed, err := parseTuples([]string{text})
		if err != nil {
			return nil, usagef("--contextual-tuple: %v", err)
		}
		tuples = append(tuples, tupleKey(parsed[0]))
	}
	return tuples, nil
}

// contextualTuples is contextualKeys in the message that most requests wrap them in; nil when there
// are none.
func (f *queryFlags) contextualTuples() (*openfgav1.ContextualTupleKeys, error) {
	keys, err := f.contextualKeys()
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return &openfgav1.ContextualTupleKeys{TupleKeys: keys}, nil
}
