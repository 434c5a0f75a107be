package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// retrySeconds is what a client is asked to wait when the server cannot answer now.
const retrySeconds = 1

// operatorSeconds is what a client is asked to wait for an operator: much less than what one confirms is good
// for.
const operatorSeconds = 600

// refusal turns an error into an answer, and logs the ones that somebody must look into.
func (h *Handler) refusal(r *http.Request, err error) answer {
	e := refusalOf(err)
	if e.Status == http.StatusInternalServerError {
		h.o.Logger.Error("scim request failed", "method", r.Method, "error", err)
	}
	a := answer{status: e.Status}
	var method *methodError
	if errors.As(err, &method) {
		a.allow = method.allow
	}
	if e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests {
		a.retry = retrySeconds
	}
	if errors.Is(err, identity.ErrHeld) || errors.Is(err, identity.ErrPaused) {
		a.retry = operatorSeconds
	}
	switch {
	case e.Status == http.StatusUnauthorized && r.Header.Get("Authorization") != "":
		a.challenge = `Bearer realm="scim", scope="scim", error="invalid_token"`
	case e.Status == http.StatusUnauthorized:
		a.challenge = `Bearer realm="scim", scope="scim"`
	case errors.Is(err, identity.ErrForbidden):
		a.challenge = `Bearer realm="scim", scope="scim", error="insufficient_scope"`
	}
	a.body, _ = json.Marshal(e) // strings: it cannot fail
	return a
}

// refusalOf maps every error to SCIM's form. What a client may not know is not in its detail.
func refusalOf(err error) *scimerr.Error {
	var refused *scimerr.Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, identity.ErrUnauthenticated):
		return scimerr.New(http.StatusUnauthorized, "", "send a valid token of this connection: Authorization: Bearer …")
	case errors.Is(err, identity.ErrForbidden):
		return scimerr.New(http.StatusForbidden, "", "the token does not have the scope that this needs")
	case errors.Is(err, identity.ErrHeld):
		return scimerr.New(http.StatusTooManyRequests, "", "%s", said(err, identity.ErrHeld))
	case errors.Is(err, identity.ErrPaused):
		return scimerr.New(http.StatusServiceUnavailable, "", "%s", said(err, identity.ErrPaused))
	case errors.Is(err, ostiary.ErrNotFound):
		return scimerr.New(http.StatusNotFound, "", "there is no such resource")
	case errors.Is(err, ostiary.ErrExists):
		return scimerr.New(http.StatusConflict, scimerr.Uniqueness, "%s", said(err, ostiary.ErrExists))
	case errors.Is(err, ostiary.ErrPrecondition):
		return scimerr.New(http.StatusPreconditionFailed, "", "the resource has another version than If-Match names")
	case errors.Is(err, ostiary.ErrTupleInvalid):
		return scimerr.Bad(scimerr.InvalidValue, "%s", said(err, ostiary.ErrTupleInvalid))
	case errors.Is(err, ostiary.ErrQuota):
		// RFC 7644 section 3.12 has no status of its own for it: 413 is about the request, 429 about its rate. Providers
		// try again after one of 5xx.
		return scimerr.New(http.StatusInsufficientStorage, "", "%s", said(err, ostiary.ErrQuota))
	case errors.Is(err, ostiary.ErrTooBroad):
		return scimerr.New(http.StatusRequestEntityTooLarge, "", "%s", said(err, ostiary.ErrTooBroad))
	case errors.Is(err, ostiary.ErrRevisionGone):
		return scimerr.Bad(scimerr.ExpiredCursor, "the pages are no longer kept: start again without a cursor")
	case errors.Is(err, identity.ErrLocked):
		return scimerr.New(http.StatusServiceUnavailable, "", "this node does not have the key of personal data: another one may answer")
	case ostiary.MayPass(err):
		return scimerr.New(http.StatusServiceUnavailable, "", "the server cannot answer now: try again")
	default:
		return scimerr.New(http.StatusInternalServerError, "", "internal error")
	}
}

// said returns what an error says beside the sentinel that it wraps.
func said(err, sentinel error) string {
	text := strings.TrimSuffix(err.Error(), ": "+sentinel.Error())
	return attributeNames.Replace(text)
}

// attributeNames puts the names of attributes in the place of those of keys.
var attributeNames = strings.NewReplacer("user_name", "userName", "external_id", "externalId", "group_name", "displayName")
