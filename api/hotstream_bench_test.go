package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

// BenchmarkStreamedListObjects streams a list of 4,000 objects with ids of 180 bytes, over gRPC, over HTTP, and over
// HTTP through the gateway; with client and server in one process.
func BenchmarkStreamedListObjects(b *testing.B) {
	const size = 4_000
	h := start(b)
	store, _ := h.surfaces()[0].newStore(b, testModel)
	pad := strings.Repeat("x", 180)
	h.fill(b, store, size, func(i int) ostiary.Tuple {
		return ostiary.Tuple{
			Object: ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("%s%d", pad, i)}, Relation: "viewer",
			Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
		}
	})
	overHTTP := func(header string) func() (int, error) {
		body := marshal(b, fields{"type": "doc", "relation": "viewer", "user": "user:ann"})
		return func() (int, error) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, fmt.Sprintf("%s/stores/%s/streamed-list-objects", h.base, store), bytes.NewReader(body))
			if err != nil {
				return 0, err
			}
			if header != "" {
				req.Header.Set(header, "100S")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return 0, err
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			return bytes.Count(text, []byte("\n")), err
		}
	}
	b.Cleanup(http.DefaultClient.CloseIdleConnections)
	for _, surface := range []struct {
		name string
		list func() (int, error)
	}{
		{"grpc", func() (n int, err error) {
			stream, err := openfgav1.NewOpenFGAServiceClient(h.conn).StreamedListObjects(b.Context(),
				&openfgav1.StreamedListObjectsRequest{StoreId: store, Type: "doc", Relation: "viewer", User: "user:ann"})
			for ; err == nil; n++ {
				_, err = stream.Recv()
			}
			if errors.Is(err, io.EOF) {
				return n - 1, nil
			}
			return n, err
		}},
		{"http", overHTTP("")},
		{"gateway", overHTTP("Grpc-Timeout")},
	} {
		b.Run("surface="+surface.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if n, err := surface.list(); err != nil || n != size {
					b.Fatalf("got %d objects, %v", n, err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
