package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/modeltest"
)

// The exit codes. They are part of the interface: scripts branch on them.
const (
	exitDone        = 0 // done, or allowed
	exitFailed      = 1
	exitUsage       = 2 // wrong usage
	exitDenied      = 3
	exitInvalid     = 4 // a model or test file is invalid
	exitUnavailable = 5 // the server cannot be reached or is not ready: retry
)

var (
	// errDenied ends a check that was answered "denied". The answer is on stdout already.
	errDenied = errors.New("denied")
	// errReported ends a command that has printed its own account of what failed.
	errReported = errors.New("reported already")
	// errInvalidFile ends a command that has printed what is wrong with a model file.
	errInvalidFile = errors.New("invalid file")
)

// usageError is a command line that cannot be carried out as it stands.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// exitCode maps the error of a command to the exit code of the process. It is the only place that
// does.
func exitCode(err error) int {
	var usage *usageError
	var diagnostics dsl.Diagnostics
	var faults modeltest.Faults
	var server *serverError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errDenied):
		return exitDenied
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errInvalidFile), errors.As(err, &diagnostics), errors.As(err, &faults):
		return exitInvalid
	case errors.As(err, &server):
		return server.exitCode()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errClusterUnavailable):
		return exitUnavailable
	}
	return exitFailed
}

func (e *serverError) exitCode() int {
	switch e.code {
	case codes.Unavailable, codes.DeadlineExceeded,
		codes.Code(openfgav1.InternalErrorCode_unavailable),
		codes.Code(openfgav1.InternalErrorCode_deadline_exceeded),
		codes.Code(openfgav1.UnprocessableContentErrorCode_throttled_timeout_error):
		return exitUnavailable
	case codes.Code(openfgav1.ErrorCode_invalid_authorization_model):
		return exitInvalid
	}
	return exitFailed
}

// printError says on stderr, in one line, what went wrong; the faults of a model file in as many as
// they need. What a command has reported itself is not said twice.
func (a *app) printError(err error) {
	switch {
	case err == nil, errors.Is(err, errDenied), errors.Is(err, errReported), errors.Is(err, errInvalidFile):
		return
	}
	if diagnostics, ok := err.(dsl.Diagnostics); ok {
		a.talkf("%v", diagnostics)
		return
	}
	if faults, ok := err.(modeltest.Faults); ok {
		a.talkf("%v", faults)
		return
	}
	fmt.Fprintf(a.err, "%s %v\n", a.paintErr(red, "error:"), err)
}
