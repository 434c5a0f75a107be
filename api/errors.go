package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// OpenFGA's error numbers travel as gRPC status codes. These are the ones given by name here.
const (
	codeValidation        = codes.Code(openfgav1.ErrorCode_validation_error)
	codeModelNotFound     = codes.Code(openfgav1.ErrorCode_authorization_model_not_found)
	codeTooComplex        = codes.Code(openfgav1.ErrorCode_authorization_model_resolution_too_complex)
	codeWriteInput        = codes.Code(openfgav1.ErrorCode_invalid_write_input)
	codeDuplicateTuples   = codes.Code(openfgav1.ErrorCode_cannot_allow_duplicate_tuples_in_one_request)
	codePageToken         = codes.Code(openfgav1.ErrorCode_invalid_continuation_token)
	codeExpandInput       = codes.Code(openfgav1.ErrorCode_invalid_expand_input)
	codeWriteFailed       = codes.Code(openfgav1.ErrorCode_write_failed_due_to_invalid_input)
	codeNoModel           = codes.Code(openfgav1.ErrorCode_latest_authorization_model_not_found)
	codeTypeNotFound      = codes.Code(openfgav1.ErrorCode_type_not_found)
	codeRelationNotFound  = codes.Code(openfgav1.ErrorCode_relation_not_found)
	codeInvalidTuple      = codes.Code(openfgav1.ErrorCode_invalid_tuple)
	codeTokenTypeMismatch = codes.Code(openfgav1.ErrorCode_query_string_type_continuation_token_mismatch)
	codeEntityLimit       = codes.Code(openfgav1.ErrorCode_exceeded_entity_limit)
	codeInvalidModel      = codes.Code(openfgav1.ErrorCode_invalid_authorization_model)
	codeInternal          = codes.Code(openfgav1.InternalErrorCode_internal_error)
	codeStoreNotFound     = codes.Code(openfgav1.NotFoundErrorCode_store_id_not_found)
	codeBearerMissing     = codes.Code(openfgav1.AuthErrorCode_bearer_token_missing)
	codeUnauthenticated   = codes.Code(openfgav1.AuthErrorCode_unauthenticated)
	codeAborted           = codes.Aborted
)

// refusal is an error that knows its number and its text on the wire.
type refusal struct {
	code  codes.Code
	text  string
	cause error // may be nil; never shown
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.cause }

func refuse(code codes.Code, format string, args ...any) error {
	return &refusal{code: code, text: fmt.Sprintf(format, args...)}
}

func storeNotFound() error {
	return &refusal{code: codeStoreNotFound, text: "Store ID not found", cause: ostiary.ErrNotFound}
}

func modelNotFound(id string) error {
	return &refusal{
		code: codeModelNotFound, text: fmt.Sprintf("Authorization Model '%s' not found", id), cause: ostiary.ErrNotFound,
	}
}

// sentinelCodes maps each sentinel to its number on openfga.v1. With text set, the caller sees the
// error's own text; otherwise the sentinel's alone, and the cause goes to the log.
var sentinelCodes = []struct {
	sentinel error
	code     codes.Code
	text     bool
}{
	{ostiary.ErrTupleInvalid, codeValidation, true},
	{ostiary.ErrTupleExists, codeWriteFailed, true},
	{ostiary.ErrTupleMissing, codeWriteFailed, true},
	{ostiary.ErrTupleOwned, codes.FailedPrecondition, true},
	{ostiary.ErrModelInvalid, codeInvalidModel, true},
	{ostiary.ErrTokenInvalid, codes.InvalidArgument, true},
	{ostiary.ErrNotFound, codes.NotFound, true},
	{ostiary.ErrExists, codes.AlreadyExists, true},
	{ostiary.ErrPrecondition, codes.Aborted, true},
	{ostiary.ErrConflict, codes.Aborted, true},
	{identity.ErrLocked, codes.Unavailable, true},
	{ostiary.ErrNotLeader, codes.Unavailable, false},
	{ostiary.ErrRevisionNotYet, codes.Unavailable, true},
	{ostiary.ErrStale, codes.Unavailable, true},
	{ostiary.ErrUpgradePending, codes.FailedPrecondition, true},
	{ostiary.ErrRevisionGone, codes.OutOfRange, true},
	{ostiary.ErrDepthExceeded, codeTooComplex, false},
	{ostiary.ErrTooBroad, codeEntityLimit, true},
	{ostiary.ErrQuota, codeEntityLimit, true},
	{ostiary.ErrConditionUndecided, codeValidation, true},
	{ostiary.ErrOutcomeUnknown, codes.Unknown, false},
	{ostiary.ErrDiskFull, codes.Unavailable, false},
	{ostiary.ErrUnavailable, codes.Unavailable, false},
	{ostiary.ErrCorrupt, codes.DataLoss, false},
}

// sentinelTexts replaces the text of a sentinel where OpenFGA's own words or a hint are more use.
var sentinelTexts = map[error]string{
	ostiary.ErrDepthExceeded: "Authorization Model resolution required too many rewrite rules to be resolved. " +
		"Check your authorization model for infinite recursion or too much nesting",
	ostiary.ErrOutcomeUnknown: "outcome of the write is unknown: it may have happened. Repeat it with the same " + headerOnce +
		", or read before writing again",
	ostiary.ErrCorrupt:     "stored data is corrupt: this node cannot answer",
	ostiary.ErrNotLeader:   "this node cannot accept writes now: retry",
	ostiary.ErrDiskFull:    "the server is short of disk space and accepts no writes: free some, then retry",
	ostiary.ErrUnavailable: "this node is not available now: retry",
}

// statusOf maps an error to its status on openfga.v1: OpenFGA's number as the code, and its words. It
// is the only such mapper; canonical turns its answer into the one for ostiary.v1. Text that a caller
// should not see is replaced by the request id; expected says whether the error is one of the caller's
// or of the weather, rather than a fault to be logged.
func statusOf(err error, requestID string) (st *status.Status, expected bool) {
	var r *refusal
	if errors.As(err, &r) {
		return status.New(r.code, r.text), r.code != codeInternal
	}
	var undecided *engine.ConditionError
	if errors.As(err, &undecided) {
		return status.New(codeValidation, conditionWords(undecided)), true
	}
	var diagnostics dsl.Diagnostics
	if errors.As(err, &diagnostics) {
		return status.New(codeInvalidModel, modelFaults(diagnostics)), true
	}
	for _, m := range sentinelCodes {
		if !errors.Is(err, m.sentinel) {
			continue
		}
		text, replaced := sentinelTexts[m.sentinel]
		switch {
		case m.text:
			text = err.Error()
		case !replaced:
			text = m.sentinel.Error()
		}
		return status.New(m.code, text), m.text || m.code == codeTooComplex
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, "request was cancelled"), true
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, "request did not end within its deadline"), true
	}
	if st, ok := status.FromError(err); ok { // from gRPC itself, or from field validation
		return st, true
	}
	return status.New(codeInternal, "internal error (request "+requestID+")"), false
}

// modelFaults puts the faults of a model into one line each, without their places: the JSON that was
// compiled is not byte for byte what the client sent.
func modelFaults(all dsl.Diagnostics) string {
	lines := make([]string, len(all))
	for i, d := range all {
		lines[i] = fmt.Sprintf("%s: %s", d.Code, d.Message)
		if d.Suggestion != "" {
			lines[i] += "; " + d.Suggestion
		}
	}
	return strings.Join(lines, "\n")
}

// canonical turns a status with OpenFGA's number into one of gRPC's own codes, for ostiary.v1 and for
// messages within a stream.
func canonical(st *status.Status) *status.Status {
	return status.New(canonicalCode(st.Code()), st.Message())
}

func canonicalCode(code codes.Code) codes.Code {
	switch code {
	case codeModelNotFound, codeNoModel, codeStoreNotFound:
		return codes.NotFound
	case codeTooComplex, codeEntityLimit:
		return codes.ResourceExhausted
	case codeBearerMissing, codeUnauthenticated:
		return codes.Unauthenticated
	case codeForbidden:
		return codes.PermissionDenied
	case codeWriteFailed:
		return codes.FailedPrecondition
	case codeInternal:
		return codes.Internal
	}
	if code >= 2000 && code < 3000 {
		return codes.InvalidArgument
	}
	return code
}

// wireCodes are the HTTP status and the "code" of the body for gRPC's own codes.
var wireCodes = map[codes.Code]struct {
	status int
	name   string
}{
	codes.Canceled:           {499, openfgav1.ErrorCode_cancelled.String()},
	codes.Unknown:            {http.StatusInternalServerError, "outcome_unknown"}, // of ostiary.ErrOutcomeUnknown alone
	codes.DeadlineExceeded:   {http.StatusInternalServerError, openfgav1.InternalErrorCode_deadline_exceeded.String()},
	codes.NotFound:           {http.StatusNotFound, openfgav1.NotFoundErrorCode_undefined_endpoint.String()},
	codes.AlreadyExists:      {http.StatusConflict, openfgav1.InternalErrorCode_already_exists.String()},
	codes.PermissionDenied:   {http.StatusForbidden, openfgav1.AuthErrorCode_forbidden.String()},
	codes.ResourceExhausted:  {http.StatusRequestEntityTooLarge, openfgav1.InternalErrorCode_resource_exhausted.String()},
	codes.FailedPrecondition: {http.StatusBadRequest, openfgav1.InternalErrorCode_failed_precondition.String()},
	codes.Aborted:            {http.StatusConflict, codes.Aborted.String()},
	codes.OutOfRange:         {http.StatusBadRequest, openfgav1.InternalErrorCode_out_of_range.String()},
	codes.Unimplemented:      {http.StatusNotFound, openfgav1.NotFoundErrorCode_unimplemented.String()},
	codes.Internal:           {http.StatusInternalServerError, openfgav1.InternalErrorCode_internal_error.String()},
	codes.Unavailable:        {http.StatusServiceUnavailable, openfgav1.InternalErrorCode_unavailable.String()},
	codes.DataLoss:           {http.StatusInternalServerError, openfgav1.InternalErrorCode_data_loss.String()},
	codes.Unauthenticated:    {http.StatusUnauthorized, openfgav1.AuthErrorCode_unauthenticated.String()},
}

// wireError returns the HTTP status and the two fields of the body for a gRPC status.
func wireError(st *status.Status) (httpStatus int, name, message string) {
	code, message := st.Code(), st.Message()
	if code == codes.InvalidArgument {
		message = innermost(message)
		if message == io.ErrUnexpectedEOF.Error() {
			message = "malformed JSON" // the body ends within a value; no EOF was meant for the client
		}
		return http.StatusBadRequest, fieldCode(message).String(), message
	}
	if w, ok := wireCodes[code]; ok {
		return w.status, w.name, message
	}
	number := int32(code)
	if name, ok := openfgav1.AuthErrorCode_name[number]; ok {
		if code == codes.Code(openfgav1.AuthErrorCode_forbidden) {
			return http.StatusForbidden, name, message
		}
		return http.StatusUnauthorized, name, message
	}
	if name, ok := openfgav1.ErrorCode_name[number]; ok {
		return http.StatusBadRequest, name, message
	}
	if name, ok := openfgav1.NotFoundErrorCode_name[number]; ok {
		return http.StatusNotFound, name, message
	}
	if name, ok := openfgav1.InternalErrorCode_name[number]; ok {
		return http.StatusInternalServerError, name, message
	}
	return http.StatusInternalServerError, openfgav1.InternalErrorCode_internal_error.String(), message
}

// innermost returns the part of a validator's message that names the field at fault, without the
// messages that embed it.
func innermost(message string) string {
	const cause = "| caused by: "
	if i := strings.LastIndex(message, cause); i >= 0 {
		message = message[i+len(cause):]
	}
	message = strings.ReplaceAll(message, "\u00a0", " ") // protojson varies its spaces
	return strings.TrimSpace(strings.TrimPrefix(message, "proto: "))
}

// violation takes a validator's message apart: "invalid CheckRequest.TupleKey: value is required".
var violation = regexp.MustCompile(`^invalid \w+\.(\w+)(?:\[[^\]]*\])?: (.*)`)

// fieldCodes are OpenFGA's codes for some of the validators' messages, by field and reason.
var fieldCodes = []struct {
	field, reason string
	code          openfgav1.ErrorCode
}{
	{"PageSize", "value must be inside range", openfgav1.ErrorCode_page_size_invalid},
	{"TupleKey", "value is required", openfgav1.ErrorCode_tuple_key_value_not_specified},
	{"TypeDefinitions", "value must contain at least", openfgav1.ErrorCode_type_definitions_too_few_items},
	{"Type", "value does not match regex pattern", openfgav1.ErrorCode_type_invalid_pattern},
	{"Relations", "value does not match regex pattern", openfgav1.ErrorCode_relations_invalid_pattern},
	{"Base", "value is required", openfgav1.ErrorCode_difference_base_missing_value},
	{"Subtract", "value is required", openfgav1.ErrorCode_subtract_base_missing_value},
	{"Relation", "value length must be at most", openfgav1.ErrorCode_relation_too_long},
	{"Object", "value length must be at most", openfgav1.ErrorCode_object_too_long},
	{"Assertions", "value must contain no more than", openfgav1.ErrorCode_assertions_too_many_items},
}

// fieldCode returns OpenFGA's code for a validator's message; most have none of their own.
func fieldCode(message string) openfgav1.ErrorCode {
	if m := violation.FindStringSubmatch(message); m != nil {
		for _, f := range fieldCodes {
			if m[1] == f.field && strings.HasPrefix(m[2], f.reason) {
				return f.code
			}
		}
	}
	return openfgav1.ErrorCode_validation_error
}
