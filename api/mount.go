package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/tracing"
)

// mountedTimeout bounds a request to a mounted handler, with the reading of its body.
const mountedTimeout = time.Minute

// mount is a handler of some paths of the HTTP surface.
type mount struct {
	takes   func(path string) bool
	handler http.Handler
}

// Mount lets a handler answer below a prefix of the HTTP surface. Call it before Serve. The handler
// authenticates its requests itself, and bounds their bodies; requests come with a request id in
// x-request-id and end after a minute. Browsers of other origins are not let in.
func (s *Server) Mount(prefix string, h http.Handler) {
	s.MountWhere(func(path string) bool { return strings.HasPrefix(path, prefix) }, h)
}

// MountWhere is Mount for the paths that takes reports true of, for those that lie among others.
func (s *Server) MountWhere(takes func(path string) bool, h http.Handler) {
	s.mounts = append(s.mounts, mount{takes, h})
}

// Mounted returns what tells the paths of each mounted handler.
func (s *Server) Mounted() []func(path string) bool {
	all := make([]func(string) bool, len(s.mounts))
	for i, m := range s.mounts {
		all[i] = m.takes
	}
	return all
}

// mounted passes requests on to mounted handlers, and the others to next.
func (s *Server) mounted(next http.Handler) http.Handler {
	if len(s.mounts) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range s.mounts {
			if m.takes(r.URL.Path) {
				s.serveMounted(m.handler, w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) serveMounted(h http.Handler, w http.ResponseWriter, r *http.Request) {
	id := requestIDFrom(r.Header.Values(headerRequestID))
	r.Header.Set(headerRequestID, id)
	w.Header().Set(headerRequestID, id)
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(mountedTimeout + answerGrace)); err != nil {
		s.logger.Warn("answer not bounded in time", "error", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), mountedTimeout)
	defer cancel()
	// Who calls is not known yet: whether it is traced is not for the caller to say.
	span := s.tracer.Request("provider/"+mountedMethod(r.Method), time.Now(), nil, nil)
	defer span.End()
	span.Text(attrRequest, id)
	ctx = tracing.With(ctx, span)
	defer func() {
		if p := recover(); p != nil {
			s.failures.write(ctx, s.logger, slog.LevelError, "mounted handler panicked", "request_id", id, "panic", p, "stack", string(debug.Stack()))
			w.WriteHeader(http.StatusInternalServerError)
		}
	}()
	h.ServeHTTP(w, r.WithContext(ostiary.WithCall(ctx, auditedHTTP(r))))
}
