package condition

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
)

// CompileError says what is wrong with the expression of a condition.
type CompileError struct {
	// Faults are in the order of the expression. There is at least one.
	Faults []Fault
}

// Fault is one thing that is wrong with an expression.
type Fault struct {
	Message string
	// Offset is where in the expression, in bytes; -1 when it is not at one place.
	Offset int
	// Line and Column are the same place, from 1 and in characters; 0 when there is none.
	Line, Column int
}

func (f Fault) String() string {
	if f.Offset < 0 {
		return f.Message
	}
	return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.Message)
}

func (e *CompileError) Error() string {
	texts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		texts[i] = f.String()
	}
	return strings.Join(texts, "\n")
}

func faultf(format string, args ...any) error {
	return &CompileError{Faults: []Fault{{Message: fmt.Sprintf(format, args...), Offset: -1}}}
}

// maxFaults bounds the faults of one expression that are told.
const maxFaults = 10

func compileError(expression string, issues *cel.Issues) error {
	all := issues.Errors()
	out := &CompileError{}
	for _, e := range all[:min(len(all), maxFaults)] {
		out.Faults = append(out.Faults, place(expression, e))
	}
	if len(out.Faults) == 0 {
		return faultf("%v", issues.Err())
	}
	return out
}

func place(expression string, e *common.Error) Fault {
	f := Fault{Message: plain(e.Message), Offset: -1}
	if e.Location == nil || e.Location.Line() < 1 || e.Location.Column() < 0 {
		return f
	}
	offset := 0
	for range e.Location.Line() - 1 {
		n := strings.IndexByte(expression[offset:], '\n')
		if n < 0 {
			return f
		}
		offset += n + 1
	}
	for range e.Location.Column() {
		_, size := utf8.DecodeRuneInString(expression[offset:])
		offset += size
	}
	f.Offset, f.Line, f.Column = offset, e.Location.Line(), e.Location.Column()+1
	return f
}

// plain takes what says nothing to an author out of CEL's messages, which are otherwise clear.
func plain(message string) string {
	message = strings.TrimSuffix(message, " (in container '')")
	message = strings.TrimPrefix(message, "Syntax error: ")
	if head, _, listed := strings.Cut(message, " expecting {"); listed {
		message = head
	}
	if head, _, guess := strings.Cut(message, " (did you mean '"); guess {
		message = head
	}
	message = strings.Replace(message, "mismatched input '<EOF>'", "unexpected end of the expression", 1)
	return strings.ReplaceAll(message, "'<EOF>'", "the end of the expression")
}

// MissingError reports parameters that neither context holds.
type MissingError struct {
	Condition string
	Names     []string // in the order of their declaration
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("condition %q needs the context parameters %s", e.Condition, strings.Join(e.Names, ", "))
}

// ValueError reports a context value that is not of its parameter's type, or that no parameter takes.
type ValueError struct {
	Condition, Parameter string
	Reason               string // "expected an int, found the text \"x\""
	Unknown              bool   // the condition has no such parameter
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("context parameter %q of condition %q: %s", e.Parameter, e.Condition, e.Reason)
}

// EvaluationError reports an evaluation that came to no result: a division by zero, a missing key, a
// cost above the bound.
type EvaluationError struct {
	Condition string
	Reason    string
}

func (e *EvaluationError) Error() string {
	return fmt.Sprintf("evaluate condition %q: %s", e.Condition, e.Reason)
}
