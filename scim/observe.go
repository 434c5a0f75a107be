package scim

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// Observer is told of every request. It is called on the goroutine of the request, so it should be quick; it
// is safe for concurrent use. Every text is of a closed set.
type Observer interface {
	// Answered tells of a request: its method, or "other"; the first part of its path, or "other"; the status.
	Answered(method, resource string, status int, took time.Duration)
	// Refused tells of a request, or of an operation of a Bulk request, that was refused: by "unauthenticated",
	// "forbidden", "held", "paused", "locked", "rate", the scimType of the refusal, or else its status.
	Refused(reason string)
}

// Reasons returns what an Observer is told of refusals most often, so that they can be shown before they happen.
func Reasons() []string {
	return []string{"unauthenticated", "forbidden", "held", "paused", "locked", "rate"}
}

// errRate is what the refusal of a connection that asks too often is.
var errRate = scimerr.New(http.StatusTooManyRequests, "", "")

var (
	observedMethods   = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	observedResources = []string{"Users", "Groups", "Roles", "Entitlements", "Bulk", "ServiceProviderConfig", "ResourceTypes", "Schemas"}
)

// observe tells the observer of a request that was answered.
func (h *Handler) observe(r *http.Request, a answer, err error, took time.Duration) {
	if h.o.Observer == nil {
		return
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	resource, _, _ := strings.Cut(path, "/")
	h.o.Observer.Answered(among(observedMethods, r.Method), among(observedResources, resource), a.status, took)
	h.observeRefusal(err)
}

func (h *Handler) observeRefusal(err error) {
	if h.o.Observer != nil && err != nil {
		h.o.Observer.Refused(reasonOf(err))
	}
}

func among(all []string, text string) string {
	if slices.Contains(all, text) {
		return text
	}
	return "other"
}

// reasonOf names the reason of a refusal.
func reasonOf(err error) string {
	for _, known := range []struct {
		sentinel error
		reason   string
	}{
		{identity.ErrUnauthenticated, "unauthenticated"}, {identity.ErrForbidden, "forbidden"},
		{identity.ErrHeld, "held"}, {identity.ErrPaused, "paused"}, {identity.ErrLocked, "locked"}, {errRate, "rate"},
	} {
		if errors.Is(err, known.sentinel) {
			return known.reason
		}
	}
	e := refusalOf(err)
	if e.Type != "" {
		return string(e.Type)
	}
	return strconv.Itoa(e.Status)
}
