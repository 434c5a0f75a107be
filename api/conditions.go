package api

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/engine"
)

// conditionWords puts a condition that could not be evaluated into OpenFGA's words.
func conditionWords(e *engine.ConditionError) string {
	const failed = "failed to evaluate relationship condition: "
	var missing *condition.MissingError
	var value *condition.ValueError
	var evaluation *condition.EvaluationError
	switch {
	case errors.As(e.Err, &missing):
		return failed + fmt.Sprintf("'%s' - tuple '%s' is missing context parameters '%v'", e.Condition, e.Tuple, missing.Names)
	case errors.As(e.Err, &value):
		return failed + valueWords(value)
	case errors.As(e.Err, &evaluation):
		return failed + fmt.Sprintf("'%s' - failed to evaluate condition expression: %s", e.Condition, evaluation.Reason)
	}
	return failed + fmt.Sprintf("'%s' - tuple '%s': %v", e.Condition, e.Tuple, e.Err)
}

func valueWords(e *condition.ValueError) string {
	return fmt.Sprintf("parameter type error on condition '%s' - failed to convert context parameter '%s': %s",
		e.Condition, e.Parameter, e.Reason)
}
