package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
)

// sentinelWants is what each sentinel becomes: on openfga.v1, on ostiary.v1, and over HTTP.
var sentinelWants = map[error]struct {
	openfga, own codes.Code
	status       int
	name         string
}{
	ostiary.ErrTupleInvalid:       {2000, codes.InvalidArgument, 400, "validation_error"},
	ostiary.ErrTupleExists:        {2017, codes.FailedPrecondition, 400, "write_failed_due_to_invalid_input"},
	ostiary.ErrTupleMissing:       {2017, codes.FailedPrecondition, 400, "write_failed_due_to_invalid_input"},
	ostiary.ErrTupleOwned:         {codes.FailedPrecondition, codes.FailedPrecondition, 400, "failed_precondition"},
	ostiary.ErrModelInvalid:       {2056, codes.InvalidArgument, 400, "invalid_authorization_model"},
	ostiary.ErrTokenInvalid:       {codes.InvalidArgument, codes.InvalidArgument, 400, "validation_error"},
	ostiary.ErrNotFound:           {codes.NotFound, codes.NotFound, 404, "undefined_endpoint"},
	ostiary.ErrExists:             {codes.AlreadyExists, codes.AlreadyExists, 409, "already_exists"},
	ostiary.ErrPrecondition:       {codes.Aborted, codes.Aborted, 409, "Aborted"},
	ostiary.ErrConflict:           {codes.Aborted, codes.Aborted, 409, "Aborted"},
	ostiary.ErrNotLeader:          {codes.Unavailable, codes.Unavailable, 503, "unavailable"},
	ostiary.ErrRevisionNotYet:     {codes.Unavailable, codes.Unavailable, 503, "unavailable"},
	ostiary.ErrStale:              {codes.Unavailable, codes.Unavailable, 503, "unavailable"},
	ostiary.ErrUpgradePending:     {codes.FailedPrecondition, codes.FailedPrecondition, 400, "failed_precondition"},
	ostiary.ErrRevisionGone:       {codes.OutOfRange, codes.OutOfRange, 400, "out_of_range"},
	ostiary.ErrDepthExceeded:      {2002, codes.ResourceExhausted, 400, "authorization_model_resolution_too_complex"},
	ostiary.ErrTooBroad:           {2053, codes.ResourceExhausted, 400, "exceeded_entity_limit"},
	ostiary.ErrQuota:              {2053, codes.ResourceExhausted, 400, "exceeded_entity_limit"},
	ostiary.ErrConditionUndecided: {2000, codes.InvalidArgument, 400, "validation_error"},
	ostiary.ErrDiskFull:           {codes.Unavailable, codes.Unavailable, 503, "unavailable"},
	ostiary.ErrUnavailable:        {codes.Unavailable, codes.Unavailable, 503, "unavailable"},
	ostiary.ErrOutcomeUnknown:     {codes.Unknown, codes.Unknown, 500, "outcome_unknown"},
	ostiary.ErrCorrupt:            {codes.DataLoss, codes.DataLoss, 500, "data_loss"},
}

func TestStatusOfSentinels(t *testing.T) {
	for _, sentinel := range ostiary.Sentinels() {
		t.Run(sentinel.Error(), func(t *testing.T) {
			want, ok := sentinelWants[sentinel]
			if !ok {
				t.Fatal("the sentinel has no row in this table: give it a number in errors.go and a row here")
			}
			err := fmt.Errorf("do a thing to %q: %w", "/var/secret", sentinel)
			st, _ := statusOf(err, "r1")
			if st.Code() != want.openfga {
				t.Errorf("openfga.v1: got %d, want %d", st.Code(), want.openfga)
			}
			if got := canonical(st).Code(); got != want.own {
				t.Errorf("ostiary.v1: got %d, want %d", got, want.own)
			}
			httpStatus, name, message := wireError(st)
			if httpStatus != want.status || name != want.name {
				t.Errorf("HTTP: got %d %q, want %d %q", httpStatus, name, want.status, want.name)
			}
			if message == "" {
				t.Error("no message")
			}
		})
	}
}

func TestStatusOf(t *testing.T) {
	diagnostics := dsl.Diagnostics{{Code: "X1", Message: "undefined relation `w`"}}
	for _, c := range []struct {
		name string
		err  error
		code codes.Code
		text string // contained in the message
	}{
		{"diagnostics", fmt.Errorf("compile: %w", diagnostics), 2056, "undefined relation `w`"},
		{"cancelled", fmt.Errorf("wait: %w", context.Canceled), codes.Canceled, "cancelled"},
		{"deadline", fmt.Errorf("wait: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "deadline"},
		{"cancelled write", fmt.Errorf("%w: %w", context.Canceled, ostiary.ErrOutcomeUnknown), codes.Unknown, "read before"},
		{"token ahead", fmt.Errorf("revision 7 was asked for, and this node stands at 5: %w", ostiary.ErrRevisionNotYet), codes.Unavailable, "stands at 5"},
		{"stale", fmt.Errorf("last caught up 12s ago: %w", ostiary.ErrStale), codes.Unavailable, "12s ago"},
		{"refusal", fmt.Errorf("write: %w", refuse(codeDuplicateTuples, "twice")), 2004, "twice"},
		{"status", status.Error(codes.InvalidArgument, "bad"), codes.InvalidArgument, "bad"},
		{"unknown", errors.New("open /var/secret: no such file"), 4000, "internal error (request r1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st, _ := statusOf(c.err, "r1")
			if st.Code() != c.code || !strings.Contains(st.Message(), c.text) {
				t.Errorf("got %d %q, want %d with %q", st.Code(), st.Message(), c.code, c.text)
			}
			if strings.Contains(st.Message(), "/var/secret") {
				t.Errorf("%q tells a cause that is not the caller's", st.Message())
			}
		})
	}
}

// Every number that OpenFGA knows has an HTTP status and keeps its name.
func TestWireErrorKnowsEveryNumber(t *testing.T) {
	for _, names := range []map[int32]string{
		openfgav1.ErrorCode_name, openfgav1.AuthErrorCode_name, openfgav1.InternalErrorCode_name, openfgav1.NotFoundErrorCode_name,
	} {
		for code, name := range names {
			if code == 0 {
				continue
			}
			httpStatus, got, _ := wireError(status.New(codes.Code(code), "text"))
			if got != name || httpStatus < 400 {
				t.Errorf("%d: got %d %q, want the name %q", code, httpStatus, got, name)
			}
		}
	}
}

func TestFieldCode(t *testing.T) {
	for message, want := range map[string]openfgav1.ErrorCode{
		"invalid ReadRequest.PageSize: value must be inside range [1, 100]":                                2039,
		"invalid CheckRequest.TupleKey: value is required":                                                 2037,
		"invalid TypeDefinition.Relations[a: b]: value does not match regex pattern \"x\"":                 2050,
		"invalid TypeDefinition.Type: value does not match regex pattern \"x\"; invalid A.B: c":            2047,
		"invalid CheckRequestTupleKey.Relation: value does not match regex pattern \"^[^:#@\\\\s]{1,50}\"": 2000,
		"syntax error (line 1:47): unexpected token":                                                       2000,
	} {
		if got := fieldCode(message); got != want {
			t.Errorf("%s: got %v, want %v", message, got, want)
		}
	}
}
