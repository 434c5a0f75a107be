package api

import (
	"context"
	"fmt"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// direct is what the gateway calls: unary methods at once, on the goroutine of the HTTP request, with
// everything that a gRPC request passes; streams over a connection in memory. A connection for all would
// cost two passes through HTTP/2 a request, and its bound on streams would make slow requests of some
// clients stall those of all.
type direct struct {
	grpc.ClientConnInterface // for streams

	server  *Server
	methods map[string]grpc.UnaryHandler // by full name
}

// newDirect knows every unary method of the services.
func (s *Server) newDirect(streams grpc.ClientConnInterface) *direct {
	d := &direct{ClientConnInterface: streams, server: s, methods: map[string]grpc.UnaryHandler{}}
	d.add(&openfgav1.OpenFGAService_ServiceDesc, s)
	d.add(&authzenv1.AuthZenService_ServiceDesc, &authzenService{server: s})
	d.add(&ostiaryv1.OstiaryService_ServiceDesc, &ostiaryService{server: s})
	d.add(&ostiaryv1.IdentityService_ServiceDesc, &identityService{server: s})
	d.add(&ostiaryv1.SessionService_ServiceDesc, &sessionService{server: s})
	d.add(&ostiaryv1.TupleService_ServiceDesc, &tupleService{server: s})
	d.add(&ostiaryv1.OutboxService_ServiceDesc, &outboxService{server: s})
	d.add(&ostiaryv1.StreamService_ServiceDesc, &streamService{server: s})
	d.add(&ostiaryv1.SigningKeyService_ServiceDesc, &signingKeyService{server: s})
	d.add(&ostiaryv1.StoreAdminService_ServiceDesc, &storeAdminService{server: s})
	d.add(&ostiaryv1.AccessService_ServiceDesc, &accessService{server: s})
	d.add(&ostiaryv1.AuditService_ServiceDesc, &auditService{server: s})
	d.add(&ostiaryv1.BlastRadiusService_ServiceDesc, &blastRadiusService{server: s})
	return d
}

func (d *direct) add(service *grpc.ServiceDesc, impl any) {
	for _, m := range service.Methods {
		d.methods["/"+service.ServiceName+"/"+m.MethodName] = func(ctx context.Context, req any) (any, error) {
			// The generated handler makes a message of its type and has it filled.
			fill := func(into any) error {
				proto.Merge(into.(proto.Message), req.(proto.Message))
				return nil
			}
			return m.Handler(impl, ctx, fill, nil)
		}
	}
	// The methods that are asked most need no second message.
	if s, ok := impl.(*Server); ok {
		d.methods[openfgav1.OpenFGAService_Check_FullMethodName] = s.serveCheck
		d.methods[openfgav1.OpenFGAService_BatchCheck_FullMethodName] = s.serveBatchCheck
		d.methods[openfgav1.OpenFGAService_ListObjects_FullMethodName] = s.serveListObjects
	}
}

func (s *Server) serveCheck(ctx context.Context, req any) (any, error) {
	return s.Check(ctx, req.(*openfgav1.CheckRequest))
}

func (s *Server) serveBatchCheck(ctx context.Context, req any) (any, error) {
	return s.BatchCheck(ctx, req.(*openfgav1.BatchCheckRequest))
}

func (s *Server) serveListObjects(ctx context.Context, req any) (any, error) {
	return s.ListObjects(ctx, req.(*openfgav1.ListObjectsRequest))
}

// Invoke answers a unary request of the gateway.
func (d *direct) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	handler, ok := d.methods[method]
	if !ok {
		return status.Errorf(codes.Unimplemented, "unknown method %s", method)
	}
	ctx = leaveHTTP(ctx)
	if size := proto.Size(args.(proto.Message)); size > d.server.limits.MaxMessageBytes {
		return status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)",
			size, d.server.limits.MaxMessageBytes) // as over gRPC: JSON can be smaller than its message
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	resp, c, err := d.server.unary(ctx, sentIn(md), method, args, handler)
	for _, o := range opts {
		if h, ok := o.(grpc.HeaderCallOption); ok {
			*h.HeaderAddr = d.server.metadata(c)
		}
	}
	if err != nil {
		return err
	}
	message, ok := resp.(proto.Message)
	if !ok {
		return fmt.Errorf("method %s answered with a %T", method, resp)
	}
	proto.Merge(reply.(proto.Message), message)
	return nil
}
