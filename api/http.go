package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/tracing"
)

// loopBytes is the buffer of each direction of the connection in memory.
const loopBytes = 1 << 20

// newLoopback serves grpcServer on a listener in memory and returns a connection to it, for streams. The returned
// function closes the connection and waits for the serving goroutine; call it once the server stopped.
func (s *Server) newLoopback(grpcServer *grpc.Server) (*grpc.ClientConn, func(), error) {
	listener := bufconn.Listen(loopBytes)
	conn, err := grpc.NewClient("passthrough:loopback",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithStreamInterceptor(s.leaveHTTPStream),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)), // the server bounds its answers itself
	)
	if err != nil {
		return nil, nil, fmt.Errorf("connect the HTTP surface to gRPC: %w", err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := describe("serve the HTTP surface", grpcServer.Serve(listener)); err != nil {
			s.logger.Error("loopback ended", "error", err)
		}
	}()
	return conn, func() {
		conn.Close()
		<-served
	}, nil
}

// gatewayJSON is how the gateway reads and writes messages.
var gatewayJSON = &runtime.JSONPb{
	MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: true},
	UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
}

// newGateway returns the handler of the HTTP surface. Streams go over the connection.
func (s *Server) newGateway(streams *grpc.ClientConn) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, gatewayJSON),
		runtime.WithIncomingHeaderMatcher(incomingHeader),
		runtime.WithOutgoingHeaderMatcher(outgoingHeader),
		runtime.WithForwardResponseOption(setStatus),
		runtime.WithErrorHandler(writeGRPCError),
		runtime.WithStreamErrorHandler(streamStatus),
		runtime.WithRoutingErrorHandler(writeRoutingError),
		runtime.WithDisableHTTPMethodOverride(),
	)
	conn := s.newDirect(streams)
	ctx := context.Background() // the connection outlives every request; Serve closes it
	if err := openfgav1.RegisterOpenFGAServiceHandlerClient(ctx, mux, openfgav1.NewOpenFGAServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register openfga.v1 over HTTP: %w", err)
	}
	if err := authzenv1.RegisterAuthZenServiceHandlerClient(ctx, mux, authzenv1.NewAuthZenServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register authzen.v1 over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterOstiaryServiceHandlerClient(ctx, mux, ostiaryv1.NewOstiaryServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1 over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterIdentityServiceHandlerClient(ctx, mux, ostiaryv1.NewIdentityServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's IdentityService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterTupleServiceHandlerClient(ctx, mux, ostiaryv1.NewTupleServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's TupleService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterSessionServiceHandlerClient(ctx, mux, ostiaryv1.NewSessionServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's SessionService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterSigningKeyServiceHandlerClient(ctx, mux, ostiaryv1.NewSigningKeyServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's SigningKeyService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterOutboxServiceHandlerClient(ctx, mux, ostiaryv1.NewOutboxServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's OutboxService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterStreamServiceHandlerClient(ctx, mux, ostiaryv1.NewStreamServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's StreamService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterStoreAdminServiceHandlerClient(ctx, mux, ostiaryv1.NewStoreAdminServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's StoreAdminService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterAccessServiceHandlerClient(ctx, mux, ostiaryv1.NewAccessServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's AccessService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterAuditServiceHandlerClient(ctx, mux, ostiaryv1.NewAuditServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's AuditService over HTTP: %w", err)
	}
	if err := ostiaryv1.RegisterBlastRadiusServiceHandlerClient(ctx, mux, ostiaryv1.NewBlastRadiusServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("register ostiary.v1's BlastRadiusService over HTTP: %w", err)
	}
	if err := mux.HandlePath(http.MethodGet, "/healthz", s.serveHealth); err != nil {
		return nil, fmt.Errorf("register /healthz: %w", err)
	}
	if err := mux.HandlePath(http.MethodGet, "/readyz", s.serveReady); err != nil {
		return nil, fmt.Errorf("register /readyz: %w", err)
	}
	return s.mounted(s.cors.wrap(s.known(s.front(s.boundAnswer(s.hot(mux)))))), nil
}

// incomingHeader picks the request headers that become metadata. The gateway passes authorization on by
// itself.
func incomingHeader(key string) (string, bool) {
	switch key = strings.ToLower(key); key {
	case headerRequestID, headerAtLeast, headerAsOf, headerContinue, headerModel, headerOnce, tracing.HeaderParent, tracing.HeaderState:
		return key, true
	}
	return "", false
}

// outgoingHeader picks the metadata that become response headers. The request id is among them from the
// start.
func outgoingHeader(key string) (string, bool) {
	switch key {
	case headerRevision, headerToken, headerTruncated, headerContinue, headerReason, headerStore, headerModel, headerRetry:
		return http.CanonicalHeaderKey(key), true
	}
	return "", false
}

// setStatus answers 201 where something was made, and 204 where there is nothing to say.
func setStatus(_ context.Context, w http.ResponseWriter, m proto.Message) error {
	switch m.(type) {
	case *openfgav1.CreateStoreResponse, *openfgav1.WriteAuthorizationModelResponse:
		w.WriteHeader(http.StatusCreated)
	case *openfgav1.DeleteStoreResponse, *openfgav1.WriteAssertionsResponse:
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

func writeGRPCError(
	ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error,
) {
	if md, ok := runtime.ServerMetadataFromContext(ctx); ok {
		copyHeaders(w.Header(), md.HeaderMD)
	}
	httpStatus, name, message := wireError(status.Convert(err))
	if w.Header().Get(headerRetry) != "" {
		httpStatus = http.StatusTooManyRequests
	}
	writeError(w, httpStatus, name, message)
}

func copyHeaders(to http.Header, from metadata.MD) {
	for key, values := range from {
		if name, ok := outgoingHeader(key); ok {
			to[name] = values
		}
	}
}

// streamStatus is the status that ends a stream over HTTP. OpenFGA's numbers do not stand there.
func streamStatus(_ context.Context, err error) *status.Status {
	st := status.Convert(err)
	return status.New(canonicalCode(st.Code()), innermost(st.Message()))
}

func writeRoutingError(
	_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, httpStatus int,
) {
	switch httpStatus {
	case http.StatusNotFound:
		writeError(w, http.StatusNotFound, openfgav1.NotFoundErrorCode_undefined_endpoint.String(), "Not Found")
	case http.StatusMethodNotAllowed:
		writeError(w, http.StatusNotFound, openfgav1.NotFoundErrorCode_unimplemented.String(), "Method Not Allowed")
	default:
		writeError(w, http.StatusBadRequest, openfgav1.ErrorCode_validation_error.String(), "malformed path")
	}
}

// writeError writes OpenFGA's body for an error.
func writeError(w http.ResponseWriter, httpStatus int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus)
	body := json.NewEncoder(w)
	body.SetEscapeHTML(false)
	body.Encode(struct { // fails only when the client is gone, and nothing is left to tell it
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, message})
}

// maxDiscardBytes bounds how much of a body that is too large is read and dropped. Most clients look for
// an answer only once they have sent everything; one that was cut off while sending would find a broken
// connection in its place.
const maxDiscardBytes = 64 << 20

func writeTooLarge(w http.ResponseWriter, body io.Reader, limit int64) {
	io.CopyN(io.Discard, body, maxDiscardBytes) // an error ends the reading all the same
	httpStatus, name, _ := wireError(status.New(codes.ResourceExhausted, ""))
	w.Header().Set("Connection", "close")
	writeError(w, httpStatus, name, fmt.Sprintf("request body is larger than %d bytes", limit))
}

// front gives a request its id, and refuses it when its body is larger than Limits.MaxBodyBytes: at once
// where the length is announced, and otherwise as soon as it shows.
func (s *Server) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestIDFrom(r.Header.Values(headerRequestID))
		r.Header.Set(headerRequestID, id)
		w.Header().Set(headerRequestID, id)
		if r.ContentLength > s.limits.MaxBodyBytes {
			writeTooLarge(w, r.Body, s.limits.MaxBodyBytes)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			s.withBody(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answerGrace is what a client has to take an answer once the request has used up its time.
const answerGrace = 5 * time.Second

// boundAnswer ends the answer to a client who does not take it.
func (s *Server) boundAnswer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		until := time.Now().Add(s.limits.RequestTimeout + answerGrace)
		if err := http.NewResponseController(w).SetWriteDeadline(until); err != nil {
			s.logger.Warn("answer not bounded in time", "error", err)
		}
		next.ServeHTTP(w, r)
	})
}
