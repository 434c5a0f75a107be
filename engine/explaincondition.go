package engine

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/condition"
)

// ExplainedCondition is a condition of a tuple with what it was given and what it came to.
type ExplainedCondition struct {
	Name string `json:"name"`
	// Outcome is allowed where it holds, denied where it does not, and error where it cannot be evaluated.
	Outcome Outcome          `json:"outcome"`
	Values  []ExplainedValue `json:"values,omitempty"` // by name
	// More counts values that were left out because they were too many.
	More    int      `json:"more,omitempty"`
	Missing []string `json:"missing,omitempty"` // parameters without a value
	Error   string   `json:"error,omitempty"`
}

// ExplainedValue is the value of a parameter.
type ExplainedValue struct {
	Name string `json:"name"`
	// Value is JSON, cut where it is long; then it ends in "…".
	Value string `json:"value"`
	// FromTuple: the tuple has it. Otherwise the question's context has it.
	FromTuple bool `json:"from_tuple,omitempty"`
}

// The bounds of an explained condition.
const (
	maxExplainedValues     = 50
	maxExplainedValueBytes = 300
	maxExplainedConditions = 10 // of one tuple
)

// explainConditions says of each condition of a tuple what it was given and what it came to.
func (r *run) explainConditions(e ostiary.Edge, allowed restriction) []ExplainedCondition {
	var all []ExplainedCondition
	for _, g := range e.Conditions {
		if slices.Contains(allowed.conditions, g.Condition) && len(all) < maxExplainedConditions {
			all = append(all, r.explainCondition(g))
		}
	}
	return all
}

func (r *run) explainCondition(g ostiary.Grant) ExplainedCondition {
	out := ExplainedCondition{Name: g.Condition, Outcome: OutcomeError}
	switch v := r.evaluate(g); v.level {
	case yes:
		out.Outcome = OutcomeAllowed
	case no:
		out.Outcome = OutcomeDenied
	default:
		out.Error = v.err.Error()
		var missing *condition.MissingError
		if errors.As(v.err, &missing) {
			out.Missing = missing.Names
		}
	}
	bound, tuple, err := r.bind(g)
	if err != nil {
		return out // and so said the evaluation
	}
	for name, value := range bound.Inputs(tuple) {
		_, fromTuple := tuple[name]
		out.Values = append(out.Values, ExplainedValue{Name: name, Value: shortJSON(value), FromTuple: fromTuple})
	}
	slices.SortFunc(out.Values, func(a, b ExplainedValue) int { return strings.Compare(a.Name, b.Name) })
	if n := len(out.Values); n > maxExplainedValues {
		out.Values, out.More = out.Values[:maxExplainedValues], n-maxExplainedValues
	}
	return out
}

func shortJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "…"
	}
	if len(text) > maxExplainedValueBytes {
		return strings.ToValidUTF8(string(text[:maxExplainedValueBytes]), "") + "…"
	}
	return string(text)
}
