package scim

import (
	"net/http"

	"github.com/ostiary/ostiary/scim/scimerr"
)

// spend counts n requests of a connection, or refuses with 429 when it has asked too often.
func (h *Handler) spend(connection string, n int) error {
	if h.rates.Take(connection, n, h.o.Now()) > 0 {
		return scimerr.New(http.StatusTooManyRequests, "", "more than %d requests a second: wait", h.o.RequestsPerSecond)
	}
	return nil
}
