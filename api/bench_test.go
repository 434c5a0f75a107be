package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"syscall"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// BenchmarkCheck asks a denied check through three nested groups, with client and server in one process:
// for comparison between commits on one machine, and for nothing else.
func BenchmarkCheck(b *testing.B) {
	h := start(b)
	c := h.surfaces()[0]
	store, model := c.newStore(b, testModel)
	c.write(b, store, "doc:1#viewer@group:1#member", "group:1#member@group:2#member", "group:2#member@group:3#member", "group:3#member@user:ann")
	b.Run("surface=grpc", func(b *testing.B) {
		askChecks(b, h.conn, store, model)
	})
	b.Run("surface=http", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		body := marshal(b, fields{"tuple_key": key("doc:1#viewer@user:bob"), "authorization_model_id": model})
		url := fmt.Sprintf("%s/stores/%s/check", h.base, store)
		transport := &http.Transport{MaxIdleConnsPerHost: 64}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				resp, err := client.Post(url, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Errorf("got status %d", resp.StatusCode)
					return
				}
			}
		})
	})
}

// echo decodes a check and always denies: what the wire costs.
type echo struct {
	openfgav1.UnimplementedOpenFGAServiceServer
}

func (echo) Check(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	return &openfgav1.CheckResponse{}, nil
}

// BenchmarkSettings asks an echo with settings of gRPC's server, among them those of Server, and reports
// the CPU of client and server together.
func BenchmarkSettings(b *testing.B) {
	cores := uint32(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		name    string
		options []grpc.ServerOption
	}{
		{"workers=0", nil},
		{"workers=1xcores", []grpc.ServerOption{grpc.NumStreamWorkers(cores)}},
		{"workers=16xcores", []grpc.ServerOption{grpc.NumStreamWorkers(16 * cores)}},
		{"workers=64xcores", []grpc.ServerOption{grpc.NumStreamWorkers(64 * cores)}},
		{"workers=16xcores/write=4KiB", []grpc.ServerOption{grpc.NumStreamWorkers(16 * cores), grpc.WriteBufferSize(4 << 10)}},
		{"workers=16xcores/write=128KiB", []grpc.ServerOption{grpc.NumStreamWorkers(16 * cores), grpc.WriteBufferSize(128 << 10)}},
		{"workers=16xcores/read=128KiB", []grpc.ServerOption{grpc.NumStreamWorkers(16 * cores), grpc.ReadBufferSize(128 << 10)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := grpc.NewServer(c.options...)
			openfgav1.RegisterOpenFGAServiceServer(server, echo{})
			listener := listen(b)
			served := make(chan error, 1)
			go func() { served <- server.Serve(listener) }()
			conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				b.Fatal(err)
			}
			askChecks(b, conn, "01JZ0000000000000000000000", "01JZ0000000000000000000000")
			conn.Close()
			server.Stop()
			if err := <-served; err != nil {
				b.Error(err)
			}
		})
	}
}

// askChecks asks a denied check from eight clients per core.
func askChecks(b *testing.B, conn *grpc.ClientConn, store, model string) {
	b.ReportAllocs()
	b.SetParallelism(8)
	client := openfgav1.NewOpenFGAServiceClient(conn)
	before := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Check(b.Context(), &openfgav1.CheckRequest{
				StoreId: store, AuthorizationModelId: model,
				TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:bob", Relation: "viewer", Object: "doc:1"},
			})
			if err != nil || resp.GetAllowed() {
				b.Errorf("got %v, %v", resp, err)
				return
			}
		}
	})
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime is the CPU time of this process so far, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
