package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/condition"
)

// ConditionError reports a tuple on which an answer depends and whose condition could not be evaluated:
// the context lacks a parameter, holds one of another type, or the expression failed. It is
// ostiary.ErrConditionUndecided.
type ConditionError struct {
	Tuple     ostiary.Tuple
	Condition string
	// Err is a *condition.MissingError, *condition.ValueError or *condition.EvaluationError where it was
	// the evaluation that failed.
	Err error
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("condition %q of tuple %s cannot be evaluated: %v", e.Condition, e.Tuple, e.Err)
}

// Is reports that every ConditionError is ostiary.ErrConditionUndecided.
func (e *ConditionError) Is(target error) bool { return target == ostiary.ErrConditionUndecided }

func (e *ConditionError) Unwrap() error { return e.Err }

// programs are the compiled conditions of a plan, each compiled when it is first evaluated. Safe for
// concurrent use.
type programs struct {
	mu     sync.RWMutex
	named  map[programKey]compiled // at most one for each condition and bound
	inline map[programKey]compiled // at most maxInlinePrograms
}

// programKey names a condition, or holds the context of a tuple whose expression is inline.
type programKey struct {
	text    string
	maxCost uint64
}

type compiled struct {
	program *condition.Program
	err     error
}

// maxInlinePrograms bounds the inline expressions that a plan keeps compiled, and that a question keeps
// at hand.
const maxInlinePrograms = 256

// maxKeptContext bounds the context of a tuple by which something is kept, in bytes. What hangs on a
// larger one is found again each time.
const maxKeptContext = 1024

// program returns the condition that a grant names. Compiling is done under no lock: two goroutines may
// do the same work, and either result will do.
func (p *Plan) program(g ostiary.Grant, context map[string]any, maxCost uint64) (*condition.Program, error) {
	key := programKey{g.Condition, maxCost}
	kept, compile := &p.programs.named, func() (*condition.Program, error) {
		c := p.model.Condition(g.Condition)
		if c == nil {
			return nil, errors.New("the model has no such condition")
		}
		return condition.Compile(c, condition.Options{MaxCost: maxCost})
	}
	if g.Condition == condition.Inline {
		key.text = string(g.Context)
		kept, compile = &p.programs.inline, func() (*condition.Program, error) {
			return condition.CompileInline(context, condition.Options{MaxCost: maxCost})
		}
	}
	if len(key.text) > maxKeptContext {
		return compile()
	}
	p.programs.mu.RLock()
	found, ok := (*kept)[key]
	p.programs.mu.RUnlock()
	if ok {
		return found.program, found.err
	}
	found.program, found.err = compile()
	p.programs.mu.Lock()
	defer p.programs.mu.Unlock()
	if *kept == nil || kept == &p.programs.inline && len(*kept) >= maxInlinePrograms {
		*kept = map[programKey]compiled{}
	}
	(*kept)[key] = found
	return found.program, found.err
}

// CheckContext reports whether the context of a grant could be stored: every value is one of its
// condition's parameters and of its type, and an inline expression compiles.
func (p *Plan) CheckContext(g ostiary.Grant) error {
	context, err := condition.DecodeContext(g.Context)
	if err != nil {
		return err
	}
	program, err := p.program(g, context, 0)
	if err != nil || g.Condition == condition.Inline {
		return err
	}
	return program.CheckContext(context)
}

// conditions evaluates the conditions of tuples for one question. Its zero value is one without a
// request context.
type conditions struct {
	plan    *Plan
	request map[string]any
	maxCost uint64

	bound    map[*condition.Program]*condition.Bound
	verdicts map[verdictKey]verdict
}

// verdictKey holds what a condition's outcome depends on within a question.
type verdictKey struct{ condition, context string }

type verdict struct {
	level level
	err   error // of maybe
}

// maxVerdicts bounds the outcomes that a question keeps, each with the context of a tuple.
const maxVerdicts = 10_000

// evaluate returns the outcome of the condition of a grant: yes, no, or maybe with the error.
func (c *conditions) evaluate(g ostiary.Grant) verdict {
	key := verdictKey{g.Condition, string(g.Context)}
	if v, ok := c.verdicts[key]; ok {
		return v
	}
	v := verdict{level: no}
	switch holds, err := c.holds(g); {
	case err != nil:
		v = verdict{maybe, err}
	case holds:
		v.level = yes
	}
	if len(key.context) > maxKeptContext {
		return v
	}
	if c.verdicts == nil || len(c.verdicts) >= maxVerdicts {
		c.verdicts = map[verdictKey]verdict{}
	}
	c.verdicts[key] = v
	return v
}

func (c *conditions) holds(g ostiary.Grant) (bool, error) {
	bound, values, err := c.bind(g)
	if err != nil {
		return false, err
	}
	return bound.Evaluate(values)
}

// bind returns the condition of a grant for the question's context, and the grant's own values. Those
// of an inline expression are in the question's context alone.
func (c *conditions) bind(g ostiary.Grant) (*condition.Bound, map[string]any, error) {
	context, err := condition.DecodeContext(g.Context)
	if err != nil {
		return nil, nil, err
	}
	program, err := c.plan.program(g, context, c.maxCost)
	if err != nil {
		return nil, nil, err
	}
	if g.Condition == condition.Inline {
		context = nil
	}
	bound := c.bound[program]
	if bound == nil {
		bound = program.Bind(c.request)
		if c.bound == nil || len(c.bound) >= maxInlinePrograms {
			c.bound = map[*condition.Program]*condition.Bound{}
		}
		c.bound[program] = bound
	}
	return bound, context, nil
}

// judge returns what a tuple is worth: no when the type restrictions do not allow it, else what the best
// of its grants' conditions comes to. The first condition that cannot be evaluated is kept as the error
// behind a maybe.
func (r *run) judge(e ostiary.Edge, allowed restriction) level {
	if len(e.Conditions) == 0 {
		if allowed.plain {
			return yes
		}
		return no
	}
	l := no
	var failed *ConditionError
	for _, g := range e.Conditions {
		if !slices.Contains(allowed.conditions, g.Condition) {
			continue
		}
		v := r.evaluate(g)
		if v.level == maybe && failed == nil {
			failed = &ConditionError{Tuple: e.Tuple, Condition: g.Condition, Err: v.err}
		}
		if l = max(l, v.level); l == yes {
			break
		}
	}
	if l == maybe && r.failed == nil {
		r.failed = failed
	}
	if r.noticed != nil && allowed.fits(e) {
		r.noticed(e, allowed, l)
	}
	return l
}

// maxInputsBytes bounds the values that an explanation shows for one condition.
const maxInputsBytes = 300

// describe says of each condition of a tuple what it was given and what it came to.
func (r *run) describe(e ostiary.Edge, allowed restriction) string {
	text := ""
	for _, g := range e.Conditions {
		if !slices.Contains(allowed.conditions, g.Condition) {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += "condition " + g.Condition
		if bound, values, err := r.bind(g); err == nil {
			if inputs, err := json.Marshal(bound.Inputs(values)); err == nil {
				if len(inputs) > maxInputsBytes {
					inputs = append(inputs[:maxInputsBytes:maxInputsBytes], "…"...)
				}
				text += " with " + string(inputs)
			}
		}
		switch v := r.evaluate(g); v.level {
		case yes:
			text += " holds"
		case no:
			text += " does not hold"
		default:
			text += " cannot be evaluated: " + v.err.Error()
		}
	}
	return text
}
