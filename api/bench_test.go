package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// BenchmarkCheck asks a denied check through three nested groups, with client and server in one process:
// for comparison between commits on one machine, and for nothing else.
func BenchmarkCheck(b *testing.B) {
	h := start(b)
	c := h.surfaces()[0]
	store, model := c.newStore(b, testModel)
	c.write(b, store, "doc:1#viewer@group:1#member", "group:1#member@group:2#member", "group:2#member@group:3#member", "group:3#member@user:ann")
	b.Run("surface=grpc", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		client := openfgav1.NewOpenFGAServiceClient(h.conn)
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
