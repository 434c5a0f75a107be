package api

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// watchInterval is how often a health watch looks again.
const watchInterval = time.Second

// health answers grpc.health.v1 for the whole server, for each service, and for the role of the node in its
// cluster: a service named ostiary.leader, ostiary.follower or ostiary.learner is served by a node that serves
// and has that role. It needs no authentication.
type health struct {
	healthv1.UnsafeHealthServer
	server   *Server
	services []string     // that the server has, by name
	watches  atomic.Int64 // open ones
}

func (s *Server) serving() bool {
	select {
	case <-s.draining:
		return false
	default:
		return s.backend.Ready() == nil
	}
}

// roleServices names the roles that a node may have, as health knows them.
var roleServices = []string{"ostiary.leader", "ostiary.follower", "ostiary.learner"}

func (h *health) status(service string) (healthv1.HealthCheckResponse_ServingStatus, bool) {
	asRole := true
	switch {
	case slices.Contains(roleServices, service):
		role := "leader"
		if h.server.role != nil {
			role = h.server.role()
		}
		asRole = service == "ostiary."+role
	case service != "" && !slices.Contains(h.services, service):
		return healthv1.HealthCheckResponse_SERVICE_UNKNOWN, false
	}
	if asRole && h.server.serving() {
		return healthv1.HealthCheckResponse_SERVING, true
	}
	return healthv1.HealthCheckResponse_NOT_SERVING, true
}

func (h *health) Check(_ context.Context, req *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	st, known := h.status(req.GetService())
	if !known {
		return nil, notServed(req)
	}
	return &healthv1.HealthCheckResponse{Status: st}, nil
}

// List returns the status of all that Check knows.
func (h *health) List(context.Context, *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	all := map[string]*healthv1.HealthCheckResponse{}
	for _, service := range slices.Concat([]string{""}, h.services, roleServices) {
		st, _ := h.status(service)
		all[service] = &healthv1.HealthCheckResponse{Status: st}
	}
	return &healthv1.HealthListResponse{Statuses: all}, nil
}

func notServed(req *healthv1.HealthCheckRequest) error {
	return status.Errorf(codes.NotFound, "service %.100q is not served here", req.GetService())
}

// maxHealthWatches bounds the health watches at once: they end only with their clients, which need not
// say who they are.
const maxHealthWatches = 100

// Watch sends the status, and again whenever it has changed, until the client leaves or the server
// stops. Unlike grpc.health.v1 has it, a service that is not served here is refused.
func (h *health) Watch(req *healthv1.HealthCheckRequest, stream grpc.ServerStreamingServer[healthv1.HealthCheckResponse]) error {
	if _, known := h.status(req.GetService()); !known {
		return notServed(req)
	}
	defer h.watches.Add(-1)
	if h.watches.Add(1) > maxHealthWatches {
		return status.Errorf(codes.ResourceExhausted, "%d health watches are open already: ask with Check", maxHealthWatches)
	}
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	last := healthv1.HealthCheckResponse_UNKNOWN
	for {
		if st, _ := h.status(req.GetService()); st != last {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: st}); err != nil {
				return err
			}
			last = st
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-h.server.draining:
			if last != healthv1.HealthCheckResponse_NOT_SERVING {
				return stream.Send(&healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING})
			}
			return nil
		case <-ticker.C:
		}
	}
}

// serveHealth answers GET /healthz.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request, _ map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	if !s.serving() {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(`{"status":"NOT_SERVING"}`))
		return
	}
	w.Write([]byte(`{"status":"SERVING"}`))
}
