package scim

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/identity"
)

// What is recorded of requests holds no values: of methods those that there are, of a path its endpoints and ids, of a query the names of its
// parameters, of a body the names of attributes that the schema has.

var (
	loggedSegments = []string{"Users", "Groups", "Roles", "Entitlements", "Bulk", "ServiceProviderConfig", "ResourceTypes", "Schemas", "Me", ".search"}
	loggedParams   = []string{"filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes"}
	loggedID       = regexp.MustCompile(`^[a-z][0-9a-z]{26}$`)
)

// maxLoggedParts bounds the parts of a path that are recorded: no endpoint has more, and what is sent may have
// thousands.
const maxLoggedParts = 3

// loggedPath returns a path below a connection, and the names of its parameters, as they are recorded.
func loggedPath(parts []string, params func(name string) bool) string {
	var b strings.Builder
	for i, part := range parts {
		if i == maxLoggedParts {
			b.WriteString("/…")
			break
		}
		b.WriteByte('/')
		if !slices.Contains(loggedSegments, part) && !loggedID.MatchString(part) {
			part = "…"
		}
		b.WriteString(part)
	}
	mark := byte('?')
	for _, name := range loggedParams {
		if params(name) {
			b.WriteByte(mark)
			b.WriteString(name)
			mark = '&'
		}
	}
	return b.String()
}

// trace is what is known of a request until it is recorded.
type trace struct {
	request    identity.Request
	connection string
	dir        *identity.Directory // nil: the request did not open it
	ctx        context.Context
}

func newTrace(r *http.Request) *trace {
	return &trace{request: identity.Request{ID: r.Header.Get("X-Request-Id"), Method: among(observedMethods, r.Method)}, ctx: r.Context()}
}

// recordTime bounds what recording a request may take.
const recordTime = 2 * time.Second

// record notes a request that is about to be answered: that its token was used, and that it changed nothing, where it did
// not.
func (h *Handler) record(t *trace, status int, err error) {
	if t.connection == "" || t.request.Changed {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), recordTime)
	defer cancel()
	failed := h.o.Service.Note(ctx, t.connection, &t.request, status, loggedReason(err))
	if t.dir != nil {
		failed = errors.Join(failed, t.dir.Used(ctx))
	}
	if failed != nil {
		h.o.Logger.Debug("scim request not recorded", "error", failed)
	}
}

// loggedReason names why a request was refused; empty where the status says all.
func loggedReason(err error) string {
	if err == nil {
		return ""
	}
	reason := reasonOf(err)
	if reason == strconv.Itoa(refusalOf(err).Status) {
		return ""
	}
	return reason
}

// noteOperation records an operation of a Bulk request that changed nothing.
func (c *call) noteOperation(status int, err error) {
	if c.request.Changed {
		return
	}
	if err := c.h.o.Service.Note(c.ctx, c.dir.Connection().ID, c.request, status, loggedReason(err)); err != nil {
		c.h.o.Logger.Debug("scim operation not recorded", "error", err)
	}
}
