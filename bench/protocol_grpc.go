package bench

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxAnswerBytes bounds one answer: a list may be long.
const maxAnswerBytes = 256 << 20

// rawCodec passes messages through as the bytes that they are: requests are encoded before the run, and
// of most answers one field is looked at. On the wire it is protobuf as ever.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("marshal a %T: want bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("unmarshal into a %T: want bytes", v)
	}
	*into = data.Materialize()
	return nil
}

// grpcConnection is one HTTP/2 connection.
type grpcConnection struct {
	conn *grpc.ClientConn
	key  string
}

// credentials is how the server is trusted over gRPC.
func (t Target) credentials() credentials.TransportCredentials {
	if t.TLS == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(t.TLS)
}

func dialGRPC(t Target) (connection, error) {
	conn, err := grpc.NewClient("passthrough:///"+t.Address,
		grpc.WithTransportCredentials(t.credentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
		grpc.WithUserAgent("ostiary-bench"),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", t.Address, err)
	}
	return &grpcConnection{conn: conn, key: t.Key}, nil
}

func (c *grpcConnection) close() error { return c.conn.Close() }

func (c *grpcConnection) call(ctx context.Context, r *request, message func([]byte)) error {
	if c.key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.key)
	}
	if r.method.stream {
		return c.stream(ctx, r, message)
	}
	var answer []byte
	if err := c.conn.Invoke(ctx, r.method.fullName(), r.bytes, &answer); err != nil {
		return asCallError(err)
	}
	message(answer)
	return nil
}

func (c *grpcConnection) stream(ctx context.Context, r *request, message func([]byte)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, r.method.fullName())
	if err != nil {
		return asCallError(err)
	}
	if err := stream.SendMsg(r.bytes); err != nil {
		return asCallError(err)
	}
	if err := stream.CloseSend(); err != nil {
		return asCallError(err)
	}
	for {
		var answer []byte
		err := stream.RecvMsg(&answer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return asCallError(err)
		}
		message(answer)
	}
}

// callError is a refusal or a failure of a call. Its code is what reports count by.
type callError struct {
	code    string
	message string
}

func (e *callError) Error() string { return e.code + ": " + e.message }

func asCallError(err error) error {
	state := status.Convert(err)
	code := errorName(int32(state.Code()))
	if code == "" || state.Code() <= 16 { // up to 16 they are gRPC's own
		code = state.Code().String()
	}
	return &callError{code: code, message: state.Message()}
}
