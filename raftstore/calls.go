package raftstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary"
)

// Calls between nodes: gRPC on the cluster's port, with messages in JSON, but for a mutation that is
// passed on, which travels as it will stand in the log. The port has judged who calls: a member of this
// cluster, or an operator with a certificate of it.

const callService = "ostiary.cluster"

// nothing is the message without content.
type nothing struct{}

// proposal is a mutation that is passed on to the leader.
type proposal struct {
	nanos   int64 // the proposer's time
	command []byte
}

// indexAnswer is the answer to a question for the read index.
type indexAnswer struct {
	Index uint64 `json:"index"`
}

// answer is what every call answers: a value, or what went wrong.
type answer[A any] struct {
	Value *A     `json:"value,omitempty"`
	Fault *fault `json:"fault,omitempty"`
}

// fault is an error on its way to another node: its text, and which of our sentinels it is.
type fault struct {
	Message      string                     `json:"message"`
	Sentinels    []string                   `json:"sentinels,omitempty"`
	Tuple        *tupleFault                `json:"tuple,omitempty"`
	Precondition *ostiary.PreconditionError `json:"precondition,omitempty"`
}

type tupleFault struct {
	Tuple              ostiary.Tuple
	Part, Text, Reason string
	Sentinel           string
}

func faultOf(err error) *fault {
	f := &fault{Message: err.Error()}
	for _, sentinel := range ostiary.Sentinels() {
		if errors.Is(err, sentinel) {
			f.Sentinels = append(f.Sentinels, sentinel.Error())
		}
	}
	var tuple *ostiary.TupleError
	if errors.As(err, &tuple) {
		f.Tuple = &tupleFault{Tuple: tuple.Tuple, Part: tuple.Part, Text: tuple.Text, Reason: tuple.Reason}
		if tuple.Err != nil {
			f.Tuple.Sentinel = tuple.Err.Error()
		}
	}
	errors.As(err, &f.Precondition)
	return f
}

// err is the inverse of faultOf, as far as callers can tell.
func (f *fault) err() error {
	e := &remoteError{message: f.Message}
	for _, text := range f.Sentinels {
		if sentinel := sentinelOf(text); sentinel != nil {
			e.is = append(e.is, sentinel)
		}
	}
	if t := f.Tuple; t != nil {
		e.is = append(e.is, &ostiary.TupleError{Tuple: t.Tuple, Part: t.Part, Text: t.Text, Reason: t.Reason, Err: sentinelOf(t.Sentinel)})
	}
	if f.Precondition != nil {
		e.is = append(e.is, f.Precondition)
	}
	return e
}

func sentinelOf(text string) error {
	for _, sentinel := range ostiary.Sentinels() {
		if sentinel.Error() == text {
			return sentinel
		}
	}
	return nil
}

// remoteError is an error of another node.
type remoteError struct {
	message string
	is      []error
}

func (e *remoteError) Error() string   { return e.message }
func (e *remoteError) Unwrap() []error { return e.is }

// callCodec turns messages into bytes and back.
type callCodec struct{}

func (callCodec) Name() string { return "ostiary" }

func (callCodec) Marshal(message any) ([]byte, error) {
	if p, ok := message.(*proposal); ok {
		return append(binary.BigEndian.AppendUint64(nil, uint64(p.nanos)), p.command...), nil
	}
	return json.Marshal(message)
}

func (callCodec) Unmarshal(data []byte, message any) error {
	p, ok := message.(*proposal)
	if !ok {
		return json.Unmarshal(data, message)
	}
	if len(data) < 8 {
		return fmt.Errorf("a proposal of %d bytes", len(data))
	}
	p.nanos = int64(binary.BigEndian.Uint64(data))
	p.command = append([]byte(nil), data[8:]...)
	return nil
}

// method makes a gRPC method of a function.
func method[Q, A any](name string, f func(context.Context, *Q) (*A, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var question Q
			if err := decode(&question); err != nil {
				return nil, err
			}
			value, err := f(ctx, &question)
			if err != nil {
				return &answer[A]{Fault: faultOf(err)}, nil
			}
			return &answer[A]{Value: value}, nil
		},
	}
}

// callServer returns a server of the given methods.
func callServer(methods ...grpc.MethodDesc) *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(insecure.NewCredentials()), // the port has made the connection safe already
		grpc.ForceServerCodec(callCodec{}),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(math.MaxInt32), // maxMutationBytes is judged by Propose
	)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: callService, HandlerType: (*any)(nil), Methods: methods}, nil)
	return server
}

// call asks another node. An error that is not a *remoteError came up on the way: whether the question
// arrived is then unknown.
func call[A any](ctx context.Context, conn *grpc.ClientConn, name string, question any) (*A, error) {
	var got answer[A]
	if err := conn.Invoke(ctx, "/"+callService+"/"+name, question, &got); err != nil {
		return nil, fmt.Errorf("call %s of node %s: %w", name, conn.Target(), err)
	}
	if got.Fault != nil {
		return nil, got.Fault.err()
	}
	if got.Value == nil {
		return nil, fmt.Errorf("call %s of node %s: the answer is empty", name, conn.Target())
	}
	return got.Value, nil
}
