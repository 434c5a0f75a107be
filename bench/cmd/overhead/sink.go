package main

import (
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/ostiary/ostiary/internal/loopback"
)

// sink takes what is exported over OTLP, and looks at nothing of it.
type sink struct {
	address string
	taken   atomic.Int64
}

func takeTraces() (*sink, func(), error) {
	address, err := loopback.FreeAddress()
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	s := &sink{address: address}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		s.taken.Add(1)
		return stream.SendMsg(&emptypb.Empty{})
	}))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it ends when it is told to
	}()
	return s, func() {
		server.Stop()
		<-served
	}, nil
}
