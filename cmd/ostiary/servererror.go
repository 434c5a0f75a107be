package main

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// serverError is a refusal of the server, or the failure to reach it.
type serverError struct {
	server  string
	code    codes.Code // gRPC's, or one of OpenFGA's numbers
	message string
	foreign bool // not the server of --server, so that our hints do not fit
	unheard bool // there was no connection, so nobody has answered
}

// asServerError turns the error of a call into a *serverError; nil stays nil.
func asServerError(server string, err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	return &serverError{server: server, code: s.Code(), message: plainMessage(s.Message()), unheard: isUnheard(s.Message())}
}

// unconnected begins what gRPC says where it could not connect.
const unconnected = "connection error: "

// isUnheard tells gRPC's own words for a connection that failed from those of a server that cannot serve now.
func isUnheard(message string) bool {
	for _, words := range []string{unconnected, "name resolver error", "error reading from server", "closing transport"} {
		if strings.HasPrefix(message, words) {
			return true
		}
	}
	return false
}

// plainMessage takes away the words in which gRPC wraps the failure to connect.
func plainMessage(message string) string {
	const wrapping = unconnected + `desc = "transport: Error while dialing: `
	if inner, wrapped := strings.CutPrefix(message, wrapping); wrapped {
		return strings.TrimSuffix(inner, `"`)
	}
	return message
}

// Error returns the server's message, the name and number of its code, and what to do about it.
func (e *serverError) Error() string {
	text := fmt.Sprintf("%s (%s)", e.message, codeName(e.code))
	if hint := e.hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

func codeName(c codes.Code) string {
	for _, names := range []map[int32]string{
		openfgav1.AuthErrorCode_name, openfgav1.ErrorCode_name, openfgav1.NotFoundErrorCode_name,
		openfgav1.InternalErrorCode_name, openfgav1.UnprocessableContentErrorCode_name,
	} {
		if name, ok := names[int32(c)]; ok && c > codes.Unauthenticated {
			return fmt.Sprintf("%s, %d", name, uint32(c))
		}
	}
	return c.String()
}

// hint says what to do, where that is known.
func (e *serverError) hint() string {
	if e.foreign {
		return ""
	}
	const modelHint = "'ostiary model get' shows the types and relations"
	switch e.code {
	case codes.Unavailable:
		if !e.unheard {
			return "" // the server has said what to do
		}
		if hint := tlsHint(e.server, e.message); hint != "" {
			return hint
		}
		return fmt.Sprintf("is a server running at %s? Start one with 'ostiary serve --dev', or pass --server", e.server)
	case codes.DeadlineExceeded:
		return "try again, or allow more time with --timeout"
	case codes.Unauthenticated, codes.Code(openfgav1.AuthErrorCode_bearer_token_missing),
		codes.Code(openfgav1.AuthErrorCode_auth_failed_invalid_bearer_token), codes.Code(openfgav1.AuthErrorCode_unauthenticated):
		return "pass the key with --token-file or OSTIARY_TOKEN"
	case codes.Code(openfgav1.NotFoundErrorCode_store_id_not_found):
		return "'ostiary store list' shows the stores, 'ostiary use NAME' remembers one"
	case codes.Code(openfgav1.ErrorCode_latest_authorization_model_not_found):
		return "write a model first: 'ostiary model write FILE'"
	case codes.Code(openfgav1.ErrorCode_type_not_found), codes.Code(openfgav1.ErrorCode_relation_not_found):
		return modelHint
	case codes.Code(openfgav1.ErrorCode_validation_error):
		if strings.Contains(e.message, "not found") {
			return modelHint
		}
	case codes.Code(openfgav1.ErrorCode_authorization_model_not_found):
		return "'ostiary model list' shows the models"
	}
	return ""
}

// refusesContent reports whether the server refused what was in the request, so that a smaller or
// corrected request may pass. Everything else (no such store, no right, not reachable) would be the
// same for any request.
func (e *serverError) refusesContent() bool {
	switch e.code {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists, codes.Aborted, codes.ResourceExhausted, codes.OutOfRange,
		codes.Code(openfgav1.InternalErrorCode_already_exists), codes.Code(openfgav1.InternalErrorCode_resource_exhausted),
		codes.Code(openfgav1.InternalErrorCode_failed_precondition), codes.Code(openfgav1.InternalErrorCode_aborted):
		return true
	case codes.Code(openfgav1.ErrorCode_latest_authorization_model_not_found),
		codes.Code(openfgav1.ErrorCode_authorization_model_not_found), codes.Code(openfgav1.ErrorCode_store_id_invalid_length),
		codes.Code(openfgav1.ErrorCode_cancelled):
		return false
	}
	return e.code >= 2000 && e.code < 3000
}
