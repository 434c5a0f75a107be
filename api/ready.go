package api

import (
	"encoding/json"
	"errors"
	"net/http"
)

// readiness is the answer of /readyz. It needs no authentication, so it names no place and no cause.
type readiness struct {
	Status string `json:"status"` // SERVING or NOT_SERVING
	// Writes is ACCEPTED, or REFUSED while the disk is short of space: reads go on, and so do deletes.
	Writes string `json:"writes"`
	Reason string `json:"reason,omitempty"`
}

// readiness says whether questions and writes are answered.
func (s *Server) readiness() readiness {
	r := readiness{Status: "SERVING", Writes: "ACCEPTED"}
	select {
	case <-s.draining:
		return readiness{Status: "NOT_SERVING", Writes: "REFUSED", Reason: "the server is shutting down"}
	default:
	}
	if err := s.backend.Ready(); err != nil {
		reason := "the node does not serve now: its log says why"
		if told := (interface{ Reason() string })(nil); errors.As(err, &told) {
			reason = told.Reason()
		}
		return readiness{Status: "NOT_SERVING", Writes: "REFUSED", Reason: reason}
	}
	if s.writable != nil {
		if err := s.writable(); err != nil {
			r.Writes, r.Reason = "REFUSED", "the disk is short of space: only what takes away is accepted"
		}
	}
	return r
}

// serveReady answers GET /readyz: 200 while questions are answered, also when writes are not, since a
// node that is taken out of service for a full disk would deny everybody.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request, _ map[string]string) {
	r := s.readiness()
	w.Header().Set("Content-Type", "application/json")
	if r.Status != "SERVING" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(r) // fails only when the client is gone
}
