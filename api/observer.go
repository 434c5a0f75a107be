package api

import (
	"context"
	"log/slog"
	"slices"
	"time"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// Observer is told of every request but health checks. It is called on the goroutine of the request, so
// it should be quick; it is safe for concurrent use.
type Observer interface {
	// Answered tells of a request whose answer is ready to be sent, or, of a stream, that has ended. method
	// is the full name of gRPC; consistency says how new its view had to be, and is empty where callers do not choose
	// (ObservedMethods) or none was taken; code is "ok", or the name of the error as HTTP has it; took begins where the
	// request is decoded.
	Answered(method, consistency, code string, took time.Duration)
	// Checked tells of a check that was decided: one of Results.
	Checked(result string)
	// Read tells how many tuples a question has read, of one of Kinds.
	Read(kind string, tuples int)
	// Walked tells how a check went about it.
	Walked(depth int, bothEnded bool)
}

// Methods returns the full names of the methods of openfga.v1, authzen.v1 and ostiary.v1, sorted.
func Methods() []string {
	var all []string
	for _, service := range []*grpc.ServiceDesc{
		&openfgav1.OpenFGAService_ServiceDesc, &authzenv1.AuthZenService_ServiceDesc, &ostiaryv1.OstiaryService_ServiceDesc,
		&ostiaryv1.TupleService_ServiceDesc,
		&ostiaryv1.IdentityService_ServiceDesc, &ostiaryv1.SessionService_ServiceDesc,
		&ostiaryv1.StreamService_ServiceDesc,
		&ostiaryv1.SigningKeyService_ServiceDesc, &ostiaryv1.OutboxService_ServiceDesc, &ostiaryv1.AccessService_ServiceDesc,
		&ostiaryv1.AuditService_ServiceDesc, &ostiaryv1.BlastRadiusService_ServiceDesc,
		&ostiaryv1.StoreAdminService_ServiceDesc,
	} {
		for _, m := range service.Methods {
			all = append(all, "/"+service.ServiceName+"/"+m.MethodName)
		}
		for _, m := range service.Streams {
			all = append(all, "/"+service.ServiceName+"/"+m.StreamName)
		}
	}
	slices.Sort(all)
	return all
}

// answered tells who watches of a request that ended with an error for the wire, or nil.
func (s *Server) answered(c *call, method string, begun time.Time, err error) {
	took := time.Since(begun)
	slow := s.slowerThan > 0 && took >= s.slowerThan && !unboundedMethods[method]
	if s.observer == nil && c.span == nil && !slow || isHealth(method) {
		return
	}
	code := "ok"
	if err != nil {
		_, code, _ = wireError(status.Convert(err))
	}
	if s.observer != nil {
		fresh := ""
		if slices.Contains(consistentMethods, method) {
			fresh = c.consistency.String()
		}
		s.observer.Answered(method, fresh, code, took)
	}
	if slow {
		s.slow.write(context.Background(), s.logger, slog.LevelWarn, textSlow, "request_id", c.id(), "method", method, "code", code,
			"duration", took, "store", c.storeID, "trace_id", c.span.TraceID())
	}
	c.endTrace(code)
}
