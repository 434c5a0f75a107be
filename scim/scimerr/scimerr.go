// Package scimerr holds the errors of SCIM as values: a status, a scimType of RFC 7644 table 9 or of
// RFC 9865, and a detail for the person who reads the log of the identity provider.
//
// A detail names what the client sent and what to do instead. It never names what the client may not
// know: other organizations, internals, secrets.
package scimerr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Schema is the URN of a SCIM error message.
const Schema = "urn:ietf:params:scim:api:messages:2.0:Error"

// Type is a scimType: what kind of fault a status stands for. Empty where the RFC names none.
type Type string

// The scimTypes of RFC 7644, table 9, and of RFC 9865, section 2.3.
const (
	InvalidFilter Type = "invalidFilter"
	TooMany       Type = "tooMany"
	Uniqueness    Type = "uniqueness"
	Mutability    Type = "mutability"
	InvalidSyntax Type = "invalidSyntax"
	InvalidPath   Type = "invalidPath"
	NoTarget      Type = "noTarget"
	InvalidValue  Type = "invalidValue"
	InvalidVers   Type = "invalidVers"
	Sensitive     Type = "sensitive"
	InvalidCursor Type = "invalidCursor"
	ExpiredCursor Type = "expiredCursor"
	InvalidCount  Type = "invalidCount"
)

// Error is a refusal as SCIM words it.
type Error struct {
	Status int
	Type   Type
	Detail string
}

func (e *Error) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("%d: %s", e.Status, e.Detail)
	}
	return fmt.Sprintf("%d %s: %s", e.Status, e.Type, e.Detail)
}

// Is reports whether target is a refusal with the same status and type, whatever its detail.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Status == e.Status && t.Type == e.Type
}

// MarshalJSON writes the message of RFC 7644, section 3.12, whose status is a string.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schemas [1]string `json:"schemas"`
		Type    Type      `json:"scimType,omitempty"`
		Detail  string    `json:"detail"`
		Status  string    `json:"status"`
	}{[1]string{Schema}, e.Type, e.Detail, strconv.Itoa(e.Status)})
}

// Bad returns a refusal with status 400.
func Bad(t Type, format string, args ...any) *Error {
	return New(http.StatusBadRequest, t, format, args...)
}

// New returns a refusal with any status.
func New(status int, t Type, format string, args ...any) *Error {
	return &Error{Status: status, Type: t, Detail: fmt.Sprintf(format, args...)}
}
