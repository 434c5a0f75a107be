package ostiary

import (
	"context"
	"errors"
	"fmt"
)

// The sentinels. Compare with errors.Is. Package api maps each to its wire form in one function, and
// a table test over Sentinels breaks when one is missing there.
var (
	// ErrTupleInvalid: a tuple, object, relation or subject is malformed, or does not fit the model.
	// Returned as a *TupleError. Not to be retried.
	ErrTupleInvalid = errors.New("invalid tuple")
	// ErrTupleExists: a tuple to be created is there already, from the same owner. Changed nothing.
	ErrTupleExists = errors.New("tuple exists")
	// ErrTupleMissing: a tuple to be deleted is not there. Changed nothing.
	ErrTupleMissing = errors.New("tuple does not exist")
	// ErrTupleOwned: another owner's grant would keep a tuple that was to be deleted. Changed nothing.
	ErrTupleOwned = errors.New("tuple has another owner")
	// ErrModelInvalid: an authorization model does not compile.
	ErrModelInvalid = errors.New("invalid authorization model")
	// ErrTokenInvalid: a consistency token or page token is damaged, forged, or of another cluster.
	ErrTokenInvalid = errors.New("invalid token")
	// ErrNotFound: a document (store, model, …) does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists: a document to be created exists.
	ErrExists = errors.New("already exists")
	// ErrPrecondition: a precondition of a mutation does not hold. Read again, then retry.
	ErrPrecondition = errors.New("precondition does not hold")
	// ErrConflict: the same owner wrote the same tuple with another condition, or two writes collided.
	ErrConflict = errors.New("conflict")
	// ErrNotLeader: the node cannot accept writes now. Retry elsewhere or later.
	ErrNotLeader = errors.New("not leader")
	// ErrRevisionNotYet: the node has not applied the revision asked for within the deadline.
	ErrRevisionNotYet = errors.New("revision is not applied here yet")
	// ErrStale: the node has lost the leader for longer than the bound on staleness, so its answers may be
	// too old. Ask another node, or later.
	ErrStale = errors.New("this node may be too far behind")
	// ErrUpgradePending: not every node of the cluster understands the change. Changed nothing. Upgrade
	// the nodes that the error names, then retry.
	ErrUpgradePending = errors.New("a node of the cluster is of an older release")
	// ErrRevisionGone: the revision asked for is older than what is kept.
	ErrRevisionGone = errors.New("revision is no longer kept")
	// ErrDepthExceeded: evaluation met an unexplored branch at the depth limit and found no answer
	// without it.
	ErrDepthExceeded = errors.New("depth limit exceeded")
	// ErrTooBroad: a request would read, return or change more than its bound.
	ErrTooBroad = errors.New("request exceeds a bound")
	// ErrQuota: the store would hold more than its quota. Delete something, or have the quota raised.
	ErrQuota = errors.New("the store's quota is used up")
	// ErrConditionUndecided: the answer depends on a tuple whose condition cannot be evaluated: the
	// request's context lacks a parameter, holds one of another type, or the expression failed.
	ErrConditionUndecided = errors.New("a condition cannot be evaluated")
	// ErrDiskFull: the disk has less free space than the reserve, and the write was not accepted.
	// Reads go on. Free some space, then retry.
	ErrDiskFull = errors.New("disk is short of space")
	// ErrUnavailable: the node is starting or stopping. Retry.
	ErrUnavailable = errors.New("unavailable")
	// ErrOutcomeUnknown: a write was proposed and the node cannot say whether it was committed.
	ErrOutcomeUnknown = errors.New("outcome of the write is unknown")
	// ErrCorrupt: stored bytes cannot be what was written. The node stops serving.
	ErrCorrupt = errors.New("corrupt data")
)

// Sentinels returns every sentinel of this package, for tables that must cover them all.
func Sentinels() []error {
	return []error{
		ErrTupleInvalid, ErrTupleExists, ErrTupleMissing, ErrTupleOwned, ErrModelInvalid, ErrTokenInvalid,
		ErrNotFound, ErrExists, ErrPrecondition, ErrConflict, ErrNotLeader, ErrRevisionNotYet, ErrStale, ErrUpgradePending, ErrRevisionGone,
		ErrDepthExceeded, ErrTooBroad, ErrQuota, ErrConditionUndecided, ErrDiskFull, ErrUnavailable, ErrOutcomeUnknown, ErrCorrupt,
	}
}

// MayPass reports whether an error is one of the moment: the same request may do later, or on another node. After
// ErrOutcomeUnknown it may have done already.
func MayPass(err error) bool {
	for _, passing := range []error{
		ErrUnavailable, ErrNotLeader, ErrRevisionNotYet, ErrStale, ErrDiskFull, ErrUpgradePending, ErrOutcomeUnknown, ErrConflict,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// TupleError says what is wrong with one tuple or with one part of it. It is its Err.
type TupleError struct {
	Tuple  Tuple  // the tuple at fault; zero when Part could not be parsed
	Part   string // "object", "relation", "user", "condition" or "tuple"
	Text   string // the part as it was given
	Reason string // what is wrong, to follow the text: "has white space"
	Err    error  // ErrTupleInvalid, ErrTupleExists, ErrTupleMissing, ErrTupleOwned or ErrConflict
}

func (e *TupleError) Error() string {
	text := e.Text
	if text == "" && e.Tuple != (Tuple{}) {
		text = e.Tuple.String()
	}
	if e.Reason == "" {
		return fmt.Sprintf("%s %q: %v", e.Part, text, e.Err)
	}
	return fmt.Sprintf("%s %q %s", e.Part, text, e.Reason)
}

func (e *TupleError) Unwrap() error { return e.Err }

// PreconditionError says which precondition of a mutation did not hold. It is ErrPrecondition.
type PreconditionError struct {
	Index  int    // in Mutation.Preconditions
	Reason string // what was found: `document "store/01H…" is at version 7, not 5`
}

func (e *PreconditionError) Error() string {
	return fmt.Sprintf("precondition %d does not hold: %s", e.Index, e.Reason)
}

func (e *PreconditionError) Unwrap() error { return ErrPrecondition }
