package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Protocol is how a server is asked.
type Protocol string

const (
	GRPC Protocol = "grpc"
	HTTP Protocol = "http" // JSON over HTTP/1.1, one connection a worker
)

// method is one call of openfga.v1 in both protocols.
type method struct {
	name   string // of the gRPC method
	path   string // of the HTTP resource below the store; absolute when it begins with a slash
	stream bool
}

var (
	methodCreateStore = &method{name: "CreateStore", path: "/stores"}
	methodWriteModel  = &method{name: "WriteAuthorizationModel", path: "authorization-models"}
	methodWrite       = &method{name: "Write", path: "write"}
	methodCheck       = &method{name: "Check", path: "check"}
	methodBatchCheck  = &method{name: "BatchCheck", path: "batch-check"}
	methodListObjects = &method{name: "ListObjects", path: "list-objects"}
	methodStreamed    = &method{name: "StreamedListObjects", path: "streamed-list-objects", stream: true}
	methodListUsers   = &method{name: "ListUsers", path: "list-users"}
)

func (m *method) fullName() string { return "/openfga.v1.OpenFGAService/" + m.name }

func (m *method) url(store string) string {
	if m.path[0] == '/' {
		return m.path
	}
	return "/stores/" + url.PathEscape(store) + "/" + m.path
}

// request is one call, encoded to the last byte, so that sending it costs the generator as little as
// can be. It is used any number of times, by any number of goroutines.
type request struct {
	method *method
	bytes  []byte // gRPC: the message. HTTP: the request with its head.
	items  int    // questions or tuples in it; zero: as many as the answer has results
	part   int    // the part of a mixed load that it belongs to
}

// connection carries calls, one at a time where it is HTTP, and any number at once where it is gRPC.
type connection interface {
	// call sends a request and returns the bytes of the answer: a message of gRPC, or the body of HTTP.
	// A streamed answer comes as its messages one after the other, each handed to message.
	call(ctx context.Context, r *request, message func(answer []byte)) error
	close() error
}

// Target is a server to ask.
type Target struct {
	Address  string // host:port
	Protocol Protocol
	// Key is the pre-shared key to authenticate with, if any.
	Key string
	// TLS says how the server is trusted. Nil: it is asked in plain text.
	TLS *tls.Config
}

func (t Target) dial() (connection, error) {
	switch t.Protocol {
	case GRPC:
		return dialGRPC(t)
	case HTTP:
		return dialHTTP(t)
	}
	return nil, fmt.Errorf("protocol %q is neither %s nor %s", t.Protocol, GRPC, HTTP)
}

// storeScoped is every request message that names a store.
type storeScoped interface {
	proto.Message
	GetStoreId() string
}

// encode makes a request of a message.
func (t Target) encode(m *method, message proto.Message, items int) (*request, error) {
	store := ""
	if scoped, ok := message.(storeScoped); ok {
		store = scoped.GetStoreId()
	}
	r := &request{method: m, items: items}
	var err error
	if t.Protocol == GRPC {
		r.bytes, err = proto.Marshal(message)
	} else {
		var body []byte
		clearStore(message) // the path names it
		if body, err = (protojson.MarshalOptions{UseProtoNames: true}).Marshal(message); err == nil {
			r.bytes = t.httpRequest(m.url(store), body)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.name, err)
	}
	return r, nil
}

func clearStore(message proto.Message) {
	reflected := message.ProtoReflect()
	if field := reflected.Descriptor().Fields().ByName("store_id"); field != nil {
		reflected.Clear(field)
	}
}

// decode reads a whole answer.
func (t Target) decode(answer []byte, into proto.Message) error {
	if t.Protocol == GRPC {
		return proto.Unmarshal(answer, into)
	}
	return (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(answer, into)
}

// roundTrip makes one call outside a measurement.
func (t Target) roundTrip(ctx context.Context, c connection, m *method, message, answer proto.Message) error {
	r, err := t.encode(m, message, 1)
	if err != nil {
		return err
	}
	var decodeErr error
	err = c.call(ctx, r, func(data []byte) { decodeErr = t.decode(data, answer) })
	if err != nil {
		return fmt.Errorf("%s at %s: %w", m.name, t.Address, err)
	}
	if decodeErr != nil {
		return fmt.Errorf("decode the answer of %s at %s: %w", m.name, t.Address, decodeErr)
	}
	return nil
}

// errorName returns the name that OpenFGA's numbers have, or "".
func errorName(code int32) string {
	for _, names := range []map[int32]string{
		openfgav1.ErrorCode_name, openfgav1.InternalErrorCode_name, openfgav1.NotFoundErrorCode_name,
		openfgav1.AuthErrorCode_name, openfgav1.UnprocessableContentErrorCode_name,
	} {
		if name, ok := names[code]; ok {
			return name
		}
	}
	return ""
}
