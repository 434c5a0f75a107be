package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// maxBodiesDecoding bounds the bodies of HTTP requests that become messages at once. Meanwhile one can
// take forty times its size in memory.
const maxBodiesDecoding = 16

// headerRefused marks a request whose body was dropped since its caller may not ask. Of the metadata that
// reaches gRPC no HTTP client can set it; a gRPC client that does refuses itself.
const headerRefused = "ostiary-refused"

// withBody authenticates the caller of a request that has a body before the body is read, reads it within
// its bound, and passes the request on when the body may be decoded. A request that is refused goes on
// without its body, for the interceptors to refuse in the words of its surface.
func (s *Server) withBody(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, err := s.authenticate(r.Context(), r.Header.Values("Authorization"))
	if err != nil {
		io.CopyN(io.Discard, r.Body, s.limits.MaxBodyBytes) // most clients read an answer once they have sent all
		r.Body, r.ContentLength = http.NoBody, 0
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), refusedKey{}, true)))
		return
	}
	bounded := &boundedBody{ReadCloser: &flatBody{ReadCloser: r.Body}, left: s.limits.MaxBodyBytes}
	data, err := io.ReadAll(bounded)
	if bounded.exceeded {
		writeTooLarge(w, r.Body, s.limits.MaxBodyBytes)
		return
	}
	r.Body = newWholeBody(data)
	if err != nil {
		r.Body = io.NopCloser(io.MultiReader(r.Body, failingReader{err}))
	}
	release, err := s.decodingTurn(r.Context())
	if err != nil {
		st, _ := statusOf(err, "")
		httpStatus, name, message := wireError(st)
		writeError(w, httpStatus, name, message)
		return
	}
	defer release()
	next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, decodedKey{}, release)))
}

// decodingTurn waits until one more body may be decoded. The function it returns ends that, and may be
// called more than once.
func (s *Server) decodingTurn(ctx context.Context) (release func(), err error) {
	select {
	case s.decoding <- struct{}{}:
		return sync.OnceFunc(func() { <-s.decoding }), nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.RequestTimeout)
	defer cancel()
	select {
	case s.decoding <- struct{}{}:
		return sync.OnceFunc(func() { <-s.decoding }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Keys of what the context of an HTTP request carries to the connection in memory.
type (
	refusedKey struct{} // true: the caller may not ask
	decodedKey struct{} // a function to call once the body is a message
)

// failingReader fails with an error.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// boundedBody fails once more than its bound was read.
type boundedBody struct {
	io.ReadCloser
	left     int64
	exceeded bool
}

var errBodyTooLarge = errors.New("request body is too large")

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.exceeded {
		return 0, errBodyTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		b.exceeded = true
		return int(b.left), errBodyTooLarge
	}
	b.left -= int64(n)
	return n, err
}

// leaveHTTP is called where a request of HTTP goes over to its handler: its body is a message by then.
func leaveHTTP(ctx context.Context) context.Context {
	if release, ok := ctx.Value(decodedKey{}).(func()); ok {
		release()
	}
	if ctx.Value(refusedKey{}) != nil {
		ctx = metadata.AppendToOutgoingContext(ctx, headerRefused, "true")
	}
	return ctx
}

func (s *Server) leaveHTTPStream(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return stream(s.handCaller(leaveHTTP(ctx)), desc, conn, method, opts...)
}
