package api

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// Results of checks, as observers are told: the decision, or what it failed for.
const (
	resultAllowed     = "allowed"
	resultDenied      = "denied"
	resultInvalid     = "invalid"     // by the model
	resultBound       = "bound"       // too deep or too broad
	resultCondition   = "condition"   // one cannot be evaluated
	resultDeadline    = "deadline"    // no time was left
	resultCancelled   = "cancelled"   // the caller is gone
	resultUnavailable = "unavailable" // retry later
	resultFailed      = "failed"      // anything else
)

// Results returns all that Observer.Checked is told.
func Results() []string {
	return []string{resultAllowed, resultDenied, resultInvalid, resultBound, resultCondition, resultDeadline, resultCancelled, resultUnavailable, resultFailed}
}

// Kinds of questions, as observers are told.
const (
	kindCheck       = "check"
	kindListObjects = "list_objects"
	kindListUsers   = "list_users"
)

// Kinds returns all that Observer.Read is told.
func Kinds() []string { return []string{kindCheck, kindListObjects, kindListUsers} }

// resultOf is the name of what a check came to.
func resultOf(d ostiary.Decision, err error) string {
	var f *fault
	switch {
	case err == nil && d == ostiary.Allowed:
		return resultAllowed
	case err == nil:
		return resultDenied
	case errors.Is(err, ostiary.ErrDepthExceeded), errors.Is(err, ostiary.ErrTooBroad):
		return resultBound
	case errors.Is(err, ostiary.ErrConditionUndecided):
		return resultCondition
	case errors.Is(err, ostiary.ErrTupleInvalid), errors.As(err, &f):
		return resultInvalid
	case errors.Is(err, context.DeadlineExceeded):
		return resultDeadline
	case errors.Is(err, context.Canceled):
		return resultCancelled
	case errors.Is(err, ostiary.ErrUnavailable):
		return resultUnavailable
	}
	return resultFailed
}

// beginQuestion clears what the question under way has cost so far.
func (c *call) beginQuestion() *engine.Work {
	c.one = engine.Work{}
	return &c.one
}

// endCheck tells the observer of a check that was decided, and adds what it has cost to the request.
func (s *Server) endCheck(c *call, d ostiary.Decision, err error) {
	s.endQuestion(c, kindCheck)
	if s.observer == nil {
		return
	}
	s.observer.Checked(resultOf(d, err))
	if c.one.Questions > 0 {
		s.observer.Walked(c.one.Depth, c.one.BothEnded > 0)
	}
}

func (s *Server) endQuestion(c *call, kind string) {
	c.work.Questions += c.one.Questions
	c.work.Reads += c.one.Reads
	c.work.Depth = max(c.work.Depth, c.one.Depth)
	c.work.BothEnded += c.one.BothEnded
	if s.observer != nil && c.one.Questions > 0 {
		s.observer.Read(kind, c.one.Reads)
	}
}
