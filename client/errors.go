package client

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The kinds of errors. Compare with errors.Is. Every error of a call is an *Error of one kind, or of two:
// ErrOutcomeUnknown is said beside another one.
var (
	// ErrInvalid: the request is malformed or does not fit the model. Not to be repeated.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthenticated: the server does not know the key or token.
	ErrUnauthenticated = errors.New("caller is not known")
	// ErrForbidden: the caller may not ask that. Nothing is said about the user it asked for.
	ErrForbidden = errors.New("caller may not do that")
	// ErrNotFound: the store or the model is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict: another write collided with this one. Read again, then decide.
	ErrConflict = errors.New("conflict")
	// ErrTooMuch: the request goes beyond a limit, or the caller asks too often.
	ErrTooMuch = errors.New("beyond a limit")
	// ErrUnavailable: the server did not answer in time, or cannot now. The same call may do later.
	ErrUnavailable = errors.New("unavailable")
	// ErrServer: the server failed.
	ErrServer = errors.New("server failed")
	// ErrOutcomeUnknown: the write may have happened. Repeat it with the same Changes.Key.
	ErrOutcomeUnknown = errors.New("outcome of the write is unknown")
	// ErrCut: a list was cut, and cannot be continued.
	ErrCut = errors.New("list was cut")
)

// Error is what a call failed with.
type Error struct {
	Call       string        // "Check"
	Code       codes.Code    // of gRPC, or OpenFGA's number
	Message    string        // of the server
	RequestID  string        // to find it in the server's log; may be empty
	RetryAfter time.Duration // how long the server asks to wait; may be 0
	Attempts   int           // how often the request was sent

	unknown bool
	cause   error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v: %s", e.Call, kindOf(e.Code), e.Message)
	if e.unknown {
		text += " (the write may have happened: repeat it with the same key)"
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// Is reports whether the error is of a kind.
func (e *Error) Is(kind error) bool {
	return kind == kindOf(e.Code) || e.unknown && kind == ErrOutcomeUnknown
}

// Unwrap returns gRPC's error, of which status.FromError knows the details.
func (e *Error) Unwrap() error { return e.cause }

// OpenFGA's numbers (openfga.v1, errors_ignore.proto) by range, and those that are of another kind than their range.
const (
	numberForbidden   = 1600
	numberNoModel     = 2001
	numberNoLatest    = 2020
	numberTooComplex  = 2002
	numberEntityLimit = 2053
	numberCancelled   = 2058
	firstAuth         = 1000
	firstInput        = 2000
	firstInternal     = 4000
	firstNotFound     = 5000
	lastNotFound      = 5999
)

func kindOf(code codes.Code) error {
	switch code {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return ErrInvalid
	case codes.Unauthenticated:
		return ErrUnauthenticated
	case codes.PermissionDenied, numberForbidden:
		return ErrForbidden
	case codes.NotFound, codes.Unimplemented, numberNoModel, numberNoLatest:
		return ErrNotFound
	case codes.Aborted, codes.AlreadyExists:
		return ErrConflict
	case codes.ResourceExhausted, numberTooComplex, numberEntityLimit:
		return ErrTooMuch
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, numberCancelled:
		return ErrUnavailable
	}
	switch {
	case code >= firstAuth && code < firstInput:
		return ErrUnauthenticated
	case code >= firstInput && code < firstInternal:
		return ErrInvalid
	case code >= firstNotFound && code <= lastNotFound:
		return ErrNotFound
	}
	return ErrServer
}

// newError makes an Error of what gRPC returned.
func newError(call string, err error, headers headers, attempts int) *Error {
	st := status.Convert(err)
	return &Error{
		Call: call, Code: st.Code(), Message: st.Message(), RequestID: headers.get("x-request-id"),
		RetryAfter: headers.retryAfter(), Attempts: attempts, cause: err,
	}
}
